"""Photos of every usual kind come in upright, as RGB uint8, or with one clear error."""

import io
import os
import struct
import time
import zlib
from concurrent.futures import ThreadPoolExecutor
from threading import Lock

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

import utils.images
from tests.drawn_photos import as_jpeg, find
from utils.errors import UserError
from utils.images import (
    MAX_PIXELS,
    ImageSize,
    decode_image,
    image_size,
    orient_boxes,
    orient_image,
    read_image,
    reduction,
)

PIXELS = np.random.default_rng(0).integers(0, 256, (20, 33, 3), np.uint8)
SMOOTH = cv2.resize(PIXELS[:3, :4], (33, 20), interpolation=cv2.INTER_CUBIC)


def saved(image, kind, **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def exif(orientation):
    tags = Image.Exif()
    tags[0x0112] = orientation
    return tags


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_comes_upright(tmp_path, kind, orientation):
    path = tmp_path / f"照片 1.{kind.lower()}"
    options = {"lossless": True} if kind == "WEBP" else {}
    path.write_bytes(saved(Image.fromarray(PIXELS), kind, exif=exif(orientation), **options))
    with Image.open(path) as image:
        expected = np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
    pixels, size = read_image(path), image_size(path)
    np.testing.assert_array_equal(pixels, expected)
    assert pixels.flags.c_contiguous
    assert pixels.flags.writeable
    assert (size.height, size.width) == pixels.shape[:2]
    assert size.orientation == orientation
    assert size.stored == (33, 20)


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
def test_a_wrong_orientation_or_broken_exif_is_no_orientation(tmp_path):
    for tags in (exif(0), exif(9), b"Exif\0\0MM\0*\xff\xff\xff\xff", b"Exif\0\0nonsense"):
        data = saved(Image.fromarray(PIXELS), "PNG", exif=tags)
        (tmp_path / "a.png").write_bytes(data)
        np.testing.assert_array_equal(read_image(tmp_path / "a.png"), PIXELS)
        assert image_size(tmp_path / "a.png") == (33, 20, 1)


def test_orientation_behind_the_pixels_of_a_png(tmp_path):
    data = saved(Image.fromarray(PIXELS), "PNG")
    body = exif(6).tobytes().removeprefix(b"Exif\0\0")
    chunk = struct.pack(">I", len(body)) + b"eXIf" + body
    chunk += struct.pack(">I", zlib.crc32(b"eXIf" + body))
    (tmp_path / "late.png").write_bytes(data[:-12] + chunk + data[-12:])
    assert image_size(tmp_path / "late.png") == (20, 33, 6)
    np.testing.assert_array_equal(read_image(tmp_path / "late.png"), np.rot90(PIXELS, -1))


@pytest.mark.parametrize("orientation", range(1, 9))
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_boxes_turn_with_the_pixels(orientation, data):
    x0, x1 = sorted(data.draw(st.lists(st.integers(0, 33), min_size=2, max_size=2, unique=True)))
    y0, y1 = sorted(data.draw(st.lists(st.integers(0, 20), min_size=2, max_size=2, unique=True)))
    stored = np.zeros((20, 33, 1), np.uint8)
    stored[y0:y1, x0:x1] = 1
    upright = orient_image(stored, orientation)[..., 0]
    size = ImageSize(upright.shape[1], upright.shape[0], orientation)
    ((left, top, right, bottom),) = orient_boxes(np.array([[x0, y0, x1, y1]]), size)
    expected = np.zeros_like(upright)
    expected[top:bottom, left:right] = 1
    np.testing.assert_array_equal(upright, expected)


def test_no_boxes_turn_to_no_boxes():
    assert orient_boxes(np.zeros((0, 4), np.float32), ImageSize(3, 4, 6)).shape == (0, 4)


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"subsampling": 0}])
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_ordinary_jpeg_equals_pillow(mode, options):
    data = saved(Image.fromarray(SMOOTH).convert(mode), "JPEG", **options)
    expected = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
    assert np.abs(decode_image(data).astype(int) - expected).max() <= 1


@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
def test_cmyk(kind):
    cmyk = Image.merge("CMYK", [Image.new("L", (8, 8), v) for v in (0, 255, 255, 0)])
    pixels = decode_image(saved(cmyk, kind))
    assert np.abs(pixels.astype(int) - [255, 0, 0]).max() <= 3


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "GIF", "JPEG"])
def test_grey(kind):
    grey = PIXELS[..., 0] if kind != "JPEG" else SMOOTH[..., 0]
    pixels = decode_image(saved(Image.fromarray(grey), kind))
    assert pixels.shape == (20, 33, 3)
    assert np.abs(pixels.astype(int) - grey[..., None]).max() <= (40 if kind == "JPEG" else 0)


def test_one_bit():
    bits = PIXELS[..., 0] > 127
    pixels = decode_image(saved(Image.fromarray(bits), "PNG"))
    np.testing.assert_array_equal(pixels[..., 1], bits * np.uint8(255))


def test_palette():
    image = Image.fromarray(PIXELS).quantize(64)
    np.testing.assert_array_equal(decode_image(saved(image, "PNG")), image.convert("RGB"))


def test_transparency_is_laid_on_white():
    for mode in ("RGBA", "LA"):
        image = Image.new(mode, (4, 2), 0)
        assert (decode_image(saved(image, "PNG")) == 255).all()
    half = Image.new("RGBA", (4, 2), (255, 0, 0, 128))
    assert np.abs(decode_image(saved(half, "PNG")).astype(int) - [255, 127, 127]).max() <= 1
    palette = Image.new("P", (4, 2), 0)
    palette.putpalette([10, 20, 30])
    assert (decode_image(saved(palette, "PNG", transparency=0)) == 255).all()
    assert (decode_image(saved(palette, "PNG")) == [10, 20, 30]).all()


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_sixteen_bits_are_scaled(suffix):
    values = np.array([[0, 255, 256, 32768, 65535]], np.uint16)
    for stored in (values, np.repeat(values[..., None], 3, axis=2)):
        done, data = cv2.imencode(suffix, stored)
        assert done
        pixels = decode_image(data.tobytes())
        assert pixels.dtype == np.uint8
        assert pixels[0, :, 0].tolist() == [0, 0, 1, 128, 255]
        assert (pixels[..., 0] == pixels[..., 2]).all()


def test_deep_grey_tiff():
    integers = Image.fromarray(np.array([[-5, 0, 32768, 65535, 10**6]], np.int32))
    # 20 bits hold the largest value, and -8 is the power of two below the smallest.
    assert decode_image(saved(integers, "TIFF"))[0, :, 0].tolist() == [0, 0, 8, 16, 243]
    unit = Image.fromarray(np.array([[0, 0.5, 1, np.nan, np.inf]], np.float32))
    assert decode_image(saved(unit, "TIFF"))[0, :, 0].tolist() == [0, 128, 255, 0, 255]
    signed = Image.fromarray(np.array([[-1, 0, 1]], np.float32))
    assert decode_image(saved(signed, "TIFF"))[0, :, 0].tolist() == [0, 128, 255]
    wide = Image.fromarray(np.array([[0, 100, 1023]], np.float32))
    assert decode_image(saved(wide, "TIFF"))[0, :, 0].tolist() == [0, 25, 255]


def test_sixteen_bit_tiff_turns_too(tmp_path):
    values = np.arange(6, dtype=np.uint16).reshape(2, 3) * 256  # 12 bits hold them
    path = tmp_path / "deep.tif"
    Image.fromarray(values).save(path, exif=exif(6))
    np.testing.assert_array_equal(read_image(path)[..., 0], np.rot90(values >> 4, -1))
    assert image_size(path) == (2, 3, 6)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "BMP", "WEBP", "TIFF"])
def test_cut_off_files_are_refused_by_name(tmp_path, kind):
    data = saved(Image.fromarray(PIXELS), kind)
    path = tmp_path / f"cut.{kind.lower()}"
    for share in (0.3, 0.7, 0.95):
        path.write_bytes(data[: int(len(data) * share)])
        with pytest.raises(UserError, match=r"cut\."):
            read_image(path)


def test_a_jpeg_cut_off_behind_its_thumbnail_is_refused(tmp_path):
    """The end-of-image mark of a thumbnail in the header must not pass for the photo's own."""
    thumbnail = saved(Image.fromarray(PIXELS), "JPEG")
    photo = Image.fromarray(np.tile(PIXELS, (8, 8, 1)))
    data = saved(photo, "JPEG", comment=thumbnail)
    assert decode_image(data).shape == (160, 264, 3)
    path = tmp_path / "cut.jpg"
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(UserError, match=r"cut\.jpg"):
        read_image(path)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    kind=st.sampled_from(["JPEG", "PNG", "WEBP", "TIFF", "BMP"]),
    place=st.floats(0, 1),
    value=st.integers(0, 255),
)
def test_damaged_files_give_pixels_or_one_clear_error(kind, place, value):
    data = bytearray(saved(Image.fromarray(PIXELS), kind))
    data[int(place * (len(data) - 1))] = value
    try:
        pixels = decode_image(bytes(data), "damaged")
    except UserError as error:
        assert str(error).startswith("damaged: ")  # noqa: PT017
    else:
        assert pixels.dtype == np.uint8
        assert pixels.ndim == 3


@pytest.mark.parametrize("read", [read_image, image_size])
def test_what_is_no_image(tmp_path, read):
    (tmp_path / "text.jpg").write_text("no image")
    (tmp_path / "empty.png").write_bytes(b"")
    (tmp_path / "run.eps").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n")
    for name in ("text.jpg", "empty.png", "run.eps"):
        with pytest.raises(UserError, match=rf"{name}: is not an image of a known format"):
            read(tmp_path / name)
    with pytest.raises(UserError, match=r"gone\.jpg: no such file"):
        read(tmp_path / "gone.jpg")
    with pytest.raises(UserError, match="is not a file"):
        read(tmp_path)
    with pytest.raises(UserError, match=r"no such file|cannot be read"):
        read(tmp_path / "nul\0.jpg")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_does_not_hang(tmp_path):
    os.mkfifo(tmp_path / "pipe.jpg")
    with pytest.raises(UserError, match="is not a file"):
        read_image(tmp_path / "pipe.jpg")


@pytest.mark.parametrize("read", [read_image, image_size])
def test_bombs_are_refused_from_the_header(tmp_path, read):
    data = bytearray(saved(Image.fromarray(PIXELS), "PNG"))
    for width, height in ((20_000, MAX_PIXELS // 20_000 + 1), (2**31 - 1, 2**31 - 1)):
        data[16:24] = struct.pack(">II", width, height)
        data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
        (tmp_path / "bomb.png").write_bytes(data)
        with pytest.raises(UserError, match=r"bomb\.png.*million"):
            read(tmp_path / "bomb.png")


def test_enormous_files_are_refused_before_reading(tmp_path):
    with open(tmp_path / "sparse.jpg", "wb") as file:
        file.truncate((1 << 30) + 1)
    with pytest.raises(UserError, match="too large"):
        read_image(tmp_path / "sparse.jpg")


def test_the_header_alone_is_enough_for_the_size(tmp_path):
    data = saved(Image.fromarray(PIXELS), "JPEG", exif=exif(8))
    (tmp_path / "head.jpg").write_bytes(data[:-100])
    assert image_size(tmp_path / "head.jpg") == (20, 33, 8)


def stored_as(upright, orientation):
    """The pixels that ``orient_image`` turns into ``upright``."""
    inverse = {6: 8, 8: 6}.get(orientation, orientation)
    return np.ascontiguousarray(orient_image(upright, inverse))


def with_exif(jpeg, orientation):
    tags = exif(orientation).tobytes()
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(tags) + 2) + tags + jpeg[2:]


@pytest.mark.parametrize("kind", ["jpg", "png"])
@pytest.mark.parametrize("orientation", range(1, 9))
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    width=st.integers(150, 420), height=st.integers(150, 420), reduce=st.sampled_from([2, 4, 8]),
    x=st.floats(0, 1), y=st.floats(0, 1),
)  # fmt: skip
def test_coordinates_in_a_reduced_photo_are_divided_and_nothing_else(
    tmp_path_factory, kind, orientation, width, height, reduce, x, y
):
    x, y = int(x * (width - 60)), int(y * (height - 60))
    upright = np.zeros((height, width, 3), np.uint8)
    upright[y : y + 60, x : x + 60, 0] = 255
    stored = stored_as(upright, orientation)
    path = tmp_path_factory.mktemp("reduced") / f"a.{kind}"
    if kind == "jpg":
        path.write_bytes(with_exif(as_jpeg(stored), orientation))
    else:
        path.write_bytes(saved(Image.fromarray(stored), "PNG", exif=exif(orientation)))
    pixels = read_image(path, reduce=reduce)
    assert pixels.shape == (-(-height // reduce), -(-width // reduce), 3)
    assert pixels.flags.c_contiguous
    assert pixels.dtype == np.uint8
    box = np.array([x, y, x + 60, y + 60]) / reduce
    # The last column and row may reach beyond the photo, and an object at the border with them.
    found = np.minimum(find(pixels), np.array([width, height] * 2) / reduce)
    assert np.abs(found - box).max() <= 0.75
    np.testing.assert_array_equal(decode_image(path.read_bytes(), reduce=reduce), pixels)


def test_a_reduced_jpeg_is_the_mean_of_its_pixels():
    image = cv2.resize(PIXELS, (320, 240), interpolation=cv2.INTER_CUBIC)
    data = as_jpeg(image)
    for reduce in (2, 4, 8):
        expected = cv2.resize(image, (320 // reduce, 240 // reduce), interpolation=cv2.INTER_AREA)
        difference = np.abs(decode_image(data, reduce=reduce).astype(int) - expected)
        assert difference.mean() < 2
    with pytest.raises(ValueError, match="not 3"):
        decode_image(data, reduce=3)


def test_reduction_leaves_as_many_pixels_as_are_needed():
    assert reduction((640, 480), (320, 240)) == 2
    assert reduction((640, 480), (321, 240)) == 1
    assert reduction((640, 480), (320, 241)) == 1
    assert reduction((639, 480), (320, 240)) == 1
    assert reduction((4000, 3000), (416, 312)) == 8
    assert reduction((9000, 9000), (10, 10)) == 8
    assert reduction((100, 100), (300, 300)) == 1


@pytest.mark.parametrize("orientation", [None, 1, 6])
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize("progressive", [False, True])
def test_a_file_gives_the_pixels_of_its_content(tmp_path, mode, progressive, orientation):
    """The short way for plain JPEGs and the long one by Pillow agree."""
    options = {"exif": exif(orientation)} if orientation else {}
    image = Image.fromarray(np.tile(SMOOTH, (3, 3, 1))).convert(mode)
    path = tmp_path / "a.jpg"
    path.write_bytes(saved(image, "JPEG", progressive=progressive, **options))
    for reduce in (1, 2):
        np.testing.assert_array_equal(
            read_image(path, reduce=reduce), decode_image(path.read_bytes(), reduce=reduce)
        )
    expected = np.asarray(ImageOps.exif_transpose(Image.open(path)).convert("RGB"))
    assert np.abs(read_image(path).astype(int) - expected).max() <= 1


def test_a_plain_jpeg_of_too_many_pixels_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "a.jpg"
    Image.new("RGB", (40, 30)).save(path)
    monkeypatch.setattr(utils.images, "MAX_PIXELS", 1199)
    for reduce in (1, 8):
        with pytest.raises(UserError, match="40×30 pixels are more than"):
            read_image(path, reduce=reduce)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "PA", "L", "CMYK"])
def test_strips_are_the_whole_picture(tmp_path, monkeypatch, mode):
    rng = np.random.default_rng(0)
    path = tmp_path / ("a.tif" if mode in ("CMYK", "PA") else "a.png")
    picture = Image.fromarray(rng.integers(0, 256, (37, 23, 4), np.uint8), "RGBA")
    if mode == "P":
        picture = picture.convert("RGB").quantize(20)
        picture.save(path, transparency=bytes(range(0, 250, 13)))
    else:
        picture.convert("RGB" if mode == "CMYK" else "RGBA").convert(mode).save(path)
    whole = read_image(path)
    for pixels in (1, 23 * 5, 23 * 36):
        monkeypatch.setattr(utils.images, "_STRIP", pixels)
        np.testing.assert_array_equal(read_image(path), whole)
    if mode in ("RGBA", "LA", "P"):
        with Image.open(path) as image:
            shown = image.convert("RGBA")
        white = Image.new("RGBA", shown.size, "white")
        white.alpha_composite(shown)
        difference = np.asarray(white.convert("RGB"), int) - whole
        assert abs(difference).max() <= 1


def test_only_one_huge_photo_is_decoded_at_a_time(tmp_path, monkeypatch):
    monkeypatch.setattr(utils.images, "HUGE", 100)
    most, now, lock = 0, 0, Lock()

    def counted(decode):
        def call(*args):
            nonlocal most, now
            with lock:
                now += 1
                most = max(most, now)
            time.sleep(0.02)
            try:
                return decode(*args)
            finally:
                with lock:
                    now -= 1

        return call

    monkeypatch.setattr(utils.images, "_fast_jpeg", counted(utils.images._fast_jpeg))
    monkeypatch.setattr(utils.images, "to_rgb", counted(utils.images.to_rgb))
    paths = [tmp_path / name for name in ("a.jpg", "b.png", "c.jpg", "d.png")]
    for path in paths:
        Image.new("RGB", (20, 20)).save(path)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(read_image, paths))
    assert most == 1
    monkeypatch.setattr(utils.images, "HUGE", 400)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(read_image, paths))
    assert most > 1
