"""Pictures in tiles from end to end, with a network that finds white squares.

The network finds a square if it has at least six pixels of the network input. So it sees the small
squares of a large picture in tiles only.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import get_map
import predict
from utils import tiff_regions, tiles
from utils.detector import Detector
from utils.errors import UserError
from utils.label_files.voc import write_voc_annotation, write_voc_list
from utils.media import outputs
from utils.runtime.runtime import Runtime
from utils.tiled_stream import Part, detect_pictures, parts_of
from utils.tiles import picture_areas
from utils.tiling import SIZES_KEY, TILE_KEY, ObjectSizes, Tiling, TrainingSizes
from utils.training.choices.tile import tile_facts

SIZE, SIDE = 96, 96  # of the network input; of the tiles that ``auto`` finds
MIN_SIDE = 6
SIZES = ObjectSizes((10.0, 20.0, 40.0), (10.0, 20.0, 40.0))  # photos were as large as the input
WIDTH, HEIGHT = 700, 400
# Inside a tile, across borders of tiles, at a corner of four, at the picture's own border.
SMALL = [(20, 20), (70, 100), (150, 70), (88, 230), (146, 300), (300, 149), (685, 385), (0, 200)]
LARGE = (400, 60, 640, 300)


def infer(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The decoded boxes and scores of a network: ten times each square that is large enough."""
    boxes = np.zeros((len(images), 400, 4), np.float32)
    scores = np.zeros((len(images), 400, 2), np.float32)
    for i, image in enumerate(images):
        found = cv2.connectedComponentsWithStats((image.min(axis=2) > 180).astype(np.uint8))[2][1:]
        rows = [(x, y, x + w, y + h) for x, y, w, h, _ in found if min(w, h) >= MIN_SIDE]
        for j, row in enumerate(row for row in rows for _ in range(10)):
            boxes[i, j], scores[i, j, 0] = row, 0.9
    return boxes, scores


def runtime(sizes: ObjectSizes | None = SIZES, *, any_shape: bool = True) -> Runtime:
    metadata = {SIZES_KEY: sizes.to_metadata()} if sizes else {}
    return Runtime(
        infer, ("square", "other"), (SIZE, SIZE), 4, "fake", metadata, any_shape=any_shape
    )


@pytest.fixture(scope="module")
def picture() -> np.ndarray:
    pixels = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    for x, y in SMALL:
        pixels[y : y + 15, x : x + 15] = 255
    x0, y0, x1, y1 = LARGE
    pixels[y0:y1, x0:x1] = 255
    return pixels


def small_boxes() -> list[list[float]]:
    return sorted([x, y, x + 15, y + 15] for x, y in SMALL)


def check(boxes: np.ndarray) -> None:
    """All squares, each once."""
    sizes = (boxes[:, 2:] - boxes[:, :2]).max(axis=1)
    assert np.allclose(sorted(boxes[sizes < 100].tolist()), small_boxes(), atol=1.1)
    assert len(boxes[sizes >= 100]) == 1
    assert np.allclose(boxes[sizes >= 100], LARGE, atol=2 * WIDTH / SIZE)


@pytest.mark.parametrize("any_shape", [True, False])
def test_small_and_large_objects_each_once(picture: np.ndarray, any_shape: bool) -> None:
    detector = Detector(runtime(any_shape=any_shape))
    assert len(detector(picture)) == 1  # the large square
    found = detector(picture, tile="auto")
    check(found.boxes)
    assert found.image_size == (WIDTH, HEIGHT)
    for side in (SIDE, np.int64(SIDE)):
        assert np.array_equal(detector(picture, tile=side).boxes, found.boxes)
    several = detector([picture, picture[:90, :90], picture], tile="auto")
    assert [len(one) for one in several] == [9, 1, 9]
    assert np.array_equal(several[2].boxes, found.boxes)


def test_pictures_without_tiles_are_the_same_to_the_last_bit(picture: np.ndarray) -> None:
    detector = Detector(runtime())
    for image, tile in ((picture, WIDTH), (picture[: 2 * SIDE, : 2 * SIDE], "auto")):
        plain, found = detector(image), detector(image, tile=tile)
        assert np.array_equal(plain.boxes, found.boxes)
        assert np.array_equal(plain.scores, found.scores)


def test_auto_follows_the_sizes_of_training() -> None:
    auto = Tiling("auto")
    half = TrainingSizes(ObjectSizes((20, 50, 90), (10, 25, 45)))  # photos were shown at half size
    assert auto.sides_for(900, 1664, 416, half) == ()  # shown whole at a quarter
    assert auto.sides_for(900, 1665, 416, half)[0] == 416  # 20 pixels are not enlarged to 25
    far = TrainingSizes(ObjectSizes((100, 300, 900), (10, 30, 90)))
    assert auto.sides_for(9000, 6000, 416, far)[0] == round(416 / 0.3)  # 100 pixels become 30
    near = TrainingSizes(ObjectSizes((10, 20, 30), (20, 40, 60)))  # photos were enlarged
    assert auto.sides_for(900, 1200, 416, near)[0] == 208
    assert auto.sides_for(3000, 4000, 416, TrainingSizes()) == ()
    assert Tiling("off").sides_for(3000, 4000, 416, half) == ()
    assert "does not say" in auto.in_words(416, TrainingSizes())
    assert auto.in_words(416, half) == (
        "tiles of 416 pixels in pictures longer than 1664, each shares 20% with the next"
    )


def test_auto_takes_the_tiles_of_training() -> None:
    trained = TrainingSizes(ObjectSizes((20, 50, 90), (10, 25, 45)), 500)
    assert Tiling("auto").sides_for(501, 400, 416, trained) == (500,)
    assert Tiling("auto").sides_for(500, 400, 416, trained) == ()
    assert Tiling("auto").in_words(416, trained).startswith("tiles of 500 pixels in larger")
    assert "--tile auto" in Tiling("off").in_words(416, trained)
    assert Tiling("off").in_words(416, TrainingSizes()) == ""
    assert TrainingSizes.from_metadata(tile_facts(500)) == TrainingSizes(None, 500)
    for noted in (500, {}, {"side": "500"}, {"side": True}, {"side": 3}, {"side": 10**9}):
        assert TrainingSizes.from_metadata({TILE_KEY: noted}) == TrainingSizes()


@given(st.integers(1, 30_000), st.integers(32, 1000), st.floats(0, 0.9), st.floats(1, 100))
def test_no_size_of_object_is_lost_between_levels(
    longest: int, side: int, overlap: float, small: float
) -> None:
    """What is too long for the tiles of a level is no smaller than a small one in the next."""
    trained = TrainingSizes(ObjectSizes((small,) * 3, (small,) * 3))
    sides = Tiling(side, overlap).sides_for(longest, 10, 416, trained)
    assert bool(sides) == (longest > side)
    if not sides:
        return
    levels = [*sides, longest]
    assert levels[0] == side
    assert levels == sorted(set(levels))
    for finer, coarser in pairwise(levels):
        shown = overlap * finer * 416 / coarser
        assert shown >= 0.98 * small or coarser <= 2.05 * finer


@pytest.mark.parametrize(
    "noted", [None, [], {}, {"photo": [1, 2, 3]}, {"photo": [1, 2], "input": [1, 2, 3]},
              {"photo": [0, 2, 3], "input": [1, 2, 3]}, {"photo": "abc", "input": [1, 2, 3]},
              {"photo": [1, 2, float("nan")], "input": [1, 2, 3]},
              {"photo": [10**400] * 3, "input": [1, 2, 3]},
              {"photo": [1e308] * 3, "input": [1e-300] * 3},
              {"photo": [1e306] * 3, "input": [1e-5] * 3}],
)  # fmt: skip
def test_sizes_that_a_checkpoint_does_not_know(noted: object) -> None:
    assert ObjectSizes.from_metadata({SIZES_KEY: noted}) is None


def test_sizes_are_read_as_they_were_noted() -> None:
    assert ObjectSizes.from_metadata({SIZES_KEY: SIZES.to_metadata()}) == SIZES


@pytest.mark.parametrize("tile", [31, "large", True, -5, 1.5])
def test_tiles_that_there_are_not(tile: object, picture: np.ndarray) -> None:
    with pytest.raises(UserError, match="at least 32"):
        Detector(runtime())(picture, tile=tile)


def test_only_a_few_tiles_are_in_memory() -> None:
    seen = []

    def count(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        seen.append(len(images))
        return np.zeros((len(images), 1, 4), np.float32), np.zeros((len(images), 1, 2), np.float32)

    network = Runtime(count, ("a", "b"), (SIZE, SIZE), 4)
    image = np.zeros((2000, 2000, 3), np.uint8)
    Detector(network)(image, tile=SIDE)
    sides = Tiling(SIDE).sides_for(2000, 2000, SIZE, TrainingSizes())
    assert sum(seen) == len(picture_areas(2000, 2000, sides, 0.2))
    assert seen.count(4) >= len(seen) - 2  # full batches


def test_the_tiles_of_live_video_wait_for_full_batches_and_its_frames_for_nothing() -> None:
    sizes, asked = [], []

    def count(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        sizes.append(len(images))
        return np.zeros((len(images), 1, 4), np.float32), np.zeros((len(images), 1, 2), np.float32)

    detector = Detector(Runtime(count, ("a", "b"), (SIZE, SIZE), 4))
    image = np.zeros((SIDE, 5 * SIDE, 3), np.uint8)

    def frames() -> Iterator[tuple[int, Iterator[Part]]]:
        for number in range(3):
            asked.append(number)
            yield number, parts_of(detector, image, Tiling(SIDE))

    found = detect_pictures(
        detector, frames(), conf=0.25, ious=(0.45,), max_det=9, urgent=lambda key: True
    )
    for number, _, _ in found:
        assert asked[-1] == number  # the next frame is not read before
    assert sizes == 3 * [4, 4, 4, 2]  # the whole frame, 13 tiles of three sizes


@pytest.fixture
def faked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, picture: np.ndarray) -> Path:
    """A folder with a labelled picture and a weights file; the commands get the fake network."""
    for module in ("utils.detector", "utils.evaluation.evaluate"):
        monkeypatch.setattr(f"{module}.open_runtime", lambda *args, **options: runtime())
    (tmp_path / "fake.onnx").touch()
    (tmp_path / "JPEGImages").mkdir()
    Image.fromarray(picture).save(tmp_path / "JPEGImages" / "a.png")
    boxes = np.array([*small_boxes(), LARGE], np.float32)
    write_voc_annotation(
        tmp_path / "Annotations" / "a.xml", "a.png", WIDTH, HEIGHT, boxes, ["square"] * len(boxes),
        np.zeros(len(boxes), bool),
    )  # fmt: skip
    write_voc_list(tmp_path, "test", ["a"])
    return tmp_path


def run_predict(folder: Path, *arguments: str) -> list[dict]:
    out = folder / "found.json"
    weights = str(folder / "fake.onnx")
    options = ["--weights", weights, "--json", str(out), "--out", str(folder / "out")]
    assert predict.main([*arguments, *options]) == 0
    return json.loads(out.read_text())


def test_predict(faked: Path, capsys: pytest.CaptureFixture) -> None:
    photo = str(faked / "JPEGImages" / "a.png")
    assert len(run_predict(faked, photo)[0]["detections"]) == 1
    found = run_predict(faked, photo, "--tile", "auto")[0]["detections"]
    check(np.array([one["box"] for one in found]))
    assert "tiles of 96 pixels in pictures longer than 192" in capsys.readouterr().out
    assert len(run_predict(faked, photo, "--tile", "5000")[0]["detections"]) == 1


def test_predict_reads_a_large_tiff_by_regions(
    faked: Path, picture: np.ndarray, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setattr(tiff_regions, "MAX_PIXELS", 1000)
    monkeypatch.setattr(outputs, "MAX_DRAWN", 100)
    photos = [faked / "city.tif", faked / "cut.tif"]
    for photo in photos:
        Image.fromarray(picture).save(photo, compression="tiff_lzw", strip_size=40_000)
    photos[1].write_bytes(_damaged(photos[1]))
    found = run_predict(faked, *map(str, photos), "--tile", "auto", "--crops")
    assert [one["source"] for one in found] == [str(photos[0])]
    assert (found[0]["width"], found[0]["height"]) == (WIDTH, HEIGHT)
    check(np.array([one["box"] for one in found[0]["detections"]]))
    assert "cut.tif: cannot be read" in capsys.readouterr().err
    crops = list((faked / "out" / "crops" / "square").iterdir())
    assert len(crops) == 9
    sizes = []
    for path in crops:
        with Image.open(path) as crop:
            sizes.append(crop.size)
    assert max(sizes) == (100, 100)  # the large square, which is 240 pixels long
    assert min(sizes) <= (16, 16)
    with Image.open(faked / "out" / "city.jpg") as drawn:
        assert max(drawn.size) == 100


def test_a_box_without_area_gives_no_crop(
    faked: Path, picture: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tiff_regions, "MAX_PIXELS", 1000)
    monkeypatch.setattr(outputs, "MAX_DRAWN", 100)
    Image.fromarray(picture).save(faked / "city.tif")
    regions = tiff_regions.open_regions(faked / "city.tif")
    assert outputs._cut_out(regions, (5, 0, 5, 200)).size == 0
    assert outputs._cut_out(regions, (5, 0, 6, 200)).shape == (100, 1, 3)


def test_predict_names_the_picture_that_would_have_too_many_tiles(
    faked: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setattr(tiles, "MAX_TILES", 20)
    wide = faked / "wide.png"
    Image.fromarray(np.zeros((200, 6000, 3), np.uint8)).save(wide)
    small = faked / "small.png"
    Image.fromarray(np.zeros((200, 300, 3), np.uint8)).save(small)
    found = run_predict(faked, str(wide), str(small), "--tile", "96")
    assert [Path(one["source"]).name for one in found] == ["small.png"]
    assert "wide.png: its 6000×200 pixels would have" in capsys.readouterr().err
    detector = Detector(runtime())
    with pytest.raises(UserError, match=r"^picture 1 .counted from 0.: its 6000×200 pixels"):
        detector([np.zeros((9, 9, 3), np.uint8), np.zeros((200, 6000, 3), np.uint8)], tile=96)
    with pytest.raises(UserError, match=r"wide\.png: its 6000×200 pixels"):
        detector([small, wide], tile=96)


def _damaged(path: Path) -> bytes:
    """The file with noise in the place of its last strips."""
    data = bytearray(path.read_bytes())
    with Image.open(path) as image:
        start = image.tag_v2[273][-1]
        count = image.tag_v2[279][-1]
    data[start : start + count] = b"\xff" * count
    return bytes(data)


def test_get_map(faked: Path) -> None:
    scores = {}
    for tile in ("off", "auto"):
        out = faked / f"map-{tile}"
        options = ["--data", str(faked), "--weights", str(faked / "fake.onnx"), "--tile", tile]
        assert get_map.main([*options, "--no-report", "--resamples", "0", "--out", str(out)]) == 0
        scores[tile] = json.loads((out / "metrics.json").read_text())
    assert scores["off"]["coco"]["AP50"] < 0.2
    assert scores["auto"]["coco"]["AP50"] > 0.99
    assert scores["auto"]["tile"] == "auto"
    with pytest.raises(UserError, match="--overlap is about the tiles of --tile"):
        get_map.main([*options[:-2], "--overlap", "0.3"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--tile", "20"], "neither auto nor off"),
        (["--tile", "auto", "--overlap", "0.95"], "0.95 is more than"),
        (["--overlap", "0.3"], "--overlap: is about the tiles of --tile"),
        (["--tile", "auto", "--benchmark", "2"], "--benchmark: times whole pictures"),
        (["--tile", "auto", "--suggest", "2"], "--tile: has no effect with --suggest"),
    ],
)
def test_options_that_do_not_fit(faked: Path, arguments: list[str], message: str) -> None:
    with pytest.raises((UserError, SystemExit)) as caught:
        predict.main([str(faked / "JPEGImages"), *arguments])
    assert message in str(caught.value) or caught.value.code == 2
