"""Pictures: cut off, huge, of odd pixels, with damaged tags, and files that are none."""

from __future__ import annotations

import gzip
import os
import struct
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from .case import Case, content, encoded, picture, pixels

_ORIENTATION = 0x0112  # the EXIF tag


def cases() -> Iterator[Case]:
    for name, suffix, data in (*_cut(), *_huge(), *_many(), *_odd(), *_damaged(), *_others()):
        yield Case("image", name, content(data, f"odd-one{suffix}"), (f"odd-one{suffix}",))
    for name, make in _special().items():
        yield Case("image", name, make, ("odd-one.jpg",))
    yield Case("image", "named-pipe-png", lambda folder: os.mkfifo(folder / "odd-one.png"),
               ("odd-one.png",))  # fmt: skip


def huge_pictures(most_bytes: int) -> Iterator[tuple[str, bytes]]:
    """Names and contents of the pictures of too many pixels whose files are not larger."""
    for name, _, data in _huge():
        if len(data) <= most_bytes:
            yield name, data


def _cut() -> Iterator[tuple[str, str, bytes]]:
    """Files that end early, at every tenth."""
    photo = picture(160, 120)
    whole = {
        "jpg": encoded(photo, "JPEG"),
        "png": encoded(photo, "PNG"),
        "progressive.jpg": encoded(photo, "JPEG", progressive=True),
    }
    for name, data in whole.items():
        for tenth in range(10):
            suffix = "." + name.rpartition(".")[2]
            yield f"{name}-{tenth}-tenths", suffix, data[: len(data) * tenth // 10]
    for form in ("WEBP", "TIFF", "GIF", "BMP", "JPEG2000", "PPM"):
        data = encoded(photo, form)
        suffix = {"TIFF": ".tif", "JPEG2000": ".jp2"}.get(form, f".{form.lower()}")
        yield f"{form.lower()}-half", suffix, data[: len(data) // 2]
        yield f"{form.lower()}-header-only", suffix, data[:40]


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _png(width: int, height: int, data: bytes, *chunks: bytes) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    pixel_chunk = _chunk(b"IDAT", data)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        [_chunk(b"IHDR", header), *chunks, pixel_chunk, _chunk(b"IEND", b"")]
    )


def zeros(count: int) -> bytes:
    """Compressed zeros, a thousandth of their size: one compressed block many times."""
    packer = zlib.compressobj(9)
    head = packer.flush(zlib.Z_FULL_FLUSH)
    block = packer.compress(bytes(1 << 20)) + packer.flush(zlib.Z_FULL_FLUSH)
    tail = packer.compress(bytes(count & 0xFFFFF)) + packer.flush()
    checksum = struct.pack(">HH", count % 65521, 1)  # Adler-32 of zeros
    return head + block * (count >> 20) + tail[:-4] + checksum


def _tiff(width: int, height: int, strip: bytes, compression: int) -> bytes:
    """A grey TIFF of one strip."""
    tags = [
        (256, 4, width), (257, 4, height), (258, 3, 8), (259, 3, compression), (262, 3, 1),
        (273, 4, 8 + 2 + 12 * 9 + 4), (277, 3, 1), (278, 4, height), (279, 4, len(strip)),
    ]  # fmt: skip
    head = struct.pack("<2sHIH", b"II", 42, 8, len(tags))
    for tag, kind, value in tags:
        head += struct.pack("<HHII", tag, kind, 1, value)
    return head + struct.pack("<I", 0) + strip


def _huge() -> Iterator[tuple[str, str, bytes]]:
    """Few bytes that would be many pixels."""
    side = 60_000
    jpeg = bytearray(encoded(picture(), "JPEG"))
    frame = jpeg.index(b"\xff\xc0")
    jpeg[frame + 5 : frame + 9] = struct.pack(">HH", side, side)
    yield "jpg-header-60000", ".jpg", bytes(jpeg)
    yield "png-header-60000", ".png", _png(side, side, zlib.compress(b""))
    yield "png-header-2-billion", ".png", _png(2**31 - 1, 2**31 - 1, b"")
    yield "png-header-0", ".png", _png(0, 0, b"")
    yield "png-bomb", ".png", _png(20_000, 15_000, zeros(20_001 * 15_000))
    yield "png-bomb-just-allowed", ".png", _png(13_000, 13_000, zeros(13_001 * 13_000))
    yield "png-more-rows-than-said", ".png", _png(10, 10, zeros(1 << 28))
    text = b"comment\0\0" + zeros(1 << 30)
    yield "png-text-bomb", ".png", _png(8, 8, zlib.compress(bytes(72)), _chunk(b"zTXt", text))
    profile = b"icc\0\0" + zeros(1 << 30)
    yield "png-profile-bomb", ".png", _png(8, 8, zlib.compress(bytes(72)), _chunk(b"iCCP", profile))
    yield "tif-bomb", ".tif", _tiff(20_000, 15_000, zeros(20_000 * 15_000), 8)
    yield "tif-header-60000", ".tif", _tiff(side, side, b"\0" * 64, 1)
    yield "tif-header-4-billion", ".tif", _tiff(2**32 - 1, 2**32 - 1, b"\0" * 64, 1)
    gif = bytearray(encoded(picture(), "GIF"))
    gif[6:10] = struct.pack("<HH", 65_535, 65_535)
    yield "gif-screen-65535", ".gif", bytes(gif)
    place = gif.index(b",", 13 + 3 * 256) if gif[10] & 0x80 else gif.index(b",", 13)
    gif[place + 5 : place + 9] = struct.pack("<HH", 65_535, 65_535)
    yield "gif-frame-65535", ".gif", bytes(gif)
    one = b",\0\0\0\0\1\0\1\0\0\2\2\x44\1\0"  # a frame of one pixel; all of the screen is composed
    film = b"GIF89a" + struct.pack("<HH", 13_000, 13_000) + b"\x80\0\0" + bytes(6) + one * 20
    yield "gif-film-13000", ".gif", film + b";"
    webp = bytearray(encoded(picture(), "WEBP", lossless=True))
    webp[21:25] = struct.pack("<I", 0x3FFF | 0x3FFF << 14)  # 16384×16384
    yield "webp-header-16384", ".webp", bytes(webp)
    canvas = b"VP8X" + struct.pack("<I", 10) + b"\2\0\0\0" + b"\xff" * 6  # 2^24 × 2^24
    chunks = b"WEBP" + canvas + b"ANIM" + struct.pack("<I", 6) + bytes(6)
    yield "webp-canvas-16-million", ".webp", b"RIFF" + struct.pack("<I", len(chunks)) + chunks
    bmp = bytearray(encoded(picture(), "BMP"))
    bmp[18:26] = struct.pack("<ii", side, side)
    yield "bmp-header-60000", ".bmp", bytes(bmp)
    bmp[18:26] = struct.pack("<ii", -64, -(2**31))
    yield "bmp-negative", ".bmp", bytes(bmp)
    yield "ppm-header-60000", ".ppm", b"P6 60000 60000 255\n" + bytes(99)
    yield "ppm-header-digits", ".ppm", b"P6 " + b"9" * 5000 + b" 1 255\n"
    jp2 = encoded(picture(), "JPEG2000")
    size = jp2.index(b"\xff\x51")
    bad = bytearray(jp2)
    bad[size + 6 : size + 14] = struct.pack(">II", side, side)
    yield "jp2-header-60000", ".jp2", bytes(bad)


def many_pages(count: int) -> bytes:
    """A TIFF of so many pages of one pixel, one directory each."""
    page = _tiff(1, 1, b"\0", 1)[8:]
    found = bytearray(struct.pack("<2sHI", b"II", 42, 8))
    for number in range(1, count + 1):
        found += page[:-5]
        found += struct.pack("<I", len(found) + 4 if number < count else 0)
    return bytes(found + b"\0")


def many_segments(count: int, segment: bytes = b"\xff\xfe\0\2") -> bytes:
    """A JPEG with so many segments (default: empty comments) before its own."""
    photo = encoded(picture(), "JPEG")
    return photo[:2] + segment * count + photo[2:]


def many_chunks(count: int, kind: bytes = b"IDAT") -> bytes:
    """A PNG with so many empty chunks before its pixels."""
    photo = encoded(picture(), "PNG")
    return photo[:33] + _chunk(kind, b"") * count + photo[33:]


def _many() -> Iterator[tuple[str, str, bytes]]:
    """Few bytes a part, so many parts, which Pillow goes through one by one."""
    yield "tif-80000-pages", ".tif", many_pages(80_000)
    yield "jpg-million-comments", ".jpg", many_segments(1_000_000)
    yield "jpg-million-restarts", ".jpg", many_segments(1_000_000, b"\xff\xd0")
    exif = b"\xff\xe1\xff\xffExif\0\0" + bytes(0xFFFF - 8)
    yield "jpg-exif-20-mb", ".jpg", many_segments(300, exif)
    yield "png-million-chunks", ".png", many_chunks(1_000_000)
    yield "png-million-unknown-chunks", ".png", many_chunks(1_000_000, b"teSt")


def _odd() -> Iterator[tuple[str, str, bytes]]:
    """Sound files that many readers get wrong."""
    photo = picture()
    yield "1x1", ".png", encoded(picture(1, 1), "PNG")
    yield "1x5000", ".png", encoded(picture(1, 5000), "PNG")
    yield "5000x1", ".jpg", encoded(picture(5000, 1), "JPEG")
    yield "1100000x1", ".png", encoded(picture(1_100_000, 1), "PNG")  # cannot be written again
    yield "cmyk", ".jpg", encoded(photo.convert("CMYK"), "JPEG")
    deep = (pixels()[..., 0].astype(np.uint16) << 8) | 7
    yield "16-bit-png", ".png", encoded(Image.fromarray(deep), "PNG")
    yield "16-bit-tif", ".tif", encoded(Image.fromarray(deep), "TIFF")
    fractions = np.full((48, 64), np.nan, np.float32)
    yield "tif-of-nan", ".tif", encoded(Image.fromarray(fractions), "TIFF")
    fractions[:24] = np.inf
    yield "tif-of-infinity", ".tif", encoded(Image.fromarray(fractions), "TIFF")
    palette = photo.quantize(16)
    yield "palette-with-alpha", ".png", encoded(palette, "PNG", transparency=bytes(range(16)))
    yield "one-bit", ".png", encoded(photo.convert("1"), "PNG")
    yield "grey-with-alpha", ".png", encoded(photo.convert("LA"), "PNG")
    frames = [picture(seed=seed) for seed in range(3)]
    animated = {"save_all": True, "append_images": frames[1:]}
    for form in ("GIF", "WEBP", "PNG", "TIFF"):
        suffix = ".tif" if form == "TIFF" else f".{form.lower()}"
        yield f"animated-{form.lower()}", suffix, encoded(frames[0], form, **animated)
        data = encoded(frames[0], form, **animated)
        yield f"animated-{form.lower()}-cut", suffix, data[: len(data) * 7 // 10]
    yield "progressive", ".jpg", encoded(photo, "JPEG", progressive=True)
    for orientation in range(10):
        exif = Image.Exif()
        exif[_ORIENTATION] = orientation
        yield f"orientation-{orientation}", ".jpg", encoded(photo, "JPEG", exif=exif)


def _damaged() -> Iterator[tuple[str, str, bytes]]:
    """Damage inside, and tags that lie."""
    photo = picture()
    plain = encoded(photo, "JPEG")
    for name, exif in {
        "exif-noise": bytes(range(200)),
        "exif-offset-beyond": b"II*\0" + struct.pack("<I", 2**32 - 1),
        "exif-loop": b"II*\0\x08\0\0\0\0\0\x08\0\0\0",
        "exif-65535-entries": b"MM\0*\0\0\0\x08\xff\xff" + bytes(64),
        "exif-orientation-text": b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x02\0\0\0\x04six\0" + bytes(4),
    }.items():
        segment = b"Exif\0\0" + exif
        part = b"\xff\xe1" + struct.pack(">H", len(segment) + 2) + segment
        yield f"jpg-{name}", ".jpg", plain[:2] + part + plain[2:]
    yield "jpg-icc-noise", ".jpg", encoded(photo, "JPEG", icc_profile=bytes(range(256)) * 300)
    yield "png-icc-noise", ".png", encoded(photo, "PNG", icc_profile=b"no profile")
    yield "jpg-segment-length-0", ".jpg", plain[:2] + b"\xff\xe2\0\0" + plain[2:]
    yield "jpg-zeros-inside", ".jpg", plain[:-200] + bytes(198) + plain[-2:]
    yield "jpg-no-tables", ".jpg", plain.replace(b"\xff\xc4", b"\xff\xfe")
    yield "jpg-tail-of-noise", ".jpg", plain + bytes(range(256)) * 400
    png = bytearray(encoded(photo, "PNG"))
    png[60] ^= 255
    yield "png-wrong-checksum", ".png", bytes(png)
    length = struct.pack(">I", 2**31 - 1)
    yield "png-chunk-length", ".png", bytes(png[:33]) + length + b"tEXt" + bytes(png[33:])
    tiff = bytearray(encoded(photo, "TIFF"))
    tiff[4:8] = struct.pack("<I", 8)
    yield "tif-directory-nowhere", ".tif", bytes(tiff)
    loop = _tiff(8, 8, bytes(64), 1)
    end = 8 + 2 + 12 * 9
    yield "tif-directory-loop", ".tif", loop[:end] + struct.pack("<I", 8) + loop[end + 4 :]


def _others() -> Iterator[tuple[str, str, bytes]]:
    """Files that are no picture, or another than their name says."""
    yield "zero-bytes", ".jpg", b""
    yield "one-byte", ".png", b"\x89"
    yield "text", ".jpg", b"This is no picture.\n"
    yield "web-page", ".jpg", b"<!doctype html><title>404</title>"
    yield (
        "svg",
        ".png",
        b'<svg xmlns="http://www.w3.org/2000/svg"><image href="/etc/passwd"/></svg>',
    )
    yield "postscript", ".jpg", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(x) run\n"
    yield "png-named-jpg", ".jpg", encoded(picture(), "PNG")
    yield "jpg-named-png", ".png", encoded(picture(), "JPEG")
    yield "tif-named-jpg", ".jpg", encoded(picture(), "TIFF")
    yield "gzip", ".jpg", gzip.compress(b"x" * 1000)
    yield "zeros", ".png", bytes(100_000)
    yield "pickle", ".jpg", b"\x80\x04\x8c\x05posix\x8c\x06system\x93\x8c\x04true\x85R."


def _special() -> dict[str, Callable[[Path], None]]:
    """What is no ordinary file."""

    def no_permission(folder: Path) -> None:
        content(encoded(picture(), "JPEG"), "odd-one.jpg")(folder)
        (folder / "odd-one.jpg").chmod(0)

    return {
        "folder-named-jpg": lambda folder: (folder / "odd-one.jpg").mkdir(),
        "dangling-link": lambda folder: (folder / "odd-one.jpg").symlink_to("nowhere.jpg"),
        "looping-link": lambda folder: (folder / "odd-one.jpg").symlink_to("odd-one.jpg"),
        "link-to-a-device": lambda folder: (folder / "odd-one.jpg").symlink_to("/dev/zero"),
        "named-pipe": lambda folder: os.mkfifo(folder / "odd-one.jpg"),
        "no-permission": no_permission,
    }
