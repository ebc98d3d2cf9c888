"""predict.py's options for videos and classes, with a detector that always finds the same."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import predict
from tests.media_files import number_of, write_picture, write_video
from tests.test_media import timed_frames
from utils.cli import run
from utils.media.frames import Source
from utils.media.predict_config import PredictConfig
from utils.media.unused_options import unused_options
from utils.runtime.runtime import Runtime

SIDE = 96
NAMES = ("cat", "dog", "traffic light")


def find_three(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A dog, a surer cat and a traffic light, each with many boxes that agree."""
    boxes = np.repeat([[10, 10, 40, 40], [50, 50, 90, 90], [5, 60, 30, 90]], 12, axis=0)
    scores = np.zeros((36, 3))
    scores[:12, 0], scores[12:24, 1], scores[24:, 2] = 0.9, 0.6, 0.5
    count = len(images)
    return np.tile(np.float32(boxes), (count, 1, 1)), np.tile(np.float32(scores), (count, 1, 1))


@pytest.fixture
def call(monkeypatch, tmp_path):
    """Runs predict.py; ``out`` below the temporary folder has its results."""
    runtime = Runtime(find_three, NAMES, (SIDE, SIDE))
    monkeypatch.setattr("utils.detector.open_runtime", lambda *args, **options: runtime)
    (tmp_path / "w.keras").write_bytes(b"opened by nobody")
    always = ["--weights", tmp_path / "w.keras", "--out", tmp_path / "out"]
    always += ["--json", tmp_path / "all.json"]
    return lambda *argv: run(predict.main, [str(one) for one in (*always, *argv)])


@pytest.fixture
def film(tmp_path):
    return write_video(tmp_path / "film.mp4", 40, fps=20.0)


def entries(tmp_path):
    return json.loads((tmp_path / "all.json").read_text())


def test_only_the_classes_that_are_asked_for_in_all_results(call, tmp_path, capsys):
    photo = write_picture(tmp_path / "a.png", SIDE, SIDE)
    names = ["--classes", "traffic light", "dog"]
    assert call(photo, *names, "--max-det", "1", "--crops", "--save-voc") == 0
    (entry,) = entries(tmp_path)
    assert [one["class"] for one in entry["detections"]] == ["dog"]  # not pushed out by the cat
    assert [path.name for path in (tmp_path / "out" / "crops").iterdir()] == ["dog"]
    assert "<name>cat" not in (tmp_path / "out" / "Annotations" / "a.xml").read_text()
    assert "objects: dog 1" in capsys.readouterr().out


def test_a_photo_that_cannot_be_drawn_does_not_lose_the_others(call, tmp_path, capsys):
    folder = tmp_path / "in"
    write_picture(folder / "a.png", SIDE, SIDE)
    write_picture(folder / "b.png", 1_100_000, 1)  # longer than a PNG that can be written
    write_picture(folder / "c.png", SIDE, SIDE)
    assert call(folder, "--crops") == 0
    assert [Path(one["source"]).name for one in entries(tmp_path)] == ["a.png", "b.png", "c.png"]
    drawn = [path.name for path in (tmp_path / "out").iterdir() if path.is_file()]
    assert sorted(drawn) == ["a.png", "c.png"]
    printed = capsys.readouterr()
    assert "b.png: a picture of 1100000×1 pixels cannot be written" in printed.err
    assert "problems: 1" in printed.out


def test_a_class_that_the_detector_does_not_know(call, tmp_path, capsys):
    photo = write_picture(tmp_path / "a.png")
    assert call(photo, "--classes", "dogs") == 2
    assert "did you mean 'dog'" in capsys.readouterr().err
    assert call(photo, "--classes", "zebra") == 2
    assert "it knows cat, dog and traffic light" in capsys.readouterr().err


def test_a_part_of_a_video_with_few_frames_and_an_overlay(call, film, tmp_path):
    assert (
        call(film, "--start", "0:00.5", "--end", "1.5", "--fps", "4", "--overlay", "--conf", "0.99")
        == 0
    )
    assert [entry["frame"] for entry in entries(tmp_path)] == [10, 15, 20, 25]
    drawn = timed_frames(next((tmp_path / "out").glob("film.*")))
    assert [number_of(frame.image[:60]) for frame in drawn] == [10, 15, 20, 25]
    assert drawn[-1].time_s + drawn[-1].duration_s == pytest.approx(1.0, abs=0.05)
    assert drawn[0].image[-20:, :60].std() > 10  # the overlay


def test_every_fifth_frame(call, film, tmp_path):
    assert call(film, "--stride", "5", "--no-pictures") == 0
    assert [entry["frame"] for entry in entries(tmp_path)] == list(range(0, 40, 5))


def test_options_that_do_not_go_together(call, film, capsys):
    for options, words in (
        (("--start", "2", "--end", "2"), "--end 2"),
        (("--stride", "2", "--fps", "3"), "one of them"),
        (("--start", "soon"), "h:mm:ss"),
        (("--start", "1:00"), "no frame"),
    ):
        assert call(film, *options) == 2
        error = capsys.readouterr().err
        assert words in error
        assert error.count("\n") == 1


def test_options_that_would_have_no_effect(call, tmp_path, capsys):
    photo = write_picture(tmp_path / "in" / "a.png", SIDE, SIDE)
    before = photo.read_bytes()
    for arguments, words in (
        ((photo, "--suggest", "3"), "--json: has no effect with --suggest"),
        (("--serve",), "has no effect with --serve"),
        ((photo, "--port", "80"), "--port: is about --serve"),
        ((photo, "--label-studio-root", tmp_path), "--save-label-studio"),
        ((photo, "--csv", tmp_path / "in" / ".." / "all.json"), "--json and --csv"),
        ((photo, "--csv", photo), "is one of the sources"),
        ((photo, "--csv", tmp_path / "w.keras"), "is --weights"),
        ((photo, "--save-coco", "--csv", tmp_path / "out" / "coco_results.json"), "option, too"),
        ((photo, "--overlap", "0.4"), "--overlap: is about the tiles of --tile"),
        ((photo, "--overlay", "--no-pictures"), "--overlay: is drawn on the videos"),
        ((photo, "--json", tmp_path / "w.keras" / "a.json"), "nothing can be written to"),
        ((photo, "--out", tmp_path / "w.keras" / "out"), "nothing can be written to"),
    ):
        assert call(*arguments) == 2
        error = capsys.readouterr().err
        assert words in error
        assert error.count("\n") == 1
    assert photo.read_bytes() == before


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs a folder that takes no files")
def test_a_folder_that_takes_no_files_is_said_before_the_network_is_loaded(tmp_path, capsys):
    photo = write_picture(tmp_path / "a.png")
    (tmp_path / "w.keras").write_bytes(b"opened by nobody")
    for option in ("--json", "--csv", "--out"):
        arguments = [photo, "--weights", tmp_path / "w.keras", option, "/proc/x"]
        assert run(predict.main, [str(one) for one in arguments]) == 2
        error = capsys.readouterr().err
        assert error == f"error: {option} /proc/x: nothing can be written to /proc\n"


def test_options_that_the_sources_make_useless_are_said(call, film, tmp_path, capsys):
    photo = write_picture(tmp_path / "a.png", SIDE, SIDE)
    videos = ("--start", "1", "--fps", "2", "--overlay")
    assert call(photo, *videos) == 0
    assert capsys.readouterr().err == (
        "note: --start, --fps and --overlay have no effect on pictures, only on videos and "
        "cameras\n"
    )
    assert call(photo, film, *videos) == 0
    said = capsys.readouterr().err.splitlines()
    assert [line for line in said if "ffmpeg is not installed" not in line] == []


def sentences(*sources, **options):
    """Those of a run with these sources, pictures, cameras or addresses of the web."""
    found = []
    for one in sources:
        kind = "live" if one.isdecimal() else "stream" if "://" in one else "picture"
        found.append(Source(one, kind, one))
    return list(unused_options(PredictConfig(**options), found))


def test_what_comes_after_a_camera_has_to_wait():
    (waits,) = sentences("0", "1")
    assert waits.startswith("0 is read until it ends, and the other sources only after that")
    assert sentences("0", "a.jpg") == [waits]
    assert "once for each camera" in sentences("http://one/mjpg", "http://two/mjpg")[0]
    assert sentences("http://one/a.mp4", "http://one/b.mp4") == sentences("a.jpg", "0") == []
    assert sentences("http://one/a.mp4?token=7", "b.jpg") == []
    assert sentences("0", "1", end=60.0) == []


def test_a_folder_for_results_that_gets_none(tmp_path):
    nothing = {"out": tmp_path / "out", "pictures": False}
    (said,) = sentences("a.jpg", **nothing, json=tmp_path / "a.json")
    assert "nothing is written to --out" in said
    assert sentences("a.jpg", **nothing, json=tmp_path / "out" / "a.json") == []
    for kind in ("crops", "save_txt", "heatmap", "benchmark", "suggest"):
        assert sentences("a.jpg", **nothing, **{kind: 1}) == []


def test_heat_maps_convert_the_network_for_no_other_runtime():
    """TensorFlow has it anyway, for the gradients."""
    assert predict.runtime_for(PredictConfig()) == "auto"
    assert predict.runtime_for(PredictConfig(heatmap=True)) == "tensorflow"
    assert predict.runtime_for(PredictConfig(heatmap_class="cat")) == "tensorflow"
    assert predict.runtime_for(PredictConfig(runtime="onnx")) == "onnx"


def test_class_names_of_a_data_folder_are_not_overwritten(call, tmp_path, capsys):
    photo = write_picture(tmp_path / "a.png", SIDE, SIDE)
    classes = tmp_path / "out" / "classes.txt"
    classes.parent.mkdir()
    classes.write_text("bird\n")
    assert call(photo, "--save-txt") == 2
    assert "classes.txt: would be overwritten" in capsys.readouterr().err
    assert classes.read_text() == "bird\n"
