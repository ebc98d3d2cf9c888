"""Pixels of more than 8 bits are scaled by the bits in use, the same way in every command."""

from __future__ import annotations

import io
import struct
import warnings
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image, TiffImagePlugin

from tests.label_folders import CAT, coco_image, coco_json, coco_object, put, xml
from utils.data.augment import NO_AUGMENTATION
from utils.data.batches.image_cache import DiskCache, MemoryCache, photo_reader
from utils.data.batches.samples import TrainingSamples
from utils.data.datasets import load_split
from utils.detector import Detector
from utils.images import (
    decode_image,
    image_info,
    image_size,
    orient_image,
    pixels_of,
    read_image,
)
from utils.media.picture_reader import PictureReader
from utils.pixel_range import METADATA, Extremes, PixelRange, PixelRanges, extremes_of
from utils.runtime.runtime import Runtime

# A ramp over 8 bits; deeper pictures hold the same ramp with finer steps.
RAMP = np.arange(256, dtype=np.uint8).reshape(8, 32)


def deep(bits):
    return RAMP.astype(np.uint16) << (bits - 8) | (bits > 8)


def png(values):
    done, data = cv2.imencode(".png", values)
    assert done
    return data.tobytes()


def tiff(values, **tags):
    file, info = io.BytesIO(), TiffImagePlugin.ImageFileDirectory_v2()
    for number, value in tags.values():
        info[number] = value
    Image.fromarray(values).save(file, "TIFF", tiffinfo=info)
    return file.getvalue()


def with_chunk(data, kind, content):
    """A PNG with a chunk behind its header."""
    chunk = struct.pack(">I", len(content)) + kind + content
    chunk += struct.pack(">I", zlib.crc32(kind + content))
    return data[:33] + chunk + data[33:]


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
@pytest.mark.parametrize("coded", [png, tiff])
def test_the_bits_in_use_become_eight(bits, coded):
    np.testing.assert_array_equal(decode_image(coded(deep(bits)))[..., 1], RAMP)


@pytest.mark.parametrize("bits", [10, 12, 16])
def test_colours_and_alpha_too(bits):
    colours = np.stack([deep(bits), deep(bits)[::-1], deep(bits)[:, ::-1]], axis=-1)
    expected = np.stack([RAMP[:, ::-1], RAMP[::-1], RAMP], axis=-1)  # OpenCV writes BGR
    np.testing.assert_array_equal(decode_image(png(colours)), expected)
    alpha = np.where(np.arange(32) < 16, 0, 65535).astype(np.uint16) + np.zeros_like(deep(8))
    pixels = decode_image(png(np.dstack([colours, alpha])))
    assert (pixels[:, :16] == 255).all()
    np.testing.assert_array_equal(pixels[:, 16:], expected[:, 16:])


def turned_png(values, orientation):
    """A PNG of RGB values that are stored with that EXIF orientation."""
    exif = Image.Exif()
    exif[274] = orientation
    return with_chunk(png(values[..., ::-1]), b"eXIf", exif.tobytes()[6:])


def turned_tiff(values, orientation):
    """A TIFF of RGB values, as Pillow does not write them, with that orientation."""
    height, width, _ = values.shape
    entries = [(256, 3, 1, width), (257, 3, 1, height), (258, 3, 3, 200), (259, 3, 1, 1)]
    entries += [(262, 3, 1, 2), (273, 4, 1, 206), (274, 3, 1, orientation), (277, 3, 1, 3)]
    entries += [(278, 3, 1, height), (279, 4, 1, values.nbytes)]
    head = b"II*\0" + struct.pack("<IH", 8, len(entries))
    head += b"".join(struct.pack("<HHII", *entry) for entry in entries) + bytes(4)
    return head.ljust(200, b"\0") + struct.pack("<3H", 16, 16, 16) + values.tobytes()


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("coded", [turned_png, turned_tiff])
def test_colours_that_are_stored_turned(tmp_path, coded, orientation):
    colours = np.stack([deep(10), deep(10)[::-1], deep(10)[:, ::-1]], axis=-1)
    upright = np.stack([RAMP, RAMP[::-1], RAMP[:, ::-1]], axis=-1)
    path = tmp_path / "a"
    path.write_bytes(coded(colours, orientation))
    expected = orient_image(upright, orientation)
    np.testing.assert_array_equal(read_image(path), expected)
    assert image_size(path) == (*expected.shape[1::-1], orientation)
    assert image_info(path).extremes == extremes_of(colours)
    with Image.open(path) as image:
        np.testing.assert_array_equal(pixels_of(image), expected)


def test_what_the_file_says_counts():
    dark = np.full((4, 4), 1000, np.uint16)
    assert decode_image(png(dark))[0, 0, 0] == 1000 >> 2  # 10 bits hold it
    said = tiff(dark, most=(281, 4095))  # MaxSampleValue
    assert decode_image(said)[0, 0, 0] == 1000 >> 4
    assert decode_image(tiff(dark, most=(281, 70)))[0, 0, 0] == 1000 >> 2  # it cannot be so
    # sBIT: 12 bits that were scaled up to 16 as the PNG specification wants, and that were not.
    scaled_up = dark << 4
    assert decode_image(with_chunk(png(scaled_up), b"sBIT", b"\x0c"))[0, 0, 0] == 1000 >> 4
    as_they_are = np.full((4, 4), 1001, np.uint16)
    assert decode_image(with_chunk(png(as_they_are), b"sBIT", b"\x0c"))[0, 0, 0] == 1001 >> 4


def test_twelve_bit_samples_of_a_tiff():
    values = [0, 4095, 2048, 16]
    packed = int("".join(f"{value:012b}" for value in values), 2).to_bytes(6, "big")
    entries = [(256, 3, 4), (257, 3, 1), (258, 3, 12), (259, 3, 1), (262, 3, 1), (273, 4, 200)]
    entries += [(277, 3, 1), (278, 3, 1), (279, 4, 6)]
    directory = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in entries)
    head = b"II*\0" + struct.pack("<IH", 8, len(entries)) + directory + bytes(4)
    data = head.ljust(200, b"\0") + packed
    assert decode_image(data)[0, :, 0].tolist() == [0, 255, 128, 1]


def test_grey_maps_with_their_own_maximum():
    values = np.array([[0, 1023, 512]], ">u2")
    data = b"P5 3 1 1023\n" + values.tobytes()
    assert decode_image(data)[0, :, 0].tolist() == [0, 255, 128]


def test_signed_and_fractional_pixels():
    hounsfield = np.array([[-1024, 0, 3071]], np.int32)
    pixels = decode_image(tiff(hounsfield))[0, :, 0]
    expected = (hounsfield[0] + 1024) * 255 / (4095 + 1024)
    np.testing.assert_array_equal(pixels, np.rint(expected))
    counts = np.array([[0, 2048, 4095]], np.float32)
    assert decode_image(tiff(counts))[0, :, 0].tolist() == [0, 128, 255]


@pytest.mark.parametrize("mode", ["L", "RGB", "P", "1", "RGBA", "CMYK"])
def test_eight_bits_have_no_range(tmp_path, mode):
    """Their pixels never change, whatever the data folder holds."""
    path = tmp_path / ("a.tif" if mode == "CMYK" else "a.png")
    Image.fromarray(RAMP // 4).convert(mode).save(path)
    assert image_info(path).extremes is None
    ranges = PixelRanges(PixelRange(0, 1023), PixelRange(0, 1))
    np.testing.assert_array_equal(read_image(path), read_image(path, ranges=ranges))


# One range for a data folder


def voc(folder, names):
    for name in names:
        put(folder / "Annotations" / f"{name}.xml", xml(CAT, size=(32, 8)))


def yolo(folder, names):
    put(folder / "classes.txt", "cat\n")
    for name in names:
        put(folder / "labels" / f"{name}.txt", "0 0.5 0.5 0.5 0.5\n")


def coco(folder, names):
    images = [coco_image(i, f"{name}.png", (32, 8)) for i, name in enumerate(names)]
    coco_json(folder / "a.json", images, [coco_object(i) for i in range(len(images))])


@pytest.fixture(params=[voc, yolo, coco])
def folder(request, tmp_path):
    """A dark 16-bit photo of 10 bits, one of 12 bits, and one of 8 bits."""
    request.param(tmp_path, ["dark", "bright", "plain"])
    images = tmp_path / "images"
    if request.param is voc:
        images = tmp_path / "JPEGImages"
    images.mkdir()
    (images / "dark.png").write_bytes(png(deep(10)))
    (images / "bright.png").write_bytes(png(deep(12)))
    (images / "plain.png").write_bytes(png(RAMP))
    return tmp_path


def test_photos_of_a_folder_keep_their_differences(folder):
    dataset = load_split(folder, "all")
    assert dataset.pixel_ranges == PixelRanges(PixelRange(0, 4095))
    assert "12 bits" in dataset.pixel_ranges.sentence()
    paths = {record.image_id: record.image for record in dataset.records}
    samples = TrainingSamples(dataset, 32, 0, NO_AUGMENTATION)
    assert len(dataset) == 3
    for mode in ("off", "memory", "disk"):
        reader, _ = photo_reader(mode, dataset, [32], NO_AUGMENTATION, folder=folder / "cache")
        for _ in range(2):  # from the file, then from the cache
            np.testing.assert_array_equal(reader(paths["dark"], reduce=1)[..., 0], RAMP >> 2)
            np.testing.assert_array_equal(reader(paths["bright"], reduce=1)[..., 0], RAMP)
            np.testing.assert_array_equal(reader(paths["plain"], reduce=1)[..., 0], RAMP)
    assert samples[0].image.shape == (32, 32, 3)
    again = load_split(folder, "all")  # from the folder's cache
    assert again.pixel_ranges == dataset.pixel_ranges


def test_caches_of_other_ranges_are_not_used(tmp_path):
    path = tmp_path / "dark.png"
    path.write_bytes(png(deep(10)))
    ranges = PixelRanges(PixelRange(0, 4095))
    DiskCache(tmp_path / "cache", 10**6)(path, reduce=1)
    scaled = DiskCache(tmp_path / "cache", 10**6, ranges)(path, reduce=1)
    np.testing.assert_array_equal(scaled[..., 0], RAMP >> 2)
    np.testing.assert_array_equal(MemoryCache(10**6, ranges)(path, reduce=1), scaled)


# Checkpoints


def detector(metadata):
    def infer(images):
        seen.append(images)
        return np.zeros((len(images), 1, 4), np.float32), np.zeros((len(images), 1, 1), np.float32)

    seen: list[np.ndarray] = []
    return Detector(Runtime(infer, ("cat",), (8, 32), metadata=metadata)), seen


def test_prediction_scales_as_training_did(tmp_path):
    path = tmp_path / "dark.png"
    path.write_bytes(png(deep(10)))
    trained = PixelRanges(PixelRange(0, 4095))
    for metadata, expected in (({METADATA: trained.content()}, RAMP >> 2), ({}, RAMP)):
        found, seen = detector(metadata)
        found(path)
        np.testing.assert_array_equal(seen[0][0, ..., 0], expected)


def test_a_picture_beyond_the_range_gets_its_own(tmp_path):
    path = tmp_path / "full.png"
    path.write_bytes(png(deep(16)))
    trained = PixelRanges(PixelRange(0, 4095))
    np.testing.assert_array_equal(read_image(path, ranges=trained)[..., 0], RAMP)


def test_the_note_says_how(tmp_path):
    for bits in (10, 16):
        (tmp_path / f"{bits}.png").write_bytes(png(deep(bits)))
    (tmp_path / "8.png").write_bytes(png(RAMP))
    reader = PictureReader(PixelRanges(PixelRange(0, 4095)))
    for path in sorted(tmp_path.iterdir()):
        reader(path)
    trained, own = reader.sentences()
    assert "1 picture" in trained
    assert "4095" in trained
    assert "65535" in own
    plain = PictureReader(PixelRanges())
    plain(tmp_path / "8.png")
    assert plain.sentences() == []


def test_of_several_pages_the_first_is_read_and_that_is_said(tmp_path):
    first, *others = (Image.new("L", (8, 6), value) for value in (10, 20, 30))
    first.save(tmp_path / "stack.tif", save_all=True, append_images=others)
    first.save(tmp_path / "one.tif")
    reader = PictureReader(PixelRanges())
    assert reader(tmp_path / "one.tif").mean() == reader(tmp_path / "stack.tif").mean() == 10
    (sentence,) = reader.sentences()
    assert "1 picture with several pages" in sentence
    assert "stack.tif: 3" in sentence


def test_scoring_says_how_too():
    trained, data = PixelRanges(PixelRange(0, 4095)), PixelRanges(PixelRange(0, 1023))
    assert trained.note_on(PixelRanges()) == ""
    assert "as in training, from 0 to 4095" in trained.note_on(data)
    assert "beyond" not in trained.note_on(data)
    assert "beyond" in data.note_on(trained)
    assert "not trained on" in PixelRanges().note_on(data)


def test_damaged_metadata_is_no_range():
    for noted in (None, 5, {"whole": [1]}, {"whole": ["a", 2]}, {"whole": [5, 5]}, {"whole": None},
                  {"whole": [0, 10**400]}):  # fmt: skip
        assert PixelRanges.from_metadata({METADATA: noted}) == PixelRanges()


def test_a_range_of_fewer_than_eight_bits_is_no_shift():
    assert PixelRange(0, 1).to_uint8(np.array([0, 1], np.uint16)).tolist() == [0, 255]


def test_ranges_hold_what_they_are_made_for():
    for low, high, fractions, expected in (
        (0, 255, False, (0, 255)),
        (0, 256, False, (0, 1023)),
        (0, 65535, False, (0, 65535)),
        (0, 70000, False, (0, 2**18 - 1)),
        (-3, 900, False, (-4, 1023)),
        (0.0, 1.0, True, (0, 1)),
        (0.0, 1.004, True, (0, 1)),
        (-0.1, 1.26, True, (0, 1)),
        (-0.142, 0.98, True, (0, 1)),
        (-0.3, 1.0, True, (0, 1)),
        (-0.31, 1.3, True, (-0.5, 1)),
        (-1.0, 1.0, True, (-1, 1)),
        (-0.25, 0.2, True, (-0.25, 1)),
        (-0.1, 200.0, True, (-0.125, 255)),
        (0.0, 200.0, True, (0, 255)),
        (0.0, 1.5, True, (0, 255)),
    ):
        found = Extremes(low, high, fractions)
        assert PixelRange.holding(found) == expected
        assert PixelRange.holding(found).holds(found)


def test_a_photo_that_resampling_left_beyond_0_and_1_does_not_change_the_others(tmp_path):
    sharp = np.zeros((8, 8), np.float32)
    sharp[2:6, 2:6] = 1
    enlarged = cv2.resize(sharp, (29, 29), interpolation=cv2.INTER_LANCZOS4)
    assert 1.1 < enlarged.max() < 1.3
    found = [Extremes(0, 0.98, True), extremes_of(enlarged)]
    ranges = PixelRanges.of(found)
    assert ranges.fractions.white == 1
    assert all(ranges.range_for(one) == ranges.fractions for one in found)
    assert decode_image(tiff(enlarged), ranges=ranges).max() == 255
    assert enlarged.min() < -0.1
    assert ranges.fractions.black == 0
    black = tiff(np.array([[0, 0.98]], np.float32))
    assert decode_image(black, ranges=ranges)[0, 0].tolist() == [0, 0, 0]
    trained = PixelRanges(fractions=PixelRange(0, 1))
    assert trained.range_for(Extremes(0, 1.004, True)) == trained.fractions
    assert trained.range_for(Extremes(0, 1.5, True)) == PixelRange(0, 255)
    assert trained.range_for(Extremes(-0.1, 0.2, True)) == trained.fractions
    assert trained.range_for(Extremes(-1, 1, True)) == PixelRange(-1, 1)


def test_a_pillow_image_is_scaled_too():
    trained = PixelRanges(PixelRange(0, 4095))
    for metadata, expected in (({METADATA: trained.content()}, RAMP >> 2), ({}, RAMP)):
        found, seen = detector(metadata)
        found(Image.fromarray(deep(10)))
        np.testing.assert_array_equal(seen[0][0, ..., 0], expected)


# Files that Pillow has opened

CODED = {"png": png, "tif": lambda values: cv2.imencode(".tiff", values)[1].tobytes()}


@pytest.fixture(params=CODED)
def coloured(request, tmp_path):
    """A file of 10 bits in 16-bit colours."""
    path = tmp_path / f"a.{request.param}"
    colours = np.stack([deep(10), deep(10)[::-1], deep(10)[:, ::-1]], axis=-1)
    path.write_bytes(CODED[request.param](colours))
    return path


@pytest.mark.filterwarnings("error")
def test_a_file_that_pillow_opened_is_read_as_from_its_path(coloured):
    ranges = PixelRanges(PixelRange(0, 4095))
    with Image.open(coloured) as image, open(coloured, "rb") as file, Image.open(file) as other:
        for opened in (image, other, image):  # twice: reading it does not load it
            np.testing.assert_array_equal(pixels_of(opened), read_image(coloured))
            expected = read_image(coloured, ranges=ranges)
            np.testing.assert_array_equal(pixels_of(opened, ranges=ranges), expected)


@pytest.mark.filterwarnings("error")
def test_a_changed_image_is_not_read_again(coloured):
    for change in (
        lambda image: image.resize((16, 4)),
        lambda image: image.crop((0, 0, 8, 8)),
        lambda image: image.rotate(90, expand=True),
        lambda image: image.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
    ):
        with Image.open(coloured) as image:
            changed = change(image)
            np.testing.assert_array_equal(pixels_of(changed), np.asarray(changed))


def test_reduced_colours_are_warned_of(coloured):
    with Image.open(coloured) as image:
        image.thumbnail((16, 4))
        with pytest.warns(UserWarning, match="only the high byte"):
            pixels = pixels_of(image)
        np.testing.assert_array_equal(pixels, np.asarray(image))


def test_a_later_page_of_reduced_colours_has_its_own_advice(tmp_path):
    path = tmp_path / "stack.tif"
    colours = np.stack([deep(10)] * 3, axis=-1)
    grey = RAMP[..., None].repeat(3, axis=-1)
    path.write_bytes(cv2.imencodemulti(".tiff", [grey, colours])[1].tobytes())
    with Image.open(path) as image:
        image.seek(1)
        for _ in range(2):  # before it is loaded and after
            with pytest.warns(UserWarning, match="save that page as a file of its own"):
                pixels_of(image)
            image.load()
    with Image.open(path) as image, warnings.catch_warnings():
        warnings.simplefilter("error")
        image.load()
        pixels_of(image)  # the first page has 8 bits


@pytest.mark.filterwarnings("error")
def test_a_loaded_image_of_eight_bits_is_not_warned_of(tmp_path):
    path = tmp_path / "plain.png"
    Image.fromarray(RAMP).convert("RGB").save(path)
    with Image.open(path) as image:
        image.load()
        np.testing.assert_array_equal(pixels_of(image)[..., 0], RAMP)


@pytest.mark.filterwarnings("error")
def test_grey_needs_no_second_reading_whatever_the_size_of_its_file(tmp_path, monkeypatch):
    monkeypatch.setattr("utils.images.MAX_BYTES", 8)  # as a stack of many pages has more
    (tmp_path / "a.tif").write_bytes(tiff(deep(10)))
    with Image.open(tmp_path / "a.tif") as image:
        np.testing.assert_array_equal(pixels_of(image)[..., 0], RAMP)


def test_a_later_page_is_that_page(tmp_path):
    """Only the first page of a file is read from its content."""
    pages = [Image.fromarray(deep(bits)) for bits in (12, 10)]
    pages[0].save(
        tmp_path / "stack.tif",
        save_all=True,
        append_images=[page.rotate(180) for page in pages[1:]],
    )
    with Image.open(tmp_path / "stack.tif") as image:
        image.seek(1)
        np.testing.assert_array_equal(pixels_of(image)[..., 0], RAMP[::-1, ::-1])
