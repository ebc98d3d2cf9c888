"""A detector that starts from another: which channel of the heads goes where."""

import keras
import numpy as np
import pytest

from nets.head_channels import OUTPUTS, merged, size_shifts, with_shift, without_classes
from nets.yolo import COCO_ANCHORS_416, MAX_LOG_SIZE, YOLOv3, decode
from utils.training.choices.start import copy_detector

ANCHORS = np.array(COCO_ANCHORS_416, np.float32)
OTHERS = ANCHORS * np.float32([0.7, 1.4]) + 1
BOX = 5  # x, y, w, h, objectness

CASES = [  # old classes, new classes, where each new one comes from
    ("abc", "abc", (0, 1, 2)),
    ("abc", "cab", (2, 0, 1)),
    ("abc", "abcd", (0, 1, 2, None)),
    ("abc", "dbe", (None, 1, None)),
    ("abc", "xy", (None, None)),
    ("a", "ab", (0, None)),
    ("abcd", "b", (1,)),
    ("a", "b", (None,)),
    ("ab", "xyz", (0, 0, None)),
]


def plain_reading(own, other, n, m, old_ids, shifts=None, level=0):
    """Channel by channel: anchor a's channels begin at a · (5 + classes)."""
    result = own.copy()
    for a in range(3):
        for c in range(BOX):
            result[..., a * (BOX + n) + c] = other[..., a * (BOX + m) + c]
            if shifts is not None and c in (2, 3):
                result[..., a * (BOX + n) + c] += shifts[3 * level + a][c - 2]
        for new, old in enumerate(old_ids):
            if old is not None:
                there = a * (BOX + m) + BOX + old
                result[..., a * (BOX + n) + BOX + new] = other[..., there]
    return result


@pytest.mark.parametrize(("old", "new", "old_ids"), CASES)
@pytest.mark.parametrize("shape", [(), (1, 1, 4)])
def test_channels_go_where_a_plain_reading_puts_them(old, new, old_ids, shape):
    n, m = len(new), len(old)
    rng = np.random.default_rng(0)
    own, other = (rng.random((*shape, 3 * (BOX + count))) for count in (n, m))
    kept = own.copy()
    np.testing.assert_array_equal(
        merged(own, other, old_ids), plain_reading(own, other, n, m, old_ids)
    )
    np.testing.assert_array_equal(own, kept)  # pure
    if not shape:
        shifts = size_shifts(ANCHORS, OTHERS)
        for level, output in enumerate(OUTPUTS):
            np.testing.assert_allclose(
                merged(own, with_shift(other, shifts, output), old_ids),
                plain_reading(own, other, n, m, old_ids, np.log(ANCHORS / OTHERS), level),
                rtol=1e-6,
            )
    assert without_classes(other).shape == (*shape, 15)


def test_a_shift_is_limited():
    assert np.allclose(size_shifts(ANCHORS, ANCHORS * 100), -np.log(2))


@pytest.fixture(scope="module")
def old():
    """A detector of three classes whose weights are far from their start."""
    keras.utils.set_random_seed(1)
    model = YOLOv3("efficientnet_lite0", list("abc"), input_size=64, anchors=ANCHORS)
    rng = np.random.default_rng(1)
    for variable in model.trainable_variables:
        variable.assign(variable + 0.01 * rng.standard_normal(variable.shape))
    return model


def predictions(model, size=64):
    images = np.random.default_rng(2).integers(0, 256, (1, size, size, 3)).astype(np.float32)
    return [np.asarray(part) for part in decode(model.raw(images), model.anchors)]


def inside(model, size=64):
    """Which predictions have a size that decoding does not limit: a limited one must not shift."""
    images = np.random.default_rng(2).integers(0, 256, (1, size, size, 3)).astype(np.float32)
    sizes = [
        np.asarray(level).reshape(-1, BOX + len(model.classes))[:, 2:4]
        for level in model.raw(images)
    ]
    return (np.abs(np.concatenate(sizes)) < MAX_LOG_SIZE).all(axis=1)


@pytest.mark.slow
@pytest.mark.parametrize(("classes", "old_ids"), [
    ("abc", (0, 1, 2)), ("cxa", (2, None, 0)), ("b", (1,)), ("xyzuv", (None,) * 5),
])  # fmt: skip
@pytest.mark.parametrize("anchors", [None, OTHERS])
def test_boxes_objectness_and_known_classes_are_predicted_as_before(old, classes, old_ids, anchors):
    new = copy_detector(old, 64, list(classes), old_ids, anchors)
    assert new.classes == tuple(classes)
    expected, got = predictions(old), predictions(new)
    free = inside(old) & inside(new)
    assert free.mean() > 0.9
    np.testing.assert_allclose(got[0][:, free], expected[0][:, free], rtol=1e-4, atol=1e-3)
    np.testing.assert_allclose(got[1], expected[1], rtol=1e-5, atol=1e-5)
    for index, old_id in enumerate(old_ids):
        if old_id is not None:
            np.testing.assert_allclose(got[2][..., index], expected[2][..., old_id], atol=1e-5)
        else:  # the log-odds of the prior, 1 / (1 + classes)
            for output in OUTPUTS:
                bias = np.asarray(new.head.get_layer(output).bias).reshape(3, -1)
                np.testing.assert_allclose(bias[:, BOX + index], -np.log(len(classes)), rtol=1e-5)


def test_a_copy_has_the_same_weights_bit_for_bit(old):
    copy = copy_detector(old, 96)
    assert all((a == b).all() for a, b in zip(old.get_weights(), copy.get_weights(), strict=True))
    assert np.allclose(copy.anchors, ANCHORS * 1.5)
