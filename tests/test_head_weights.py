"""Heads that start from another detector's: the same boxes, whatever classes and anchors."""

import keras
import numpy as np
import pytest

from nets.head_weights import (
    BUNDLED,
    BUNDLED_NECK,
    bundled_heads,
    load_head_weights,
    save_head_weights,
)
from nets.yolo import COCO_ANCHORS_416, YOLOv3, decode

ANCHORS = np.array(COCO_ANCHORS_416, np.float32)
OTHERS = ANCHORS * np.float32([0.6, 1.4]) + 1


@pytest.fixture(scope="module")
def teacher(tmp_path_factory):
    """A detector of five classes whose head is far from its start, and the file made of it."""
    keras.utils.set_random_seed(0)  # float16 rounds the sizes of some other networks too far
    model = YOLOv3("efficientnet_lite0", list("abcde"), input_size=64, anchors=ANCHORS)
    rng = np.random.default_rng(1)
    for variable in model.head.trainable_variables:
        variable.assign(variable + 0.01 * rng.standard_normal(variable.shape))
    path = tmp_path_factory.mktemp("weights") / "start.npz"
    save_head_weights(model, path)
    return model, path


def predictions(model):
    images = np.random.default_rng(2).integers(0, 256, (1, 64, 64, 3)).astype(np.float32)
    return decode(model.raw(images), model.anchors)


@pytest.mark.slow
@pytest.mark.parametrize("anchors", [ANCHORS, OTHERS])
def test_boxes_and_objectness_are_the_teachers(teacher, anchors):
    model, path = teacher
    pupil = YOLOv3("efficientnet_lite0", ["x", "y"], input_size=64, anchors=anchors)
    pupil.backbone.set_weights(model.backbone.get_weights())
    load_head_weights(pupil, path)
    expected, got = predictions(model), predictions(pupil)
    # float16 in the file: three decimal digits of every weight
    np.testing.assert_allclose(got.boxes, expected.boxes, rtol=0.02, atol=0.5)
    np.testing.assert_allclose(got.objectness, expected.objectness, atol=0.05)


def test_class_scores_stay_as_they_were(teacher):
    _, path = teacher
    pupil = YOLOv3("efficientnet_lite0", ["x", "y"], input_size=64)
    channels = np.arange(3 * 7).reshape(3, 7)[:, 5:].ravel()
    before = [np.array(pupil.head.get_layer("head4_out").kernel)[..., channels]]
    load_head_weights(pupil, path)
    after = [np.array(pupil.head.get_layer("head4_out").kernel)[..., channels]]
    np.testing.assert_array_equal(before, after)


def test_another_network_is_refused_and_nothing_changes(teacher):
    _, path = teacher
    other = YOLOv3("mobilenet_v3_small", ["x"], input_size=64)
    before = [np.array(w) for w in other.get_weights()]
    with pytest.raises(ValueError, match=r"has shape|another network"):
        load_head_weights(other, path)
    assert all((a == b).all() for a, b in zip(before, other.get_weights(), strict=True))


@pytest.mark.parametrize(("backbone", "said"), [
    ("efficientnet_lite0", r"neck yolov3, and this network has the neck pan; --neck yolov3 takes"),
    ("mobilenet_v3_small", r"another network"),  # its neck would be of another width
])  # fmt: skip
def test_a_file_for_another_neck_says_which(teacher, backbone, said):
    _, path = teacher
    pan = YOLOv3(backbone, ["x", "y"], input_size=64, neck="pan")
    before = [np.array(w) for w in pan.head.get_weights()]
    with pytest.raises(ValueError, match=said):
        load_head_weights(pan, path)
    assert all((a == b).all() for a, b in zip(before, pan.head.get_weights(), strict=True))


def test_a_damaged_file_is_named(teacher, tmp_path):
    model, path = teacher
    damaged = tmp_path / "cut.npz"
    damaged.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(ValueError, match=r"cut\.npz"):
        load_head_weights(model, damaged)


def test_anchors_far_from_the_files_shift_sizes_by_a_factor_of_two_at_most(teacher):
    """What the bias cannot say without leaving its range is left to training."""
    model, path = teacher
    pupil = YOLOv3("efficientnet_lite0", ["x", "y"], input_size=64, anchors=ANCHORS / 5)
    pupil.backbone.set_weights(model.backbone.get_weights())
    load_head_weights(pupil, path)

    def sizes(boxes):
        return np.array(boxes[..., 2:] - boxes[..., :2])

    ratio = sizes(predictions(pupil).boxes) / sizes(predictions(model).boxes)
    np.testing.assert_allclose(ratio, 2 / 5, rtol=0.02)


@pytest.mark.parametrize("name", BUNDLED)
def test_the_files_of_the_project_fit_their_networks(name):
    model = YOLOv3(name, ["x"], input_size=64, neck=BUNDLED_NECK)
    before = np.array(model.head.get_layer("c3_lateral_conv").kernel)
    load_head_weights(model, bundled_heads(name, BUNDLED_NECK))
    assert not np.array_equal(before, model.head.get_layer("c3_lateral_conv").kernel)
    assert bundled_heads(name, "yolov3") is None
