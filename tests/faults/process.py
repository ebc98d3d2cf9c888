"""``Process``: a call in a fork of this process, which can be killed."""

from __future__ import annotations

import atexit
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

CRASHED = 70  # the exit status of a call that raised
_MAX_SECONDS = 900.0  # of a run that takes seconds: the machine may have other work


class Process:
    """Runs ``call`` in a fork. What it prints goes to a file.

    It leads a process group of its own, so that ``end`` also ends what it started.

    Args:
        call: returns an exit status.
        printed: the file for what it prints; replaced.
        before: called in the fork first, such as a change of its limits.
    """

    def __init__(
        self,
        call: Callable[[], int | None],
        printed: Path,
        before: Callable[[], None] | None = None,
    ) -> None:
        printed.parent.mkdir(parents=True, exist_ok=True)
        self.printed, self.status = printed, None
        printed.write_bytes(b"")
        self.began = time.monotonic()
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        self.id = os.fork()
        if not self.id:
            _be_child(call, printed, before)
        atexit.register(self._kill)  # Ctrl-C does not reach the process group

    def ended(self) -> bool:
        if self.status is None:
            number, status = os.waitpid(self.id, os.WNOHANG)
            if number:
                self.status = os.waitstatus_to_exitcode(status)
        return self.status is not None

    def wait(self, most_s: float = _MAX_SECONDS) -> int | None:
        """The exit status, negative for a signal; None where it still runs after that time."""
        until = time.monotonic() + most_s
        try:
            while not self.ended() and time.monotonic() < until:
                time.sleep(0.01)
        except KeyboardInterrupt:
            self._kill()
            raise
        return self.status

    def send(self, number: int = signal.SIGKILL) -> None:
        """Send a signal to the process alone, not to those that it started."""
        if not self.ended():
            os.kill(self.id, number)

    def end(self) -> None:
        """End what still runs of it and of what it started."""
        with suppress(ProcessLookupError):
            os.killpg(self.id, signal.SIGKILL)
        self.wait()

    def _kill(self) -> None:
        if not self.ended():
            with suppress(ProcessLookupError):
                os.killpg(self.id, signal.SIGKILL)

    def text(self) -> str:
        return self.printed.read_text(encoding="utf-8", errors="replace")

    def wait_for(self, words: str, most_s: float = _MAX_SECONDS) -> bool:
        """Wait until it has printed these words; False where it ends without them."""
        until = time.monotonic() + most_s
        while words not in self.text():
            if self.ended() or time.monotonic() > until:
                return words in self.text()
            time.sleep(0.01)
        return True


def _be_child(
    call: Callable[[], int | None], printed: Path, before: Callable[[], None] | None
) -> None:
    status: int | None = CRASHED
    try:
        os.setpgid(0, 0)  # not a session: that would leave the priority of this one
        file = os.open(printed, os.O_WRONLY)
        for number in (1, 2):
            os.dup2(file, number)
        sys.stdout = os.fdopen(os.dup(1), "w", buffering=1, encoding="utf-8")
        sys.stderr = os.fdopen(os.dup(2), "w", buffering=1, encoding="utf-8")
        if before:
            before()
        status = call()
    except SystemExit as error:
        status = error.code if isinstance(error.code, int) else 1
    except BaseException:
        traceback.print_exc()
    finally:
        with suppress(BaseException):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(status or 0)
