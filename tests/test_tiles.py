"""The layout of tiles, against pictures small enough to count every pixel."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from utils.data.records import Dataset, Record
from utils.data.trained_sizes import trained_sizes
from utils.errors import UserError
from utils.tiles import picture_areas, tile_layout


def test_a_row_by_hand() -> None:
    # Side 10 and overlap 0.2: a new tile every 8 pixels, and the last one moved back to 25 − 10.
    assert tile_layout(10, 25, 10, 0.2).tolist() == [
        [0, 0, 10, 10],
        [8, 0, 18, 10],
        [15, 0, 25, 10],
    ]


def test_rows_come_from_the_top_and_exact_fits_have_no_extra_tile() -> None:
    assert tile_layout(18, 18, 10, 0.2).tolist() == [
        [0, 0, 10, 10],
        [8, 0, 18, 10],
        [0, 8, 10, 18],
        [8, 8, 18, 18],
    ]


@pytest.mark.parametrize(("height", "width"), [(5, 7), (10, 10), (3, 10)])
def test_a_picture_not_larger_than_a_tile_is_one_tile(height: int, width: int) -> None:
    assert tile_layout(height, width, 10).tolist() == [[0, 0, width, height]]


@pytest.mark.parametrize("overlap", [-0.1, 1.0])
def test_an_overlap_that_no_tiles_have_is_refused(overlap: float) -> None:
    with pytest.raises(ValueError, match="overlap"):
        tile_layout(10, 10, 5, overlap)


def test_the_areas_of_a_picture_by_hand() -> None:
    whole, *tiles = picture_areas(18, 30, (10, 20), 0.2)
    assert whole == ((0, 0, 30, 18), 4)
    assert [area.min_length for area in tiles] == [2] * 2 + [0] * 8
    assert [area.bounds for area in tiles[:2]] == [(0, 0, 20, 18), (10, 0, 30, 18)]
    assert [area.bounds for area in tiles[2:]] == [
        tuple(box) for box in tile_layout(18, 30, 10, 0.2).tolist()
    ]
    assert picture_areas(18, 30, (), 0.2) == [((0, 0, 30, 18), 0)]


def test_tiles_without_number_are_refused_before_they_are_laid() -> None:
    with pytest.raises(UserError, match="60000×60000 pixels would have 399"):
        picture_areas(60_000, 60_000, (32,), 0.9)
    with pytest.raises(UserError, match=r"^city\.tif: its 60000×60000 pixels"):
        picture_areas(60_000, 60_000, (32,), 0.9, "city.tif")
    assert len(picture_areas(900, 700, (32,), 0.9)) == 1 + len(tile_layout(900, 700, 32, 0.9))


@given(st.integers(1, 60), st.integers(1, 60), st.integers(1, 40), st.floats(0, 0.9), st.data())
def test_every_object_up_to_the_overlap_lies_whole_in_a_tile(
    height: int, width: int, side: int, overlap: float, data: st.DataObject
) -> None:
    tiles = tile_layout(height, width, side, overlap)
    sizes = tiles[:, 2:] - tiles[:, :2]
    assert (sizes == [min(side, width), min(side, height)]).all()
    assert len(np.unique(tiles, axis=0)) == len(tiles)
    covered = np.zeros((height, width), int)
    for x0, y0, x1, y1 in tiles:
        assert 0 <= x0 < x1 <= width
        assert 0 <= y0 < y1 <= height
        covered[y0:y1, x0:x1] += 1
    assert covered.min() >= 1
    size = max(1, int(side * overlap))  # of an object, at any place in the picture
    w, h = min(size, width), min(size, height)
    x = data.draw(st.integers(0, width - w))
    y = data.draw(st.integers(0, height - h))
    whole = (
        (tiles[:, 0] <= x) & (tiles[:, 1] <= y) & (tiles[:, 2] >= x + w) & (tiles[:, 3] >= y + h)
    )
    assert whole.any()


def test_sizes_of_training_objects_by_hand() -> None:
    def record(width: int, height: int, *boxes, difficult: int = 0) -> Record:
        count = len(boxes)
        return Record(
            "a", Path(), width, height, np.array(boxes, np.float32).reshape(-1, 4),
            np.zeros(count, np.int32), np.arange(count) < difficult,
        )  # fmt: skip

    # 10×40 → 20 pixels, at half of that in an input of 400; others do not count
    records = [
        record(600, 800, (5, 5, 15, 45)),
        record(800, 100, (0, 0, 99, 99), (1, 1, 21, 21), (7, 7, 7, 9), difficult=1),
        record(50, 50),
    ]
    dataset = Dataset(records, ("a",))
    assert trained_sizes(dataset, 400).to_metadata() == {"photo": [20] * 3, "input": [10] * 3}
    assert trained_sizes(dataset, 400, tile=400).to_metadata()["input"] == [20] * 3
    assert trained_sizes(Dataset([record(50, 50)], ("a",)), 400) is None
