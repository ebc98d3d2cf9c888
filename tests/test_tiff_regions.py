"""Regions of a TIFF, against the whole file as Pillow reads it."""

from __future__ import annotations

import io
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image, TiffImagePlugin, TiffTags
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from utils import tiff_regions
from utils.errors import UserError
from utils.tiff_regions import TiffRegions, open_regions

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
    smaller = regions.resized(13, 15)
    expected = cv2.resize(whole, (13, 15), interpolation=cv2.INTER_AREA)
    assert np.abs(smaller.astype(int) - expected).max() <= 1  # rounded twice


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
    monkeypatch.setattr(tiff_regions, "_CACHE_BYTES", 2 * 3 * TILE**2)
    regions = open_regions(path)
    assert np.array_equal(regions[0:HEIGHT, 0:WIDTH], pixels)
    assert len(regions._cache) == 2


def test_what_is_read_as_a_whole(tmp_path: Path, pixels: np.ndarray) -> None:
    image = Image.fromarray(pixels)
    image.save(tmp_path / "a.png")
    assert open_regions(tmp_path / "a.png") is None
    assert open_regions(tmp_path / "missing.tif") is None
    image.save(tmp_path / "turned.tif", tiffinfo={274: 6})
    assert open_regions(tmp_path / "turned.tif") is None
    Image.fromarray(pixels[..., 0].astype(np.uint16)).save(tmp_path / "deep.tif")
    assert open_regions(tmp_path / "deep.tif") is None
    (tmp_path / "no.tif").write_bytes(b"II*\0 not a TIFF")
    assert open_regions(tmp_path / "no.tif") is None
    image.crop((0, 0, 20, 20)).save(tmp_path / "small.tif")
    assert open_regions(tmp_path / "small.tif") is None


def test_few_rows_at_a_time_and_no_side_without_end(
    tmp_path: Path, pixels: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.tif"
    write_tiled(path, pixels)
    whole = open_regions(path).resized(13, 15)
    monkeypatch.setattr(tiff_regions, "_ROWS_BYTES", 3 * WIDTH * 10)
    assert np.abs(open_regions(path).resized(13, 15).astype(int) - whole).max() <= 1
    monkeypatch.setattr(tiff_regions, "_ROWS_BYTES", 1)
    assert np.abs(open_regions(path).resized(13, 15).astype(int) - whole).max() <= 1
    monkeypatch.setattr(tiff_regions, "_LONGEST", HEIGHT - 1)
    assert open_regions(path) is None


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
        assert not TiffRegions(path, tags).in_parts


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
    monkeypatch.setattr(tiff_regions, "MAX_REGION_PIXELS", 2000)
    with pytest.raises(UserError, match="cut it into several files"):
        open_regions(path)
