"""Cameras and streams: newest frame, lost connections, times of arrival."""

from __future__ import annotations

import http.server
import os
import threading
import time
from functools import partial

import cv2
import numpy as np
import pytest

from tests.faults.others import half_a_file
from tests.media_files import coded, number_of, write_video
from tests.test_media import some
from utils.errors import UserError
from utils.media import live
from utils.media.frame_selection import FrameSelection
from utils.media.frames import Frame, Source
from utils.media.live import read_live, read_stream
from utils.media.sources import find_sources, read_frames
from utils.media.summary import Summary
from utils.media.video_reader import VideoInfo
from utils.media.web_files import is_named_like_a_file, is_web_file

CAMERA = Source("0", "live", 0)
NOTHING = some([], [])


class Camera:
    """Stands for an open ``cv2.VideoCapture`` with so many frames left, some of them damaged."""

    def __init__(self, frames: int, pause_s: float = 0.0, damaged=()) -> None:
        self.left, self.pause_s, self.released = frames, pause_s, False
        self.damaged = {frames - 1 - index for index in damaged}  # left after them

    def grab(self):
        time.sleep(self.pause_s)
        self.left -= 1
        return self.left >= 0

    def retrieve(self):
        return self.left not in self.damaged, np.zeros((4, 4, 3), np.uint8)

    def get(self, prop):
        return 20.0 if prop == cv2.CAP_PROP_FPS else -1.0

    def release(self):
        self.released = True


def cameras(monkeypatch, *captures):
    """What the next attempts to connect give; None for one that fails."""
    following = iter(captures)

    def connect(source):
        capture = next(following)
        if capture is None:
            raise UserError("cannot be opened")
        return capture

    monkeypatch.setattr(live, "open_capture", connect)


def test_a_lost_connection_is_made_again_with_growing_pauses(monkeypatch):
    pauses, problems, again = [], [], Camera(2)
    monkeypatch.setattr(live.time, "sleep", pauses.append)
    cameras(monkeypatch, None, again, None, None, None, None)
    first = Camera(3)
    frames = list(read_live(CAMERA, first, problems.append, pauses_s=(1, 2, 4)))
    assert [frame.index for frame in frames] == [0, 1, 2, 3, 4]
    assert [pause for pause in pauses if pause] == [1, 2, 1, 2, 4]  # anew after each success
    assert len(problems) == 6
    assert "in 2 s" in problems[1]
    assert "does not come back" in problems[-1]
    assert first.released
    assert again.released


def test_a_camera_that_never_gives_a_frame_is_an_error():
    with pytest.raises(UserError, match="no frame"):
        list(read_live(CAMERA, Camera(0), pytest.fail))


def test_a_frame_that_cannot_be_decoded_is_left_out():
    problems = []
    frames = list(read_live(CAMERA, Camera(6, damaged=(2, 4)), problems.append, pauses_s=()))
    assert [frame.index for frame in frames] == [0, 1, 3, 5]
    assert [text for text in problems if "decoded" in text] == problems[:1]
    assert len(problems) == 2  # the second: the connection is lost
    selection = FrameSelection(fps=0.001)  # one frame in all: the first that is good
    frames = list(read_live(CAMERA, Camera(6, damaged=(0, 1)), problems.append, selection, ()))
    assert [frame.index for frame in frames] == [2]


def test_a_camera_whose_frames_cannot_be_decoded_any_more_is_connected_again(monkeypatch):
    pauses, problems = [], []
    monkeypatch.setattr(live.time, "sleep", pauses.append)
    broken = Camera(1000, damaged=range(1, 1000))
    cameras(monkeypatch, *(Camera(1000, damaged=range(1000)) for _ in range(3)))
    frames = list(read_live(CAMERA, broken, problems.append, pauses_s=(1, 2, 4)))
    assert [frame.index for frame in frames] == [0]
    assert [pause for pause in pauses if pause] == [1, 2, 4]
    assert broken.left == 1000 - 1 - live.MAX_UNDECODABLE
    assert len(problems) == 5
    assert "no more frames can be decoded" in problems[1]
    with pytest.raises(UserError, match="no frame of this video can be decoded"):
        list(read_live(CAMERA, Camera(3, damaged=range(3)), problems.append))


def test_the_newest_frame_is_taken_and_times_are_those_of_arrival(monkeypatch):
    cameras(monkeypatch, Camera(10**6, pause_s=0.005))
    frames = []
    for frame in read_stream(CAMERA, pytest.fail, FrameSelection(end_s=0.5)):
        frames.append(frame)
        time.sleep(0.05)
    indices = np.array([frame.index for frame in frames])
    assert len(frames) < 15
    gaps = np.diff(indices)
    assert gaps[:-1].min() > 2  # those in between were left out
    assert gaps[-1] > 0  # the stream may end shortly after a frame was taken
    assert indices[-1] > 3 * len(frames)
    assert frames[-1].time_s < 0.5
    assert all(frame.duration_s is None for frame in frames)


def test_the_summary_has_the_rates_of_a_camera():
    summary = Summary()
    for index, time_s in ((0, 0.0), (6, 0.2), (12, 0.4)):
        summary.add(Frame(np.zeros((4, 4, 3)), CAMERA, index, time_s, 30.0), NOTHING, 5.0)
    assert "0: 30.0 frames a second came, 5.0 were looked at" in list(summary.lines())


class _Handler(http.server.SimpleHTTPRequestHandler):
    """Serves files, and at /live… frames of a camera as web cameras send them; at /typed?TYPE/…
    something of that type without a length."""

    def do_GET(self):
        if "Python" in self.headers["User-Agent"]:
            self.send_error(403)
            return
        if self.path.startswith("/digest") and not self.headers.get("Authorization"):
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Digest realm="camera", nonce="1", qop="auth"')
            self.end_headers()
            return
        if "?type=" in self.path:
            self.send_response(200)
            self.send_header("Content-Type", self.path.partition("?type=")[2])
            self.end_headers()
            return
        if not self.path.startswith("/live"):
            super().do_GET()
            return
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        self.end_headers()
        for number in range(8):
            jpeg = cv2.imencode(".jpg", coded(number))[1].tobytes()
            head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
            self.wfile.write(head.encode() + jpeg + b"\r\n")

    def log_message(self, *args):
        pass


@pytest.fixture
def server(tmp_path):
    handler = partial(_Handler, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as served:
        threading.Thread(target=served.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{served.server_address[1]}"
        served.shutdown()


def test_a_video_file_on_a_web_server_is_read_in_order(server, tmp_path):
    write_video(tmp_path / "film.mp4", 20)
    frames = list(read_frames(find_sources([f"{server}/film.mp4"]), pytest.fail))
    assert [number_of(frame.image) for frame in frames] == list(range(20))


@pytest.mark.parametrize("name", ["photo.jpg", "photo.png?size=7", "film.webm", "film", "film.ts"])
def test_a_file_on_a_web_server_without_a_count_of_frames_is_read_once(
    server, tmp_path, monkeypatch, name
):
    path = tmp_path / name.partition("?")[0]
    if path.stem == "photo":
        cv2.imwrite(str(path), coded(0))
    else:
        write_video(tmp_path / "film.avi", 20)
        os.replace(tmp_path / "film.avi", path)
        # As in the videos that browsers record.
        monkeypatch.setattr(VideoInfo, "of", classmethod(lambda cls, capture: cls(25.0, 0.0)))
    frames = list(read_frames(find_sources([f"{server}/{name}"]), pytest.fail))
    assert [frame.index for frame in frames] == list(range(1 if path.stem == "photo" else 20))


def test_what_is_a_file_on_a_web_server(server, tmp_path):
    (tmp_path / "film").write_bytes(b"12345")
    host = server.removeprefix("http://")
    assert is_web_file(f"http://ann:se%20cret@{host}/film?token=7")
    assert not is_web_file(f"{server}/live")
    assert not is_web_file(f"{server}/missing")  # the page that says so has a length
    assert not is_web_file("http://[/film")
    assert not is_web_file("rtsp://camera/film.mp4")
    assert is_named_like_a_file("https://x.org/a/film.MP4?token=7&to=/live")
    assert not is_named_like_a_file("http://camera/live?name=film.mp4")
    assert is_named_like_a_file("http://camera/live.flv")
    assert not is_named_like_a_file(0)


@pytest.mark.parametrize(
    ("path", "file"),
    [
        ("stream.mp4?type=video/mp4", False),
        ("film?type=video/webm", False),
        ("live.jpg?stream=full", False),
        ("photo.jpg?type=image/jpeg", True),
        ("now?type=image/jpeg", False),
        ("film.mp4?type=application/octet-stream", True),
        ("missing.mp4", True),
    ],
)
def test_a_name_shows_a_file_only_where_the_server_does_not_tell(server, path, file):
    assert is_web_file(f"{server}/{path}") == file


def test_a_camera_with_a_password_in_digests_is_asked(server):
    host = server.removeprefix("http://")
    assert not is_web_file(f"http://ann:se%20cret@{host}/digest.mp4?type=video/mp4")
    assert is_web_file(f"http://{host}/digest.mp4?type=video/mp4")  # it says nothing without


@pytest.mark.parametrize("name", ["live", "live.jpg?stream=full"])
def test_a_web_camera_is_live(server, name):
    problems = []
    (source,) = find_sources([f"{server}/{name}"])
    frames = list(read_live(source, live.open_capture(source), problems.append, pauses_s=()))
    assert [number_of(frame.image) for frame in frames] == list(range(8))
    assert len(problems) == 1


def test_a_video_that_breaks_off_on_the_way_is_said(tmp_path):
    film = write_video(tmp_path / "film.avi", 40)  # has its length in front
    problems = []
    with half_a_file(film) as address:
        frames = list(read_frames(find_sources([address]), problems.append))
    assert 0 < len(frames) < 40
    (problem,) = problems
    assert "of 40 frames" in problem
    assert "the connection was lost" in problem
