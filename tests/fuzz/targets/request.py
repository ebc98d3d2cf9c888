"""Requests to ``predict.py --serve``, from their bytes on the wire to the answer's."""

from __future__ import annotations

import asyncio
import json
from functools import cache
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

from tests.bad_input import http_requests
from tests.fuzz.target import Target, files_of, require
from tests.serving_cases import detector_of, three_signs
from utils.serving import app as application
from utils.serving.app import create_app
from utils.serving.connection import TimedConnection
from utils.serving.limits import Limits


class _Wire(asyncio.Transport):
    """Keeps what a connection sends."""

    def __init__(self) -> None:
        super().__init__()
        self.sent, self.closed = bytearray(), asyncio.Event()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return ("127.0.0.1", 50_000) if name in ("peername", "sockname") else default

    def write(self, data: bytes) -> None:
        self.sent += data

    def close(self) -> None:
        self.closed.set()

    abort = close

    def is_closing(self) -> bool:
        return self.closed.is_set()

    def pause_reading(self) -> None: ...
    def resume_reading(self) -> None: ...


class _Server:
    """The application in an event loop of its own, without a socket."""

    def __init__(self) -> None:
        import uvicorn
        from uvicorn.server import ServerState

        limits = Limits(rate=0, pixels=1_000_000, body_bytes=1_000_000, body_seconds=5)
        self.loop = asyncio.new_event_loop()
        asyncio.set_event_loop(self.loop)
        app = create_app(detector_of(three_signs), limits=limits)
        self.config = uvicorn.Config(
            app, http=TimedConnection.within(5), lifespan="off", ws="none", log_level="critical",
            proxy_headers=False,
        )  # fmt: skip
        self.config.load()
        self.state = ServerState()
        self.lifespan = app.router.lifespan_context(app)
        self.loop.run_until_complete(self.lifespan.__aenter__())
        self.failures: list[object] = []  # what would be printed as a traceback
        self.loop.set_exception_handler(lambda loop, told: self.failures.append(told))

    def answer(self, data: bytes) -> bytes:
        noting = SimpleNamespace(print_exception=self.failures.append)
        with patch.object(application, "traceback", noting):
            return self.loop.run_until_complete(asyncio.wait_for(self._answer(data), 30))

    async def _answer(self, data: bytes) -> bytes:
        wire = _Wire()
        connection = self.config.http_protocol_class(self.config, self.state, app_state={})
        connection.connection_made(wire)
        half = len(data) // 2  # a request comes in pieces
        for piece in (data[:half], data[half:]):
            if piece and not wire.is_closing():
                connection.data_received(piece)
                await asyncio.sleep(0)
        connection.eof_received()
        connection.connection_lost(None)
        while self.state.tasks:
            await asyncio.wait(list(self.state.tasks))
        failures, self.failures[:] = [*self.failures], []
        require(not failures, f"the server fails: {failures}")
        return bytes(wire.sent)


@cache
def _server() -> _Server:
    return _Server()


def _run(data: bytes) -> None:
    answer = _server().answer(data)
    place = 0
    while answer.startswith(b"HTTP/1.1 ", place):
        head, _, rest = answer[place:].partition(b"\r\n\r\n")
        require(not head.startswith(b"HTTP/1.1 5"), f"no failure: {head[:60]!a}")
        lines = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
        length = int(lines.get(b"content-length", b"0"))
        if b"HEAD" in data:  # its answer has no body
            break
        if lines.get(b"content-type") == b"application/json" and length <= len(rest):
            json.loads(rest[:length])
        place += len(head) + 4 + length


_CHUNKED = b"GET /nothing HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"

TARGET = Target(
    finds=(
        _CHUNKED + b"zz" + b"D" * 99 + b"\r\n",  # damage after the answer
        _CHUNKED[:-4] + b"\r\nX: " + b"x" * 90 + b"\r\n\r\nzz\r\n",  # and before it
    ),
    name="request",
    run=_run,
    seeds=lambda: files_of(http_requests.cases(), "request", "request.bin", 4000),
    refusals=(),
    words=(
        b"GET ", b"POST ", b"HEAD ", b"OPTIONS ", b"/v1/detect", b"/v1/model", b"/health",
        b"/metrics", b"/openapi.json", b" HTTP/1.1\r\n", b"Host: localhost\r\n", b"Origin: ",
        b"Content-Length: ", b"Transfer-Encoding: chunked\r\n", b"Content-Type: ", b"\r\n\r\n",
        b"multipart/form-data; boundary=x\r\n", b"--x\r\n", b"--x--\r\n", b"Authorization: Bearer ",
        b'Content-Disposition: form-data; name="a"; filename="b"\r\n', b"Sec-Fetch-Site: ",
        b"?conf=", b"&iou=", b"&max_det=", b"Expect: 100-continue\r\n", b"%00", b"filename*=",
    ),
)  # fmt: skip
