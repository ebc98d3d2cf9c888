"""Running a module of the project in a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from utils.errors import UserError


class ModuleFailedError(RuntimeError):
    """A module crashed, or failed with what is no fault of the user."""


_PROJECT = Path(__file__).resolve().parents[3]
# By SIGKILL or SIGTERM, as for want of memory; ``utils.cli.run`` makes 130 of the latter.
_ENDED = (-9, -15, 130)
_FAST_MATH = "ONEDNN_DEFAULT_FPMATH_MODE"  # bfloat16 in convolutions, as training may use it


def run_module(module: str, argument: str, what: str) -> None:
    """``python -m module argument``, on the CPU and in whole float32.

    Args:
        module: its ``main`` is called by ``utils.cli.run``.
        argument: its only argument.
        what: what it does, for messages.

    Raises:
        UserError: what the process says the user can put right, or no memory.
        ModuleFailedError: anything else, with all that the process printed.
    """
    environment = {name: value for name, value in os.environ.items() if name != _FAST_MATH}
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
        raise UserError(done.stdout.strip().rpartition("\n")[2].removeprefix("error: "))
    if done.returncode in _ENDED:
        raise UserError(
            f"the system ended {what}, probably for want of memory; close other programs"
        )
    if done.returncode < 0:
        crash = signal.strsignal(-done.returncode) or f"signal {-done.returncode}"
        raise ModuleFailedError(f"{what} crashed ({crash})\n{done.stdout}".strip())
    if done.returncode:
        raise ModuleFailedError(f"{what} failed:\n{done.stdout}")
