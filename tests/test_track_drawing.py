"""Trails, lines, zones and ids on pictures."""

from __future__ import annotations

import numpy as np

from utils.detections import NO_TRACK, Detections
from utils.drawing.boxes import draw_detections
from utils.drawing.colours import colour
from utils.drawing.count_shapes import draw_count, draw_line, draw_zone
from utils.drawing.trails import Trails

GREY = np.full((200, 300, 3), 90, np.uint8)


def at(x: float, y: float, track_id: int) -> Detections:
    box = np.float32([[x - 10, y - 10, x + 10, y + 10]])
    ids = np.array([track_id])
    return Detections(box, np.float32([0.9]), np.int32([0]), ("cat",), (300, 200), ids)


def changed(picture: np.ndarray, before: np.ndarray = GREY) -> np.ndarray:
    return (picture != before).any(axis=-1)


def test_a_trail_ends_at_its_object_and_shows_the_last_seconds():
    trails = Trails()
    for i in range(41):
        trails.add(at(20 + 5 * i, 100, 3), i / 10)
    picture = GREY.copy()
    trails.draw(picture)
    columns = np.flatnonzero(changed(picture).any(axis=0))
    assert abs(columns[-1] - 220) <= 3
    assert abs(columns[0] - 120) <= 3  # 2 seconds before
    assert (picture[99:101, 215] == colour(3)).all(axis=-1).any()
    thin, thick = (changed(picture)[:, x].sum() for x in (130, 210))
    assert thin < thick


def test_only_what_is_seen_and_has_an_id_has_a_trail():
    trails = Trails()
    for i in range(10):
        trails.add(at(20 + 5 * i, 50, 1), i / 10)
    for i in range(10, 14):
        trails.add(at(20 + 5 * i, 150, NO_TRACK), i / 10)
    picture = GREY.copy()
    trails.draw(picture)
    assert not changed(picture).any()


def test_the_arrow_of_a_line_points_forward():
    picture = GREY.copy()
    draw_line(picture, (20, 100), (280, 100))  # from left to right, so forward is down
    above, below = changed(picture)[:95].sum(), changed(picture)[106:].sum()
    assert above == 0
    assert below > 20


def test_a_zone_is_pale_inside_and_nothing_changes_outside():
    picture = GREY.copy()
    draw_zone(picture, [(50, 50), (150, 50), (150, 150), (50, 150)])
    assert (picture[100, 100] > 90).all()
    assert not changed(picture)[:45].any()
    assert not changed(picture)[:, 160:].any()


def test_a_count_stays_inside_the_picture():
    for place in ((-50, -50), (1000, 1000), (150, 100)):
        picture = GREY.copy()
        draw_count(picture, place, "line 1: 12 forward, 3 backward")
        assert changed(picture).any()
    small = np.zeros((12, 20, 3), np.uint8)
    draw_count(small, (5, 5), "line 1: 12 forward, 3 backward")
    assert small.any()


def test_tracked_objects_have_their_number_and_its_colour():
    plain = draw_detections(GREY, at(150, 100, NO_TRACK))
    tracked = draw_detections(GREY, at(150, 100, 5))
    assert (plain[110, 150] == colour(0)).all() or (plain[109, 150] == colour(0)).all()
    assert (tracked[110, 150] == colour(5)).all() or (tracked[109, 150] == colour(5)).all()
    width = [np.ptp(np.flatnonzero(changed(one).any(axis=0))) for one in (plain, tracked)]
    assert width[1] > width[0]  # the label is longer
