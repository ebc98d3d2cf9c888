"""The quick reader of headers says what Pillow says, or nothing."""

import io
import struct

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, JpegImagePlugin, PngImagePlugin

from tests.bad_input.images import many_chunks, many_pages, many_segments
from utils import image_header
from utils.errors import UserError
from utils.image_header import parse_header, read_header
from utils.images import MAX_FRAMES, decode_image, image_info, image_size, read_image


def by_pillow(path, monkeypatch):
    monkeypatch.setattr("utils.images.read_header", lambda _: None)
    size = image_size(path)
    monkeypatch.undo()
    return size


def saved(path, size=(7, 5), mode="RGB", orientation=None, **options):
    if orientation is not None:
        options["exif"] = Image.Exif()
        options["exif"][0x0112] = orientation
    Image.new(mode, size).save(path, **options)
    return path


@pytest.mark.parametrize("orientation", [None, *range(1, 9)])
@pytest.mark.parametrize(
    "options",
    [{}, {"progressive": True}, {"mode": "L"}, {"mode": "CMYK"}, {"comment": b"x" * 9000}],
)
def test_jpegs(tmp_path, monkeypatch, orientation, options):
    path = saved(tmp_path / "a.jpg", orientation=orientation, **options)
    assert read_header(path)[:3] == (7, 5, orientation or 1)
    assert image_size(path) == by_pillow(path, monkeypatch)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_pngs(tmp_path, monkeypatch, mode):
    path = saved(tmp_path / "a.png", mode=mode)
    assert read_header(path)[:3] == (7, 5, 1)
    assert image_size(path) == by_pillow(path, monkeypatch)


def test_what_is_left_to_pillow(tmp_path, monkeypatch):
    """XMP, EXIF and text in a PNG, several EXIF blocks, other formats, cut and odd files."""
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><a tiff:Orientation="6"/></x:xmpmeta>'
    saved(tmp_path / "xmp.jpg", xmp=xmp)
    saved(tmp_path / "exif.png", orientation=6)
    text = PngImagePlugin.PngInfo()
    text.add_text("XML:com.adobe.xmp", xmp.decode())
    saved(tmp_path / "text.png", pnginfo=text)
    late = saved(tmp_path / "late.png")
    exif = Image.Exif()
    exif[0x0112] = 8
    content = exif.tobytes()[6:]
    chunk = struct.pack(">I", len(content)) + b"eXIf" + content + b"\0\0\0\0"
    late.write_bytes(late.read_bytes()[:-12] + chunk + late.read_bytes()[-12:])
    for suffix in ("bmp", "tif", "webp", "gif"):
        saved(tmp_path / f"other.{suffix}")
    for path in tmp_path.iterdir():
        assert read_header(path) is None, path.name
        if path.suffix != ".gif":
            assert image_size(path) == by_pillow(path, monkeypatch), path.name
    assert image_size(tmp_path / "xmp.jpg").orientation == 6
    assert image_size(late).orientation == 8


def content_of(kind, orientation):
    buffer = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"exif": exif} if kind == "JPEG" else {}
    Image.new("RGB", (9, 6)).save(buffer, kind, **options)
    return buffer.getvalue()


@settings(
    max_examples=400,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    kind=st.sampled_from(["JPEG", "PNG"]),
    orientation=st.integers(0, 9),
    changes=st.lists(st.tuples(st.integers(0, 260), st.integers(0, 255)), max_size=3),
    length=st.integers(0, 700),
)
def test_damaged_headers_never_give_another_answer(
    tmp_path, monkeypatch, kind, orientation, changes, length
):
    content = bytearray(content_of(kind, orientation))
    for place, value in changes:
        content[place % len(content)] = value
    path = tmp_path / "damaged"
    path.write_bytes(content[: max(length, 40)])
    quick = read_header(path)
    assert parse_header(path.read_bytes()) == quick
    try:
        slow = by_pillow(path, monkeypatch)
    except UserError:
        return  # decoding will say so, too
    if quick is not None:
        width, height, turn, *_ = quick
        assert (slow.stored, slow.orientation) == ((width, height), turn)


def with_segment_behind_the_frame(content, segment):
    """A JPEG with a segment between its frame header and its scan."""
    place = content.index(b"\xff\xda")
    return content[:place] + segment + content[place:]


@pytest.mark.parametrize("orientation", [1, 3, 6])
def test_exif_behind_the_frame_header_counts_as_it_does_for_pillow(
    tmp_path, monkeypatch, orientation
):
    path = saved(tmp_path / "a.jpg", orientation=orientation)
    content = path.read_bytes()
    begin = content.index(b"\xff\xe1")
    end = begin + 2 + int.from_bytes(content[begin + 2 : begin + 4], "big")
    moved = content[:begin] + content[end:]
    path.write_bytes(with_segment_behind_the_frame(moved, content[begin:end]))
    assert read_header(path)[:3] == (7, 5, orientation)
    assert image_size(path) == by_pillow(path, monkeypatch)


def test_a_second_frame_is_left_to_pillow(tmp_path):
    path = saved(tmp_path / "a.jpg")
    content = path.read_bytes()
    begin = content.index(b"\xff\xc0")
    frame = content[begin : begin + 2 + int.from_bytes(content[begin + 2 : begin + 4], "big")]
    path.write_bytes(with_segment_behind_the_frame(content, frame))
    assert read_header(path) is None


_EXIF_SEGMENT = b"\xff\xe1\0\x0aExif\0\0II"
_XMP_SEGMENT = b"\xff\xe1\0\x06http"


@pytest.mark.parametrize(
    "make",
    [
        many_segments,
        lambda count: many_segments(count, b"\xff\xe2\0\2"),
        lambda count: _behind(_XMP_SEGMENT, many_segments(count)),  # left to Pillow
        lambda count: _behind(_XMP_SEGMENT, many_segments(count, b"\xff\xd0")),
        lambda count: _behind(_XMP_SEGMENT, many_segments(count, b"\xff\0")),
        lambda count: _behind(_XMP_SEGMENT, many_segments(count, b"\xff")),
        lambda count: _behind(_XMP_SEGMENT, many_segments(count, b"\0")),
        many_chunks,
        lambda count: many_chunks(count, b"teSt"),
    ],
)
def test_more_parts_than_a_picture_has_are_refused(tmp_path, monkeypatch, make):
    """Pillow needs seconds for a million of them."""
    monkeypatch.setattr(image_header, "_MAX_PARTS", 300)
    monkeypatch.setattr(image_header, "_MAX_PADDING", 300)
    path = tmp_path / "photo"
    path.write_bytes(make(200))
    image_size(path)
    assert read_image(path).shape == (48, 64, 3)
    path.write_bytes(make(400))
    for read in (image_size, read_image, image_info, lambda path: decode_image(path.read_bytes())):
        with pytest.raises(UserError, match="it has more than 300"):
            read(path)


def _behind(segment: bytes, photo: bytes) -> bytes:
    return photo[:2] + segment + photo[2:]


def test_many_segments_of_exif_are_refused(tmp_path):
    """Pillow copies all those before at each."""
    path = tmp_path / "photo.jpg"
    path.write_bytes(many_segments(90, _EXIF_SEGMENT))
    assert image_size(path)[:2] == (64, 48)
    path.write_bytes(many_segments(110, _EXIF_SEGMENT))
    with pytest.raises(UserError, match="more than 100 segments of EXIF"):
        image_size(path)


def test_which_markers_have_no_length():
    bare = {marker & 255 for marker, (*_, read) in JpegImagePlugin.MARKER.items() if read is None}
    assert {0, *bare} == set(image_header._BARE)
    assert set(range(0xC0, 0xFF)) <= {marker & 255 for marker in JpegImagePlugin.MARKER}


def test_pages_are_counted_up_to_a_bound(tmp_path):
    """Pillow looks at each page through all those before it."""
    path = tmp_path / "photo.tif"
    for pages in (1, 2, MAX_FRAMES - 1, MAX_FRAMES + 1):
        path.write_bytes(many_pages(pages))
        assert image_info(path) == ((1, 1, 1), None, min(pages, MAX_FRAMES))
