"""Running a module of the project in a process of its own."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

from utils.cpu import FAST_MATH_VARIABLE
from utils.errors import UserError


class ModuleFailedError(RuntimeError):
    """A module crashed, or failed with what is no fault of the user."""


class NoRoomError(UserError):
    """Memory or disk space ran out, or the process was ended: later it may succeed."""


_PROJECT = Path(__file__).resolve().parents[3]
# By signals that others send, as for want of memory; ``utils.cli.run`` makes 130 of some of them.
# SIGBUS is what a full disk gives to a program that has mapped a file.
_SIGNALS = ("SIGKILL", "SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT", "SIGXCPU", "SIGXFSZ", "SIGBUS")
_ENDED = {130, *(-getattr(signal, name) for name in _SIGNALS if hasattr(signal, name))}
_NO_ROOM = re.compile(
    r"no space left|disk quota exceeded|cannot allocate memory|too many open files|out of memory"
    r"|MemoryError|bad_alloc|ResourceExhausted|RESOURCE_EXHAUSTED",
    re.IGNORECASE,
)


def run_module(module: str, argument: str, what: str) -> None:
    """``python -m module argument``, on the CPU and in whole float32.

    Args:
        module: its ``main`` is called by ``utils.cli.run``.
        argument: its only argument.
        what: what it does, for messages.

    Raises:
        NoRoomError: memory or disk space ran out, or someone ended the process.
        UserError: what else the process says the user can put right.
        ModuleFailedError: anything else, with all that the process printed.
    """
    environment = {name: value for name, value in os.environ.items() if name != FAST_MATH_VARIABLE}
    path = os.pathsep.join(filter(None, [str(_PROJECT), os.environ.get("PYTHONPATH")]))
    done = subprocess.run(
        # -P: modules in the current folder are not the project's.
        [sys.executable, "-P", "-m", module, argument],
        env=environment | {"PYTHONPATH": path, "CUDA_VISIBLE_DEVICES": "-1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode == 2:
        sentence = done.stdout.strip().rpartition("\n")[2].removeprefix("error: ")
        raise NoRoomError(sentence) if _NO_ROOM.search(sentence) else UserError(sentence)
    if done.returncode in _ENDED:
        raise NoRoomError(
            f"the system ended {what}, probably for want of memory; close other programs"
        )
    if done.returncode and (found := _NO_ROOM.search(done.stdout)):
        raise NoRoomError(
            f"{what} found no more memory or disk space ({found[0]}); close other programs, or "
            "free some space"
        )
    if done.returncode < 0:
        crash = signal.strsignal(-done.returncode) or f"signal {-done.returncode}"
        raise ModuleFailedError(f"{what} crashed ({crash})\n{done.stdout}".strip())
    if done.returncode:
        raise ModuleFailedError(f"{what} failed:\n{done.stdout}")
