"""The server of ``predict.py --serve``: killed while it starts and while it answers."""

from __future__ import annotations

import socket
import time
from pathlib import Path

import httpx

from tests.serving_cases import CLIENT, picture_of

from .outcome import KILL, Outcome
from .process import Process
from .whole import broken
from .work import Work, command

NAME = "predict --serve"
_PAUSE_S = 0.02  # between questions: the server answers 100 a second to one address
_ANSWERS_S = 1.5  # of a run, in which it answers
_MAX_SECONDS = 120.0  # until the first answer


def started(work: Work, printed: Path, port: int) -> Process:
    words = ["--serve", "--weights", work.network, "--port", port]
    return Process(lambda: command("predict", words), printed)


def asked(port: int, process: Process, until: float) -> tuple[int, str]:
    """Ask until a time, or until the process ends; how many answers came, and what was wrong.

    An answer that breaks off is no loss where the server was killed: the client sees that.
    """
    answers = 0
    while time.monotonic() < until and not process.ended():
        try:
            found = CLIENT.post(
                f"http://127.0.0.1:{port}/v1/detect", content=picture_of(answers % 256)
            )
        except httpx.TransportError:
            time.sleep(0.05)
            continue
        if found.status_code != 200 or len(found.json()) != 1:
            return answers, f"answers {found.status_code} {found.text[:100]}"
        answers += 1
        time.sleep(_PAUSE_S)
    return answers, ""


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


class Server:
    """Starts the server again and again at one port."""

    def __init__(self, work: Work) -> None:
        self.work, self.port, self._seconds = work, free_port(), 0.0
        self._printed = work.printed / "serve.txt"

    def kill(self, share: float) -> Outcome:
        """Kill it; the next one must listen at the same port and answer."""
        if not self._seconds:
            process = started(self.work, self._printed, self.port)
            losses = self._first_answer(process)
            self._seconds = time.monotonic() - process.began + _ANSWERS_S
            process.end()
            if losses:
                raise RuntimeError("; ".join(losses))
        moment = share * self._seconds
        process = started(self.work, self._printed, self.port)
        _, wrong = asked(self.port, process, process.began + moment)
        process.wait(max(0.0, process.began + moment - time.monotonic()))
        within = not process.ended()
        process.send()
        process.wait()
        process.end()
        losses = [*([wrong] if wrong else []), *broken(self.work.cache)]
        again = started(self.work, self._printed, self.port)
        losses += self._first_answer(again)
        again.end()
        return Outcome(KILL, NAME, losses, round(moment, 2), within)

    def _first_answer(self, process: Process) -> list[str]:
        if not process.wait_for("open http"):
            return [f"the next one does not start: {process.text()[-300:]}"]
        answers, wrong, until = 0, "", time.monotonic() + _MAX_SECONDS
        while not (answers or wrong or process.ended() or time.monotonic() > until):
            answers, wrong = asked(self.port, process, time.monotonic() + 0.2)
        return [] if answers else [wrong or "the next one does not answer"]
