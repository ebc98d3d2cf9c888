"""Ctrl-C and SIGTERM: as one interruption (``terminable``), or at moments of one's own choice
(``StopRequest`` and ``delayed_interrupt``)."""

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
def terminable() -> Iterator[None]:
    """SIGTERM inside is a KeyboardInterrupt, as Ctrl-C is; not outside of the main thread, nor
    where somebody else has taken charge of it."""
    mine = (
        threading.current_thread() is threading.main_thread()
        and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    )
    if mine:
        signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        if mine:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)


@contextmanager
def delayed_interrupt() -> Iterator[None]:
    """A SIGINT or SIGTERM inside interrupts when the block has ended; a second one at once."""
    with StopRequest() as stop:
        yield
    if stop.asked:
        raise KeyboardInterrupt
