"""predict.py as users run it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import predict
from tests.media_files import number_of, write_picture, write_video
from tests.test_media import some
from utils.cli import parse, run
from utils.errors import UserError
from utils.images import save_image
from utils.media import drawn_videos
from utils.media.drawn_files import is_drawn
from utils.media.drawn_videos import DrawnVideos
from utils.media.outputs import DrawnPictures, Outputs
from utils.media.predict_checks import checked_output_folder
from utils.media.predict_config import PredictConfig
from utils.media.sources import find_sources, read_frames

ROOT = Path(predict.__file__).parent


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """An untrained detector: what it finds makes no sense, but it finds something."""
    import keras

    from nets.yolo import YOLOv3

    keras.utils.set_random_seed(1)
    path = tmp_path_factory.mktemp("run") / "best.keras"
    YOLOv3("mobilenet_v3_small", classes=["cat", "dog"], input_size=64).save(path)
    return path


def call(*argv) -> int:
    """With TensorFlow: tests/test_fastest.py is about the choice of a runtime."""
    arguments = ["--runtime", "tensorflow", *argv]
    return run(predict.main, [str(argument) for argument in arguments])


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    write_picture(folder / "a.jpg", 64, 48)
    write_picture(folder / "b.png", 300, 100)
    return folder


def test_usage_errors_come_before_anything_is_loaded(tmp_path):
    """In a process of its own, which never gets as far as TensorFlow."""
    (tmp_path / "w.keras").write_bytes(b"?")
    for arguments, words in (
        (["absent.jpg", "--weights", "w.keras"], "absent.jpg"),
        ([".", "--weights", "w.keras"], "no pictures or videos"),
        (["x.jpg", "--weights", "none.keras"], "none.keras"),
        (["x.jpg", "--weights", "w.keras", "--conf", "2"], "--conf"),
        (["--weights", "w.keras"], "SOURCE"),
        (["x.jpg", "--wieghts", "w.keras"], "did you mean --weights"),
    ):
        started = time.monotonic()
        done = subprocess.run(
            [sys.executable, str(ROOT / "predict.py"), *arguments],
            cwd=tmp_path,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 2, done.stderr
        assert words in done.stderr
        assert done.stderr.startswith("error: ")
        assert done.stderr.count("\n") == 1
        assert done.stdout == ""
        assert time.monotonic() - started < 5  # idle, a quarter of a second


def test_help_is_instant_and_complete():
    done = subprocess.run(
        [sys.executable, str(ROOT / "predict.py"), "--help"], capture_output=True, text=True
    )
    assert done.returncode == 0
    for word in ("SOURCE", "--max-det", "0.25", "--config", "examples:"):
        assert word in done.stdout


def test_no_weights_says_what_to_pass(tmp_path, photos, monkeypatch, capsys):
    monkeypatch.setattr(predict, "BUNDLED_WEIGHTS", tmp_path / "absent.keras")
    assert call(photos) == 2
    assert "--weights" in capsys.readouterr().err


def test_folders_that_would_be_spoilt_are_refused(weights, photos, tmp_path, capsys):
    assert call("--weights", weights, photos, "--out", photos) == 2
    assert "overwrite" in capsys.readouterr().err
    assert call("--weights", weights, photos, "--out", photos / "a.jpg") == 2
    assert call("--weights", weights, photos, "--json", tmp_path) == 2
    assert sorted(path.name for path in photos.iterdir()) == ["a.jpg", "b.png"]


def test_sources_in_the_folder_for_drawn_pictures_are_not_drawn_over(photos, tmp_path):
    out = tmp_path / "out"
    write_picture(out / "drawn" / "a.jpg")
    (out / "suggested").mkdir()
    (out / "suggested" / "1_a.jpg").symlink_to(photos / "a.jpg")
    for folder, options in (("drawn", ("--save-frames", "--out", out)),
                            ("suggested", ("--out", out / "suggested"))):  # fmt: skip
        config = parse(PredictConfig, [str(w) for w in (out / folder, *options)], "", "")
        with pytest.raises(UserError, match=f"{folder} holds source pictures"):
            checked_output_folder(config, Path("x.keras"), find_sources([str(out / folder)]))


@pytest.mark.parametrize("ffmpeg", [True, False])
def test_drawn_ones_replace_those_of_an_earlier_run_and_nothing_else(tmp_path, monkeypatch, ffmpeg):
    if not ffmpeg:
        monkeypatch.setattr(drawn_videos, "find_ffmpeg", lambda: None)
    new, out = tmp_path / "out" / "new", tmp_path / "out"
    write_picture(new / "a.jpg", 64, 48)
    write_picture(new / "b.png", 64, 48)
    film = write_video(new / "c.avi", 3)

    def check(*options):
        config = parse(PredictConfig, [str(w) for w in (new, "--out", out, *options)], "", "")
        return checked_output_folder(config, Path("x.keras"), find_sources([str(new)]))

    def draw():
        sources, problems = find_sources([str(new)]), []
        with Outputs([DrawnPictures(out), DrawnVideos(out)], sources) as outputs:
            for frame in read_frames(sources, pytest.fail):
                problems += outputs.write(frame, some([], []))
        return problems

    assert check() == out
    assert draw() == []
    drawn = sorted(path for path in out.iterdir() if path.is_file())
    assert len(drawn) == 3
    assert all(map(is_drawn, drawn))
    assert not is_drawn(film)
    assert check() == out  # the run may be repeated
    assert draw() == []
    for path in drawn:
        kept, own = path.read_bytes(), b"somebody's own"
        path.write_bytes(own)
        with pytest.raises(UserError, match=f"{path.name}: is there already, .* remove it, or"):
            check()
        assert check("--no-pictures") == check("--suggest", "2") == out
        (problem,) = draw()  # should it come there during the run
        assert "no mark of a drawn picture" in problem
        assert path.read_bytes() == own
        path.write_bytes(kept)


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_a_comment_does_not_change_a_picture(tmp_path, suffix):
    image = np.random.default_rng(1).integers(0, 256, (20, 30, 3), np.uint8)
    plain, marked = tmp_path / f"plain{suffix}", tmp_path / f"marked{suffix}"
    save_image(plain, image)
    save_image(marked, image, comment="drawn")
    with Image.open(plain) as one, Image.open(marked) as other:
        other.load()
        assert np.array_equal(one, other)
        assert other.info.get("comment", other.info.get("Comment")) in (b"drawn", "drawn")


def test_crops_do_not_overwrite_the_crops_that_they_are_cut_from(tmp_path):
    out = tmp_path / "out"
    source = write_picture(out / "crops" / "dog" / "a_1.jpg").parent
    for options, refused in ((("--crops", "--no-pictures"), True), (("--no-pictures",), False)):
        config = parse(PredictConfig, [str(w) for w in (source, "--out", out, *options)], "", "")
        with pytest.raises(UserError, match="crops holds") if refused else nullcontext():
            checked_output_folder(config, Path("x.keras"), find_sources([str(source)]))


@pytest.mark.slow
def test_pictures_and_a_video_with_all_outputs(weights, photos, tmp_path, capsys):
    write_video(photos / "film.mp4", 20, fps=10.0)
    (photos / "broken.jpg").write_bytes(b"no picture")
    out = tmp_path / "out"
    status = call(
        "--weights", weights, photos, "--out", out, "--json", tmp_path / "all.json", "--csv",
        tmp_path / "all.csv", "--save-txt", "--save_voc", "--crops", "--conf", "0", "--max-det",
        "2", "--benchmark", "2",
    )  # fmt: skip
    printed = capsys.readouterr()
    assert status == 0
    assert printed.err.count("warning:") == 1
    assert "broken.jpg" in printed.err
    for words in ("2 classes", "TensorFlow", "benchmark", "2 pictures and 20 video frames", "out"):
        assert words in printed.out
    assert "cat" in printed.out or "dog" in printed.out

    entries = json.loads((tmp_path / "all.json").read_text())
    assert [entry["frame"] for entry in entries] == [None, None, *range(20)]
    assert entries[1]["source"] == str(photos / "b.png")
    assert (entries[1]["width"], entries[1]["height"]) == (300, 100)
    assert entries[12]["time_s"] == pytest.approx(1.0)
    for entry in entries:
        assert len(entry["detections"]) == 2
        for found in entry["detections"]:
            x0, y0, x1, y1 = found["box"]
            assert 0 <= x0 < x1 <= entry["width"]
            assert 0 <= y0 < y1 <= entry["height"]
            assert found["class"] == ["cat", "dog"][found["class_id"]]
    assert Image.open(out / "a.jpg").size == (64, 48)
    assert Image.open(out / "b.png").size == (300, 100)
    drawn = list(read_frames(find_sources([str(next(out.glob("film.*")))]), pytest.fail))
    assert len(drawn) == 20
    assert drawn[0].fps == pytest.approx(10.0)
    assert len(list((out / "labels").iterdir())) == len(list((out / "Annotations").iterdir())) == 22
    assert len((tmp_path / "all.csv").read_text().splitlines()) == 1 + 2 * 22


@pytest.mark.slow
def test_the_same_picture_alone_and_among_others_is_the_same(weights, photos, tmp_path):
    arguments = ("--weights", weights, "--no-pictures", "--conf", "0", "--out", tmp_path / "out")
    assert call(*arguments, photos / "b.png", "--json", tmp_path / "one.json") == 0
    assert call(*arguments, photos, "--json", tmp_path / "all.json") == 0
    one, many = (json.loads((tmp_path / f"{name}.json").read_text()) for name in ("one", "all"))
    assert one[0] == many[1]
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_frames_drawn_are_the_frames_read(weights, tmp_path):
    write_video(tmp_path / "film.mp4", 60)
    out = tmp_path / "out"
    assert call("--weights", weights, tmp_path / "film.mp4", "--out", out, "--conf", "1") == 0
    drawn = list(read_frames(find_sources([str(next(out.glob("film.*")))]), pytest.fail))
    assert [number_of(frame.image) for frame in drawn] == list(range(60))


@pytest.mark.slow
def test_nothing_readable_is_an_error_and_leaves_nothing(weights, tmp_path, capsys):
    for name in ("a.jpg", "b.mp4"):
        (tmp_path / name).write_bytes(b"\0no picture" * 50)
    result = tmp_path / "all.json"
    assert call("--weights", weights, tmp_path / "a.jpg", "--json", result) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert call("--weights", weights, tmp_path, "--json", result) == 2
    assert "none of the 2" in capsys.readouterr().err
    assert not result.exists()


@pytest.mark.slow
def test_default_folders_are_numbered(weights, photos, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for _ in range(2):
        assert call("--weights", weights, photos / "a.jpg") == 0
    folders = sorted(path.name for path in (tmp_path / "runs" / "predict").iterdir())
    assert folders == [weights.parent.name, f"{weights.parent.name}-2"]


@pytest.mark.slow
def test_show_without_a_screen_says_so(weights, photos, monkeypatch, capsys):
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    if sys.platform != "linux":
        pytest.skip("has a screen of its own")
    assert call("--weights", weights, photos, "--show") == 2
    assert "--show" in capsys.readouterr().err


@pytest.mark.slow
def test_ctrl_c_keeps_what_was_found(weights, tmp_path):
    """A long folder, interrupted once a few pictures are done: whole files, status 130."""
    source = write_picture(tmp_path / "in" / "0.jpg", 64, 64)
    for i in range(1, 4000):
        os.link(source, tmp_path / "in" / f"{i}.jpg")
    out = tmp_path / "out"
    process = subprocess.Popen(
        [sys.executable, "predict.py", "--weights", weights, tmp_path / "in", "--out", out,
         "--json", tmp_path / "all.json", "--runtime", "tensorflow"],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    deadline = time.monotonic() + 600
    while not (out / "3.jpg").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert (out / "3.jpg").exists()
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=120)
    assert process.returncode == 130, stderr
    assert "Traceback" not in stderr
    entries = json.loads((tmp_path / "all.json").read_text())
    assert 4 <= len(entries) < 4000
    assert f"{len(entries)} pictures" in stdout


@pytest.mark.slow
def test_bigger_photos_keep_their_boxes_in_place(weights, tmp_path):
    """The same picture twice as large: the same boxes, twice as large."""
    small = np.random.default_rng(0).integers(0, 255, (8, 16, 3), np.uint8)
    for name, times in (("s.png", 4), ("l.png", 8)):
        Image.fromarray(small.repeat(times, 0).repeat(times, 1)).save(tmp_path / name)
    result = tmp_path / "all.json"
    files = (tmp_path / "s.png", tmp_path / "l.png")
    assert call(
        "--weights", weights, *files, "--json", result, "--conf", "0", "--max-det", "5",
        "--no-pictures",
    ) == 0  # fmt: skip
    first, second = json.loads(result.read_text())
    assert (first["width"], second["width"]) == (64, 128)
    for one, two in zip(first["detections"], second["detections"], strict=True):
        np.testing.assert_allclose(2 * np.array(one["box"]), two["box"], atol=4)
