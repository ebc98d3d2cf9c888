"""Regions of a TIFF, against the whole file as Pillow reads it."""

from __future__ import annotations

import io
import os
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image, TiffImagePlugin, TiffTags
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from utils import tiff_chunks, tiff_regions
from utils.errors import UserError
from utils.tiff_chunks import TiffChunks
from utils.tiff_regions import ScaledRegion, TiffRegions, group_into_passes, open_regions

HEIGHT, WIDTH, TILE = 150, 130, 64


@pytest.fixture(autouse=True)
def _small_files_count_as_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiff_regions, "MAX_PIXELS", 1000)


@pytest.fixture(scope="module")
def pixels() -> np.ndarray:
    small = np.random.default_rng(0).integers(0, 256, (15, 13, 3), np.uint8)
    return cv2.resize(small, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)


def write_tiled(path: Path, pixels: np.ndarray) -> None:
    """A tiled TIFF with deflate, which Pillow cannot write."""
    data, offsets, counts = io.BytesIO(), [], []
    for top in range(0, HEIGHT, TILE):
        for left in range(0, WIDTH, TILE):
            tile = np.zeros((TILE, TILE, 3), np.uint8)
            part = pixels[top : top + TILE, left : left + TILE]
            tile[: part.shape[0], : part.shape[1]] = part
            packed = zlib.compress(tile.tobytes())
            offsets.append(data.tell())
            counts.append(len(packed))
            data.write(packed)
    tags = ImageFileDirectory_v2()
    tags[256], tags[257], tags[258], tags[259], tags[262] = WIDTH, HEIGHT, (8, 8, 8), 8, 2
    tags[277], tags[284], tags[322], tags[323] = 3, 1, TILE, TILE
    tags.tagtype[324] = tags.tagtype[325] = 4
    tags[324], tags[325] = tuple(offsets), tuple(counts)
    head = io.BytesIO()
    tags.save(head)
    tags[324] = tuple(offset + head.tell() for offset in offsets)
    head = io.BytesIO()
    tags.save(head)
    path.write_bytes(head.getvalue() + data.getvalue())


def write_apart(path: Path, pixels: np.ndarray) -> None:
    """A TIFF whose channels are stored apart, each as one strip; Pillow cannot write it."""
    height, width, channels = pixels.shape
    tags = ImageFileDirectory_v2()
    tags[256], tags[257], tags[258], tags[259] = width, height, (8,) * channels, 1
    tags[262], tags[277], tags[278], tags[284] = 2 if channels == 3 else 1, channels, height, 2
    tags.tagtype[273] = tags.tagtype[279] = TiffTags.LONG
    tags[273] = tuple(i * height * width for i in range(channels))  # from the end of the tags
    tags[279] = (height * width,) * channels
    file = io.BytesIO()
    tags.save(file)
    path.write_bytes(file.getvalue() + pixels.transpose(2, 0, 1).tobytes())


def check(path: Path) -> None:
    """Every region is what the whole file has there."""
    regions = open_regions(path)
    with Image.open(path) as image:
        whole = np.asarray(image.convert("RGB"))
    assert regions.shape == whole.shape
    rng = np.random.default_rng(1)
    for _ in range(20):
        y0, y1 = np.sort(rng.integers(0, HEIGHT + 1, 2))
        x0, x1 = np.sort(rng.integers(0, WIDTH + 1, 2))
        assert np.array_equal(regions[y0:y1, x0:x1], whole[y0:y1, x0:x1])
    check_smaller(regions, whole)


def check_smaller(regions: TiffRegions, whole: np.ndarray) -> None:
    """Regions made smaller are the mean of what each pixel covers."""
    boxes = [(0, 0, WIDTH, HEIGHT), (20, 7, 91, 88), (60, 7, 130, 88), (33, 120, 34, 150)]
    sizes = [(13, 15), (30, 31), (7, 80), (1, 4)]
    wanted = [ScaledRegion(box, *size) for box, size in zip(boxes, sizes, strict=True)]
    for one, found in zip(wanted, regions.read_scaled(wanted), strict=True):
        x0, y0, x1, y1 = one.box
        size = one.width, one.height
        expected = cv2.resize(whole[y0:y1, x0:x1], size, interpolation=cv2.INTER_AREA)
        assert found.dtype == np.uint8
        assert np.abs(found.astype(int) - expected).max() <= 1  # OpenCV rounds its weights
        assert np.abs(regions.resized(*size, one.box).astype(int) - expected).max() <= 1
    assert np.array_equal(regions.resized(13, 15), regions.resized(13, 15, boxes[0]))


@pytest.fixture(params=["kept", "averaged"], autouse=True)
def _both_ways(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Regions that are kept until they are made smaller, and those of which only means are."""
    if request.param == "averaged":
        monkeypatch.setattr(tiff_regions, "_MAX_FULL", 0)
        monkeypatch.setattr(tiff_regions, "_PIECE", (7, 30))
        monkeypatch.setattr(tiff_regions, "_BAND_BYTES", 12 * 3 * 13)  # three rows of 13


@pytest.mark.parametrize("mode", ["RGB", "L", "P"])
@pytest.mark.parametrize("compression", [None, "tiff_lzw", "tiff_adobe_deflate", "jpeg"])
def test_strips(tmp_path: Path, pixels: np.ndarray, mode: str, compression: str | None) -> None:
    if (mode, compression) == ("P", "jpeg"):
        pytest.skip("the format has no such pictures")
    path = tmp_path / "a.tif"
    options = {"strip_size": 4000} if compression else {}
    Image.fromarray(pixels).convert(mode).save(path, compression=compression, **options)
    check(path)


def test_tiles_and_few_of_them_in_memory(
    tmp_path: Path, pixels: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.tiff"
    write_tiled(path, pixels)
    with Image.open(path) as image:
        assert np.array_equal(np.asarray(image), pixels)
    check(path)
    monkeypatch.setattr(tiff_chunks, "_CACHE_BYTES", 2 * 3 * TILE**2)
    regions = open_regions(path)
    assert np.array_equal(regions[0:HEIGHT, 0:WIDTH], pixels)
    assert len(regions.chunks._cache) == 2


def test_what_is_read_as_a_whole(tmp_path: Path, pixels: np.ndarray) -> None:
    image = Image.fromarray(pixels)
    image.save(tmp_path / "a.png")
    assert open_regions(tmp_path / "a.png") is None
    assert open_regions(tmp_path / "missing.tif") is None
    (tmp_path / "no.tif").write_bytes(b"II*\0 not a TIFF")
    assert open_regions(tmp_path / "no.tif") is None
    assert open_regions("no\0name.tif") is None
    os.mkfifo(tmp_path / "pipe.tif")
    assert open_regions(tmp_path / "pipe.tif") is None
    image.crop((0, 0, 20, 20)).save(tmp_path / "small.tif")
    assert open_regions(tmp_path / "small.tif") is None


def test_a_single_channel_is_never_stored_apart(tmp_path: Path, pixels: np.ndarray) -> None:
    write_apart(tmp_path / "a.tif", pixels[..., :1])
    check(tmp_path / "a.tif")


def test_strips_of_one_row_are_averaged_together(
    tmp_path: Path, pixels: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.tif"
    Image.fromarray(pixels).save(path, compression="tiff_lzw", strip_size=1)
    check(path)
    rows: list[int] = []
    monkeypatch.setattr(tiff_regions, "_BAND_BYTES", 10**6)
    monkeypatch.setattr(
        tiff_regions._AveragedRegion, "_add", lambda self, part, *_: rows.append(len(part))
    )
    regions = open_regions(path)
    assert regions.chunks.rows == 1
    regions.resized(13, 15)
    assert rows == [16] * 9 + [6]


@pytest.mark.parametrize("strips", [False, True])
def test_each_tile_or_strip_is_decoded_once_for_a_row_of_regions(
    tmp_path: Path, pixels: np.ndarray, monkeypatch: pytest.MonkeyPatch, strips: bool
) -> None:
    path = tmp_path / "a.tif"
    if strips:
        Image.fromarray(pixels).save(path, compression="tiff_lzw", strip_size=3 * WIDTH * 10)
    else:
        write_tiled(path, pixels)
    monkeypatch.setattr(tiff_chunks, "_CACHE_BYTES", 0)  # one chunk stays
    monkeypatch.setattr(tiff_regions, "_BAND_BYTES", 10**6)
    numbers: list[int] = []
    decode = TiffChunks._decode
    monkeypatch.setattr(
        TiffChunks,
        "_decode",
        lambda self, number, *of: numbers.append(number) or decode(self, number, *of),
    )
    row = [ScaledRegion((x, 20, x + 40, 140), 10, 30) for x in range(0, 91, 15)]
    (together,) = group_into_passes(row)
    regions = open_regions(path)
    regions.read_scaled(together)
    assert len(numbers) == len(set(numbers)) >= 9
    numbers.clear()
    regions = open_regions(path)
    regions.resized(13, 15)
    assert len(numbers) == len(set(numbers)) == len(regions.chunks._offsets)


def test_what_is_still_in_memory_is_used_first(
    tmp_path: Path, pixels: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.tif"
    Image.fromarray(pixels).save(path, compression="tiff_lzw", strip_size=3 * WIDTH * 10)
    monkeypatch.setattr(tiff_chunks, "_CACHE_BYTES", 5 * 3 * WIDTH * 10)
    regions = open_regions(path)
    decoded: list[int] = []
    decode = TiffChunks._decode
    monkeypatch.setattr(
        TiffChunks,
        "_decode",
        lambda self, number, *of: decoded.append(number) or decode(self, number, *of),
    )
    for _ in range(2):
        assert np.array_equal(regions[0:100, 0:WIDTH], pixels[:100])
    assert decoded == [*range(10), *range(5)]


def test_passes_bound_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    row = [ScaledRegion((x, 0, x + 5000, 4000), 416, 320) for x in range(0, 40000, 4000)]
    below = [ScaledRegion((0, 3000, 5000, 7000), 416, 320)]
    assert group_into_passes([*row, *below]) == [row, below]
    monkeypatch.setattr(tiff_regions, "_PASS_BYTES", 3 * row[0].bytes)
    assert [len(some) for some in group_into_passes([*row, *below])] == [3, 3, 3, 1, 1]
    assert group_into_passes([]) == []


def test_why_a_large_tiff_cannot_be_read_in_parts(
    tmp_path: Path, pixels: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = Image.fromarray(pixels)
    image.save(tmp_path / "turned.tif", tiffinfo={274: 6})
    Image.fromarray(pixels[..., 0].astype(np.uint16)).save(tmp_path / "deep.tif")
    write_apart(tmp_path / "apart.tif", pixels)
    image.convert("CMYK").save(tmp_path / "cmyk.tif")
    write_tiled(tmp_path / "tiles.tif", pixels)
    image.save(tmp_path / "strip.tif", compression="tiff_lzw", strip_size=10**6)
    monkeypatch.setattr(tiff_chunks, "_MAX_CHUNK", TILE**2 - 1)
    reasons = {
        "turned": "it is not stored upright", "deep": "it does not have 8 bits a channel",
        "tiles": "its tiles have 4,096 pixels", "strip": "its strips have 19,500 pixels",
        "apart": "it stores each channel apart", "cmyk": "of its compression or colours",
    }  # fmt: skip
    for name, reason in reasons.items():
        with pytest.raises(UserError, match=rf"{name}\.tif: 1\d\d×1\d\d .* because {reason}"):
            open_regions(tmp_path / f"{name}.tif")
    monkeypatch.setattr(tiff_chunks, "_MAX_CHUNK", TILE**2)
    assert open_regions(tmp_path / "tiles.tif")
    monkeypatch.setattr(tiff_chunks, "_MAX_SIDE", HEIGHT - 1)
    with pytest.raises(UserError, match="a side has more than 149 pixels"):
        open_regions(tmp_path / "tiles.tif")


@pytest.mark.parametrize("tag", [256, 257, 322, 323])
@pytest.mark.parametrize("value", [0, -5])
def test_sizes_that_no_picture_has(
    tmp_path: Path, pixels: np.ndarray, tag: int, value: int
) -> None:
    path = tmp_path / "a.tif"
    write_tiled(path, pixels)
    with path.open("rb") as file:
        tags = TiffImagePlugin.TiffImageFile(file).tag_v2
        tags.tagtype[tag] = TiffTags.SIGNED_LONG
        tags[tag] = value
        assert not TiffChunks(path, tags).whole


def test_damage_is_one_sentence(
    tmp_path: Path, pixels: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.tif"
    write_tiled(path, pixels)
    regions = open_regions(path)
    path.write_bytes(path.read_bytes()[:-100])
    assert regions[0:10, 0:10].shape == (10, 10, 3)
    with pytest.raises(UserError, match=r"a\.tif: cannot be read as an image \(truncated\)"):
        regions[140:150, 120:130]
    write_tiled(path, pixels)
    regions = open_regions(path)
    regions.chunks._counts = (10**9,) * 9
    with pytest.raises(UserError, match=r"a\.tif: cannot be read as an image \(a part .* long"):
        regions[140:150, 120:130]
    monkeypatch.setattr(tiff_regions, "MAX_REGION_PIXELS", 2000)
    with pytest.raises(UserError, match="cut it into several files"):
        open_regions(path)
