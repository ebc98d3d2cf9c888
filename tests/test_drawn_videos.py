"""Drawn videos: order, times, size and sound, by ffmpeg and by OpenCV alone."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from tests.bad_input.videos import long_film
from tests.media_files import coded, number_of, write_video
from tests.test_media import animation, some, timed_frames
from utils.errors import UserError
from utils.media import drawn_videos, ffmpeg, video_writer
from utils.media.drawing_frames import FrameDrawer
from utils.media.drawn_videos import DrawnVideos, check_video_folder
from utils.media.frames import Frame, Source
from utils.media.outputs import JsonFile, Outputs, draw_frame

NOTHING = some([], [])


def needs_ffmpeg():
    """Skips the test, or fails it where it must run, without an ``ffmpeg``."""
    if shutil.which("ffmpeg"):
        return
    if os.environ.get("CI") or os.environ.get("EFFICIENT_YOLO3_BROWSER") == "required":
        pytest.fail("no ffmpeg on this machine, and this test must run here")
    pytest.skip("no ffmpeg on this machine (Debian: apt install ffmpeg)")


@pytest.fixture(params=[".mp4", ".webm"])
def suffix(request, monkeypatch):
    """That of drawn videos, with ffmpeg and without."""
    if request.param == ".mp4":
        needs_ffmpeg()
    else:
        monkeypatch.setattr(drawn_videos, "find_ffmpeg", lambda: None)
    return request.param


def draw(frames, folder, *outputs) -> DrawnVideos:
    videos = DrawnVideos(folder)
    with Outputs([videos, *outputs]) as all_outputs:
        for frame in frames:
            all_outputs.write(frame, NOTHING)
    return videos


def film_frames(stamps, fps, name="in/film.avi"):
    source = Source(name, "video", name)
    return [Frame(coded(i), source, i, time_s, fps) for i, time_s in enumerate(stamps)]


def times_shown(path):
    """For each frame number of a video, the seconds that it is shown."""
    shown: dict[int, float] = {}
    for frame in timed_frames(path):
        number = number_of(frame.image)
        shown[number] = shown.get(number, 0) + frame.duration_s
    return shown


@pytest.mark.parametrize("fps", [25.0, 30000 / 1001, 24000 / 1001, 12.5, 60.0])
def test_drawn_videos_keep_order_rate_and_size(tmp_path, suffix, fps):
    frames = film_frames(np.arange(12) / fps, fps)
    frames += film_frames(np.arange(5) / fps, fps, "in/b/film.avi")
    draw(frames, tmp_path, JsonFile(tmp_path / "all.json"))
    for name, count in (("film", 12), ("film-2", 5)):
        back = timed_frames(tmp_path / f"{name}{suffix}")
        assert [number_of(frame.image) for frame in back] == list(range(count))
        assert back[0].image.shape == (96, 160, 3)
        assert back[0].fps == pytest.approx(fps, rel=1e-3)
    entries = json.loads((tmp_path / "all.json").read_text())
    assert [entry["frame"] for entry in entries] == [*range(12), *range(5)]
    assert entries[11]["time_s"] == pytest.approx(11 / fps, abs=1e-3)
    assert not list(tmp_path.glob(".part-*"))


def test_videos_of_odd_size_lose_nothing(tmp_path, suffix):
    source = Source("odd.avi", "video", "odd.avi")
    image = coded(5, 160, 95)[:, [*range(160), 159]]
    draw([Frame(image, source, i, i / 25, 25.0) for i in range(3)], tmp_path)
    frame = timed_frames(tmp_path / f"odd{suffix}")[0]
    assert frame.image.shape == (96, 162, 3)
    assert number_of(frame.image) == 5


def test_nothing_half_written_stays_when_a_run_fails(tmp_path, suffix):
    def fail_half_way():
        outputs = [DrawnVideos(tmp_path), JsonFile(tmp_path / "a.json")]
        with Outputs(outputs) as all_outputs:
            all_outputs.write(film_frames([0], 25.0)[0], NOTHING)
            all_outputs.write(film_frames([0, 0.04], 25.0)[1], NOTHING)
            raise UserError("stop")

    with pytest.raises(UserError, match="stop"):
        fail_half_way()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", [".gif", ".webp"])
def test_drawn_films_keep_the_time_of_each_frame(tmp_path, suffix, kind):
    durations = [100, 400, 100, 200, 300]
    frames = timed_frames(animation(tmp_path / f"film{kind}", durations))
    draw(frames, tmp_path / "out")
    shown = times_shown(tmp_path / "out" / f"film{suffix}")
    assert [round(1000 * shown[i]) for i in range(5)] == durations


@pytest.mark.parametrize("stamps", [
    [0, 1 / 30, 2 / 30, 3 / 30, 0.5, 1.0, 1.5],  # fast, then slow
    [5, 5.2, 5.4, 5.6, 5.633, 5.667, 5.7],  # starts late, slow, then fast
    [0, 0.04, 0.08, 0.12, 0.16, 0.2, 0.24],  # constant
    [0, 0.1, 0.2, 0.1, 0.2, 0.3, 0.4],  # stamps that start anew
])  # fmt: skip
def test_frames_are_shown_by_their_time_stamps(tmp_path, suffix, stamps):
    draw(film_frames(stamps, 30.0), tmp_path)
    shown = times_shown(tmp_path / f"film{suffix}")
    within = 0.002 if suffix == ".mp4" else 1.01 / 30  # WebM has a constant rate
    for i, gap in enumerate(np.diff(stamps)):
        if gap > 0:
            assert shown[i] == pytest.approx(gap, abs=within)


def test_a_frame_of_hours_is_not_written_by_the_millions(tmp_path, monkeypatch):
    monkeypatch.setattr(drawn_videos, "find_ffmpeg", lambda: None)
    (tmp_path / "film.png").write_bytes(long_film())
    frames = timed_frames(tmp_path / "film.png")
    assert [frame.duration_s for frame in frames] == pytest.approx([0.02, 65535])
    draw(frames, tmp_path / "out")
    assert len(timed_frames(tmp_path / "out" / "film.webm")) < 20_000


def test_a_video_of_long_gaps_is_shortened_and_that_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr(drawn_videos, "find_ffmpeg", lambda: None)
    monkeypatch.setattr(video_writer, "_REPEATS", 100)
    *_, note = draw(film_frames([0, 290, 580], 60.0), tmp_path).notes()
    assert "film.webm: shows some frames for a shorter time" in note
    shown = times_shown(tmp_path / "film.webm")
    assert [round(60 * shown[i]) for i in range(3)] == [220, 120, 120]


def test_without_ffmpeg_it_is_said_once_what_is_missing(tmp_path, monkeypatch):
    monkeypatch.setattr(drawn_videos, "find_ffmpeg", lambda: None)
    frames = film_frames([0, 0.1], 10.0) + film_frames([0, 0.1], 10.0, "b.avi")
    (note,) = draw(frames, tmp_path).notes()
    assert "without sound" in note
    assert note.endswith('pip install -e ".[video]"')  # by its name anyone could publish another


def test_a_folder_that_opencv_cannot_name_is_refused_before_work_begins(tmp_path, monkeypatch):
    folder = tmp_path / os.fsdecode(b"caf\xe9")
    monkeypatch.setattr(drawn_videos, "find_ffmpeg", lambda: None)
    with pytest.raises(UserError, match="--out x: its path is not in UTF-8"):
        check_video_folder(folder, "--out x")
    with pytest.raises(UserError, match="not in UTF-8"):
        draw(film_frames([0, 0.1], 10.0), folder)
    monkeypatch.setattr(drawn_videos, "find_ffmpeg", lambda: ffmpeg.Ffmpeg("ffmpeg", ("-c:v",)))
    check_video_folder(folder, "--out x")


def test_an_ffmpeg_that_dies_is_one_sentence_and_leaves_nothing(tmp_path):
    needs_ffmpeg()

    class Killed(DrawnVideos):
        def write(self, frame, detections, name):
            super().write(frame, detections, name)
            if frame.index == 3:
                os.kill(self._writer._process.pid, signal.SIGKILL)

    with pytest.raises(UserError, match="ended by signal 9") as caught:
        draw(film_frames(np.arange(200) / 25, 25.0), tmp_path, Killed(tmp_path / "killed"))
    assert "film.mp4" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


WRITES_UNTIL_KILLED = """
import sys
from pathlib import Path
from tests.test_drawn_videos import NOTHING, film_frames
from utils.media.drawn_videos import DrawnVideos

videos = DrawnVideos(Path(sys.argv[1]))
for frame in film_frames([i / 25 for i in range(100)], 25.0):
    videos.write(frame, NOTHING, f"film_{frame.index}")
print("writing", flush=True)
sys.stdin.read()
"""


def test_a_killed_run_leaves_no_half_video(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-c", WRITES_UNTIL_KILLED, tmp_path / "out"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=Path(__file__).parent.parent,
    )  # fmt: skip
    with process:
        assert process.stdout.readline() == b"writing\n"
        process.kill()
    assert all(path.name.startswith(".part-") for path in (tmp_path / "out").iterdir())


WRITES_TOO_MUCH = """
import resource, sys
from pathlib import Path
import numpy as np
from utils.errors import UserError
from utils.media.video_writer import WebmWriter

limit = 60_000
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
noise = np.random.default_rng(0)
writer = WebmWriter(Path(sys.argv[1]) / "film.webm", 160, 96, 25.0)
for i in range(int(sys.argv[2])):
    writer.write(noise.integers(0, 256, (96, 160, 3), np.uint8), i / 25, 1 / 25)
try:
    writer.finish()
except UserError as error:
    print(error)
"""


@pytest.mark.parametrize(("frames", "said"), [(1, ""), (60, "is the disk full?")])
def test_a_webm_that_did_not_find_room_is_said_and_removed(tmp_path, frames, said):
    """OpenCV goes on without a word when the disk is full."""
    done = subprocess.run(
        [sys.executable, "-c", WRITES_TOO_MUCH, tmp_path, str(frames)],
        capture_output=True, text=True, cwd=Path(__file__).parent.parent,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert said in done.stdout
    assert [path.name for path in tmp_path.iterdir()] == ([] if said else ["film.webm"])


def test_an_ffmpeg_that_does_not_run_counts_as_none(tmp_path, monkeypatch):
    needs_ffmpeg()
    works = shutil.which("ffmpeg")
    broken = tmp_path / "ffmpeg"
    broken.write_text("#!/bin/sh\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)  # as if it were not installed
    assert ffmpeg.find_ffmpeg() is None
    package = SimpleNamespace(get_ffmpeg_exe=lambda: works)
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", package)
    assert ffmpeg.find_ffmpeg().program == works


def test_colours_stay(tmp_path, suffix):
    colours = np.uint8([(200, 30, 30), (30, 200, 30), (30, 30, 200), (230, 159, 0)])
    picture = np.ascontiguousarray(np.repeat(np.broadcast_to(colours, (96, 4, 3)), 40, axis=1))
    source = Source("film.avi", "video", "film.avi")
    draw([Frame(picture, source, i, i / 5, 5.0) for i in range(3)], tmp_path)
    drawn = timed_frames(tmp_path / f"film{suffix}")[1].image[48, 20::40]
    assert np.abs(drawn.astype(int) - colours).max() < 10


def test_the_last_frame_is_shown_as_long_as_in_the_source(tmp_path):
    """An MP4 file counts its frames, so that the rest of its length belongs to the last one."""
    needs_ffmpeg()
    stamps = [0, 0.1, 0.2, 0.3, 2.0]
    frames = film_frames(stamps, 10.0)
    frames[-1] = Frame(frames[-1].image, frames[-1].source, 4, 2.0, 10.0, duration_s=1.5)
    draw(frames, tmp_path / "a")
    again = timed_frames(tmp_path / "a" / "film.mp4")
    assert again[-1].time_s + again[-1].duration_s == pytest.approx(3.5, abs=0.002)
    draw(again, tmp_path / "b")
    assert times_shown(tmp_path / "b" / "film.mp4")[4] == pytest.approx(1.5, abs=0.002)


def test_sound_stays_with_its_frames(tmp_path):
    """A click at one second of a video whose drawn part starts at half a second."""
    needs_ffmpeg()
    silent = write_video(tmp_path / "silent.mp4", 20, fps=10.0)
    path = tmp_path / "film.mp4"
    click = "aevalsrc='if(between(t,1,1.05),sin(3000*t),0)':d=2:s=44100"
    subprocess.run(
        ["ffmpeg", "-loglevel", "error", "-i", silent, "-f", "lavfi", "-i", click, "-c:v", "copy",
         "-c:a", "aac", path], check=True,
    )  # fmt: skip
    frames = [frame for frame in timed_frames(path) if frame.time_s >= 0.5]
    draw(frames, tmp_path / "out")
    sound = sound_of(tmp_path / "out" / "film.mp4")
    loud = np.flatnonzero(np.abs(sound) > 3000) / 8000
    assert loud[0] == pytest.approx(0.5, abs=0.03)
    assert loud[-1] == pytest.approx(0.55, abs=0.03)
    assert len(sound) / 8000 == pytest.approx(1.5, abs=0.03)


def sound_of(path: Path) -> np.ndarray:
    """int16 samples, 8,000 a second."""
    pcm = subprocess.run(
        ["ffmpeg", "-loglevel", "error", "-i", path, "-map", "0:a", "-f", "s16le", "-ar", "8000",
         "-ac", "1", "-"], check=True, capture_output=True,
    ).stdout  # fmt: skip
    return np.frombuffer(pcm, np.int16)


def test_the_overlay_names_frame_time_and_rate(tmp_path):
    frame = film_frames([0, 61.25], 25.0)[1]
    plain, drawer = draw_frame(frame, NOTHING), FrameDrawer(draw_frame, overlay=True)
    drawn = drawer(frame, NOTHING)
    assert drawer(frame, NOTHING) is drawn
    assert (drawn != plain).any()
    assert (drawn[:60] == plain[:60]).all()  # it stays in the corner
    assert drawer._caption(frame).startswith("frame 1  1:01.2")
    for time_s, text in ((59.94, "0:59.9"), (59.96, "1:00.0"), (3599.96, "60:00.0")):
        assert f"  {text}" in drawer._caption(replace(frame, time_s=time_s))


def test_a_video_whose_last_frame_cannot_be_written_is_removed(tmp_path, monkeypatch):
    writer = SimpleNamespace(write=lambda *frame: 1 / 0, discard=lambda: removed.append(True))
    removed = []
    monkeypatch.setattr(DrawnVideos, "_open", lambda *arguments: writer)
    film = Source("film.mp4", "video", "film.mp4")
    with pytest.raises(ZeroDivisionError), Outputs([DrawnVideos(tmp_path)]) as outputs:
        outputs.write(Frame(np.zeros((8, 8, 3), np.uint8), film, 0, 0.0, 10.0), NOTHING)
    assert removed == [True]
