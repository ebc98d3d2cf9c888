"""The processes of a check: a task of ``utils.gpu_check.worker``, or a command of the project."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from utils.cpu import FAST_MATH_VARIABLE
from utils.gpu_check.result import CheckFailed

ROOT = Path(__file__).resolve().parents[2]
_END = 1500  # characters of a failed process's messages that are reported


@dataclass(frozen=True)
class Place:
    """The devices of a process.

    Attributes:
        device: as ``--device`` takes it: ``cpu``, ``gpu:0`` or ``gpu:0,1``.
        logical_cpus: devices that the CPU is divided into, which stand in for GPUs.
        memory_mib: that TensorFlow may take of a single GPU; None for all of it.
    """

    device: str = "cpu"
    logical_cpus: int = 1
    memory_mib: int | None = None


def run_task(
    task: str, place: Place, folder: Path, timeout: float, /, **arguments: Any
) -> dict[str, Any]:
    """Run a function of ``utils.gpu_check.tasks`` in a process of its own.

    Args:
        task: its name.
        place: the devices of the process.
        folder: for its files.
        timeout: seconds.
        arguments: of the function, as JSON values.

    Returns:
        What the function returned.

    Raises:
        CheckFailed: the process failed, or hung.
    """
    folder.mkdir(parents=True, exist_ok=True)
    asked, answer = folder / "asked.json", folder / "answer.json"
    asked.write_text(json.dumps({"task": task, "place": asdict(place), "arguments": arguments}))
    run_python(["-m", "utils.gpu_check.worker", str(asked), str(answer)], folder, timeout)
    return json.loads(answer.read_text())


def run_python(arguments: list[str], folder: Path, timeout: float) -> str:
    """Run Python with these arguments; returns what it printed, messages last.

    Raises:
        CheckFailed: it failed, or hung; the message ends with the end of what it printed.
    """
    try:
        done = subprocess.run(
            [sys.executable, *arguments], cwd=ROOT, env=environment(folder), timeout=timeout,
            capture_output=True, text=True, errors="replace", check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise CheckFailed(f"{called(arguments)} took more than {timeout:.0f} s") from None
    if done.returncode:
        end = (done.stderr.strip() or done.stdout.strip())[-_END:]
        raise CheckFailed(f"{called(arguments)} ended with status {done.returncode}: {end}")
    return f"{done.stdout}\n{done.stderr}"


def run_until_killed(
    arguments: list[str], folder: Path, timeout: float, ready: Callable[[], bool]
) -> bool:
    """Run Python with these arguments and kill it (SIGKILL) as soon as ``ready`` says so.

    Returns:
        Whether it was killed; otherwise it had ended before.

    Raises:
        CheckFailed: it was not ready in time.
    """
    with open(folder / "killed.txt", "w", encoding="utf-8") as output:
        process = subprocess.Popen(
            [sys.executable, *arguments], cwd=ROOT, env=environment(folder),
            stdout=output, stderr=output,
        )  # fmt: skip
        try:
            began = time.monotonic()
            while process.poll() is None and not ready():
                if time.monotonic() - began > timeout:
                    raise CheckFailed(f"{called(arguments)} took more than {timeout:.0f} s")
                time.sleep(0.02)
            return process.poll() is None
        finally:
            process.kill()
            process.wait()


def environment(folder: Path) -> dict[str, str]:
    """The variables of a process: this project, a cache of its own, convolutions in float32."""
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]),
        "EFFICIENT_YOLO3_CACHE": str(folder / "cache"),
        FAST_MATH_VARIABLE: "STRICT",
    }


def called(arguments: list[str]) -> str:
    """What is run, in words."""
    if "utils.gpu_check.worker" in arguments:
        return "a process of the check"
    return f"{arguments[1] if arguments[0] == '-m' else arguments[0]}.py"
