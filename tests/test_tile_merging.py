"""Merging the objects of tiles, by hand-worked examples and against planted objects."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from utils.detections import Detections
from utils.overlap import iou
from utils.tile_merging import (
    View,
    _Found,
    _insides,
    _overlapping_across_views,
    _same_size_beside,
    merge_views,
)
from utils.tiles import picture_areas, tile_layout

WHOLE = (0, 0, 1800, 1000)
LEFT, RIGHT = (0, 0, 1000, 1000), (800, 0, 1800, 1000)  # side 1000, overlap 200


def view(area, *objects, min_length: float | None = None) -> View:
    """A view with objects ``(box, score, class id)``; the whole picture gives those above 200."""
    boxes, scores, ids = zip(*objects, strict=True) if objects else ((), (), ())
    return View(
        area,
        Detections(
            np.array(boxes, np.float32).reshape(-1, 4),
            np.array(scores, np.float32),
            np.array(ids, np.int32),
            ("car", "bus"),
        ),
        min_length if min_length is not None else 200 * (area == WHOLE),
    )


def merged(*views: View) -> list[tuple[list[float], float, int]]:
    found = merge_views(views, max_det=300)
    return [
        (box, round(score, 3), class_id)
        for box, score, class_id in zip(
            found.boxes.tolist(), found.scores.tolist(), found.class_ids.tolist(), strict=True
        )
    ]


def test_a_cut_box_loses_to_the_whole_one_though_its_score_is_higher() -> None:
    cut = ([900, 100, 1000, 200], 0.9, 0)
    whole = ([900, 100, 1050, 200], 0.4, 0)
    assert merged(view(WHOLE), view(LEFT, cut), view(RIGHT, whole)) == [whole]
    # The part was taken for another class.
    other_class = (cut[0], 0.9, 1)
    assert merged(view(WHOLE), view(LEFT, other_class), view(RIGHT, whole)) == [whole]


def test_an_unsure_box_that_drops_sure_parts_has_their_score() -> None:
    left, right = ([500, 100, 1000, 400], 0.9, 0), ([800, 100, 1100, 400], 0.7, 0)
    whole = [502, 100, 1098, 400]
    joined = ([500, 100, 1100, 400], 0.9, 0)
    tiles = view(LEFT, left), view(RIGHT, right)
    assert merged(view(WHOLE), *tiles) == [joined]
    # Found at a low threshold, it must not be lost at a higher one.
    assert merged(view(WHOLE, (whole, 0.12, 0)), *tiles) == [(whole, 0.9, 0)]
    # The better one gives the class, too.
    assert merged(view(WHOLE, (whole, 0.12, 1)), *tiles) == [(whole, 0.9, 0)]
    assert merged(view(WHOLE, (whole, 0.8, 1)), *tiles) == [(whole, 0.9, 0)]
    assert merged(view(WHOLE, (whole, 0.95, 1)), *tiles) == [(whole, 0.95, 1)]
    # Of two as sure, one of its own class.
    equal = view(LEFT, left), view(RIGHT, (right[0], 0.9, 1))
    for class_id in (0, 1):
        assert merged(view(WHOLE, (whole, 0.12, class_id)), *equal) == [(whole, 0.9, class_id)]


def test_a_loose_box_around_objects_takes_nothing_from_them() -> None:
    one, other = [300, 400, 1050, 700], [700, 720, 1500, 980]
    sure = [(one, 0.9, 0), (other, 0.9, 0)]
    whole = [(one, 0.6, 0), (other, 0.6, 0)]
    tiles = (
        view(LEFT, ([296, 398, 1000, 703], 0.9, 0)),
        view(RIGHT, ([800, 716, 1504, 982], 0.9, 0)),
    )
    assert merged(view(WHOLE, *whole), *tiles) == sure
    for score in (0.02, 0.3):
        around = ([290, 395, 1508, 985], score, 0)
        assert merged(view(WHOLE, *whole, around), *tiles) == [*sure, around]


def test_a_loose_box_around_parts_is_as_unsure_as_before() -> None:
    around = ([400, 60, 1700, 900], 0.05, 0)
    tiles = (
        view(LEFT, ([500, 100, 1000, 700], 0.9, 0)),
        view(RIGHT, ([800, 100, 1100, 700], 0.8, 0)),
    )
    assert merged(view(WHOLE, around), *tiles) == [around]
    whole = [502, 100, 1098, 700]
    assert merged(view(WHOLE, (whole, 0.03, 0), around), *tiles) == [(whole, 0.9, 0), around]


def test_a_sliver_of_an_object_is_no_object() -> None:
    whole = ([990, 100, 1150, 260], 0.8, 0)
    sliver = ([985, 130, 1000, 200], 0.5, 0)  # ten pixels are visible, and it is guessed badly
    within = ([991, 140, 1000, 180], 0.5, 0)
    assert merged(view(WHOLE), view(LEFT, within), view(RIGHT, whole)) == [whole]
    assert merged(view(WHOLE), view(LEFT, sliver), view(RIGHT, whole)) == [whole]
    # The right tile has all of that place and sees nothing there.
    assert merged(view(WHOLE), view(LEFT, sliver), view(RIGHT)) == []


def test_a_part_longer_than_tiles_overlap_stays_where_no_other_view_has_it() -> None:
    part = ([700, 100, 1000, 400], 0.6, 0)
    assert merged(view(WHOLE), view(LEFT, part), view(RIGHT)) == [part]


def test_an_object_that_two_views_take_for_different_things_counts_once() -> None:
    car, bus = ([830, 100, 900, 200], 0.7, 0), ([832, 98, 903, 199], 0.8, 1)
    assert merged(view(WHOLE), view(LEFT, car), view(RIGHT, bus)) == [bus]
    # One view sees both: two objects, or two classes for one, as without tiles.
    assert merged(view(WHOLE), view(LEFT, car, bus), view(RIGHT)) == [bus, car]
    again = ([831, 99, 901, 200], 0.6, 0)
    assert merged(view(WHOLE), view(LEFT, car, bus), view(RIGHT, again)) == [bus, car]


def test_levels_give_what_the_next_finer_one_may_not_have_whole() -> None:
    tile = (0, 0, 400, 400)
    small, large = ([100, 100, 150, 150], 0.9, 0), ([100, 100, 250, 250], 0.8, 1)
    part = ([150, 120, 400, 350], 0.95, 1)  # of what the coarse tile has whole
    whole = ([150, 110, 480, 360], 0.6, 1)
    views = [
        view(WHOLE, large, min_length=300),
        view(LEFT, small, large, whole, min_length=80),
        view(RIGHT, min_length=80),
        view(tile, small, part, min_length=0),
    ]
    assert merged(*views) == [(whole[0], 0.95, 1), small, large]


def test_an_object_that_two_tiles_show_whole_counts_once() -> None:
    better, worse = ([830, 100, 900, 200], 0.8, 0), ([832, 98, 903, 199], 0.7, 0)
    assert merged(view(WHOLE), view(LEFT, worse), view(RIGHT, better)) == [better]


def test_neighbours_stay_where_each_tile_shows_one_of_them_whole() -> None:
    # Two cars, half of one behind the other; the first tile cuts the second car.
    first, second = ([820, 100, 960, 200], 0.9, 0), ([880, 100, 1060, 200], 0.8, 0)
    cut = ([880, 100, 1000, 200], 0.7, 0)
    again = ([820, 100, 961, 200], 0.6, 0)
    found = merged(view(WHOLE), view(LEFT, first, cut), view(RIGHT, second, again))
    assert found == [first, second]


def test_parts_that_no_view_has_whole_are_joined() -> None:
    left, right = ([700, 100, 1000, 400], 0.6, 0), ([800, 104, 1100, 398], 0.8, 0)
    assert merged(view(WHOLE), view(LEFT, left), view(RIGHT, right)) == [
        ([700, 100, 1100, 400], 0.8, 0)
    ]
    unlike = ([800, 104, 1100, 398], 0.8, 1)
    assert merged(view(WHOLE), view(LEFT, left), view(RIGHT, unlike)) == [
        ([700, 100, 1100, 400], 0.8, 1)
    ]


def test_the_whole_picture_gives_large_objects_and_no_small_ones() -> None:
    large, small = ([300, 50, 1500, 950], 0.5, 1), ([100, 100, 250, 200], 0.9, 0)
    assert merged(view(WHOLE, large, small), view(LEFT), view(RIGHT)) == [large]
    # Its parts in the tiles are no objects, and neither are they joined; they make it surer.
    left, right = ([300, 50, 1000, 950], 0.9, 1), ([800, 60, 1500, 940], 0.9, 1)
    sure = (large[0], 0.9, 1)
    assert merged(view(WHOLE, large), view(LEFT, left), view(RIGHT, right)) == [sure]
    # Nor is a large part that does not touch the border.
    middle = ([400, 200, 900, 700], 0.4, 1)
    assert merged(view(WHOLE, large), view(LEFT, middle), view(RIGHT)) == [large]
    # An object in front of it stays.
    front = ([500, 300, 600, 400], 0.7, 1)
    assert merged(view(WHOLE, large), view(LEFT, left, front), view(RIGHT, right)) == [sure, front]


def test_without_tiles_nothing_changes() -> None:
    objects = [([10, 10, 20, 20], 0.9, 0), ([10, 10, 21, 21], 0.8, 0), ([0, 0, 5, 5], 0.1, 1)]
    assert merged(view(WHOLE, *objects, min_length=0)) == objects


def test_no_objects_at_all() -> None:
    found = merge_views([view(WHOLE), view(LEFT), view(RIGHT)], max_det=300)
    assert len(found) == 0
    assert found.image_size == (1800, 1000)


def test_max_det_keeps_the_best() -> None:
    low, high = ([100, 100, 150, 150], 0.3, 0), ([1200, 100, 1250, 150], 0.9, 0)
    views = [view(WHOLE), view(LEFT, low), view(RIGHT, high)]
    assert merge_views(views, max_det=1).scores.tolist() == [np.float32(0.9)]


@st.composite
def scenes(draw) -> np.ndarray:
    """(N, 4) objects of 10 to 90 pixels in 1000×700, few of which overlap."""
    count = draw(st.integers(1, 40))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    corners = rng.uniform(0, [910, 610], (count, 2))
    boxes = np.concatenate([corners, corners + rng.uniform(10, 90, (count, 2))], axis=1)
    kept: list[np.ndarray] = []
    for box in boxes:
        if not kept or iou(np.array(kept), box).max() < 0.3:
            kept.append(box)
    return np.array(kept)


@settings(deadline=None)
@given(scenes(), st.integers(0, 2**32), st.booleans())
def test_every_planted_object_is_found_once(boxes: np.ndarray, seed: int, classes: bool) -> None:
    """A detector without mistakes sees each tile; small errors of place are all that it makes."""
    rng = np.random.default_rng(seed)
    ids = rng.integers(0, 2, len(boxes)) if classes else np.zeros(len(boxes), int)
    side, overlap = 300, 100  # above the largest object
    areas = [(0, 0, 1000, 700), *tile_layout(700, 1000, side, overlap / side).tolist()]
    views = []
    for area in areas:
        x0, y0, x1, y1 = area
        seen = np.clip(boxes, [x0, y0, x0, y0], [x1, y1, x1, y1])
        share = (seen[:, 2:] - seen[:, :2]).prod(axis=1) / (boxes[:, 2:] - boxes[:, :2]).prod(
            axis=1
        )
        noise = rng.uniform(-0.02, 0.02, boxes.shape) * np.tile(seen[:, 2:] - seen[:, :2], 2)
        seen = np.clip(seen + noise, [x0, y0, x0, y0], [x1, y1, x1, y1])
        objects = [
            (seen[i], float(rng.uniform(0.3, 1)), int(ids[i])) for i in np.flatnonzero(share > 0.3)
        ]
        views.append(view(area, *objects, min_length=0 if views else overlap))
    found = merge_views(views, max_det=300)
    overlaps = iou(boxes[:, None], found.boxes[None])
    overlaps *= ids[:, None] == found.class_ids
    assert len(found) == len(boxes)
    assert (overlaps.max(axis=1) > 0.6).all()  # brute force: each has its own box
    assert sorted(overlaps.argmax(axis=1).tolist()) == list(range(len(boxes)))


@settings(deadline=None)
@given(
    st.integers(1, 400), st.integers(1, 400), st.integers(20, 90), st.floats(0, 0.8),
    st.integers(0, 2**32),
)  # fmt: skip
def test_a_place_that_a_tile_has_inside_is_looked_for_in_its_neighbours_alone(
    height: int, width: int, side: int, overlap: float, seed: int
) -> None:
    tiles = picture_areas(height, width, (side, 3 * side), overlap)
    areas = np.array([area.bounds for area in tiles], np.float64)
    low, high = _insides(areas)
    sizes = areas[:, 2:] - areas[:, :2]
    rng = np.random.default_rng(seed)
    beside = dict(_same_size_beside(areas, np.arange(len(areas))))
    assert sorted(beside) == list(range(len(areas)))
    for view in rng.integers(0, len(areas), 5):
        ends = rng.uniform(areas[view, :2], areas[view, 2:], (2, 2))
        ends = np.where(rng.random((2, 2)) < 0.3, areas[view].reshape(2, 2), ends)  # on its border
        corners = np.concatenate([ends.min(axis=0), ends.max(axis=0)])
        inside = ((corners[:2] > low) & (corners[2:] < high)).all(axis=1)  # of all tiles
        inside &= (sizes == sizes[view]).all(axis=1)
        assert set(np.flatnonzero(inside)) <= set(beside[int(view)])


@settings(deadline=None)
@given(st.integers(0, 2**32))
def test_boxes_of_two_views_that_share_area_there(seed: int) -> None:
    rng = np.random.default_rng(seed)
    tiles = picture_areas(300, 400, (90, 200), 0.2)
    areas = np.array([area.bounds for area in tiles], np.float64)
    of = rng.integers(0, len(areas), 60)
    ends = rng.uniform(areas[of, None, :2], areas[of, None, 2:], (60, 2, 2))
    ends += rng.choice([0, 3], (60, 1, 1))  # some reach beyond their view
    boxes = np.concatenate([ends.min(axis=1), ends.max(axis=1)], axis=1)
    nothing = np.zeros(60)
    found = _Found(boxes, nothing, nothing, of, areas[of], nothing > 0)
    low, high = (np.maximum(areas[of][:, None, :2], areas[of][:, :2]),
                 np.minimum(areas[of][:, None, 2:], areas[of][:, 2:]))  # fmt: skip
    within = ((boxes[:, None, :2] < high) & (boxes[:, None, 2:] > low)).all(axis=2)
    shared = (low < high).all(axis=2) & within & within.T & (iou(boxes[:, None], boxes) > 0)
    expected = np.argwhere(np.triu(shared & (of[:, None] != of), 1)).tolist()
    pairs = [np.stack(np.sort(pair, axis=0), axis=1) for pair in _overlapping_across_views(found)]
    assert sorted(np.concatenate([np.zeros((0, 2), int), *pairs]).tolist()) == expected
