"""Assignment against a plain reading of the YOLOv3 paper, one object at a time."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from nets.targets import BACKGROUND, assign, assign_simota
from nets.yolo import Predictions, decode
from tests.reference import (
    ANCHORS,
    STRIDES,
    grids_of,
    plain_assign,
    plain_candidates,
    plain_simota,
    row_of,
)


def run(boxes, class_ids, grids):
    boxes, class_ids = tf.constant(boxes, tf.float32), tf.constant(class_ids, tf.int32)
    return [assigned(image) for image in assign(boxes, class_ids, grids, ANCHORS).numpy()]


def assigned(image):
    """{row: object} of int32 (N,) indices."""
    return {int(row): int(image[row]) for row in np.flatnonzero(image != BACKGROUND)}


def run_simota(predictions, boxes, class_ids, grids):
    """For a single image."""
    found = assign_simota(
        Predictions(*(tf.constant(np.asarray(part)[None]) for part in predictions)),
        tf.constant([boxes], tf.float32), tf.constant([class_ids], tf.int32), grids, ANCHORS,
    )  # fmt: skip
    return assigned(found.numpy()[0])


# Quarter pixels and sizes well apart keep float32 and Python's floats on the same side of every
# comparison, so the two readings must agree exactly.
position = st.integers(0, 4 * 160).map(lambda v: v / 4)
size = st.sampled_from([3, 7, 10.5, 17, 24, 33.25, 47, 61, 88, 120.5])
objects = st.lists(
    st.tuples(position, position, size, size, st.integers(-1, 2)), min_size=1, max_size=12
)


@given(objects)
@settings(max_examples=100, deadline=None)
def test_agrees_with_the_plain_reading(items):
    height, width = 160, 192
    boxes = np.array(
        [[x, y, min(x + w, width), min(y + h, height)] for x, y, w, h, _ in items], np.float32
    )
    class_ids = np.array([item[4] for item in items])
    grids = grids_of(height, width)
    (got,) = run(boxes[None], class_ids[None], grids)
    expected = plain_assign(boxes, class_ids, grids)
    assert got.keys() == expected.keys()
    sides = boxes[:, 2:] - boxes[:, :2]
    for row in expected:
        a, b = expected[row], got[row]
        if a == b or (sides[a] != sides[b]).any():
            assert a == b
        else:  # float32 sees one of two equal objects a little larger than the other
            assert np.isclose(sides[a], sides[b]).all()


def box_at(cx, cy, w, h):
    return [cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2]


def test_paper_mode_gives_each_object_its_best_anchor():
    grids = grids_of(416, 416)
    got = run([[box_at(100, 200, 59, 119)]], [[0]], grids)
    assert got == [{row_of(100 // 16, 200 // 16, 5, grids): 0}]


def test_two_objects_of_one_shape_in_one_cell_both_find_a_place():
    grids = grids_of(416, 416)
    boxes = [[box_at(100, 200, 60, 110), box_at(101, 201, 59, 119), box_at(102, 202, 58, 115)]]
    got = run(boxes, [[0, 1, 1]], grids)[0]
    assert sorted(got.values()) == [0, 1, 2]
    assert got[row_of(6, 12, 5, grids)] == 1  # the best fit has the anchor they all want


def test_objects_on_every_border_stay_in_the_grid():
    grids = grids_of(96, 128)
    boxes = [
        [0, 0, 10, 13], [118, 0, 128, 13], [0, 83, 10, 96], [118, 83, 128, 96],
        [127.9, 95.9, 128, 96], [0, 0, 128, 96],
    ]  # fmt: skip
    got = run([boxes], [[0] * 6], grids)[0]
    total = 3 * sum(h * w for h, w in grids)
    assert set(got.values()) == set(range(6))
    assert all(0 <= row < total for row in got)


def test_empty_images_and_padding_have_no_positives():
    grids = grids_of(64, 64)
    boxes = np.zeros((2, 3, 4), np.float32)
    boxes[1, 0] = [10, 10, 40, 40]
    boxes[1, 1] = [5, 5, 60, 60]  # an object to ignore: class −1
    assert run(boxes, [[-1] * 3, [2, -1, -1]], grids)[0] == {}
    got = run(boxes, [[-1] * 3, [2, -1, -1]], grids)[1]
    assert set(got.values()) == {0}


@pytest.mark.parametrize("simota", [False, True])
def test_targets_decode_to_their_box(simota):
    """The raw outputs that a row would need for its object exist, and decode to that object."""
    grids = grids_of(160, 160)
    rng = np.random.default_rng(3)
    boxes = np.array([box_at(*rng.uniform(20, 140, 2), *rng.uniform(8, 100, 2)) for _ in range(6)])
    boxes = boxes.astype(np.float32)
    if simota:
        found = run_simota(made_up_predictions(boxes, grids, 1, 0), boxes, [0] * 6, grids)
        assert len(found) > 6
    else:
        (found,) = run(boxes[None], [[0] * 6], grids)
    raw = [np.zeros((1, h, w, 3, 6), np.float32) for h, w in grids]
    starts = np.cumsum([0] + [3 * h * w for h, w in grids])
    for row, m in found.items():
        level = int(np.searchsorted(starts, row, side="right")) - 1
        cell, a = divmod(row - starts[level], 3)
        cy, cx = divmod(cell, grids[level][1])
        x, y = (boxes[m, :2] + boxes[m, 2:]) / 2 / STRIDES[level]
        share = (np.array([x - cx, y - cy]) - 0.5) / 2 + 0.5  # of the span of two cells
        assert ((share > -1e-6) & (share < 1 + 1e-6)).all()
        share = np.clip(share, 1e-6, 1 - 1e-6)
        size = boxes[m, 2:] - boxes[m, :2]
        raw[level][0, cy, cx, a, :2] = np.log(share / (1 - share))
        raw[level][0, cy, cx, a, 2:4] = np.log(size / ANCHORS[3 * level + a])
    flat = [r.reshape(1, *r.shape[1:3], 18) for r in raw]
    decoded = np.array(decode(flat, ANCHORS).boxes)[0]
    for row, m in found.items():
        assert np.abs(decoded[row] - boxes[m]).max() < 0.02


# SimOTA ---------------------------------------------------------------------------------------


def made_up_predictions(boxes, grids, classes, seed):
    """As of a network in training: boxes near some object or anywhere, scores of any kind."""
    rng = np.random.default_rng(seed)
    total = 3 * sum(h * w for h, w in grids)
    near = boxes[rng.integers(len(boxes), size=total)]
    predicted = near + rng.normal(0, 1, (total, 4)) * rng.choice([1, 4, 30], (total, 1))
    predicted[:, 2:] = np.maximum(predicted[:, 2:], predicted[:, :2] + 1)
    return Predictions(
        predicted.astype(np.float32),
        rng.normal(-1, 2, total).astype(np.float32),
        rng.normal(0, 2, (total, classes)).astype(np.float32),
    )


@given(objects, st.integers(0, 1000))
@settings(max_examples=100, deadline=None)
def test_simota_agrees_with_a_plain_reading(items, seed):
    height, width = 160, 192
    boxes = np.array(
        [[x, y, min(x + w, width), min(y + h, height)] for x, y, w, h, _ in items], np.float32
    )
    class_ids = np.array([item[4] for item in items])
    grids = grids_of(height, width)
    predictions = made_up_predictions(boxes, grids, 3, seed)
    got = run_simota(predictions, boxes, class_ids, grids)
    expected = plain_simota(predictions, boxes, class_ids, grids)
    # float32 may order two costs of the last digit, or round a count, the other way.
    differing = {row for row in got.keys() | expected.keys() if got.get(row) != expected.get(row)}
    assert len(differing) <= 0.02 * len(expected)
    assert set(got.values()) == set(expected.values())


def test_a_good_prediction_is_chosen_before_a_fitting_anchor():
    """One object, one row that predicts it exactly: it alone answers, whatever anchors fit."""
    grids = grids_of(96, 96)
    box = np.array(box_at(41, 41, 24, 24), np.float32)
    rows, _ = plain_candidates(box, grids)
    total = 3 * sum(h * w for h, w in grids)
    predicted = np.tile(np.array([0, 0, 2, 2], np.float32), (total, 1))
    predicted[rows[-1]] = box
    flat = np.zeros(total, np.float32)
    predictions = Predictions(predicted, flat, np.zeros((total, 1), np.float32))
    assert run_simota(predictions, [box], [0], grids) == {rows[-1]: 0}


@pytest.mark.parametrize(
    "boxes",
    [
        pytest.param([[60.0, 60, 90, 100]] * 8, id="eight labels of one object"),
        pytest.param([[0.0, 0, 2, 2], [1, 1, 3, 3], [0, 0, 2, 3]], id="tiny ones in the corner"),
        pytest.param([[0.0, 0, 160, 159]] * 3, id="all of the picture"),
    ],
)
def test_simota_every_object_gets_a_positive(boxes):
    grids = grids_of(160, 160)
    predictions = made_up_predictions(np.array(boxes), grids, 8, seed=1)
    got = run_simota(predictions, boxes, range(len(boxes)), grids)
    assert set(got.values()) == set(range(len(boxes)))


def test_simota_an_image_gets_the_same_alone_and_in_a_batch():
    grids = grids_of(96, 128)
    rng = np.random.default_rng(5)
    images = []
    for seed in range(3):
        corners = rng.uniform(-10, 100, (5, 2))
        boxes = np.concatenate([corners, corners + rng.uniform(2, 90, (5, 2))], axis=1)
        images.append((made_up_predictions(boxes, grids, 2, seed), boxes, [0, 1, -1, 1, 0]))
    batch = assign_simota(
        Predictions(*(tf.constant(np.stack(p)) for p in zip(*(i[0] for i in images), strict=True))),
        tf.constant([boxes for _, boxes, _ in images], tf.float32),
        tf.constant([ids for *_, ids in images]), grids, ANCHORS,
    )  # fmt: skip
    assert [assigned(i) for i in batch.numpy()] == [run_simota(*i, grids) for i in images]


def test_simota_padding_and_ignored_objects_have_no_positives():
    grids = grids_of(64, 64)
    boxes = np.zeros((1, 3, 4), np.float32)
    boxes[0, 1] = [5, 5, 60, 60]  # an object to ignore
    total = 3 * sum(h * w for h, w in grids)
    predictions = Predictions(
        tf.zeros([1, total, 4]), tf.zeros([1, total]), tf.zeros([1, total, 2])
    )
    got = assign_simota(predictions, tf.constant(boxes), tf.constant([[-1] * 3]), grids, ANCHORS)
    assert (got.numpy() == BACKGROUND).all()


def test_simota_takes_no_memory_for_the_classes_that_objects_do_not_have():
    """Nothing has a value for each object, candidate and class."""
    classes, grids = 977, grids_of(64, 64)
    total = 3 * sum(h * w for h, w in grids)
    shapes = ([2, total, 4], [2, total], [2, total, classes], [2, 50, 4])
    *parts, boxes = (tf.TensorSpec(shape) for shape in shapes)
    graph = (
        tf.function(
            lambda *given: assign_simota(Predictions(*given[:3]), *given[3:], grids, ANCHORS)
        )
        .get_concrete_function(*parts, boxes, tf.TensorSpec([2, 50], tf.int64))
        .graph
    )
    made = [output.shape for op in graph.get_operations() for output in op.outputs]
    assert [2, 50, 27] in made
    assert not [shape for shape in made if shape.rank == 4 and shape[-1] == classes]
