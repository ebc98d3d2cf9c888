"""The detector's geometry: boxes planted in the network's raw output come back on the photo."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from utils.detector import Detector
from utils.errors import UserError
from utils.runtime.runtime import Runtime, in_full_batches, open_runtime

INPUT = 416


def find_green(batch):
    """Finds the one green rectangle by its pixels in the network input: a perfect network's output.

    The box is measured at half intensity, to a fraction of a pixel.
    """
    assert batch.dtype == np.uint8
    assert batch.shape[1:] == (INPUT, INPUT, 3)
    boxes = np.zeros((len(batch), 3, 4), np.float32)
    scores = np.zeros((len(batch), 3, 2), np.float32)
    for i, pixels in enumerate(batch):
        green = (pixels[..., 1].astype(float) - pixels[..., 0]).clip(0) / 255
        columns, rows = green.max(0), green.max(1)
        x0, x1 = extent(columns)
        y0, y1 = extent(rows)
        boxes[i, 1] = x0, y0, x1, y1
        scores[i, 1, 1] = 0.9
    return boxes, scores


def planted(infer=find_green):
    return Detector(Runtime(infer, ("nothing", "green"), (INPUT, INPUT), batch_size=2))


def extent(profile: np.ndarray) -> tuple[float, float]:
    """First and last position of a bright stretch; partly covered end pixels count in part."""
    covered = np.flatnonzero(profile > 0.02)
    first, last = covered[0], covered[-1]
    return first + 1 - profile[first], last + profile[last]


def photo(width: int, height: int, box) -> np.ndarray:
    image = np.zeros((height, width, 3), np.uint8)
    x0, y0, x1, y1 = box
    image[y0:y1, x0:x1, 1] = 255
    return image


@pytest.mark.parametrize(
    ("width", "height"),
    [(416, 416), (832, 832), (200, 600), (900, 300), (1248, 416), (832, 277), (40, 30), (97, 31)],
)
def test_planted_boxes_come_back(width, height):
    box = np.array([width // 5, height // 4, width * 3 // 4, height * 2 // 3])
    found = planted()(photo(width, height, box))
    assert found.names() == ["green"]
    # Enlarging blurs the rectangle's edges by up to a pixel of the photo, hence the tolerance on
    # tiny ones; test_boxes_in_the_raw_output covers them exactly.
    np.testing.assert_allclose(found.boxes[0], box, atol=0.5 if width >= 200 else 1.0)


@pytest.mark.parametrize(
    ("width", "height"), [(300, 900), (900, 300), (7, 5), (1, 1), (6000, 4000), (12000, 40)]
)
def test_boxes_in_the_raw_output(width, height):
    """Half a pixel on the photo, whatever its shape, with boxes placed by plain arithmetic."""
    scale = INPUT / max(width, height)
    inner = [max(1, round(width * scale)), max(1, round(height * scale))]
    left, top = [(INPUT - side) // 2 for side in inner]
    truth = np.array([0.1 * width, 0.2 * height, 0.7 * width, 0.9 * height])

    def infer(batch):
        boxes, scores = np.zeros((1, 4, 4), np.float32), np.zeros((1, 4, 2), np.float32)
        x, y = inner[0] / width, inner[1] / height
        boxes[0, 2] = truth * [x, y, x, y] + [left, top, left, top]
        scores[0, 2, 1] = 0.5
        return boxes, scores

    found = planted(infer)(np.zeros((height, width, 3), np.uint8))
    np.testing.assert_allclose(found.boxes, [truth], atol=0.5)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_exif_orientation(tmp_path, orientation):
    """The file holds the photo turned away; the box comes back on the upright one."""
    width, height, box = 600, 400, (60, 100, 360, 320)
    stored = turned_away(photo(width, height, box), orientation)
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / "photo.png"
    Image.fromarray(stored).save(path, exif=exif)
    found = planted()(path)
    np.testing.assert_allclose(found.boxes[0], box, atol=0.5)


def turned_away(image: np.ndarray, orientation: int) -> np.ndarray:
    """The pixels that a camera stores with that orientation, by the EXIF specification: row 0 and
    column 0 as stored are, of the upright picture, the sides named."""
    rows_and_columns = {
        1: image,  # top, left
        2: image[:, ::-1],  # top, right
        3: image[::-1, ::-1],  # bottom, right
        4: image[::-1],  # bottom, left
        5: image.transpose(1, 0, 2),  # left, top
        6: image.transpose(1, 0, 2)[::-1],  # right, top
        7: image.transpose(1, 0, 2)[::-1, ::-1],  # right, bottom
        8: image.transpose(1, 0, 2)[:, ::-1],  # left, bottom
    }
    return np.ascontiguousarray(rows_and_columns[orientation])


def test_a_list_for_a_list_in_order(tmp_path):
    boxes = [(10 * i + 20, 30, 10 * i + 120, 130) for i in range(5)]
    images = [photo(416, 416, box) for box in boxes]
    Image.fromarray(images[3]).save(tmp_path / "3.png")
    images[3] = str(tmp_path / "3.png")
    found = planted()(images)
    assert [len(one) for one in found] == [1] * 5
    np.testing.assert_allclose([one.boxes[0] for one in found], boxes, atol=0.5)
    assert planted()([]) == []


def test_thresholds_are_passed_on():
    assert len(planted()(photo(99, 99, (9, 9, 60, 60)), conf=0.95)) == 0


REFUSED = {
    "nothing": (None, "got None .*cv2.imread"),
    "bytes": (b"abc", "got bytes"),
    "a number": (3, "got int"),
    "a dictionary": ({"a.jpg": 1}, "got dict"),
    "an array of another library": (memoryview(b"abc"), "got memoryview"),
    "grey": (np.zeros((9, 8), np.uint8), r"uint8 of shape \(9, 8\).*grey"),
    "grey with a channel": (np.zeros((9, 8, 1), np.uint8), r"\(9, 8, 1\).*grey"),
    "alpha": (np.zeros((9, 8, 4), np.uint8), r"\(9, 8, 4\).*fourth channel"),
    "channels first": (np.zeros((3, 9, 8), np.uint8), r"\(3, 9, 8\).*transpose"),
    "floats to 1": (np.ones((9, 8, 3)), r"float64 of shape \(9, 8, 3\).*image \* 255"),
    "floats to 255": (np.full((9, 8, 3), 255, np.float32), r"float32 .*\(image\).astype"),
    "16 bits": (np.zeros((9, 8, 3), np.uint16), "got uint16"),
    "truth values": (np.zeros((9, 8, 3), bool), "got bool"),
    "objects": (np.full((9, 8, 3), None), "got object"),
    "strings": (np.array(["a.jpg"]), "got <U5"),
    "empty": (np.zeros((0, 8, 3), np.uint8), "empty"),
    "five axes": (np.zeros((1, 1, 9, 8, 3), np.uint8), r"\(1, 1, 9, 8, 3\)"),
}


@pytest.mark.parametrize(
    "options",
    [
        {"conf": 25}, {"conf": float("nan")}, {"conf": "0.5"}, {"iou": 45.0}, {"iou": -0.1},
        {"max_det": -1}, {"max_det": 0}, {"max_det": 2.5}, {"max_det": None},
    ],
)  # fmt: skip
def test_thresholds_out_of_range_are_refused(options):
    (name,) = options
    with pytest.raises(ValueError, match=rf"^{name}: expected a (whole )?number from "):
        planted()(photo(99, 99, (9, 9, 60, 60)), **options)


def test_thresholds_may_be_numbers_of_numpy():
    image = photo(99, 99, (9, 9, 60, 60))
    assert len(planted()(image, conf=np.float32(0.5), iou=1, max_det=np.int64(7))) == 1


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_picture_is_named(name):
    image, words = REFUSED[name]
    with pytest.raises(ValueError, match=f"expected .*RGB.*; {words}|expected .*; .*{words}"):
        planted()(image)


@pytest.mark.parametrize("name", REFUSED)
def test_in_a_list_its_place_is_named_before_anything_runs(name):
    def infer(batch):
        raise AssertionError

    image, words = REFUSED[name]
    good = photo(99, 99, (9, 9, 60, 60))
    with pytest.raises(ValueError, match=f"picture 3 .counted from 0.: expected .*{words}"):
        planted(infer)([good, good, good, image])


def test_an_array_of_pictures_of_another_kind_is_refused():
    with pytest.raises(ValueError, match=r"picture 0 .*float32 of shape \(9, 8, 3\)"):
        planted()(np.zeros((2, 9, 8, 3), np.float32))


def test_an_array_of_pictures():
    boxes = [(10 * i + 20, 30, 10 * i + 120, 130) for i in range(3)]
    found = planted()(np.stack([photo(416, 416, box) for box in boxes]))
    np.testing.assert_allclose([one.boxes[0] for one in found], boxes, atol=0.5)


def test_views_of_arrays():
    box = (60, 100, 360, 320)
    rgb = photo(600, 400, box)
    bgr = np.ascontiguousarray(rgb[:, :, ::-1])
    for view in (bgr[:, :, ::-1], rgb[::-1][::-1], np.asfortranarray(rgb)):
        np.testing.assert_allclose(planted()(view).boxes, [box], atol=0.5)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P", "CMYK"])
def test_pillow_images(mode):
    box = (60, 100, 360, 320)
    image = Image.fromarray(photo(600, 400, box)).convert(mode)
    np.testing.assert_allclose(planted()(image).boxes, [box], atol=0.5)
    (found,) = planted()([image])
    np.testing.assert_allclose(found.boxes, [box], atol=0.5)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "I;16", "I", "F"])
def test_pillow_images_without_colour(mode):
    shapes = []

    def infer(batch):
        shapes.append(batch.shape)
        return np.zeros((len(batch), 1, 4), np.float32), np.zeros((len(batch), 1, 2), np.float32)

    planted(infer)(Image.new(mode, (60, 40)))
    assert shapes[0][-1] == 3


@pytest.mark.parametrize("suffix", [".png", ".webp", ".tif"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_pillow_images_are_turned_upright(tmp_path, orientation, suffix):
    box = (60, 100, 360, 320)
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f"photo{suffix}"
    Image.fromarray(turned_away(photo(600, 400, box), orientation)).save(
        path, exif=exif, **({"lossless": True} if suffix == ".webp" else {})
    )
    with Image.open(path) as image:
        found = planted()(image)
    np.testing.assert_allclose(found.boxes, [box], atol=0.5)


def test_a_damaged_pillow_image_is_named(tmp_path):
    path = tmp_path / "half.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (99, 99, 3), np.uint8)).save(path)
    path.write_bytes(path.read_bytes()[:9000])
    with Image.open(path) as image, pytest.raises(UserError, match=r"half\.png"):
        planted()(image)


def test_bad_weights_are_one_sentence(tmp_path):
    other = tmp_path / "weights.onx"
    other.write_bytes(b"?")
    for path, words in ((tmp_path / "no.keras", "no such file"), (other, "not a .keras")):
        with pytest.raises(UserError, match=words):
            Detector(path)
    with pytest.raises(UserError, match="runtime 'torch'"):
        open_runtime(other, "torch")


def test_a_missing_file_is_named_with_its_option(tmp_path):
    with pytest.raises(UserError, match=r"--compare .*no\.keras"):
        open_runtime(tmp_path / "no.keras", option="--compare")


def test_networks_of_one_batch_size_get_full_batches():
    sizes = []

    def infer(batch):
        sizes.append(len(batch))
        return np.arange(len(batch)), np.zeros(len(batch))

    for count in (1, 4, 5):
        boxes, scores = in_full_batches(infer, 4)(np.ones((count, 2, 2, 3), np.uint8))
        np.testing.assert_array_equal(boxes, np.arange(count))
        assert len(scores) == count
    assert sizes == [4, 4, 8]
    in_full_batches(infer, 4, single=True)(np.ones((1, 2, 2, 3), np.uint8))
    in_full_batches(infer, 4, single=True)(np.ones((2, 2, 2, 3), np.uint8))
    assert sizes[3:] == [1, 4]  # a picture alone is not padded


def test_a_network_on_a_gpu_gets_more_threads_beside_it(monkeypatch):
    on_cpu = Runtime(lambda images: (), ("a",), (64, 64))
    on_gpu = replace(on_cpu, on_gpu=True)
    for cores, readers, finishers in ((1, 2, 1), (6, 6, 4), (64, 16, 4)):
        monkeypatch.setattr("utils.runtime.runtime.available_cores", lambda cores=cores: cores)
        assert (on_cpu.readers, on_cpu.finishers) == (2, 1)
        assert (on_gpu.readers, on_gpu.finishers) == (readers, finishers)


def test_importing_does_not_bring_tensorflow():
    code = "import sys, utils.detector; assert 'tensorflow' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    import keras

    from nets.yolo import YOLOv3

    keras.utils.set_random_seed(1)
    path = tmp_path_factory.mktemp("weights") / "tiny.keras"
    YOLOv3("mobilenet_v3_small", classes=["a", "b"], input_size=96).save(path)
    return path


@pytest.mark.slow
def test_a_checkpoint_answers_as_its_model_does(checkpoint):
    import keras

    detector = Detector(checkpoint, "tensorflow")
    assert detector.class_names == ("a", "b")
    assert detector.input_size == (96, 96)
    assert "float32" in detector.runtime.description
    image = np.random.default_rng(0).integers(0, 255, (60, 80, 3), np.uint8)
    pixels, _ = detector.preprocess(image)
    expected = keras.saving.load_model(checkpoint)(pixels[None].astype(np.float32))
    boxes, scores = detector.runtime.infer(pixels[None])
    np.testing.assert_allclose(boxes, expected["boxes"], rtol=1e-4, atol=1e-3)
    np.testing.assert_allclose(scores, expected["scores"], rtol=1e-4, atol=1e-5)
    found = detector([image, image[:, ::-1]], conf=0.0, max_det=5)
    assert [len(one) for one in found] == [5, 5]


@pytest.mark.slow
def test_a_batch_that_is_not_full_is_padded(checkpoint):
    in_fours = Detector(open_runtime(checkpoint, "tensorflow", batch_size=4))
    alone = Detector(open_runtime(checkpoint, "tensorflow", batch_size=1))
    images = np.random.default_rng(0).integers(0, 255, (5, 96, 96, 3), np.uint8)
    together = in_fours(list(images), conf=0.0, max_det=3)
    for one, image in zip(together, images, strict=True):
        np.testing.assert_allclose(one.scores, alone(image, conf=0.0, max_det=3).scores, 1e-4)


@pytest.mark.slow
def test_files_that_are_no_detector(tmp_path):
    import keras

    damaged = tmp_path / "damaged.keras"
    damaged.write_bytes(b"PK not really")
    other = tmp_path / "other.keras"
    keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)]).save(other)
    for path in (damaged, other):
        with pytest.raises(UserError) as caught:
            Detector(path)
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)
