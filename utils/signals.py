"""Ctrl-C and SIGTERM at moments of one's own choice: ``StopRequest`` and ``held_back``."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any


class StopRequest:
    """Becomes ``asked`` at the first SIGINT or SIGTERM; a second one interrupts at once.

    A context manager, so that the handlers before it are put back. Outside of the main thread,
    where Python allows no handlers, signals do what they did before.
    """

    def __init__(self) -> None:
        self.asked = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> StopRequest:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True


@contextmanager
def held_back() -> Iterator[None]:
    """A SIGINT or SIGTERM inside interrupts when the block has ended; a second one at once."""
    with StopRequest() as stop:
        yield
    if stop.asked:
        raise KeyboardInterrupt
