"""Ctrl-C and SIGTERM: treated alike (``terminable``), handled at a suitable moment
(``StopRequest``), or at once (``end_while_importing``).

A signal that the process was told to ignore stays ignored: SIGINT in the background of a script
(``command &``).
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, ClassVar, NoReturn


class StopRequest:
    """``asked`` becomes true at the first SIGINT or SIGTERM; a second one interrupts at once.

    A context manager: the earlier handlers are restored. Outside the main thread, where Python
    allows no handlers, signals are not changed. ``asked`` is true from the start if ``terminable``
    raised KeyboardInterrupt before, and somebody lost it.
    """

    def __init__(self) -> None:
        self.asked = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> StopRequest:
        if threading.current_thread() is not threading.main_thread():
            return self
        try:
            for number in (signal.SIGINT, signal.SIGTERM):
                before = signal.getsignal(number)
                if before not in (signal.SIG_IGN, None):  # None: not Python's
                    self._before[number] = before
                    signal.signal(number, self._handle)
        except KeyboardInterrupt:  # it came before its handler
            _restore(self._before)
            raise
        # Looked up after the loop, in which one may still be raised and lost.
        if _InterruptState.raised:
            self.asked = True
            _InterruptState.dropped = None
        return self

    def __exit__(self, *_: object) -> None:
        _restore(self._before)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.asked:
            _interrupt(number, frame)
        self.asked = True


def _restore(handlers: dict[int, Any]) -> None:
    """Set the handlers, and empty the dictionary. A signal in between raises once all are set."""
    while handlers:
        number, handler = handlers.popitem()
        try:
            signal.signal(number, handler)
        except KeyboardInterrupt:
            signal.signal(number, handler)
            _restore(handlers)
            raise


def interrupt_raised() -> bool:
    """Whether a signal has raised KeyboardInterrupt in the block of ``terminable`` that runs."""
    return _InterruptState.raised


class _InterruptState:
    """The KeyboardInterrupts of the block of ``terminable`` that runs.

    Attributes:
        in_block: whether such a block runs.
        raised: whether a signal has raised one in it.
        dropped: stands for the last one, if Python dropped it and it shall be raised again.
    """

    in_block: ClassVar[bool] = False
    raised: ClassVar[bool] = False
    dropped: ClassVar[object | None] = None


def _interrupt(number: int, frame: FrameType | None) -> NoReturn:
    """Record the interrupt, then raise it.

    Python drops exceptions in ``__del__`` and in callbacks of weak references, and TensorFlow
    replaces one that is raised while it traces a function.
    """
    _InterruptState.raised = _InterruptState.in_block
    _InterruptState.dropped = None  # one that was dropped before need not be raised again
    raise KeyboardInterrupt


_USUAL = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL}
_PAUSE_S = 0.1  # until Python has left the code in which it drops exceptions


@contextmanager
def _reraise_dropped_interrupts() -> Iterator[None]:
    """Raise a KeyboardInterrupt that Python drops again, instead of printing its traceback.

    Unless something else has ended the wait for it: a ``StopRequest`` that has recorded it, another
    signal, or the end of the block.
    """
    usual = sys.unraisablehook

    def reraise(interrupt: object) -> None:
        if _InterruptState.dropped is not interrupt:
            return
        for number in _USUAL:
            if _raises(signal.getsignal(number)):
                if hasattr(signal, "pthread_kill"):  # wakes the main thread, which may sleep
                    signal.pthread_kill(threading.main_thread().ident, number)
                else:  # Windows
                    signal.raise_signal(number)
                return

    def hook(what: Any) -> None:
        if what.exc_type is not KeyboardInterrupt or not _InterruptState.raised:
            usual(what)
            return
        _InterruptState.dropped = interrupt = object()
        later = threading.Timer(_PAUSE_S, reraise, [interrupt])
        later.daemon = True
        later.start()

    sys.unraisablehook = hook
    try:
        yield
    finally:
        if sys.unraisablehook is hook:  # another one, set in the block, stays
            sys.unraisablehook = usual


def _raises(handler: Any) -> bool:
    """Whether a signal's handler can have raised a KeyboardInterrupt that was dropped."""
    return handler is _interrupt or isinstance(getattr(handler, "__self__", None), StopRequest)


_ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
_COMMANDS = ("train.py", "predict.py", "get_map.py", "export.py")


def end_while_importing() -> None:
    """A signal ends the process with one word and status 130, from here to ``terminable``.

    For commands, which import for a second or more before they can handle anything. Python would
    print a traceback from inside an import. Other programs keep their signals, as does a command
    that is run outside the main thread.
    """
    if threading.current_thread() is not threading.main_thread():
        return
    main = sys.modules.get("__main__")
    folder, name = os.path.split(os.path.abspath(getattr(main, "__file__", None) or ""))
    # Processes that a command starts have another __name__.
    if getattr(main, "__name__", "") == "__main__" and folder == _ROOT and name in _COMMANDS:
        for number, usual in _USUAL.items():
            if signal.getsignal(number) is usual:
                signal.signal(number, _end)


def _end(number: int, frame: FrameType | None) -> NoReturn:
    os.write(2, b"interrupted\n")
    os._exit(130)


@contextmanager
def terminable(*, last: bool = False) -> Iterator[None]:
    """SIGTERM in the block raises KeyboardInterrupt, as Ctrl-C does.

    Nothing is changed outside the main thread, or where a signal already has another handler.

    Args:
        last: the process ends after the block. A signal then ends it at once; Python would print a
            traceback of its own shutdown.
    """
    main = threading.current_thread() is threading.main_thread()
    free = {n: usual for n, usual in _USUAL.items()
            if main and signal.getsignal(n) in (usual, _end)}  # fmt: skip
    if not free:  # nor is what a block around this one, or in the main thread, has noted
        yield
        return
    _InterruptState.in_block = True
    try:
        for number in free:
            signal.signal(number, _interrupt)
        with _reraise_dropped_interrupts():
            yield
    finally:
        _InterruptState.in_block = _InterruptState.raised = False
        _InterruptState.dropped = None
        _restore({number: signal.SIG_DFL if last else before for number, before in free.items()})
