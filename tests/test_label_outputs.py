"""Label files of predict.py, read back by what training reads data with."""

from __future__ import annotations

import json
import os
import shutil
import xml.etree.ElementTree as ET
from dataclasses import replace
from itertools import chain
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
from PIL import Image
from pycocotools.coco import COCO

import predict
from tests.media_files import write_picture, write_video
from utils.cli import run
from utils.data.datasets import load_split
from utils.data.formats import find_layout, read_annotations
from utils.detections import Detections
from utils.media.frame_photos import FramePhotos
from utils.media.frames import Frame, Source
from utils.media.label_outputs import CocoLabels, LabelStudioTasks, VocLabels, YoloLabels
from utils.media.outputs import Outputs
from utils.media.saved_frames import SavedFrames, changed
from utils.media.shards import Shard
from utils.media.sources import find_sources

CLASSES = ("dog", "Größe & <mehr>", "cat")
# Names that web addresses and paths treat in special ways.
SIZES = {"a": (640, 480), "b 1": (8000, 37), "ç#+&%20": (201, 6000), "nothing": (64, 64)}


def found_on(name: str) -> Detections:
    """Objects anywhere, with numbers that no decimal number is equal to."""
    rng = np.random.default_rng(len(name))
    width, height = SIZES[name]
    count = 0 if name == "nothing" else 9
    corners = rng.random((count, 2, 2)).astype(np.float32)
    corners.sort(axis=1)
    boxes = corners.reshape(-1, 4) * np.float32([width, height] * 2)
    scores = np.sort(rng.random(count).astype(np.float32))[::-1]
    ids = rng.integers(0, len(CLASSES), count, np.int32)
    return Detections(boxes, scores, ids, CLASSES, (width, height))


@pytest.fixture
def data(tmp_path):
    for name, size in SIZES.items():
        write_picture(tmp_path / "data" / "images" / f"{name}.png", *size)
    return tmp_path / "data"


def write(data, output, photos):
    """The detections of all pictures, written by one output."""
    with Outputs([output]) as outputs:
        for source in photos_of(data):
            image = np.zeros((*SIZES[source.path.stem][::-1], 3), np.uint8)
            outputs.write(Frame(image, source), found_on(source.path.stem))


def photos_of(data):
    return find_sources([str(data / "images")])


def output_of(form, data):
    photos = FramePhotos(photos_of(data))
    return {
        "voc": lambda: VocLabels(data, photos),
        "yolo": lambda: YoloLabels(data, CLASSES, photos, with_scores=True),
        "coco": lambda: CocoLabels(data, CLASSES, photos),
        "label-studio": lambda: LabelStudioTasks(
            data, dict.fromkeys(CLASSES, (1, 2, 3)), photos, data.parent, "best.keras"
        ),
    }[form](), photos


@pytest.mark.parametrize("form", ["voc", "yolo", "coco", "label-studio"])
def test_training_reads_back_what_was_written(data, form):
    write(data, *output_of(form, data))
    layout = find_layout(data)
    assert layout.format == form
    assert not layout.unmatched_labels
    read = dict(read_annotations(layout))
    assert list(read) == sorted(SIZES)
    for name, annotation in read.items():
        found = found_on(name)
        assert annotation.errors == ()
        assert list(annotation.names) == found.names()
        np.testing.assert_allclose(annotation.boxes, found.boxes, rtol=0, atol=0.01)
        np.testing.assert_allclose(annotation.scores, found.scores, rtol=0, atol=1e-6)
    dataset = load_split(data, "all")
    assert [record.image_id for record in dataset.records] == sorted(SIZES)
    for record in dataset.records:
        found = found_on(record.image_id)
        assert [dataset.classes[i] for i in record.class_ids] == found.names()
        np.testing.assert_allclose(record.boxes, found.boxes, rtol=0, atol=0.01)
        assert not record.difficult.any()
    assert any("27 objects have the score of a detector" in note for note in dataset.notes)


def test_yolo_labels_have_scores_only_where_asked_for(data):
    write(data, YoloLabels(data, CLASSES, FramePhotos(photos_of(data))), None)
    lines = (data / "labels" / "a.txt").read_text().splitlines()
    assert {len(line.split()) for line in lines} == {5}


def test_coco_files_go_together(data):
    write(data, *output_of("coco", data))
    truth = COCO(data / "coco_annotations.json")
    results = truth.loadRes(str(data / "coco_results.json"))
    assert len(results.anns) == len(truth.anns) == 27
    assert [image["file_name"] for image in truth.imgs.values()] == [
        "a.png", "b 1.png", "nothing.png", "ç#+&%20.png",
    ]  # fmt: skip
    for one in json.loads((data / "coco_results.json").read_text()):
        assert truth.cats[one["category_id"]]["name"] == one["category"]
        assert truth.imgs[one["image_id"]]["file_name"] == one["file_name"]


def test_label_studio_finds_the_photos(data):
    write(data, *output_of("label-studio", data))
    tasks = json.loads((data / "label_studio.json").read_text())
    for task in tasks:
        address = urlsplit(task["data"]["image"])
        assert address.path == "/data/local-files/"
        assert (data.parent / parse_qs(address.query)["d"][0]).is_file()
    assert tasks[2]["predictions"][0]["result"] == []
    setup = ET.parse(data / "label_studio_config.txt").getroot()
    tool, image = setup.find("RectangleLabels"), setup.find("Image")
    assert [label.get("value") for label in tool] == list(CLASSES)
    for result in tasks[0]["predictions"][0]["result"]:
        assert (result["from_name"], result["to_name"]) == (tool.get("name"), image.get("name"))


# Frames of videos


def film(stamps=(0.0,), name="film.mp4"):
    source = Source(name, "video", name)
    image = np.zeros((48, 64, 3), np.uint8)
    return [Frame(image, source, i, time_s, 10.0) for i, time_s in enumerate(stamps)]


def boxes_at(*places, class_ids=None):
    boxes = np.float32([[x, 10, x + 20, 30] for x in places]).reshape(-1, 4)
    ids = np.int32(class_ids or [0] * len(boxes))
    return Detections(boxes, np.full(len(boxes), 0.5, np.float32), ids, CLASSES)


def test_what_counts_as_a_change():
    assert not changed(boxes_at(0, 30), boxes_at(32, 2))
    assert changed(boxes_at(0), boxes_at(0, 30))
    assert changed(boxes_at(0, 30), boxes_at(0))
    assert changed(boxes_at(0), boxes_at(0, class_ids=[1]))
    assert changed(boxes_at(0), boxes_at(10))
    assert not changed(boxes_at(), boxes_at())


def test_a_new_object_counts_as_a_change_where_one_of_two_that_overlap_goes():
    def at(*lefts):
        boxes = np.float32([[x, 0, x + 100, 100] for x in lefts])
        count = len(boxes)
        return Detections(
            boxes, np.full(count, 0.9, np.float32), np.zeros(count, np.int32), CLASSES
        )

    assert changed(at(0, 35), at(17, 500))
    assert changed(at(17, 500), at(0, 35))
    assert not changed(at(0, 35), at(2, 37))


def test_frames_are_saved_with_their_labels_where_objects_change(tmp_path):
    frames = film([0, 0.1, 0.2, 0.7, 0.8, 1.5])
    places = [(0,), (0,), (40,), (40,), (), ()]
    photos = FramePhotos([frames[0].source], tmp_path / "images")
    with Outputs([SavedFrames(photos, [VocLabels(tmp_path, photos)])]) as outputs:
        for frame, at in zip(frames, places, strict=True):
            outputs.write(frame, boxes_at(*at))
    # Frame 2 comes too soon after 0, and 4 too soon after 3.
    names = ["film_000000", "film_000003", "film_000005"]
    assert sorted(path.stem for path in (tmp_path / "images").iterdir()) == names
    assert sorted(path.stem for path in (tmp_path / "Annotations").iterdir()) == names
    assert [record.image_id for record in load_split(tmp_path, "all").records] == names


def test_every_nth_frame(tmp_path):
    frames = film(np.arange(10) / 10)
    photos = FramePhotos([frames[0].source], tmp_path / "images")
    with Outputs([SavedFrames(photos, [], every=4)]) as outputs:
        for frame in frames:
            outputs.write(frame, boxes_at(0))
    assert len(list((tmp_path / "images").iterdir())) == 3


def test_one_of_each_n_frames_where_few_are_looked_at(tmp_path):
    """Of 29.97 frames a second one is looked at: from 33 s on none that is a multiple of ten."""
    looked_at = [0, *(np.ceil(np.arange(1, 60) * 29.97).astype(int)), 2000, 2009, 2010]
    frames = film(np.arange(2011) / 29.97)
    other = [replace(frame, source=film(name="other.mp4")[0].source) for frame in frames[3:9]]
    photos = FramePhotos([frames[0].source, other[0].source], tmp_path / "images")
    saved = SavedFrames(photos, [], every=10)
    with Outputs([saved]) as outputs:
        for frame in [frames[index] for index in looked_at] + other:
            outputs.write(frame, boxes_at(0))
    names = sorted(path.stem for path in (tmp_path / "images").iterdir())
    expected = [f"film_{index:06d}" for index in looked_at if index != 2009]
    assert names == [*expected, "other_000003"]


# The command


@pytest.fixture
def command(tmp_path, monkeypatch):
    """predict.py with a network that finds one object in the middle of every picture."""
    from utils.runtime import runtime

    def infer(images):
        boxes = np.tile(np.float32([16, 16, 48, 48]), (len(images), 1, 1))
        return boxes, np.tile(np.float32([0.1, 0.9]), (len(images), 1, 1))

    fake = runtime.Runtime(infer, ("cat", "dog"), (64, 64))
    monkeypatch.setattr("utils.detector.open_runtime", lambda *_, **__: fake)
    weights = tmp_path / "best.keras"
    weights.write_bytes(b"")
    return lambda *arguments: run(predict.main, ["--weights", str(weights), *map(str, arguments)])


def test_a_folder_and_a_video_become_a_dataset(command, tmp_path, capsys):
    write_picture(tmp_path / "in" / "a.jpg", 64, 64)
    write_picture(tmp_path / "in" / "b" / "a.jpg", 64, 64)
    write_video(tmp_path / "in" / "film.mp4", 10)
    out = tmp_path / "out"
    sources = (tmp_path / "in" / "a.jpg", tmp_path / "in" / "b", tmp_path / "in" / "film.mp4")
    labels = ("--save-txt", "--save-voc", "--save-coco", "--save-label-studio", "--save-frames")
    assert command(*sources, "--out", out, *labels, "--save-every", 4) == 0
    assert f"LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT={out}" in capsys.readouterr().out
    names = ["a", "a-2", "film_000000", "film_000004", "film_000008"]
    for form, keep in (
        ("voc", ["Annotations"]),
        ("yolo", ["labels", "classes.txt"]),
        ("coco", ["coco_annotations.json", "coco_results.json"]),
        ("label-studio", ["label_studio.json", "label_studio_config.txt"]),
    ):
        folder = tmp_path / form
        shutil.copytree(out / "images", folder / "images")
        shutil.copytree(out / "drawn", folder / "drawn")
        for name in keep:
            copy = shutil.copytree if (out / name).is_dir() else shutil.copyfile
            copy(out / name, folder / name)
        dataset = load_split(folder, "all")
        assert find_layout(folder).format == form
        assert [record.image_id for record in dataset.records] == names
        assert {record.image.parent.name for record in dataset.records} == {"images"}
        assert all(len(record.boxes) == 1 for record in dataset.records)
        np.testing.assert_allclose(dataset.records[0].boxes, [[16, 16, 48, 48]], atol=0.01)
    assert [record.image_id for record in load_split(out, "all").records] == names
    assert Image.open(out / "drawn" / "a.jpg").size == (64, 64)
    # Nothing that may have been corrected meanwhile is overwritten.
    assert command(sources[0], "--out", out, "--save-coco", "--no-pictures") == 2
    assert command(sources[0], "--out", out, "--save-frames") == 2


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--save-conf"], "--save-txt"),
        (["--save-every", "3"], "--save-frames"),
        (["--save-label-studio", "film.mp4"], "--save-frames"),
        (["--save-label-studio", "--label-studio-root", "elsewhere"], "not below"),
        (["--shard", "3/2"], "parts are 1 to 2"),
        (["--shard", "0/2"], "parts are 1 to 2"),
        (["--shard", "half"], "3/8"),
    ],
)
def test_options_that_do_not_go_together(command, tmp_path, monkeypatch, capsys, arguments, words):
    monkeypatch.chdir(tmp_path)
    write_picture(tmp_path / "in" / "a.jpg")
    (tmp_path / "film.mp4").write_bytes(b"\0")
    assert command("in", *arguments) == 2
    error = capsys.readouterr().err
    assert words in error
    assert error.count("\n") == 1
    assert not (tmp_path / "runs").exists()


# Parts


def test_parts_in_order_are_the_whole():
    for items in (range(0), range(1), range(7), range(100)):
        for count in (1, 2, 3, 8, 100):
            parts = [list(Shard(number, count).of(items)) for number in range(1, count + 1)]
            assert list(chain.from_iterable(parts)) == list(items)
            lengths = [len(part) for part in parts]
            assert max(lengths) - min(lengths) <= 1


def test_results_of_parts_are_those_of_all(command, tmp_path):
    for i in range(3):
        write_picture(tmp_path / "whole" / "in" / str(i) / "same.jpg", 64 + i, 64)
    pattern = str(tmp_path / "whole" / "in" / "**" / "*.jpg")

    def results(out, *arguments):
        files = ("--out", out, "--json", out / "all.json", "--save-coco", "--save-txt")
        assert command(pattern, *files, *arguments) == 0
        found = [json.loads((out / f"{name}.json").read_text()) for name in ("all", "coco_results")]
        return (
            found,
            {path.name for path in out.glob("*.jpg")},
            {path.relative_to(out) for path in (out / "labels").rglob("*.txt")},
        )

    whole, drawn, labels = results(tmp_path / "whole")
    assert len(whole[0]) == len(drawn) == len(labels) == 3
    together, pictures, texts = [[], []], set(), set()
    for number in range(1, 6):  # more parts than pictures
        part, files, names = results(tmp_path / str(number), "--shard", f"{number}/5")
        together = [all_of + some for all_of, some in zip(together, part, strict=True)]
        pictures |= files
        texts |= names
    assert together == whole
    assert pictures == drawn
    assert texts == labels


@pytest.mark.parametrize("damaged", [1, 2])
def test_a_part_of_damaged_pictures_is_written_empty(command, tmp_path, capsys, damaged):
    for number in range(2 * damaged):
        path = write_picture(tmp_path / "in" / f"{number}.png", 64, 64)
        if number < damaged:
            path.write_bytes(b"no picture")
    out = tmp_path / "out"
    files = ("--out", out, "--json", out / "all.json", "--save-coco", "--no-pictures")
    assert command(tmp_path / "in", *files, "--shard", "1/2") == 2
    error = capsys.readouterr().err
    assert ("0.png" if damaged == 1 else "none of the 2 pictures") in error
    assert json.loads((out / "all.json").read_text()) == []
    assert json.loads((out / "coco_annotations.json").read_text())["images"] == []


def test_file_names_that_xml_and_utf8_cannot_hold(command, tmp_path):
    photo = write_picture(tmp_path / "a.png", 64, 64)
    for number, name in enumerate((b"caf\xe9.png", b"bell\x07.png")):
        data = tmp_path / str(number)
        (data / "images").mkdir(parents=True)
        shutil.copyfile(photo, data / "images" / os.fsdecode(name))
        for form in ("voc", "label-studio"):
            out = data if form == "voc" else tmp_path / f"{number} label-studio"
            option = f"--save-{form}"
            assert command(data / "images", "--no-pictures", "--out", out, option) == 0
        (record,) = load_split(data, "all").records
        assert len(record.boxes) == 1
        (task,) = json.loads((out / "label_studio.json").read_text())
        address = parse_qs(urlsplit(task["data"]["image"]).query, errors="surrogateescape")
        assert address["d"] == [f"images/{os.fsdecode(name)}"]


def test_nothing_readable_leaves_nothing(command, tmp_path):
    (tmp_path / "a.png").write_bytes(b"no picture")
    options = ("--save-txt", "--save-voc", "--save-coco", "--save-label-studio", "--save-frames")
    out = tmp_path / "out"
    assert command(tmp_path / "a.png", "--out", out, *options) == 2
    assert [path for path in out.rglob("*") if path.is_file()] == []


def test_photos_of_one_name_are_said_and_copied(command, tmp_path, capsys):
    for suffix in (".jpg", ".png"):
        write_picture(tmp_path / "in" / "images" / f"1{suffix}", 64, 64)
    photos, out = tmp_path / "in" / "images", tmp_path / "out"
    assert command(photos, "--out", tmp_path / "in", "--no-pictures", "--save-voc") == 0
    assert "1 photo has the name of another" in capsys.readouterr().out
    assert command(photos, "--out", out, "--no-pictures", "--save-voc", "--save-frames") == 0
    assert "name of another" not in capsys.readouterr().out
    assert [record.image_id for record in load_split(out, "all").records] == ["1", "1-2"]


def written_and_read(folder, output):
    """How many objects training finds on each photo, where each has as many as its place."""
    sources = [source for source in find_sources([str(folder / "**" / "*.*")]) if source.path]
    pictures = [source for source in sources if source.kind == "picture"]
    with Outputs([output(folder, FramePhotos(sources))], sources) as outputs:
        for number, source in enumerate(pictures, start=1):
            found = found_on("a")[np.arange(number)]
            assert outputs.write(Frame(np.zeros((480, 640, 3), np.uint8), source), found) == []
    records = {one.image: len(one.boxes) for one in load_split(folder, "all").records}
    return [records.get(source.path) for source in pictures]


def yolo_labels(folder, photos):
    return YoloLabels(folder, CLASSES, photos)


@pytest.mark.parametrize("output", [yolo_labels, VocLabels])
@pytest.mark.parametrize("top", ["images", "fotos", "new/fotos", "new/images", "."])
def test_photos_of_one_name_in_folders_of_any_name(tmp_path, output, top):
    for name in ("day/7.png", "night/7.png", "8.png"):
        write_picture(tmp_path / top / name, 640, 480)
    assert written_and_read(tmp_path, output) == [1, 2, 3]


@pytest.mark.parametrize("output", [yolo_labels, VocLabels])
def test_photos_named_like_a_video_or_a_list_of_classes(tmp_path, output):
    for name in ("classes.png", "clip.png", "Predefined_classes.png"):
        write_picture(tmp_path / "images" / name, 640, 480)
    write_video(tmp_path / "images" / "clip.mp4", 2)
    assert written_and_read(tmp_path, output) == [1, 2, 3]


@pytest.mark.parametrize("form", ["voc", "txt", "coco", "label-studio"])
def test_photos_with_odd_names_in_many_folders(command, tmp_path, capsys, form):
    """Equal names in several folders, blanks, other scripts, EXIF rotation: all are found again."""
    images = tmp_path / "data" / "images"
    for number, name in enumerate(
        ("a b.jpg", "sub/a b.jpg", "sub/très loin/a b.jpg", "one/same.jpg", "two/same.png",
         "日本/dots.v1.2.jpg", "UPPER.JPG", "100%.png", "quote's & x#y+.png")
    ):  # fmt: skip
        path = write_picture(images / name, 90 + number, 60)
        if path.suffix == ".jpg":
            exif = Image.Exif()
            exif[0x0112] = 6  # a quarter turn
            Image.new("RGB", (60, 90 + number)).save(path, exif=exif)
    found = tmp_path / "found.json"
    arguments = ["--out", tmp_path / "data", "--json", found, "--no-pictures", f"--save-{form}"]
    assert command(images / "**" / "*", *arguments) == 0
    assert "name of another" not in capsys.readouterr().out
    records = {str(one.image): one for one in load_split(tmp_path / "data", "all").records}
    entries = json.loads(found.read_text())
    assert len(entries) == len(records) == 9
    for entry in entries:
        record = records[entry["source"]]
        assert (record.width, record.height) == (entry["width"], entry["height"])
        expected = [one["box"] for one in entry["detections"]]
        np.testing.assert_allclose(record.boxes, expected, rtol=0, atol=0.01)
        assert len(record.boxes) == 1
