"""Sources in, files out: order of frames, names, and what is drawn."""

from __future__ import annotations

import csv
import json
import os
import struct
import threading
import time
import xml.etree.ElementTree as ET
from contextlib import closing
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from tests.media_files import coded, number_of, rotate, write_picture, write_video
from tests.serving_cases import SIDE, detector_of, read_numbers
from utils.detections import Detections
from utils.drawing.boxes import draw_detections, sizes
from utils.drawing.colours import colour, seen
from utils.drawing.label_places import LabelPlaces, leader
from utils.errors import UserError
from utils.images import read_image
from utils.media import animations, detecting, video_reader
from utils.media import frames as media_frames
from utils.media import sources as media_sources
from utils.media.detecting import detect_frames
from utils.media.drawn_videos import DrawnVideos
from utils.media.frame_photos import FramePhotos
from utils.media.frames import Frame, Source
from utils.media.label_outputs import VocLabels, YoloLabels
from utils.media.matroska_header import has_duration
from utils.media.outputs import (
    Crops,
    CsvFile,
    DrawnPictures,
    JsonFile,
    Names,
    Outputs,
    class_folders,
)
from utils.media.sources import find_sources, natural_key, read_frames
from utils.media.summary import Summary
from utils.media.video_reader import open_capture
from utils.prefetch import iterate_ahead, map_ahead
from utils.thresholds import Thresholds


def some(boxes, ids, names=("cat", "dog"), scores=None) -> Detections:
    boxes = np.asarray(boxes, np.float32).reshape(-1, 4)
    scores = np.linspace(0.9, 0.5, len(boxes)) if scores is None else scores
    return Detections(boxes, np.float32(scores), np.int32(ids), tuple(names))


def picture_source(path: str) -> Source:
    return Source(path, "picture", path)


# Sources ---------------------------------------------------------------------------------------


def test_a_folder_in_natural_order_without_the_rest(tmp_path):
    for name in ("10.jpg", "2.JPG", "1.png", "sub/3.jpg", "._2.jpg"):
        write_picture(tmp_path / name)
    (tmp_path / "notes.txt").write_text("no picture")
    (tmp_path / "film.MP4").write_bytes(b"\0")
    found = find_sources([str(tmp_path)])
    assert [source.path.name for source in found] == ["1.png", "2.JPG", "10.jpg", "film.MP4"]
    assert [source.kind for source in found] == ["picture"] * 3 + ["video"]


def test_globs_and_doubles(tmp_path):
    for name in ("a/1.jpg", "a/b/2.jpg", "a/b/[x].jpg", "3.png"):
        write_picture(tmp_path / name)
    found = find_sources([str(tmp_path / "**" / "*.jpg"), str(tmp_path / "a" / "1.jpg")])
    assert sorted(source.path.name for source in found) == ["1.jpg", "2.jpg", "[x].jpg"]
    # A name that reads like a glob but exists is taken as it is.
    assert len(find_sources([str(tmp_path / "a" / "b" / "[x].jpg")])) == 1


def test_arguments_that_mean_nothing(tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.txt").write_text("no picture")
    for argument, words in (
        (tmp_path / "absent.jpg", "no such file"),
        (tmp_path / "*.gif", "no file matches"),
        (tmp_path / "*.txt", "no pictures"),
        (tmp_path / "empty", "no pictures or videos"),
        (tmp_path / "notes.txt", "neither a picture nor a video"),
        ("gopher://x/y", "gopher"),
        ("x" * 5000, "no such file"),
    ):
        with pytest.raises(UserError, match=words):
            find_sources([str(argument)])


def test_streams_cameras_and_odd_suffixes(tmp_path):
    picture = write_picture(tmp_path / "p.jpg").rename(tmp_path / "picture.dat")
    stream, camera, file = find_sources(["rtsp://me:secret@host/a b", "0", str(picture)])
    assert (stream.kind, stream.name, stream.output_name) == ("live", "rtsp://host/a b", "host-a-b")
    assert (camera.kind, camera.address, camera.output_name) == ("live", 0, "camera-0")
    assert file.kind == "picture"


@pytest.mark.parametrize("password", ["p", "p@ss", "p@s@s", "p ss", "p?s#s", ""])
def test_no_part_of_a_password_is_in_a_name(password):
    (stream,) = find_sources([f"rtsp://u:{password}@host/x@1"])
    assert (stream.name, stream.output_name) == ("rtsp://host/x@1", "host-x-1")
    assert stream.address == f"rtsp://u:{password}@host/x@1"
    with pytest.raises(UserError, match=r"^gopher://host/x: streams"):
        find_sources([f"gopher://u:{password}@host/x"])


def test_natural_order_mixes_numbers_and_words():
    names = ["b", "a10", "a2", "10", "2", "A3"]
    assert sorted(names, key=natural_key) == ["2", "10", "a2", "A3", "a10", "b"]


def test_frames_of_a_video_in_order(tmp_path):
    path = write_video(tmp_path / "film %d.mp4", 75, fps=25.0)
    frames = list(read_frames(find_sources([str(path)]), pytest.fail))
    assert [number_of(frame.image) for frame in frames] == list(range(75))
    assert [frame.index for frame in frames] == list(range(75))
    np.testing.assert_allclose([frame.time_s for frame in frames], np.arange(75) / 25, atol=1e-3)
    assert frames[0].fps == pytest.approx(25.0)


def test_a_video_is_read_a_second_time_only_for_its_rate(tmp_path, monkeypatch):
    opened = []
    monkeypatch.setattr(
        video_reader, "open_capture", lambda source: opened.append(1) or open_capture(source)
    )
    path = write_video(tmp_path / "film.mp4", 9, fps=25.0)
    frames = list(read_frames(find_sources([str(path)]), pytest.fail))
    assert len(opened) == 1
    assert [frame.fps for frame in frames] == pytest.approx([25.0] * 9)
    assert len(opened) == 2


def test_rotation_stored_in_a_video_is_applied(tmp_path):
    path = write_video(tmp_path / "film.mp4", 2)
    rotate(path)
    frame = next(read_frames(find_sources([str(path)]), pytest.fail))
    assert frame.image.shape == (160, 96, 3)


def test_unreadable_ones_are_reported_and_the_others_go_on(tmp_path):
    write_picture(tmp_path / "1.jpg")
    (tmp_path / "2.jpg").write_bytes(b"no picture")
    write_picture(tmp_path / "3.jpg")
    (tmp_path / "4.mp4").write_bytes(b"\0\1no video" * 99)
    (tmp_path / "5.mp4").write_text("#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:9/x.ts\n")
    write_video(tmp_path / "6.mp4", 3)
    problems = []
    frames = list(read_frames(find_sources([str(tmp_path)]), problems.append))
    assert [frame.source.output_name for frame in frames] == ["1", "3", "6", "6", "6"]
    assert len(problems) == 3
    for name, problem in zip(("2.jpg", "4.mp4", "5.mp4"), problems, strict=True):
        assert name in problem
        assert "\n" not in problem
    assert "text file" in problems[2]


def test_a_video_whose_name_is_no_text_is_reported_and_the_others_go_on(tmp_path):
    write_picture(tmp_path / "1.jpg")
    for name in (b"2 caf\xe9.mp4", b"3 caf\xe9"):  # OpenCV crashes on it
        write_video(tmp_path / "film.mp4", 2).rename(tmp_path / os.fsdecode(name))
    problems = []
    frames = list(read_frames(find_sources([str(tmp_path)]), problems.append))
    assert [frame.source.output_name for frame in frames] == ["1"]
    (problem,) = problems
    assert "2 caf" in problem
    assert "rename the file" in problem
    (stream,) = find_sources([os.fsdecode(b"rtsp://127.0.0.1:9/caf\xe9")])
    with pytest.raises(UserError, match="not in UTF-8"):
        open_capture(stream)


def test_a_file_that_only_begins_like_a_video_does_not_lose_its_folder(tmp_path, capsys):
    write_picture(tmp_path / "1.jpg")
    (tmp_path / "2").write_bytes(b"\0\0\0\x18ftyp" + bytes(99))
    assert [source.output_name for source in find_sources([str(tmp_path)])] == ["1"]
    assert "2: neither a picture nor a video that can be read" in capsys.readouterr().err


def test_what_is_named_like_a_picture_and_is_no_file_is_reported(tmp_path, capsys):
    write_picture(tmp_path / "1.jpg")
    (tmp_path / "2.jpg").symlink_to(tmp_path / "nowhere.jpg")
    (tmp_path / "3.mp4").mkdir()
    os.mkfifo(tmp_path / "4.png")
    (tmp_path / "more").mkdir()  # other folders are no loss
    found = find_sources([str(tmp_path)])
    assert [source.output_name for source in found] == ["1"]
    assert "2.jpg, 3.mp4 and 4.png are no files; left out" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["p.png", "p.gif", "p.webp", "p.mp4", "p"])
def test_a_pipe_that_is_named_does_not_hang(tmp_path, name):
    os.mkfifo(tmp_path / name)
    with pytest.raises(UserError, match=rf"{name}: is a pipe or a device, not a file"):
        find_sources([str(tmp_path / name)])


# Background threads ----------------------------------------------------------------------------


def test_work_ahead_keeps_order_and_bounds():
    running, most = [0], [0]
    lock = threading.Lock()

    def work(i):
        with lock:
            running[0] += 1
            most[0] = max(most[0], running[0])
        time.sleep(0.002 * (i % 3))
        return i

    seen = []
    for i in map_ahead(work, range(30), threads=3, depth=5):
        with lock:
            running[0] -= 1
        seen.append(i)
    assert seen == list(range(30))
    assert most[0] <= 6


def test_errors_come_after_what_was_before_them():
    def items():
        yield 1
        yield 2
        raise UserError("broken")

    ahead = iterate_ahead(items(), depth=4)
    assert [next(ahead), next(ahead)] == [1, 2]
    with pytest.raises(UserError, match="broken"):
        next(ahead)


def test_stopping_early_closes_the_producer():
    closed = threading.Event()

    def items():
        try:
            while True:
                yield 0
        finally:
            closed.set()

    with closing(iterate_ahead(items(), depth=2)) as results:
        next(results)
    assert closed.wait(2)


def test_live_frames_are_dropped_rather_than_late():
    def items():
        for i in range(50):
            yield i
            time.sleep(0.002)

    seen = []
    for item in iterate_ahead(items(), depth=1, newest_only=True):
        seen.append(item)
        time.sleep(0.02)
    assert seen == sorted(seen)
    assert len(seen) < 30
    assert seen[-1] == 49


# Memory ----------------------------------------------------------------------------------------


def test_items_ahead_are_bounded_by_their_size():
    made = []

    def items():
        for i in range(20):
            made.append(i)
            yield i

    ahead = iterate_ahead(items(), depth=8, size=lambda item: 10, most=25)
    seen = []
    for item in ahead:
        seen.append(item)
        time.sleep(0.02)
        assert len(made) - len(seen) <= 4  # three wait, and one more is made
    assert seen == list(range(20))
    alone = iterate_ahead(iter(range(3)), depth=8, size=lambda item: 99, most=25)
    assert list(alone) == [0, 1, 2]


def test_huge_pictures_are_decoded_when_their_turn_comes(tmp_path, monkeypatch):
    for i in range(4):
        write_picture(tmp_path / f"{i}.png")
    (tmp_path / "2.png").write_bytes(b"no picture")
    decoded, problems = [], []

    def read(path):
        decoded.append(path.name)
        return read_image(path)

    for most, huge in ((40 * 30 - 1, True), (40 * 30, False)):
        monkeypatch.setattr(media_sources, "HUGE", most)
        decoded.clear()
        frames = read_frames(find_sources([str(tmp_path)]), problems.append, read)
        first = next(frames)
        if huge:  # 2.png has no size, so a thread may have looked at it already
            assert [name for name in decoded if name != "2.png"] == ["0.png"]
        rest = [frame.source.path.name for frame in frames]
        assert [first.source.path.name, *rest] == ["0.png", "1.png", "3.png"]
    assert len(problems) == 2


@pytest.mark.parametrize("memory_is_full", [False, True])
def test_frames_on_their_way_do_not_fill_the_memory(monkeypatch, memory_is_full):
    """Otherwise a batch waits for its further pictures."""
    read = []

    def frames():
        for i in range(16):
            read.append(i)
            yield Frame(np.full((SIDE, SIDE, 3), i, np.uint8), picture_source(f"{i}.png"))

    if memory_is_full:
        monkeypatch.setattr(detecting, "WAITING_BYTES", SIDE * SIDE * 3)
    detector = detector_of(read_numbers, batch_size=8)
    found = detect_frames(detector, frames(), Thresholds(0.5, 0.5, 9))
    assert next(found)[0].source.name == "0.png"
    assert (len(read) == 2) == memory_is_full
    assert [frame.source.name for frame, *_ in found] == [f"{i}.png" for i in range(1, 16)]


def test_frames_that_were_given_back_do_not_count(monkeypatch):
    """Batches stay full."""
    batches = []

    def infer(images):
        batches.append(len(images))
        return read_numbers(images)

    frame = np.zeros((SIDE, SIDE, 3), np.uint8)
    frames = (Frame(frame, picture_source(f"{i}.png")) for i in range(80))
    monkeypatch.setattr(detecting, "WAITING_BYTES", 36 * frame.nbytes)
    found = detect_frames(detector_of(infer, batch_size=8), frames, Thresholds(0.5, 0.5, 9))
    assert len(list(found)) == 80
    assert batches == [8] * 10


def gif_of(path, sides, screen=8):
    """One frame of each side, of one colour, on a screen of that side."""
    content = b"GIF89a" + struct.pack("<HH", screen, screen) + b"\x80\0\0" + bytes(6)
    for side in sides:
        timing = b"!\xf9\4\4\x0a\0\0\0"
        content += timing + b"," + struct.pack("<HHHHB", 0, 0, side, side, 0) + b"\2\2\x44\1\0"
    path.write_bytes(content + b";")
    return path


def test_films_of_too_large_frames(tmp_path, monkeypatch):
    monkeypatch.setattr(media_frames, "MAX_FRAME_PIXELS", 1000)
    large = gif_of(tmp_path / "large.gif", [1, 1, 1], screen=32)
    growing = gif_of(tmp_path / "growing.gif", [1, 1, 32])
    video = write_video(tmp_path / "video.mp4", 3)
    for path in (large, growing, video):
        problems = []
        frames = list(read_frames(find_sources([str(path)]), problems.append))
        assert len(frames) == (2 if path == growing else 0)
        (problem,) = problems
        assert path.name in problem
        assert "more than the 0 million" in problem


def test_a_video_whose_frames_grow(monkeypatch):
    class Capture:
        def retrieve(self):
            return True, np.zeros((40, 40, 3), np.uint8)

    source = Source("a.mp4", "video", "a.mp4")
    assert video_reader.retrieve(source, Capture()).shape == (40, 40, 3)
    monkeypatch.setattr(media_frames, "MAX_FRAME_PIXELS", 1000)
    with pytest.raises(UserError, match="frames of 40×40"):
        video_reader.retrieve(source, Capture())


# Outputs ---------------------------------------------------------------------------------------


def test_names_that_collide():
    names = Names()
    paths = ("cats/1.jpg", "dogs/1.jpg", "cats/1.png", "x/1-2.jpg", "A.jpg", "a.jpg")
    given = [names.of(Frame(np.zeros((1, 1, 3)), picture_source(path))) for path in paths]
    assert given == ["1", "1-2", "1-3", "1-2-2", "A", "a-2"]
    film = Source("f/1.mp4", "video", "f/1.mp4")
    assert names.of(Frame(np.zeros((1, 1, 3)), film, 7, 0.2, 30.0)) == "1-4_000007"


def test_a_picture_and_a_video_may_share_the_name_of_labels():
    film, photo = Source("clip.mp4", "video", "clip.mp4"), picture_source("clip.jpg")
    other, like_a_frame = picture_source("b/clip.jpg"), picture_source("clip_000003.jpg")
    names = Names([film, photo, other, like_a_frame], kinds_apart=True)
    sources = (film, photo, other, like_a_frame)
    assert [names.of_source(one) for one in sources] == ["clip", "clip", "clip-2", "clip_000003-2"]
    assert names.renamed == 2


def test_names_of_many_sources_that_share_one():
    began = time.perf_counter()
    names = Names(picture_source(f"{i}/{'aA'[i % 2]}.jpg") for i in range(20_000))
    assert time.perf_counter() - began < 2
    assert names.renamed == 19_999
    last = names.of(Frame(np.zeros((1, 1, 3)), picture_source("x/a.jpg")))
    assert last == "a-20001"


def test_a_picture_named_like_a_frame_of_a_video():
    film = Source("film.mp4", "video", "film.mp4")
    pixels = np.zeros((1, 1, 3))
    photos = [
        picture_source(path) for path in ("film_000007.jpg", "FILM_0000012.jpg", "a_000001.png")
    ]
    for sources in ([film, *photos], [*photos, film]):
        names = Names(sources)
        given = [names.of(Frame(pixels, photo)).casefold() for photo in photos]
        frames = [names.of(Frame(pixels, film, index, 0.2, 30.0)) for index in range(20)]
        assert len({*given, *frames}) == 23
        assert given[2] == "a_000001"


def test_all_outputs_of_a_picture(tmp_path):
    image = np.full((100, 200, 3), 128, np.uint8)
    frame = Frame(image, picture_source("in/photo.jpg"))
    found = some([[10, 20, 60, 80], [150.5, 0, 200, 50.25]], [1, 0])
    out = tmp_path / "out"
    photos = FramePhotos([frame.source, picture_source("in/none.png")])
    with Outputs(
        [
            DrawnPictures(out),
            JsonFile(tmp_path / "deep" / "all.json"),
            CsvFile(tmp_path / "all.csv"),
            YoloLabels(out, found.class_names, photos),
            VocLabels(out, photos),
            Crops(out, found.class_names),
        ]
    ) as outputs:
        outputs.write(frame, found)
        outputs.write(Frame(image, picture_source("in/none.png")), some([], []))
        assert not (tmp_path / "deep" / "all.json").exists()

    entries = json.loads((tmp_path / "deep" / "all.json").read_text())
    assert entries[0] == {
        "source": "in/photo.jpg",
        "width": 200,
        "height": 100,
        "frame": None,
        "time_s": None,
        "detections": [
            {"class": "dog", "class_id": 1, "score": 0.9, "box": [10, 20, 60, 80]},
            {"class": "cat", "class_id": 0, "score": 0.5, "box": [150.5, 0, 200, 50.25]},
        ],
    }
    assert entries[1]["detections"] == []
    rows = list(csv.DictReader((tmp_path / "all.csv").open()))
    assert [row["class"] for row in rows] == ["dog", "cat"]
    assert float(rows[1]["y1"]) == 50.25
    lines = (out / "labels" / "photo.txt").read_text().splitlines()
    assert lines[0] == "1 0.175 0.5 0.25 0.6"
    assert (out / "labels" / "none.txt").read_text() == ""
    assert (out / "classes.txt").read_text() == "cat\ndog\n"
    box = ET.parse(out / "Annotations" / "photo.xml").find("object/bndbox")
    assert [float(side.text) for side in box] == [11, 21, 60, 80]
    assert Image.open(out / "photo.jpg").size == (200, 100)
    assert Image.open(out / "none.png").format == "PNG"
    assert Image.open(out / "crops" / "dog" / "photo_1.jpg").size == (50, 60)
    assert Image.open(out / "crops" / "cat" / "photo_2.jpg").size == (50, 51)


def test_what_cannot_be_written_of_one_source_is_said_and_the_others_are_written(tmp_path):
    out = tmp_path / "out"
    long = Frame(np.zeros((1, 1_100_000, 3), np.uint8), picture_source("in/long.png"))  # no PNG
    small = Frame(np.zeros((20, 20, 3), np.uint8), picture_source("in/small.png"))
    wide = Source("in/wide.gif", "animation", "in/wide.gif")
    film = [Frame(np.zeros((2, 20_000, 3), np.uint8), wide, i, i / 10, 10.0) for i in range(2)]
    found = some([[0, 0, 70_000, 1]], [0])
    with Outputs(
        [
            DrawnPictures(out),
            DrawnVideos(out),
            Crops(out, ("cat", "dog")),
            JsonFile(tmp_path / "all.json"),
        ]
    ) as outputs:
        (problem,) = outputs.write(long, found)
        assert "in/long.png: " in problem
        assert "1100000×1 pixels cannot be written" in problem
        (problem,) = outputs.write(film[0], some([], []))
        assert "in/wide.gif: frames of 20000×2 pixels are too long" in problem
        assert outputs.write(film[1], some([], [])) == []
        assert outputs.write(small, some([], [])) == []
    assert len(json.loads((tmp_path / "all.json").read_text())) == 4
    assert [path.name for path in out.iterdir() if path.is_file()] == ["small.png"]
    assert read_image(out / "crops" / "cat" / "long_1.png").shape == (1, 70_000, 3)


def test_names_as_long_as_names_can_be(tmp_path):
    ends = ("a1.jpg", "a2.jpg", "12345678.9 12345")
    paths = [str(tmp_path / f"{'é' * 120}{end}") for end in ends]
    frames = [Frame(np.zeros((9, 9, 3), np.uint8), picture_source(path)) for path in paths]
    photos = FramePhotos([frame.source for frame in frames])
    out, found = tmp_path / "out", some([[0, 0, 5, 5]], [0])
    outputs = [DrawnPictures(out), Crops(out, ("cat",)), VocLabels(out, photos)]
    with Outputs(outputs) as all_outputs:
        problems = [all_outputs.write(frame, found) for frame in frames]
    assert len(list(out.glob("*.jpg"))) == len(list(out.glob("crops/cat/*.jpg"))) == 3
    assert problems[:2] == [[], []]  # labels have the names of their photos
    assert "File name too long, so a result was not written; rename it" in problems[2][0]


def test_class_names_that_are_no_class_folders():
    names = ["a/b", "a:b", "..", "", "Cat", "cat", "дом"]
    assert class_folders(names) == ["a_b", "a_b_1", "_2", "_3", "Cat", "cat_5", "дом"]
    assert class_folders(["x_2", "x", "x.", "X_2"]) == ["x_2", "x", "x_3", "X_2_3"]


def test_the_summary():
    summary = Summary()
    frame = Frame(np.zeros((1, 1, 3)), picture_source("a.jpg"))
    summary.add(frame, some([[0, 0, 1, 1]] * 2, [1, 1]), 20.0)
    assert next(summary.lines()).endswith("network 20.0 ms (the first picture takes longest)")
    summary.add(frame, some([[0, 0, 1, 1]], [0]), 30.0)
    assert list(summary.lines()) == [
        "processed 2 pictures; network 25.0 ms each",
        "objects: dog 2, cat 1",
    ]


# Drawing ---------------------------------------------------------------------------------------


def test_colours_are_stable_and_distinct():
    colours = [colour(i) for i in range(40)]
    assert colour(3) == colours[3]
    for count, least, least_colour_blind in ((7, 25, 16), (20, 20, 14), (40, 15, 9)):
        views = seen(np.array(colours[:count]))  # CIE L*a*b*, where 2 can just be told apart
        distances = np.linalg.norm(views[:, :, None] - views[:, None], axis=-1)
        distances = distances[:, ~np.eye(count, dtype=bool)].min(axis=1)
        assert distances[0] > least
        assert distances[1:].min() > least_colour_blind


def test_colours_as_others_see_them():
    grey, red, green = seen(np.array([[119, 119, 119], [200, 0, 0], [0, 130, 0]])).swapaxes(0, 1)
    np.testing.assert_allclose(grey, np.broadcast_to(grey[:1], grey.shape), atol=0.1)
    apart = np.linalg.norm(red[:, 1:] - green[:, 1:], axis=-1)  # hue and saturation only
    assert apart[1] < apart[0] / 3
    assert apart[2] < apart[0] / 3
    assert apart[3] > apart[0] / 2


@pytest.mark.parametrize(
    ("width", "height"), [(64, 48), (8, 8), (1, 1), (640, 480), (900, 40), (3000, 2000)]
)
def test_drawing_at_any_size(width, height):
    image = np.full((height, width, 3), 200, np.uint8)
    original = image.copy()
    boxes = np.float32([[0, 0, 1, 1], [0.2, 0.3, 0.21, 0.31], [0.9, 0.9, 1, 1], [0.5, 0, 0.9, 0.8]])
    boxes *= [width, height, width, height]
    found = some(boxes, range(4), ("cat", "Größe", "猫 \n x", "very long name " * 20))
    drawn = draw_detections(image, found)
    assert drawn.shape == image.shape
    assert drawn.dtype == np.uint8
    np.testing.assert_array_equal(image, original)
    if width > 10:
        assert (drawn != image).any()
    line, text = sizes(width, height)
    assert line >= 1
    assert text >= 9


def test_a_box_is_drawn_where_it_is():
    image = np.full((400, 400, 3), 255, np.uint8)
    drawn = draw_detections(image, some([[100, 150, 300, 350]], [0]))
    changed = (drawn != image).any(axis=2)
    rows, columns = np.flatnonzero(changed[:, 250:].any(1)), np.flatnonzero(changed[200:].any(0))
    assert abs(rows[-1] + 1 - 350) <= 2
    assert abs(columns[0] - 100) <= 2
    assert abs(columns[-1] + 1 - 300) <= 2
    assert not changed[160:340, 110:290].any()  # the object itself stays visible


@pytest.mark.parametrize(("width", "height"), [(200, 150), (640, 480), (900, 40), (4000, 3000)])
@pytest.mark.parametrize("count", [3, 40, 300])
def test_no_label_lies_on_another(width, height, count, monkeypatch):
    placed = []

    class Watched(LabelPlaces):
        def place(self, index, *size):
            spot = super().place(index, *size)
            if spot:
                placed.append(spot)
            return spot

    monkeypatch.setattr("utils.drawing.boxes.LabelPlaces", Watched)
    rng = np.random.default_rng(count)
    boxes = rng.random((count, 2, 2)).astype(np.float32) * [width, height]
    boxes.sort(axis=1)
    found = some(boxes.reshape(-1, 4), rng.integers(0, 2, count))
    draw_detections(np.zeros((height, width, 3), np.uint8), found)
    assert placed
    if count == 3 and height > 100:
        assert len(placed) == 3
    spots = np.array(placed)
    assert (spots >= 0).all()
    assert (spots[:, 2:] <= [width, height]).all()
    low = np.maximum(spots[:, None, :2], spots[None, :, :2])
    high = np.minimum(spots[:, None, 2:], spots[None, :, 2:])
    shared = np.clip(high - low, 0, None).prod(axis=-1)
    assert not shared[~np.eye(len(spots), dtype=bool)].any()


def test_a_label_hides_no_neighbour_where_there_is_room():
    boxes = [(100, 100, 200, 200), (90, 60, 160, 99)]  # the second where the label would be
    x0, y0, x1, y1 = LabelPlaces(boxes, 400, 400).place(0, 80, 20)
    assert not (x0 < 160 and x1 > 90 and y0 < 99 and y1 > 60)


def test_a_label_apart_from_its_box_is_led_to_it():
    assert leader((0, 0, 40, 10), (0, 10, 50, 60)) is None
    assert leader((10, 0, 40, 10), (0, 30, 50, 60)) == ((25, 10), (25, 30))
    assert leader((100, 100, 140, 110), (0, 0, 50, 60)) == ((100, 100), (50, 60))
    boxes = [(50, 50, 60, 60)] * 60
    places = LabelPlaces(boxes, 400, 400)
    spots = [places.place(i, 60, 20) for i in range(60)]
    assert None in spots
    assert sum(leader(spot, boxes[0]) is not None for spot in spots if spot) > 10


def test_labels_of_a_crowd_do_not_hide_the_best():
    image = np.full((300, 300, 3), 255, np.uint8)
    boxes = [[100 + i, 100 + i, 200 + i, 200 + i] for i in range(20)]
    alone = draw_detections(image, some(boxes[:1], [0], scores=[0.99]))
    crowd = draw_detections(image, some(boxes, [0] * 20, scores=np.linspace(0.99, 0.3, 20)))
    label = (slice(86, 98), slice(102, 160))
    np.testing.assert_array_equal(crowd[label], alone[label])


# Time -------------------------------------------------------------------------------------------


def animation(path, durations):
    frames = [Image.fromarray(coded(i)) for i in range(len(durations))]
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=durations, lossless=True)
    return path


def timed_frames(path):
    return list(read_frames(find_sources([str(path)]), pytest.fail))


@pytest.mark.parametrize("suffix", [".gif", ".webp", ".png"])
def test_an_animated_picture_is_a_film(tmp_path, suffix):
    durations = [100, 300, 50, 200]
    path = animation(tmp_path / f"film{suffix}", durations)
    for source in (path, tmp_path):  # named, and in a folder
        frames = timed_frames(source)
        assert [number_of(frame.image) for frame in frames] == [0, 1, 2, 3]
        assert [frame.index for frame in frames] == [0, 1, 2, 3]
        starts = np.concatenate([[0], np.cumsum(durations)[:-1]]) / 1000
        np.testing.assert_allclose([frame.time_s for frame in frames], starts, atol=1e-3)
    still = tmp_path / "still" / f"one{suffix}"
    still.parent.mkdir()
    Image.fromarray(coded(5)).save(still)
    (frame,) = timed_frames(still)
    assert (frame.index, frame.time_s) == (None, None)


def test_a_webp_file_that_stands_still_is_not_opened_to_see_that(tmp_path, monkeypatch):
    frames = [Image.new("RGBA", (16, 16), (level, 0, 0, level)) for level in (50, 150)]
    kinds = {"lossy": {}, "lossless": {"lossless": True}, "extended": {"exif": b"Exif\0\0MM"}}
    for name, options in kinds.items():
        frames[0].save(tmp_path / f"{name}.webp", **options)
    frames[0].save(tmp_path / "film.webp", save_all=True, append_images=frames[1:])
    opened, open_image = [], Image.open
    monkeypatch.setattr(
        animations.Image, "open", lambda path, **options: opened.append(path) or open_image(path)
    )
    found = {Path(source.name).stem: source.kind for source in find_sources([str(tmp_path)])}
    assert found == {"film": "animation", **dict.fromkeys(kinds, "picture")}
    assert opened == [tmp_path / "film.webp"]


def test_few_bytes_of_many_frames_are_read_in_part(tmp_path, monkeypatch):
    monkeypatch.setattr(animations, "_PIXELS", 2 * 160 * 96)
    monkeypatch.setattr(animations, "_PIXELS_A_BYTE", 0)
    path = animation(tmp_path / "film.gif", [100] * 4)
    problems = []
    frames = list(read_frames(find_sources([str(path)]), problems.append))
    assert [number_of(frame.image) for frame in frames] == [0, 1]
    assert frames[0].fps == 10
    assert len(problems) == 1
    assert "4 frames of 160×96 pixels in very few bytes; only the first 2" in problems[0]


class Estimating:
    """A capture that tells another number of frames and another rate."""

    def __init__(self, capture, count, rate):
        self._capture = capture
        self._told = {cv2.CAP_PROP_FRAME_COUNT: count, cv2.CAP_PROP_FPS: rate}

    def __getattr__(self, name):
        return getattr(self._capture, name)

    def get(self, prop):
        return self._told.get(prop) or self._capture.get(prop)


def estimating(count, rate):
    real = cv2.VideoCapture
    return lambda *args: Estimating(real(*args), count, rate)


def test_a_count_that_is_an_estimate_is_no_damage(tmp_path, monkeypatch):
    """Where the container gives no count, OpenCV multiplies its length by a rate."""
    path = write_video(tmp_path / "film.mp4", 30, fps=10.0)
    for count, rate, damaged in ((75.0, 25.0, False), (90.0, 10.0, True)):
        monkeypatch.setattr(cv2, "VideoCapture", estimating(count, rate))
        problems = []
        frames = list(read_frames(find_sources([str(path)]), problems.append))
        monkeypatch.undo()
        assert len(frames) == 30
        assert len(problems) == damaged
        assert all("30 of 90 frames" in problem for problem in problems)


def test_a_matroska_file_without_a_duration_is_no_damage(tmp_path, monkeypatch):
    """FFmpeg then estimates one by the bit rate of the sound, here three times the real one."""
    video = cv2.VideoWriter_fourcc(*"MJPG")
    writer = cv2.VideoWriter(str(tmp_path / "a.mkv"), video, 20, (160, 96))
    for number in range(30):
        writer.write(coded(number))
    writer.release()
    content = (tmp_path / "a.mkv").read_bytes()
    duration = content.index(b"\x44\x89\x88")  # id and size of the element, then eight bytes
    void = content[:duration] + b"\xec\x89" + bytes(9) + content[duration + 11 :]
    (tmp_path / "void.mkv").write_bytes(void)
    zero = content[: duration + 3] + bytes(8) + content[duration + 11 :]
    (tmp_path / "zero.mkv").write_bytes(zero)
    (tmp_path / "cut.mkv").write_bytes(content[: len(content) // 2])
    (tmp_path / "text.mkv").write_bytes(b"\x1aE\xdf\xa3 is how such files begin")
    assert not has_duration(tmp_path / "void.mkv")
    assert not has_duration(tmp_path / "zero.mkv")
    for name in ("a.mkv", "cut.mkv", "text.mkv", "none.mkv"):
        assert has_duration(tmp_path / name)

    for name, damaged in (("void.mkv", False), ("cut.mkv", True)):
        monkeypatch.setattr(cv2, "VideoCapture", estimating(90.0, 20.0))
        problems = []
        frames = list(read_frames(find_sources([str(tmp_path / name)]), problems.append))
        monkeypatch.undo()
        assert (len(frames) == 30) == (not damaged)
        assert frames[-1].duration_s == pytest.approx(0.05, abs=0.001)
        assert len(problems) == damaged
