"""Heat maps of real networks: gradients by differences, objectness, planted objects, command."""

from __future__ import annotations

import json

import cv2
import keras
import numpy as np
import pytest
import tensorflow as tf

import predict
from tests.exported import small_detector
from tests.test_bundled import WEIGHTS
from utils.cli import run
from utils.data.synthetic.scenes import draw_scene
from utils.decoding import STRIDES
from utils.detector import Detector
from utils.errors import UserError
from utils.heatmaps.evidence import Evidence
from utils.images import read_image, save_image
from utils.media import heat_sheets


def _sigmoid(x):
    return 1 / (1 + np.exp(-np.float64(x)))


@pytest.fixture(scope="module")
def small():
    return small_detector()


@pytest.fixture(scope="module")
def signs():
    return Evidence(WEIGHTS)


@pytest.fixture(scope="module")
def detector():
    return Detector(WEIGHTS, "tensorflow")


@pytest.fixture(scope="module")
def image():
    return np.random.default_rng(3).integers(0, 256, (64, 64, 3), np.uint8)


@pytest.mark.parametrize(("level", "stride"), [(3, 8), (5, 32)])
def test_gradients_are_those_of_finite_differences(small, image, level, stride):
    """Every feature of a level is moved a little, and the change of the score is measured."""
    seen = Evidence(small)(image)
    heat = seen.heat("ĥundo")
    tensors = {n: small.head.get_layer(f"p{n}_5_act").output for n in (3, 5)}
    features = keras.Model(small.head.inputs, tensors[level])(small.backbone(image[None] * 1.0))
    features = features.numpy()
    c3, c4, _ = (x.numpy() for x in small.backbone(image[None] * 1.0))

    weights = seen.scores[:, 0] * (seen.scores[:, 0] >= seen.scores[:, 0].max() / 2)
    weights /= weights.sum()

    if level == 3:  # only the head of stride 8 sees it
        inputs, outputs, others = tensors[3], small.head.outputs[:1], []
    else:
        inputs = [small.head.inputs[0], small.head.inputs[1], tensors[5]]
        outputs, others = small.head.outputs, [c3, c4]
    above = keras.Model(inputs, outputs)

    def score(batch: np.ndarray) -> np.ndarray:
        rest = [np.repeat(one, len(batch), axis=0) for one in others]
        raw = above.predict([*rest, batch] if rest else batch, verbose=0, batch_size=256)
        raw = raw if isinstance(raw, list) else [raw]
        cells = np.concatenate([one.reshape(len(batch), -1, 7) for one in raw], axis=1)
        return (np.float64(cells[..., 4]) + cells[..., 5]) @ weights[: cells.shape[1]]

    size, step = features.size, 3e-3
    moves = step * np.eye(size, dtype=np.float32).reshape(size, *features.shape[1:])
    slopes = (score(features + moves) - score(features - moves)) / (2 * step)
    gradients = slopes.reshape(features.shape[1:])
    expected = np.maximum((np.maximum(gradients, 0) * features[0]).sum(axis=-1), 0) / stride**2
    assert expected.max() > 0
    np.testing.assert_allclose(heat.levels[stride], expected, atol=0.02 * expected.max())


def test_the_heat_of_a_box_on_the_pixels_of_a_photo_with_padding(small):
    """Letterbox, choice of predictions, gradients, formula and interpolation, written out again."""
    photo = np.random.default_rng(4).integers(0, 256, (50, 90, 3), np.uint8)
    inputs = np.full((1, 64, 64, 3), 114.0, np.float32)
    inputs[0, 14:50] = cv2.resize(photo, (64, 36), interpolation=cv2.INTER_AREA)
    output = {name: x.numpy()[0] for name, x in small(inputs).items()}
    x0, y0, x1, y1 = output["boxes"][output["scores"][:, 1].argmax()]
    x_scale, y_scale = 90 / 64, 50 / 36
    box = [x0 * x_scale, (y0 - 14) * y_scale, x1 * x_scale, (y1 - 14) * y_scale]

    overlaps = []
    for a0, b0, a1, b1 in np.float64(output["boxes"]):
        shared = max(0, min(a1, x1) - max(a0, x0)) * max(0, min(b1, y1) - max(b0, y0))
        overlaps.append(shared / ((a1 - a0) * (b1 - b0) + (x1 - x0) * (y1 - y0) - shared))
    weights = np.where(np.array(overlaps) >= 0.5, output["scores"][:, 1], 0)
    weights[weights < weights.max() / 2] = 0
    weights /= weights.sum()

    levels = [small.head.get_layer(f"p{n}_5_act").output for n in (3, 4, 5)]
    both = keras.Model(small.head.inputs, [*levels, *small.head.outputs])
    with tf.GradientTape(persistent=True) as tape:
        features = both(small.backbone(inputs))
        cells = tf.concat([tf.reshape(raw, (-1, 7)) for raw in features[3:]], axis=0)
        score = tf.reduce_sum((cells[:, 4] + cells[:, 6]) * weights)
    expected = 0
    for stride, feature in zip(STRIDES, features[:3], strict=True):
        positive = np.maximum(tape.gradient(score, feature).numpy()[0], 0)
        cam = np.maximum((positive * feature.numpy()[0]).sum(axis=-1), 0) / stride**2
        centres = stride * (np.arange(64 // stride) + 0.5)
        x, y = (np.arange(90) + 0.5) / x_scale, (np.arange(50) + 0.5) / y_scale + 14
        rows = np.stack([np.interp(x, centres, row) for row in cam])
        expected = expected + np.stack([np.interp(y, centres, column) for column in rows.T]).T

    heat = Evidence(small)(photo).heat(small.classes[1], box)
    assert expected.max() > 0
    np.testing.assert_allclose(heat.on_photo(), expected, atol=2e-3 * expected.max())
    assert heat.overlap == pytest.approx(1, abs=1e-4)


def test_objectness_and_scores_are_those_of_the_raw_heads(small, image):
    seen = Evidence(small)(image)
    output = {name: x.numpy()[0] for name, x in small(image[None] * 1.0).items()}
    np.testing.assert_allclose(seen.boxes, output["boxes"], atol=1e-4)
    np.testing.assert_allclose(seen.scores, output["scores"], atol=1e-6)
    for stride, raw, heat in zip(
        STRIDES, small.raw(image[None] * 1.0), seen.objectness(), strict=True
    ):
        cells = raw.numpy()[0].reshape(64 // stride, 64 // stride, 3, 7)
        expected = _sigmoid(cells[..., 4]).max(axis=-1)
        np.testing.assert_allclose(heat.levels[stride], expected, atol=1e-6)


@pytest.mark.slow
def test_the_heat_of_an_object_lies_in_its_box(signs, detector):
    """In half of the boxes at least half of the heat, in all of them many times their area."""
    shares, areas = [], []
    for number in range(4):
        picture = draw_scene(5, "test", number).image
        seen = signs(picture)
        for one in detector(picture, conf=0.5):
            heat = seen.heat(one.class_name, one.box)
            assert heat.overlap > 0.7
            assert heat.score == pytest.approx(one.score, abs=0.25)  # before voting
            x0, y0, x1, y1 = one.box
            shares.append(heat.share_in(one.box))
            areas.append((x1 - x0) * (y1 - y0) / picture[..., 0].size)
    assert len(shares) >= 8
    assert np.median(shares) > 0.5
    assert (np.array(shares) > 4 * np.array(areas)).all()


@pytest.mark.slow
def test_a_class_and_a_box_choose_what_is_explained(signs, detector):
    picture = draw_scene(5, "test", 1).image  # a stop sign and others
    seen = signs(picture)
    stop = next(one for one in detector(picture) if one.class_name == "stop")
    anywhere, in_box = seen.heat("stop"), seen.heat(box=stop.box)
    assert in_box.class_name == "stop"
    assert anywhere.score == in_box.score == pytest.approx(seen.scores[:, 5].max())
    assert anywhere.share_in(stop.box) > 0.5
    # In the box of the stop sign nothing speaks for a yield sign, and the map says how little.
    assert seen.heat("yield", stop.box).score < 0.1
    with pytest.raises(ValueError):
        seen.heat("banana")
    with pytest.raises(ValueError):
        seen.heat()


def test_paths_and_pixels_are_the_same(signs, tmp_path):
    save_image(tmp_path / "a.png", draw_scene(5, "test", 2).image)
    by_path, by_pixels = signs(tmp_path / "a.png"), signs(read_image(tmp_path / "a.png"))
    np.testing.assert_array_equal(by_path.scores, by_pixels.scores)
    with pytest.raises(ValueError, match="uint8"):
        signs(np.zeros((8, 8), np.float32))
    with pytest.raises(UserError, match="exported file"):
        Evidence(tmp_path / "best.onnx")


# The command ------------------------------------------------------------------------------------


@pytest.fixture
def road(tmp_path):
    path = tmp_path / "in" / "road.jpg"
    path.parent.mkdir()
    save_image(path, draw_scene(5, "test", 1).image)
    return path


def call(*argv) -> int:
    return run(predict.main, [str(argument) for argument in ("--runtime", "tensorflow", *argv)])


@pytest.mark.slow
def test_the_command_writes_a_sheet_for_each_picture(road, tmp_path, capsys):
    save_image(road.with_name("empty.jpg"), np.full((200, 300, 3), 120, np.uint8))
    out = tmp_path / "out"
    status = call(
        road.parent, "--weights", WEIGHTS, "--out", out, "--heatmap", "--json", tmp_path / "a.json"
    )
    printed = capsys.readouterr()
    assert status == 0, printed.err
    assert "heatmaps/" in printed.out
    assert len(json.loads((tmp_path / "a.json").read_text())) == 2
    sheets = sorted((out / "heatmaps").iterdir())
    # Not the names of the photos: their labels would belong to two pictures each.
    assert [path.name for path in sheets] == ["empty_heat.jpg", "road_heat.jpg"]
    empty, full = map(read_image, sheets)
    assert full.shape[0] > empty.shape[0]  # without detections only the objectness is shown
    assert call(road, "--weights", WEIGHTS, "--out", out, "--heatmap") == 2
    assert "overwritten" in capsys.readouterr().err


@pytest.mark.slow
def test_the_command_for_a_class_and_a_box(road, detector, signs, tmp_path, capsys, monkeypatch):
    # Opened once: the test above opens them.
    monkeypatch.setattr(predict, "open_detector", lambda *_, **__: detector)
    monkeypatch.setattr(heat_sheets, "Evidence", lambda *_: signs)
    for number, arguments in enumerate(
        (["--heatmap-class", "stop"], ["--heatmap-box", "10,10,90,80", "--heatmap-class", "yield"],
         ["--heatmap-box", "9000,0,9001,7"])
    ):  # fmt: skip
        out = tmp_path / str(number)
        assert call(road, "--weights", WEIGHTS, "--out", out, "--no-pictures", *arguments) == 0
        assert [path.name for path in out.rglob("*.*")] == ["road_heat.jpg"]
    out = tmp_path / "unknown"
    assert call(road, "--weights", WEIGHTS, "--heatmap-class", "stopp", "--out", out) == 2
    assert "did you mean 'stop'" in capsys.readouterr().err


@pytest.mark.slow
def test_pictures_too_large_for_memory_are_shown_smaller(road, detector, tmp_path, monkeypatch):
    """The sheet of a TIFF that is read by regions is that of the picture."""
    from PIL import Image

    from utils.media import outputs
    from utils.media.frames import Frame, Source
    from utils.media.predict_config import PredictConfig
    from utils.tiff_regions import TiffRegions

    picture = read_image(road)
    Image.fromarray(picture).save(tmp_path / "road.tif")
    with Image.open(tmp_path / "road.tif") as file:
        regions = TiffRegions(tmp_path / "road.tif", file.tag_v2)
    monkeypatch.setattr(outputs, "MAX_DRAWN", max(picture.shape) // 2)
    output = heat_sheets.HeatSheets(tmp_path, WEIGHTS, PredictConfig(device="cpu"))
    explained = []
    monkeypatch.setattr(heat_sheets, "heat_sheet", lambda *args, **_: explained.append(args))
    monkeypatch.setattr(heat_sheets, "save_image", lambda *_: None)
    source = Source("road.tif", "picture", str(tmp_path / "road.tif"))
    found = detector(picture)
    for image in (picture, regions):
        output.write(Frame(image, source), found, "road")
    (whole, _, large, _), (half, _, small, _) = explained
    assert half.shape[0] == whole.shape[0] // 2
    for one, other in zip(large, small, strict=True):
        np.testing.assert_allclose(np.array(other.box) * 2, one.box, rtol=1e-3)
        assert other.share_in(other.box) == pytest.approx(one.share_in(one.box), abs=0.1)


def test_what_gives_no_heat_maps_is_said_before_anything_is_loaded(road, tmp_path, capsys):
    (tmp_path / "best.onnx").write_bytes(b"?")
    (tmp_path / "film.mp4").write_bytes(b"\0")
    film = tmp_path / "film.mp4"
    for arguments, words in (
        ([road, "--weights", tmp_path / "best.onnx", "--heatmap"], "checkpoint that it was"),
        (
            [road, "--weights", tmp_path / "best.onnx", "--heatmap-class", "stop"],
            "--heatmap-class: ",
        ),
        ([film, "--weights", WEIGHTS, "--heatmap-box", "1,2,3,4"], "--heatmap-box: "),
        ([road, "--weights", WEIGHTS, "--heatmap", "--runtime", "openvino"], "choose tensorflow"),
        ([film, "--weights", WEIGHTS, "--heatmap"], "--save-frames"),
        ([road, "--weights", WEIGHTS, "--heatmap-box", "1,2,3"], "four numbers"),
    ):
        assert call(*arguments) == 2
        error = capsys.readouterr().err
        assert words in error
        assert error.count("\n") == 1
