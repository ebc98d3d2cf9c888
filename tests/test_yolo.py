"""Decoding, the detector's shapes, its checks, and its file."""

import subprocess
import sys

import keras
import numpy as np
import pytest

from nets.yolo import COCO_ANCHORS_416, OBJECTNESS_PRIOR, YOLOv3, build_head, decode
from tests.reference import plain_decode, sigmoid

ANCHORS = np.array(COCO_ANCHORS_416, np.float32)


@pytest.mark.parametrize("span", [1.0, 2.0])
@pytest.mark.parametrize(("height", "width"), [(32, 32), (64, 96)])
def test_decode_is_the_papers(span, height, width):
    rng = np.random.default_rng(0)
    raw = [rng.normal(size=(2, height // s, width // s, 3 * 7)).astype("f4") for s in (8, 16, 32)]
    got = decode(raw, ANCHORS, span)
    for i in range(2):
        expected = plain_decode([r[i] for r in raw], ANCHORS, span)
        assert np.abs(np.array(got.boxes)[i] - expected).max() < 1e-2
    cells = np.concatenate([r.reshape(2, -1, 7) for r in raw], axis=1)
    assert np.array_equal(got.objectness, cells[..., 4])
    assert np.array_equal(got.class_logits, cells[..., 5:])


def test_decode_with_a_span_of_one_is_a_plain_sigmoid():
    raw = [np.zeros((1, n, n, 3 * 6), "f4") for n in (4, 2, 1)]
    raw[0][0, 2, 1, 0] = 0.7  # tx of the first anchor in row 2, column 1
    box = np.array(decode(raw, ANCHORS, 1.0).boxes)[0, (2 * 4 + 1) * 3]
    centre = (box[:2] + box[2:]) / 2
    assert centre == pytest.approx([(1 + sigmoid(0.7)) * 8, 2.5 * 8], abs=1e-4)
    assert box[2:] - box[:2] == pytest.approx(ANCHORS[0], abs=1e-4)


def test_wild_sizes_stay_finite():
    raw = [np.full((1, n, n, 18), 1e4, "f4") for n in (4, 2, 1)]
    assert np.isfinite(np.array(decode(raw, ANCHORS).boxes)).all()


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(1)
    return YOLOv3("efficientnet_lite0", ["cat", "dog"], input_size=96, metadata={"made": "here"})


@pytest.mark.parametrize(("height", "width"), [(96, 96), (64, 160)])
def test_output_shapes_and_ranges(model, height, width):
    images = np.random.default_rng(0).integers(0, 256, (2, height, width, 3), np.uint8)
    raw = model.raw(images.astype("f4"))
    assert [tuple(r.shape) for r in raw] == [
        (2, height // s, width // s, 3 * 7) for s in (8, 16, 32)
    ]
    output = model(images)
    n = 3 * sum(height // s * (width // s) for s in (8, 16, 32))
    assert output["boxes"].shape == (2, n, 4)
    assert output["scores"].shape == (2, n, 2)
    scores = np.array(output["scores"])
    assert scores.dtype == np.float32
    assert ((scores > 0) & (scores < 1)).all()
    # Fresh heads say "nothing here" at the prior's odds, and one class in three, of two.
    assert np.median(scores) == pytest.approx(OBJECTNESS_PRIOR / 3, rel=0.3)


def test_head_is_the_one_of_the_issue():
    """Five convolutions a level alternating 1×1 (c) and 3×3 (2c), a 3×3 and a linear 1×1."""
    head = build_head([(None, None, None, c) for c in (40, 112, 320)], classes=3)
    kernels = {
        layer.name: tuple(layer.kernel.shape)
        for layer in head.layers
        if isinstance(layer, keras.layers.Conv2D)
    }
    assert [kernels[f"p5_{i}_conv"] for i in range(1, 6)] == [
        (1, 1, 320, 320), (3, 3, 320, 640), (1, 1, 640, 320), (3, 3, 320, 640), (1, 1, 640, 320),
    ]  # fmt: skip
    assert kernels["p5_to_p4_conv"] == (1, 1, 320, 112)
    assert kernels["p4_1_conv"] == (1, 1, 112 + 112, 112)
    assert kernels["p3_1_conv"] == (1, 1, 40 + 40, 40)
    assert kernels["head5_conv"] == (3, 3, 320, 640)
    assert kernels["head5_out"] == (1, 1, 640, 24)


def test_checkpoint_keeps_everything(model, tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (1, 96, 96, 3), np.uint8)
    before = model(images)
    model.save(tmp_path / "m.keras")
    loaded = keras.saving.load_model(tmp_path / "m.keras", safe_mode=True)
    assert isinstance(loaded, YOLOv3)
    assert loaded.classes == ("cat", "dog")
    assert loaded.input_size == 96
    assert loaded.metadata == {"made": "here"}
    assert np.array_equal(loaded.anchors, model.anchors)
    for name in ("boxes", "scores"):
        assert np.array_equal(before[name], loaded(images)[name])


@pytest.mark.slow
def test_checkpoint_opens_after_importing_nets_alone(model, tmp_path):
    model.save(tmp_path / "m.keras")
    code = (
        f"import nets, keras; print(keras.saving.load_model({str(tmp_path / 'm.keras')!r}).classes)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "('cat', 'dog')", done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"input_size": 100}, "multiple of 32 pixels, not 100; take 96 or 128"),
        ({"input_size": 0}, "multiple of 32"),
        ({"classes": []}, "at least one name"),
        ({"classes": "cat"}, "at least one name"),
        ({"classes": ["a", "b", "a"]}, "class named twice: a"),
        ({"anchors": ANCHORS[:6]}, "nine"),
        ({"anchors": -ANCHORS}, "positive"),
        ({"backbone": "efficientnet_b9"}, "efficientnet_b9"),
    ],
)
def test_wrong_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        YOLOv3(**{"backbone": "efficientnet_lite0", "classes": ["a"], **arguments})


def test_float32_heads_under_mixed_precision():
    model = YOLOv3("efficientnet_lite0", ["a"], input_size=64, dtype="mixed_bfloat16")
    assert model.head.get_layer("p5_1_conv").compute_dtype == "bfloat16"
    assert model.backbone.get_layer("stage2_block1_expand_conv").compute_dtype == "bfloat16"
    assert keras.config.dtype_policy().name == "float32"
    output = model(np.zeros((1, 64, 64, 3), np.uint8))
    assert {str(v.dtype) for v in output.values()} == {"<dtype: 'float32'>"}
