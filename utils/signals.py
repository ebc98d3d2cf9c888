"""Ctrl-C and SIGTERM: treated alike (``terminable``), or handled at a suitable moment
(``StopRequest`` and ``delayed_interrupt``)."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any


class StopRequest:
    """``asked`` becomes true at the first SIGINT or SIGTERM; a second one interrupts at once.

    A context manager: the earlier handlers are restored. Outside the main thread, where Python
    allows no handlers, signals are not changed.
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
def terminable() -> Iterator[None]:
    """SIGTERM in the block raises KeyboardInterrupt, as Ctrl-C does.

    Nothing is changed outside the main thread, or where SIGTERM already has a handler.
    """
    free = (
        threading.current_thread() is threading.main_thread()
        and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    )
    if free:
        signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        if free:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)


@contextmanager
def delayed_interrupt() -> Iterator[None]:
    """A SIGINT or SIGTERM in the block interrupts at its end; a second one at once."""
    with StopRequest() as stop:
        yield
    if stop.asked:
        raise KeyboardInterrupt
