"""Pictures are found by what is in them: in folders of every format as when named."""

from __future__ import annotations

import builtins
import io

import numpy as np
import pytest
from PIL import Image, features

from tests.label_folders import (
    CAT,
    coco_image,
    coco_json,
    coco_object,
    image_ids,
    lists,
    photo,
    put,
    xml,
)
from utils.data.conversion import convert
from utils.data.datasets import load_split
from utils.data.doctor.examine import examine
from utils.data.folder.file_scan import FileScan
from utils.image_kinds import FileKind, file_kind, image_format, photo_stem, picture_suffix
from utils.images import image_size, read_image
from utils.media.sources import find_sources, read_frames

HEIC = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + b"\0" * 40
RAW = b"II*\0" + b"\0" * 60

# File name and Pillow's format, which has nothing to do with the name in the last ones.
PICTURES = {
    "a.jfif": "JPEG",
    "b.JPE": "JPEG",
    "c.gif": "GIF",
    "d.MPO": "JPEG",
    "e.ppm": "PPM",
    "f.pgm": "PPM",
    "g.jp2": "JPEG2000",
    "h.avif": "AVIF",
    "i.JPG": "JPEG",
    "j": "PNG",
    "k.JPG_large": "JPEG",
    "l.heic": "JPEG",
    "m.bin": "TIFF",
    "scan 1.5": "BMP",
    "n.png": "WEBP",
}
UNREAD = {"x.heic": HEIC, "y.NEF": RAW, "z.psd": b"8BPS\0\1" + b"\0" * 40, "v.svg": b"<svg/>"}


def write(folder, name, form):
    """A picture of 40×30 of a shade of its own."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    shade = 10 * (1 + list(PICTURES).index(name))
    picture = Image.new("L", (40, 30), shade)
    picture = picture if name.endswith(".pgm") else picture.convert("RGB")
    path.write_bytes(_encoded(picture, form))


def _encoded(picture, form):
    file = io.BytesIO()
    picture.save(file, form)
    return file.getvalue()


@pytest.fixture(scope="module", autouse=True)
def codecs():
    """AVIF and JPEG 2000 are part of Pillow's wheels."""
    assert features.check("avif")
    assert features.check("jpg_2000")


def voc(folder):
    for name in PICTURES:
        put(folder / "Annotations" / f"{photo_stem(name)}.xml", xml(CAT))
    return folder / "JPEGImages"


def voc_beside(folder):
    for name in PICTURES:
        put(folder / f"{photo_stem(name)}.xml", xml(CAT, filename=name))
    return folder


def yolo(folder):
    put(folder / "classes.txt", "cat\n")
    for name in PICTURES:
        put(folder / "labels" / f"{photo_stem(name)}.txt", "0 0.5 0.5 0.5 0.5\n")
    return folder / "images"


def coco(folder):
    images = [coco_image(i, name) for i, name in enumerate(PICTURES)]
    coco_json(folder / "annotations.json", images, [coco_object(i) for i in range(len(images))])
    return folder / "photos"


@pytest.mark.parametrize("layout", [voc, voc_beside, yolo, coco])
def test_every_format_finds_every_picture(tmp_path, layout):
    folder = layout(tmp_path)
    for name, form in PICTURES.items():
        write(folder, name, form)
    for name, content in UNREAD.items():
        (folder / name).write_bytes(content)
    dataset = load_split(tmp_path, "all")
    assert sorted(record.image.name for record in dataset.records) == sorted(PICTURES)
    assert all(len(record.boxes) == 1 for record in dataset.records)
    assert {"scan 1.5", "a", "j"} <= set(image_ids(dataset))
    (note,) = (note for note in dataset.notes if "not read" in note)
    assert "4 pictures" in note
    assert all(suffix in note for suffix in (".heic 1", ".nef 1", ".psd 1", ".svg 1"))

    checked = examine(tmp_path)  # what --check says
    assert len(checked.photos) == len(PICTURES)
    assert not [photo for photo in checked.photos if photo.content.error]
    assert any("4 pictures" in note for note in checked.layout.notes)


def test_a_list_may_name_them(tmp_path):
    folder = voc(tmp_path)
    for name, form in PICTURES.items():
        write(folder, name, form)
    lists(tmp_path, train=["a.jfif", "k.JPG_large", "scan 1.5", "j"])
    assert image_ids(load_split(tmp_path, "train")) == ["a", "j", "k", "scan 1.5"]


def test_they_are_converted_under_suffixes_that_tell(tmp_path):
    folder = voc(tmp_path / "voc")
    for name, form in PICTURES.items():
        write(folder, name, form)
    convert(tmp_path / "voc", tmp_path / "out", to="yolo")
    found = load_split(tmp_path / "out", "all")
    assert len(found) == len(PICTURES)
    suffixes = {record.image_id: record.image.suffix for record in found.records}
    assert suffixes["scan 1.5"] == ".bmp"
    assert (suffixes["j"], suffixes["k"], suffixes["l"]) == (".png", ".jpg", ".jpg")


def test_prediction_looks_at_all_and_says_what_it_passes_over(tmp_path, capsys):
    for name, form in PICTURES.items():
        write(tmp_path, name, form)
    for name, content in UNREAD.items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "labels.txt").write_text("0 0.5 0.5 1 1\n")
    for argument in (tmp_path, tmp_path / "*"):
        sources = find_sources([str(argument)])
        assert sorted(source.path.name for source in sources) == sorted(PICTURES)
        frames = list(read_frames(sources, pytest.fail))
        assert [frame.image.shape for frame in frames] == [(30, 40, 3)] * len(PICTURES)
        said = capsys.readouterr().err
        assert "4 pictures" in said
        assert ".heic 1" in said
        assert ".txt 1" in said


@pytest.mark.parametrize("name", PICTURES)
def test_pixels_are_those_that_were_written(tmp_path, name):
    write(tmp_path, name, PICTURES[name])
    shade = 10 * (1 + list(PICTURES).index(name))
    assert file_kind(tmp_path / name) is FileKind.PICTURE
    assert image_format(tmp_path / name) == PICTURES[name]
    assert image_size(tmp_path / name)[:2] == (40, 30)
    assert np.abs(read_image(tmp_path / name).astype(int) - shade).max() <= 3


def test_what_is_no_picture(tmp_path):
    for name, content in {
        "notes": b"P3 is a nice name",
        "BMW": b"BM is not a picture, but text that begins so",
        "empty": b"",
        "data.npy": b"\xff\xd8\xff\xe0",  # not even looked at
    }.items():
        (tmp_path / name).write_bytes(content)
        assert file_kind(tmp_path / name) is FileKind.OTHER
    for name, content in UNREAD.items():
        (tmp_path / name).write_bytes(content)
        assert file_kind(tmp_path / name) is FileKind.UNREAD
    (tmp_path / "phone").write_bytes(HEIC)
    assert file_kind(tmp_path / "phone") is FileKind.UNREAD
    assert picture_suffix(tmp_path / "phone") == ""


def test_suffixes_that_tell_cost_no_look(tmp_path, monkeypatch):
    for i in range(20):
        photo(tmp_path / f"{i}.{'png' if i % 2 else 'jpg'}")
        put(tmp_path / f"{i}.xml", xml(CAT))
    opened = []
    real = builtins.open

    def counting(path, *args, **options):
        opened.append(path)
        return real(path, *args, **options)

    monkeypatch.setattr(builtins, "open", counting)
    assert len(FileScan(tmp_path).photos(tmp_path)) == 20
    assert opened == []
