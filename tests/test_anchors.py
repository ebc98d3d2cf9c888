"""Anchors fit the objects, repeat from their seed, and fall back where there is little to fit."""

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from utils.data.anchors import (
    _RESTARTS,
    _k_means,
    _spread_start,
    best_possible_recall,
    choose_anchors,
    cluster_anchors,
    coco_anchors,
    mean_best_iou,
    object_sizes,
    read_anchors,
    size_iou,
)
from utils.data.records import Dataset, Record
from utils.errors import UserError

SIDES = st.floats(0.5, 2000, width=32)


def groups(count=40, noise=0.02):
    """Sizes around nine centres."""
    rng = np.random.default_rng(0)
    centres = np.array([[8 * 1.6**i, 8 * 1.6**i * (0.6 + 0.1 * i)] for i in range(9)])
    return centres, (centres[:, None] * np.exp(rng.normal(0, noise, (9, count, 2)))).reshape(-1, 2)


def test_nine_groups_are_found():
    centres, sizes = groups()
    anchors = cluster_anchors(sizes)
    assert anchors.dtype == np.float32
    np.testing.assert_allclose(anchors, centres, rtol=0.03)


def test_the_seed_decides_and_order_of_area_holds():
    sizes = np.exp(np.random.default_rng(1).normal(4, 0.7, (500, 2)))
    first, again = cluster_anchors(sizes, seed=3), cluster_anchors(sizes, seed=3)
    np.testing.assert_array_equal(first, again)
    assert (np.diff(first.prod(axis=1)) >= 0).all()
    assert mean_best_iou(sizes, first) > mean_best_iou(sizes, coco_anchors()) + 0.03


def test_they_are_better_than_every_start_of_k_means():
    sizes = np.exp(np.random.default_rng(1).normal(4, 0.7, (500, 2)))
    rng = np.random.default_rng(0)
    starts = [_k_means(sizes, _spread_start(sizes, 9, rng)) for _ in range(_RESTARTS)]
    quality = [mean_best_iou(sizes, start) for start in starts]
    assert max(quality) > min(quality) + 0.001  # so it matters which one is taken
    assert mean_best_iou(sizes, cluster_anchors(sizes, seed=0)) > max(quality)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(SIDES, SIDES), min_size=1, max_size=40), st.integers(1, 9))
def test_any_sizes_give_anchors(sizes, k):
    anchors = cluster_anchors(np.array(sizes), k)
    assert anchors.shape == (k, 2)
    assert np.isfinite(anchors).all()
    assert (anchors >= 2).all()
    assert 0 < mean_best_iou(sizes, anchors) <= 1 + 1e-6


def test_few_different_sizes_are_kept_and_filled_up():
    anchors = cluster_anchors(np.array([[10, 20], [10, 20], [50, 40]]))
    assert len(np.unique(anchors, axis=0)) == 9
    assert {(10, 20), (50, 40)} <= {tuple(anchor) for anchor in anchors.tolist()}


def test_unusable_sizes_are_left_out():
    with pytest.raises(ValueError, match="at least one"):
        cluster_anchors(np.array([[0, 5], [np.nan, 3], [-1, -1]]))
    np.testing.assert_array_equal(choose_anchors(np.zeros((0, 2)), 416).anchors, coco_anchors())


def test_iou_of_sizes():
    iou = size_iou(np.array([[10, 10], [10, 20]]), np.array([[10, 10], [20, 10]]))
    np.testing.assert_allclose(iou, [[1, 0.5], [0.5, 1 / 3]])


def test_measures():
    sizes, anchors = np.array([[10, 10], [10, 30]]), np.array([[10, 10]])
    assert mean_best_iou(sizes, anchors) == pytest.approx((1 + 1 / 3) / 2)
    assert best_possible_recall(sizes, anchors) == 0.5
    assert best_possible_recall(sizes, anchors, iou=0.3) == 1
    assert math.isnan(mean_best_iou(np.zeros((0, 2)), anchors))
    assert math.isnan(best_possible_recall(np.zeros((0, 2)), anchors))


def test_coco_anchors_scale_with_the_input():
    assert coco_anchors().tolist()[0] == [10, 13]
    np.testing.assert_allclose(coco_anchors(832), 2 * coco_anchors(416))


def test_clustered_where_it_helps():
    sizes = groups()[1]
    choice = choose_anchors(sizes, 416)
    mean_iou, coco_iou = mean_best_iou(sizes, choice.anchors), mean_best_iou(sizes, coco_anchors())
    assert "clustered" in choice.note
    assert mean_iou > coco_iou + 0.03
    assert choice.recall == best_possible_recall(sizes, choice.anchors) == 1
    assert f"{mean_iou:.3f}" in choice.note
    assert f"{coco_iou:.3f}" in choice.note


def test_published_where_the_gain_is_small():
    sizes = np.repeat(coco_anchors(), 20, axis=0) * np.random.default_rng(0).uniform(
        0.97, 1.03, (180, 2)
    )
    choice = choose_anchors(sizes, 416)
    np.testing.assert_array_equal(choice.anchors, coco_anchors())
    assert "kept" in choice.note


@pytest.mark.parametrize("sizes", [np.full((100, 2), 50.0), np.full((3, 2), 50.0)])
def test_published_where_there_is_little_to_learn_from(sizes):
    choice = choose_anchors(sizes, 320)
    np.testing.assert_array_equal(choice.anchors, coco_anchors(320))
    assert "too few or too similar" in choice.note


def test_object_sizes_are_letterboxed_and_without_difficult_ones():
    boxes = np.array([[0, 0, 100, 50], [10, 10, 20, 20]], np.float32)
    record = Record(
        "a", Path("a.jpg"), 832, 416, boxes, np.zeros(2, np.int32), np.array([False, True])
    )
    sizes = object_sizes(Dataset((record,), ("c",)), 416)
    np.testing.assert_allclose(sizes, [[50, 25]])
    assert object_sizes(Dataset((), ("c",)), 416).shape == (0, 2)


@pytest.mark.parametrize("divider", ["\n", ", ", "  "])
def test_anchor_files(tmp_path, divider):
    path = tmp_path / "anchors.txt"
    pairs = [f"{w:g},{h:g}" for w, h in coco_anchors()[::-1]]
    path.write_text("# from the paper\n" + divider.join(pairs) + "  # biggest first\n")
    np.testing.assert_array_equal(read_anchors(path), coco_anchors())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("10,13 16,30", "4 numbers"),
        ("", "0 numbers"),
        ("10,x", "'x'"),
        ("10,-3", "greater than 0"),
        ("10,nan", "not a size"),
        ("10,inf", "not a size"),
        ("10,1e-50", "greater than 0"),  # 0 in float32
    ],
)
def test_bad_anchor_files(tmp_path, text, message):
    path = tmp_path / "anchors.txt"
    path.write_text(text)
    with pytest.raises(UserError, match=message) as error:
        read_anchors(path)
    assert str(path) in str(error.value)


def test_anchor_file_that_is_missing_or_binary(tmp_path):
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x80")
    for name in ("gone", "binary"):
        with pytest.raises(UserError, match=name):
            read_anchors(tmp_path / name)


def test_the_published_anchors_are_the_networks():
    from nets.yolo import COCO_ANCHORS_416
    from utils.data import anchors

    assert anchors.COCO_ANCHORS_416 == COCO_ANCHORS_416
