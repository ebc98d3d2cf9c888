"""``Tracker`` on motions worked out by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from utils.detections import NO_TRACK, Detections
from utils.media.time_steps import TimeSteps
from utils.media.tracking import Tracker

NAMES = ("cat", "dog")


def found(*objects: tuple) -> Detections:
    """Detections of 40×40 pixels: ``(x, y)`` of the middle, then perhaps score and class id."""
    rows = [(*one, *(0.9, 0)[len(one) - 2 :]) for one in objects]
    table = np.array(rows, np.float32).reshape(-1, 4)
    corners = np.hstack([table[:, :2] - 20, table[:, :2] + 20])
    return Detections(corners, table[:, 2], table[:, 3].astype(np.int32), NAMES, (640, 480))


def follow(tracker: Tracker, frames: list[Detections], step_s: float = 0.1) -> list[list[int]]:
    """The ids of each frame."""
    tracked = (tracker.update(one, i * step_s) for i, one in enumerate(frames))
    return [one.track_ids.tolist() for one in tracked]


def test_crossing_objects_keep_their_ids():
    """They pass through each other; where they meet, their boxes are the same."""
    times = np.arange(0, 4, 0.1)
    frames = [found((100 + 60 * t, 100), (340 - 60 * t, 104)) for t in times]
    assert follow(Tracker(), frames) == [[1, 2]] * len(frames)


@pytest.mark.parametrize("step", [1, 3, 7])
def test_every_nth_frame_is_enough(step):
    """At 60 pixels a second and a step of 0.7 s, boxes of 40 pixels no longer overlap."""
    frames = [found((100 + 6 * i, 100), (500 - 6 * i, 300)) for i in range(0, 60, step)]
    ids = follow(Tracker(), frames, 0.1 * step)
    assert ids == [[1, 2]] * len(frames)


def test_uneven_times_are_times():
    """The object moves 100 pixels a second, its frames come as they come."""
    rng = np.random.default_rng(0)
    times = np.cumsum(rng.uniform(0.02, 0.3, 40))
    tracker = Tracker()
    ids = [tracker.update(found((100 * t, 50)), t).track_ids.tolist() for t in times]
    assert ids == [[1]] * 40


def test_a_hidden_object_keeps_its_id_for_a_while():
    frames = [found((100 + 5 * i, 100)) for i in range(40)]
    for missing, ids in ((10, [1]), (16, [NO_TRACK])):  # memory: 1.5 s
        hidden = [*frames[:20], *[found()] * missing, *frames[20 + missing :]]
        assert follow(Tracker(), hidden)[20 + missing] == ids


def test_low_scores_continue_a_track_but_begin_none():
    frames = [found((100 + 4 * i, 100, 0.9 if i < 5 else 0.12), (400, 100, 0.2)) for i in range(12)]
    tracker = Tracker(conf=0.25)
    assert tracker.low_conf == 0.1
    results = [tracker.update(one, i / 10) for i, one in enumerate(frames)]
    assert all(one.track_ids.tolist() == [1] for one in results)
    assert results[-1].scores.tolist() == pytest.approx([0.12])
    assert Tracker(conf=0.05).low_conf == 0.05


@pytest.mark.parametrize(("conf", "needed"), [(0.25, 0.35), (0.9, 0.95)])
def test_a_track_begins_with_a_higher_score_than_it_goes_on_with(conf, needed):
    tracker = Tracker(conf)
    assert tracker.new_track_conf == pytest.approx(needed)
    scores = [needed - 0.01] * 2 + [needed + 0.01] + [conf + 0.01] * 2
    ids = follow(tracker, [found((100, 100, score)) for score in scores])
    assert ids == [[NO_TRACK]] * 3 + [[1]] * 2


def test_a_low_score_does_not_find_a_lost_object():
    frames = [found((100, 100))] * 3 + [found()] + [found((100, 100, 0.15))]
    assert follow(Tracker(), frames)[-1] == []


def test_a_low_score_beside_a_track_is_another_object():
    seen = [found((100, 100))] * 3
    assert follow(Tracker(), [*seen, found((104, 100, 0.15))])[-1] == [1]
    assert follow(Tracker(), [*seen, found((125, 100, 0.15))])[-1] == []


def test_an_object_far_from_a_track_begins_another():
    seen = [found((100, 100))] * 3
    assert follow(Tracker(), [*seen, found((110, 100))])[-1] == [1]
    assert follow(Tracker(), [*seen, found((142, 100))])[-1] == [NO_TRACK]


def test_a_shrinking_object_that_is_hidden_keeps_its_id():
    """It drives away. The size of a lost track stays, and does not shrink below nothing."""

    def frame(side: float) -> Detections:
        box = np.array([[300 - side / 2, 200 - side / 2, 300 + side / 2, 200 + side / 2]])
        return replace(found((0, 0)), boxes=box.astype(np.float32))

    nothing = [found()] * 4
    shrinking = [frame(200 - 16 * i) for i in range(12)]
    assert follow(Tracker(), [*shrinking, *nothing, frame(20)])[-1] == [1]
    few = [frame(200), frame(130), frame(50), found(), frame(50)]
    assert follow(Tracker(), few, 0.2)[-1] == [1]


def test_objects_get_their_ids_when_seen_again():
    """In the first frame at once; a single false positive gets none and is shown all the same."""
    one, two = (100, 100), (300, 100)
    frames = [found(one), found(one, two), found(one, two), found(one, (500, 300)), found(one)]
    assert follow(Tracker(), frames) == [[1], [1, NO_TRACK], [1, 2], [1, NO_TRACK], [1]]


def test_only_one_class_matches():
    frames = [found((100, 100, 0.9, 0)), found((100, 100, 0.9, 1)), found((100, 100, 0.9, 1))]
    assert follow(Tracker(), frames) == [[1], [NO_TRACK], [2]]
    both = [found((100, 100, 0.9, 0), (102, 100, 0.8, 1))] * 3
    assert follow(Tracker(), both) == [[1, 2]] * 3


def test_time_that_stands_still_or_jumps():
    tracker = Tracker()
    ids = [
        tracker.update(found((100 + 5 * i, 100)), t).track_ids.tolist()
        for i, t in enumerate([0.0, 0.0, 0.1, 0.2, 0.15, 0.25])
    ]
    assert ids == [[1]] * 6
    assert tracker.update(found((130, 100)), 900.0).track_ids.tolist() == [NO_TRACK]


@pytest.mark.parametrize("step_s", [9.0, 20.0, 3600.0])
def test_a_time_lapse_is_no_row_of_gaps(step_s):
    """One object stands, another goes a little further in each frame."""
    frames = [found((100, 100), (300 + 5 * i, 100)) for i in range(5)]
    assert follow(Tracker(), frames, step_s) == [[1, 2]] * 5
    tracker = Tracker()
    follow(tracker, frames, step_s)
    gap = tracker.update(frames[4], 7 * step_s + 11.0)
    assert gap.track_ids.tolist() == [NO_TRACK, NO_TRACK]


def test_one_frame_without_its_object_ends_no_track_of_a_time_lapse():
    there, gone = found((100, 100)), found()

    def ids(moments, frames):
        tracker = Tracker()
        return [
            tracker.update(frame, time_s).track_ids.tolist()
            for time_s, frame in zip(moments, frames, strict=True)
        ]

    moments = [0, 20, 40.5, 60, 79.9, 100]  # steps vary a little
    frames = [there, there, gone, there, gone, there]
    assert ids(moments, frames) == [[1], [1], [], [1], [], [1]]
    assert ids([0, 20, 40, 60, 80, 100], [there, there, gone, gone, there, there])[-2:] == [
        [-1],
        [2],
    ]
    # A long gap after frames without the object is no time lapse.
    assert ids([0, 0.5, 1.0, 21, 22], [there, there, gone, there, there])[-2:] == [[-1], [2]]


def test_a_gap_is_not_taken_again_where_stamps_come_in_a_burst():
    steps = TimeSteps()
    times = [0, 0.04, 5.04, 5.0401, 5.0402, 5.1, 5.1, 5.0]
    given = [steps.to(time_s) for time_s in times]
    assert given == pytest.approx([1 / 30, 0.04, 5, 0.04, 0.04, 0.0598, 0.0598, 0.0598])


@pytest.mark.parametrize("step_s", [0.0, 1e-9, -1.0])
def test_tracks_do_not_pile_up_where_time_hardly_moves(step_s):
    """Objects that are seen twice, each elsewhere than those before."""
    tracker = Tracker()
    for i in range(150):
        places = [(60.0 * x, 60.0 * (i // 2)) for x in range(30)]
        tracker.update(found(*places), i * step_s)
    assert len(tracker._ids) < 46 * 30  # 1.5 s at 30 frames a second


def test_those_that_waited_longest_are_forgotten_first(monkeypatch):
    monkeypatch.setattr("utils.media.tracking.MAX_LOST_TRACKS", 2)
    seen = [(100.0 * x, 50) for x in range(5)]
    frames = [found(*seen[i:]) for i in range(5)]  # they go one by one
    tracker = Tracker()
    ids = follow(tracker, [*frames, *[found(seen[4])] * 2, found(*seen), found(*seen)])
    assert ids[-2] == [NO_TRACK, NO_TRACK, 3, 4, 5]


def test_reset_begins_again():
    tracker = Tracker()
    assert tracker.update(found((100, 100)), 5.0).track_ids.tolist() == [1]
    tracker.reset()
    assert tracker.update(found((300, 300), (50, 50)), 0.0).track_ids.tolist() == [1, 2]


def test_frames_without_objects():
    tracker = Tracker()
    for i in range(3):
        assert len(tracker.update(found(), i / 10)) == 0
    assert tracker.update(found((9, 9)), 0.4).track_ids.tolist() == [NO_TRACK]


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), count=st.integers(0, 12))
def test_ids_are_unique_and_the_order_of_detections_does_not_matter(seed, count):
    rng = np.random.default_rng(seed)
    places = rng.uniform(50, 400, (count, 2))
    speeds = rng.normal(0, 40, (count, 2))
    given_order, shuffled = Tracker(), Tracker()
    pairs = set()
    for i in range(8):
        frame = found(*(places + speeds * i / 10 + rng.normal(0, 2, (count, 2))).tolist())
        frame = Detections(
            frame.boxes, rng.uniform(0.05, 1, count).astype(np.float32), frame.class_ids, NAMES
        )
        order = rng.permutation(count)
        a, b = given_order.update(frame, i / 10), shuffled.update(frame[order], i / 10)
        ids = a.track_ids[a.track_ids != NO_TRACK]
        assert len(set(ids.tolist())) == len(ids)
        by_box = {tuple(one.box): one.track_id for one in b}
        assert len(a) == len(b)
        pairs |= {(one.track_id, by_box[one.box]) for one in a if one.track_id}
    assert len({one for one, _ in pairs}) == len({other for _, other in pairs}) == len(pairs)
