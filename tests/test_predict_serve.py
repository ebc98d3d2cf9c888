"""predict.py --serve as people start and stop it."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import parse_qs, urlsplit

import cv2
import httpx
import pytest

import predict
from utils.cli import run
from utils.data.synthetic.scenes import draw_scene
from utils.errors import UserError
from utils.serving import serve
from utils.serving.limits import Limits
from utils.thresholds import Thresholds

ROOT = Path(predict.__file__).parent
TOKEN = "0123456789abcdef"


def started(*arguments) -> tuple[subprocess.Popen, str, list[str]]:
    """The process, the address that it prints, and the lines before."""
    process = subprocess.Popen(
        [sys.executable, str(ROOT / "predict.py"), "--serve", "--port", "0", *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )  # fmt: skip
    lines = []
    for line in process.stdout:
        lines.append(line)
        if address := re.match(r"open (\S+)", line):
            return process, address.group(1), lines
    raise AssertionError(f"{lines} {process.stderr.read()}")


@pytest.mark.slow
def test_the_command_finds_signs_and_stops_gracefully():
    process, address, lines = started("--runtime", "tensorflow", "--token", TOKEN)
    with process:
        server, _, fragment = address.partition("#")
        assert fragment == f"token={TOKEN}"
        assert "8 classes" in "".join(lines)
        scene = draw_scene(5, "test", 0)
        _, picture = cv2.imencode(".png", scene.image[..., ::-1])
        found, transport = [], httpx.HTTPTransport(retries=5)  # it listens a moment later
        headers = {"authorization": f"Bearer {TOKEN}"}
        with httpx.Client(transport=transport, timeout=60, headers=headers) as client:

            def ask():
                answer = client.post(f"{server}v1/detect", content=picture.tobytes())
                found.extend(answer.json()[0]["detections"])

            assert "Find objects" in client.get(server).text
            asking = threading.Thread(target=ask)
            asking.start()
            text = ""
            while asking.is_alive() and "waiting_pictures 1\n" not in text:
                time.sleep(0.02)
                text = client.get(f"{server}metrics").text
            process.send_signal(signal.SIGTERM)  # the picture in work is answered all the same
            asking.join()
        assert {one["class"] for one in found} & set(scene.names)
        output, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    assert re.match(r"stopped after \d+ requests\n", output)
    assert errors == ""


def test_errors_come_before_the_network_is_loaded(monkeypatch, capsys, tmp_path):
    weights = tmp_path / "w.keras"
    weights.write_bytes(b"opened by nobody")
    monkeypatch.setattr(predict, "open_detector", None)

    def error(*arguments):
        assert run(predict.main, ["--serve", "--weights", str(weights), *arguments]) == 2
        return capsys.readouterr().err

    def without_ipv6(*_):
        raise OSError(97, "Address family not supported by protocol")

    assert "leave out photo.jpg" in error("photo.jpg")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert "--port" in error("--port", str(taken.getsockname()[1]))
    assert "no such address" in error("--host", "no.such.name.invalid", "--port", "0")
    assert "cannot be used here" in error("--host", "203.0.113.1", "--port", "0")
    for name in ("a..b", "a" * 64, "a" * 64 + ".example"):
        assert "no name that a machine can have" in error("--host", name, "--port", "0")
    with monkeypatch.context() as patch:
        patch.setattr(serve.socket, "socket", without_ipv6)
        assert "cannot be used here" in error("--host", "::1", "--port", "0")
    assert "at least 16" in error("--token", "short", "--port", "0")
    assert "--queue" in error("--queue", "0")
    monkeypatch.setattr(serve, "find_spec", lambda module: None)
    message = error()
    assert "pip install starlette uvicorn python-multipart" in message
    assert message.count("\n") == 1


def test_the_options_reach_the_server(monkeypatch, tmp_path):
    (tmp_path / "w.keras").write_bytes(b"opened by nobody")
    detector = SimpleNamespace(operating_point={"conf": 0.4})
    monkeypatch.setattr(predict, "open_detector", lambda *arguments, **options: detector)
    given = {}
    monkeypatch.setattr(serve, "serve", lambda *arguments, **options: given.update(options))
    arguments = ["--serve", "--weights", str(tmp_path / "w.keras"), "--port", "0"]
    assert run(predict.main, [*arguments, "--max-det", "7", "--iou", "0.6"]) == 0
    assert given["thresholds"] == Thresholds(conf=0.4, iou=0.6, max_det=7)
    assert given["limits"] == Limits()
    assert run(predict.main, [*arguments, "--max-upload", "300"]) == 0
    assert given["limits"].body_bytes == given["limits"].all_bytes == 300_000_000


def test_who_gets_a_token():
    with serve.listen("127.0.0.1", 0) as here:
        assert serve.token_for(here, None) is None
        port = here.getsockname()[1]
        assert serve.page_address(here, None) == f"http://localhost:{port}/"
        assert serve.token_for(here, "x" * 16) == "x" * 16
    with serve.listen("0.0.0.0", 0) as everywhere:
        first, second = (serve.token_for(everywhere, None) for _ in range(2))
        assert first != second
        assert len(first) >= 32
        assert f"#token={first}" in serve.page_address(everywhere, first)


def test_a_token_of_any_signs_is_what_the_page_reads_from_the_address():
    token = "a+b&c%20#d=e;f/g?"
    with serve.listen("127.0.0.1", 0) as here:
        address = serve.page_address(here, serve.token_for(here, token))
    assert parse_qs(urlsplit(address).fragment) == {"token": [token]}


def test_the_address_that_is_printed_is_the_one_that_is_listened_on():
    try:
        listener = serve.listen("127.0.0.2", 0)
    except UserError:  # as on macOS, which gives the loopback interface one address
        pytest.skip("this machine has no 127.0.0.2")
    with listener as here:
        assert serve.token_for(here, None) is None
        address = serve.page_address(here, None)
        assert address == f"http://127.0.0.2:{here.getsockname()[1]}/"
        socket.create_connection(here.getsockname(), timeout=5).close()


def test_a_port_is_taken_as_soon_as_another_server_has_it():
    with serve.listen("127.0.0.1", 0) as here:
        port = here.getsockname()[1]
        with pytest.raises(UserError, match=f"--port {port}: another program uses this port"):
            serve.listen("127.0.0.1", port)
