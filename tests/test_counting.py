"""Crossings and visits worked out by hand."""

from __future__ import annotations

import csv
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from utils.detections import NO_TRACK, Detections
from utils.media.count_shapes import Line, Zone
from utils.media.counting import (
    Counts,
    crosses,
    distance_into_zone,
    distance_to_line,
)
from utils.media.frames import Frame, Source
from utils.media.video_tracking import CountsFile, VideoTracking

NAMES = ("car", "bus")
FILM = Source("film.mp4", "video", "film.mp4")
BLANK = np.zeros((200, 200, 3), np.uint8)
ACROSS = Line((0, 100), (200, 100))  # from left to right: forward is downwards
SQUARE = Zone(((50, 50), (150, 50), (150, 150), (50, 150)))


def frame(index: int, source: Source = FILM) -> Frame:
    """Ten frames a second."""
    return Frame(BLANK, source, index, index / 10, 10.0)


def objects(*rows: tuple) -> Detections:
    """Objects of 20×20 pixels, so with 2 pixels of slack: ``(id, x, y)``, then perhaps a class."""
    table = np.array([(*row, 0)[:4] for row in rows], np.float32).reshape(-1, 4)
    boxes = np.hstack([table[:, 1:3] - 10, table[:, 1:3] + 10])
    scores = np.full(len(table), 0.9, np.float32)
    ids = table[:, 0].astype(np.int64)
    return Detections(boxes, scores, table[:, 3].astype(np.int32), NAMES, (200, 200), ids)


def walk(shape: Line | Zone, places: list[tuple | None]) -> tuple[list[tuple], Counts]:
    """What one object does, as (kind, frame), when it is in these places, or nowhere."""
    counts, events = Counts([shape], track_buffer_s=0.35), []
    for i, place in enumerate(places):
        found = objects((7, *place)) if place else objects()
        events += counts.update(frame(i), found)
    events += counts.end_video()
    assert {(one.track_id, one.class_name, one.source) for one in events} <= {
        (7, "car", "film.mp4")
    }
    return [(one.kind, one.frame) for one in events], counts


@pytest.mark.parametrize(
    ("heights", "crossings"),
    [
        ([80, 90, 110], [("forward", 2)]),
        ([120, 99, 90], [("backward", 2)]),
        ([80, 120, 80, 120], [("forward", 1), ("backward", 2), ("forward", 3)]),  # back and forth
        ([80, 100, 80], []),  # touches the line
        ([80, 100, 120], [("forward", 2)]),  # stands on it, then goes on
        ([80, 101.9, 98, 102, 80], []),  # trembles on it: less than a tenth of its size
        ([100, 101, 120], []),  # is first seen on the line
        ([80, None, None, 130], [("forward", 3)]),  # is hidden on the way
        ([80, 101, 104, 99, 97], [("forward", 2), ("backward", 4)]),
    ],
)
def test_crossings_of_a_line(heights, crossings):
    places = [None if y is None else (60, y) for y in heights]
    assert walk(ACROSS, places)[0] == crossings


def test_only_the_line_itself_is_crossed():
    short = Line((50, 100), (150, 100))
    assert walk(short, [(40, 80), (40, 120)])[0] == []
    assert walk(short, [(40, 80), (170, 80), (170, 120), (100, 120)])[0] == []  # around its end
    assert walk(short, [(50, 80), (50, 120)])[0] == [("forward", 1)]  # its end belongs to it
    upwards = Line((100, 200), (100, 0))  # seen upwards, its right is the right of the picture
    assert walk(upwards, [(80, 50), (120, 50)])[0] == [("forward", 1)]


@pytest.mark.parametrize(
    ("places", "events", "seconds"),
    [
        ([30, 60, 100, 160], [("enter", 1), ("leave", 3)], 0.2),
        ([100, 100, 100, 170], [("appear", 0), ("leave", 3)], 0.3),  # is born in the zone
        ([100, 120, 140], [("appear", 0), ("vanish", 2)], 0.2),  # the video ends
        ([100, 120, None, None, None, None, None], [("appear", 0), ("vanish", 1)], 0.1),
        ([100, None, None, 120, 170], [("appear", 0), ("leave", 4)], 0.4),  # hidden for a while
        ([30, 51, 49, 51.5, 30], [], 0.0),  # trembles on its border
        ([50, 30], [("appear", 0), ("leave", 1)], 0.1),  # is born on its border
        ([30, 60, 30, 60, 30], [("enter", 1), ("leave", 2), ("enter", 3), ("leave", 4)], 0.2),
        ([30, 170], [], 0.0),  # was never seen in it
    ],
)
def test_visits_to_a_zone(places, events, seconds):
    happened, counts = walk(SQUARE, [None if x is None else (x, 100) for x in places])
    assert happened == events
    assert counts.dwell_seconds("zone 1").total() == pytest.approx(seconds)


def test_totals_by_direction_and_class():
    counts = Counts([ACROSS, SQUARE], track_buffer_s=1.0)
    counts.update(frame(0), objects((1, 60, 80), (2, 90, 80, 1), (3, 120, 130), (NO_TRACK, 9, 80)))
    counts.update(
        frame(1), objects((1, 60, 120), (2, 90, 120, 1), (3, 120, 60), (NO_TRACK, 9, 130))
    )
    assert counts.count("line 1", "forward") == {"car": 1, "bus": 1}
    assert counts.count("line 1", "backward") == {"car": 1}
    counts.end_video()
    assert list(counts.sentences()) == [
        "line 1: 2 forward (car 1, bus 1), 1 backward (car 1)",
        "zone 1: 3 visits (car 2, bus 1), 0.1 s each on average",
    ]


def test_visits_where_the_times_of_a_video_start_anew():
    counts, events = Counts([SQUARE], track_buffer_s=0.35), []
    times = [10, 10.2, 0, 0.1, 0.2, 0.3, 0.4, 0.5]
    places = [(1, 100, 100), (1, 100, 100), (1, 30, 100)]
    for i, time_s in enumerate(times):
        found = [places[i]] if i < 3 else []
        if i == 1:
            found.append((2, 100, 100))  # and is not seen again
        events += counts.update(replace(frame(i), time_s=time_s), objects(*found))
    assert [(one.kind, one.track_id, one.frame, one.time_s) for one in events] == [
        ("appear", 1, 0, 10), ("appear", 2, 1, 10.2), ("leave", 1, 2, 0), ("vanish", 2, 1, 10.2),
    ]  # fmt: skip
    assert [one.dwell_s for one in events] == [None, None, pytest.approx(0.2), 0]
    assert next(counts.sentences()) == "zone 1: 2 visits (car 2), 0.1 s each on average"


def test_visits_where_frames_share_their_times_or_come_late():
    counts, events = Counts([SQUARE], track_buffer_s=10), []
    times = [0, 0, 0.2, 0.2, 5.2, 5.2001, 5.2002, 5.3]
    for i, time_s in enumerate(times):
        place = (1, 100, 100) if i < 7 else (1, 30, 100)
        events += counts.update(replace(frame(i), time_s=time_s), objects(place))
    assert [one.dwell_s for one in events if one.kind == "leave"] == [pytest.approx(5.3)]


def test_ids_of_another_video_are_other_objects():
    counts = Counts([ACROSS, SQUARE], track_buffer_s=100.0)
    counts.update(frame(0), objects((1, 60, 80)))
    other = Source("other.mp4", "video", "other.mp4")
    events = counts.update(frame(0, other), objects((1, 60, 120)))
    assert [(one.source, one.kind) for one in events] == [
        ("film.mp4", "vanish"),
        ("other.mp4", "appear"),
    ]


NUMBER = st.floats(-50, 50).map(lambda x: round(x, 3))
POINT = st.tuples(NUMBER, NUMBER)


@settings(max_examples=100, deadline=None)
@given(a=POINT, b=POINT, p=POINT, q=POINT)
def test_crossing_is_the_solution_of_two_equations(a, b, p, q):
    """``a + s (b − a) = p + t (q − p)`` with s and t from 0 to 1."""
    a, b, p, q = map(np.array, (a, b, p, q))
    if np.array_equal(a, b):
        return
    matrix = np.stack([b - a, p - q], axis=1)
    if abs(np.linalg.det(matrix)) < 1e-3:
        return
    s, t = np.linalg.solve(matrix, p - a)
    if min(abs(s), abs(1 - s), abs(t), abs(1 - t)) < 1e-6:
        return  # rounding decides
    line = Line(tuple(a), tuple(b))
    assert crosses(line, tuple(p), tuple(q)) == (0 < s < 1 and 0 < t < 1)
    assert (distance_to_line(line, tuple(p)) > 0) == (np.linalg.det([b - a, p - a]) > 0)


def test_distances_by_hand():
    assert distance_to_line(ACROSS, (30, 107)) == 7
    assert distance_to_line(ACROSS, (30, 88)) == -12
    assert distance_into_zone(SQUARE, (100, 60)) == 10
    assert distance_into_zone(SQUARE, (50, 100)) == 0
    assert distance_into_zone(SQUARE, (20, 10)) == -50  # 30, 40 from the corner
    hollow = Zone(((0, 0), (40, 0), (40, 40), (20, 10), (0, 40)))
    assert distance_into_zone(hollow, (20, 30)) < 0
    assert distance_into_zone(hollow, (20, 4)) == 4


@pytest.mark.parametrize(
    ("shape", "text", "words"),
    [
        (Line, "1,2,3", "x0,y0,x1,y1"), (Line, "1,2,3,x", "x0,y0,x1,y1"), (Line, "", "x0,y0"),
        (Line, "1,2,nan,4", "x0,y0,x1,y1"), (Line, "5,5,5,5", "begins"),
        (Line, "0,0,1e300,5", "100,000 pixels"), (Zone, "0,0 -1e12,0 5,5", "100,000 pixels"),
        (Zone, "1,2 3,4", "three corners"), (Zone, "1,2 3,4 1,2", "three corners"),
        (Zone, "0,0 1,1 2,2", "one line"), (Zone, "0,0 1,1 2", "not a corner"),
        (Zone, "0,0 1,1 film.mp4", "SOURCE comes before"), (Zone, "", "three corners"),
    ],
)  # fmt: skip
def test_what_is_no_line_or_zone_is_explained(shape, text, words):
    with pytest.raises(ValueError, match=words):
        shape.parse(text)


def test_lines_and_zones_are_text_again():
    assert str(Line.parse("0,1.5,-3,4")) == "0,1.5,-3,4"
    assert Zone.parse("0,0 10,0  5,8.5") == Zone(((0, 0), (10, 0), (5, 8.5)))
    assert str(Zone.parse("0,0 10,0  5,8.5")) == "0,0 10,0 5,8.5"
    for shape, text in (
        (Line, "10000.01,0,10000.02,0"),
        (Zone, "10000.01,0 10000.02,0 10000.03,5.123456789"),
    ):
        assert str(shape.parse(text)) == text


def test_the_table_has_events_and_totals(tmp_path):
    tracking = VideoTracking(0.25, [ACROSS, SQUARE])
    table = CountsFile(tmp_path / "counts.csv", tracking)
    for i, y in enumerate([80, 95, 110, 130, 150, 170]):
        found = objects((NO_TRACK, 60, y, 1))
        table.write(frame(i), tracking.update(frame(i), found), "film")
        picture = tracking.draw(frame(i), found)
        assert picture.shape == BLANK.shape
        assert picture.any()
    table.close(complete=True)
    with open(tmp_path / "counts.csv") as file:
        rows = list(csv.DictReader(file))
    happened = [(row["event"], row["frame"], row["seconds"]) for row in rows if row["frame"]]
    assert happened == [("appear", "0", ""), ("forward", "2", ""), ("leave", "5", "0.5")]
    totals = [
        (row["counter"], row["event"], row["class"], row["seconds"], row["count"])
        for row in rows
        if row["row"] == "total"
    ]
    assert totals == [
        ("line 1", "forward", "", "", "1"),
        ("line 1", "forward", "bus", "", "1"),
        ("line 1", "backward", "", "", "0"),
        ("zone 1", "visit", "", "0.5", "1"),
        ("zone 1", "visit", "bus", "0.5", "1"),
    ]
    assert next(tracking.sentences()) == "tracked: 1 object (bus 1)"


def test_a_shape_outside_of_a_video_is_said():
    warnings: list[str] = []
    shapes = [ACROSS, Line((0, 300), (200, 300)), Zone(((-9, 0), (-5, 90), (-1, 0)))]
    tracking = VideoTracking(0.25, shapes, warnings.append)
    for i in range(2):
        tracking.update(frame(i), objects())
    assert [text.split(" lies ")[0] for text in warnings] == [
        "film.mp4: --count-line 0,300,200,300",
        "film.mp4: --count-zone -9,0 -5,90 -1,0",
    ]


@pytest.mark.parametrize(("step_s", "said"), [(9.0, 0), (20.0, 1)])
def test_frames_far_apart_are_counted_and_that_is_said(step_s, said):
    warnings: list[str] = []
    tracking = VideoTracking(0.25, [ACROSS], warnings.append)
    for i, y in enumerate([80, 95, 110, 130]):
        moment = Frame(BLANK, frame(0).source, i, i * step_s, 1 / step_s)
        tracking.update(moment, objects((NO_TRACK, 60, y, 1)))
    assert "tracked: 1 object (bus 1)" in list(tracking.sentences())
    assert tracking.counts.count("line 1", "forward").total() == 1
    assert len(warnings) == said
    assert all("20 s apart" in text for text in warnings)


def test_pictures_between_videos_are_not_tracked():
    tracking = VideoTracking(0.5)
    weak = objects((NO_TRACK, 60, 80), (NO_TRACK, 120, 80))
    weak.scores[1] = 0.2
    picture = Frame(BLANK, Source("a.jpg", "picture", "a.jpg"))
    assert len(tracking.update(picture, weak)) == 1
    assert tracking.update(frame(0), weak).track_ids.tolist() == [1]
