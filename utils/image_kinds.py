"""Which files are pictures: by their suffix, and by their first bytes where that does not tell.

A file with one of ``IMAGE_SUFFIXES`` is a picture and is not opened to find that out. Files with
other suffixes, or none, are looked at, unless their suffix says that they hold something else.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable
from enum import Enum
from pathlib import PurePath

from utils.images import IMAGE_SUFFIXES
from utils.text import counted, listed

# Suffixes of each of Pillow's formats; the first is the usual one.
FORMAT_SUFFIXES = {
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif"),
    "MPO": (".jpg", ".jpeg", ".mpo"),  # a JPEG with more pictures behind the first
    "PNG": (".png", ".apng"),
    "BMP": (".bmp",),
    "WEBP": (".webp",),
    "TIFF": (".tif", ".tiff"),
    "GIF": (".gif",),
    "PPM": (".ppm", ".pgm", ".pbm", ".pnm"),
    "JPEG2000": (".jp2", ".j2k"),
    "AVIF": (".avif",),
}
# Files of these kinds are not looked at: their suffix tells.
_OTHER = """
    txt xml json jsonl csv tsv yaml yml toml ini cfg names data lst log md rst html htm css js py
    ipynb sh bat m mat npy npz pkl pt pth h5 keras onnx tflite record tfrecord tfrecords parquet
    arrow db sqlite cache zip tar gz tgz bz2 xz 7z rar doc docx xls xlsx ods ppt pptx mp4 m4v mov
    avi mkv webm mpg mpeg wmv flv ogv 3gp mts m2ts mp3 wav part tmp lock exe dll
"""
# Pictures of kinds that are not read: they need a program or a decoder of their own.
_UNREAD = """
    heic heif hif jxl psd psb svg svgz pdf eps ai ps xcf tga ico icns cur exr hdr pcx wmf emf dcm
    dicom jxr wdp dds sgi ras fits fit nii czi nd2 lif vsi svs qoi flif bpg djvu
"""
# Raw files of cameras. Many are TIFF files, of which only a preview could be seen.
_RAW = """
    cr2 cr3 crw nef nrw arw srf sr2 dng orf rw2 raf raw pef srw 3fr erf iiq kdc mrw x3f rwl
"""


def _suffixes(words: str) -> frozenset[str]:
    return frozenset(f".{word}" for word in words.split())


_OTHER_SUFFIXES, _UNREAD_SUFFIXES, _RAW_SUFFIXES = map(_suffixes, (_OTHER, _UNREAD, _RAW))

_HEAD = 48  # bytes that tell the kind
_BMP_HEADERS = (12, 40, 52, 56, 64, 108, 124)  # lengths of the header behind the file header
_PNM = re.compile(rb"P[1-6](?:[ \t]*[\r\n]|[ \t]+)[\s]*[#0-9]")
_SUFFIX = re.compile(r"\.[A-Za-z][^\s.]*")


class FileKind(Enum):
    """What a file is, as far as suffix and first bytes tell."""

    PICTURE = "a picture that can be read"
    UNREAD = "a picture of a kind that is not read"
    OTHER = "no picture"


def kind_by_suffix(name: str) -> FileKind | None:
    """The kind of a file by its name alone; None where its content must be looked at."""
    suffix = os.path.splitext(name)[1].lower()
    if suffix in IMAGE_SUFFIXES:
        return FileKind.PICTURE
    return FileKind.OTHER if suffix in _OTHER_SUFFIXES else None


def file_kind(path: str | os.PathLike[str]) -> FileKind:
    """The kind of a regular file. It is opened only where its suffix does not tell."""
    if (kind := kind_by_suffix(os.fspath(path))) is not None:
        return kind
    suffix = os.path.splitext(os.fspath(path))[1].lower()
    form = image_format(path)
    if form in FORMAT_SUFFIXES and not (form == "TIFF" and suffix in _RAW_SUFFIXES):
        return FileKind.PICTURE
    known = form is not None or suffix in _UNREAD_SUFFIXES or suffix in _RAW_SUFFIXES
    return FileKind.UNREAD if known else FileKind.OTHER


def image_format(path: str | os.PathLike[str]) -> str | None:
    """Pillow's name for the format by the first bytes of a file, or that of a kind that is not
    read (``HEIC``, ``JXL``, ``PSD``); None for no picture, and for a file that cannot be read."""
    try:
        with open(path, "rb", buffering=0) as file:
            head = file.read(_HEAD)
    except OSError:
        return None
    return _format(head)


def _format(head: bytes) -> str | None:
    for start, form in (
        (b"\xff\xd8\xff", "JPEG"),
        (b"\x89PNG\r\n\x1a\n", "PNG"),
        (b"GIF87a", "GIF"),
        (b"GIF89a", "GIF"),
        (b"II*\0", "TIFF"),
        (b"MM\0*", "TIFF"),
        (b"II+\0", "TIFF"),
        (b"MM\0+", "TIFF"),
        (b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG2000"),
        (b"\xff\x4f\xff\x51", "JPEG2000"),
        (b"\0\0\0\x0cJXL \r\n\x87\n", "JXL"),
        (b"8BPS\0", "PSD"),
    ):
        if head.startswith(start):
            return form
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WEBP"
    if head[:2] == b"BM" and int.from_bytes(head[14:18], "little") in _BMP_HEADERS:
        return "BMP"
    if _PNM.match(head):
        return "PPM"
    if head[4:8] == b"ftyp":
        brands = {head[at : at + 4] for at in (8, *range(16, len(head) - 3, 4))}
        if brands & {b"avif", b"avis"}:
            return "AVIF"
        if brands & {b"heic", b"heix", b"hevc", b"heim", b"mif1", b"msf1"}:
            return "HEIC"
    return None


def picture_suffix(path: str | os.PathLike[str]) -> str:
    """The suffix of a picture as it is written; the usual one of its format where it has none
    that tells."""
    suffix = os.path.splitext(os.fspath(path))[1]
    if suffix.lower() in IMAGE_SUFFIXES:
        return suffix
    return FORMAT_SUFFIXES.get(image_format(path) or "", (suffix,))[0]


def photo_stem(path: PurePath | str) -> str:
    """The name of a picture without its suffix. Only what begins with a letter is a suffix, as
    pictures without one may have dots in their names (``scan 1.5``)."""
    name = path.name if isinstance(path, PurePath) else path
    front, suffix = os.path.splitext(name)
    return front if _SUFFIX.fullmatch(suffix) else name


def without_picture_suffix(name: str) -> str:
    """A name without the suffix of a picture, also of a kind that is not read. Whatever else stands
    behind a dot belongs to the name (``scan_1.5``, ``frame.left``)."""
    front, suffix = os.path.splitext(name)
    known = {*IMAGE_SUFFIXES, *_UNREAD_SUFFIXES, *_RAW_SUFFIXES}
    return front if suffix.lower() in known else name


def unread_note(paths: Iterable[str | os.PathLike[str]]) -> str:
    """A sentence on pictures of kinds that are not read, with how many of each suffix."""
    names = [os.path.basename(path) for path in paths]
    kinds = Counter(os.path.splitext(name)[1].lower() or "without suffix" for name in names)
    by_kind = listed([f"{suffix} {count}" for suffix, count in kinds.most_common()], most=8)
    are = "is of a kind that is" if len(names) == 1 else "are of kinds that are"
    return (
        f"{counted(len(names), 'picture')} {are} not read ({by_kind}; first: {names[0]}); "
        "left out. Convert them to JPEG or PNG to use them"
    )
