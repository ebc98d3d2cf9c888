"""``run_case``: a command on a case, in a process of its own that may crash, hang or fill memory;
``Outcome``: what came of it."""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from .case import Case
from .commands import WRONG

SECONDS = 30  # of processor time
_MAX_SECONDS = 4 * SECONDS  # then it is ended
_WAIT = 90  # seconds, without those in which other processes had the processor
MEMORY = 4 << 30  # bytes
_MAX_ADDRESSES = 12 << 30  # bytes; libraries reserve more than they use
_MAX_MESSAGE = 1000  # characters of a message


@dataclass(frozen=True)
class Outcome:
    """What a command did with a case.

    Attributes:
        words: what it did.
        broken: which promise is broken; "" for none.
        seconds: of processor time.
        memory: bytes, at most.
    """

    case: Case
    command: str
    words: str
    broken: str
    seconds: float
    memory: int


def run_case(
    case: Case, command: str, call: Callable[[Case, Path, Path], int], folder: Path, out: Path
) -> Outcome:
    """Fork, call, and judge. ``out`` is made."""
    out.mkdir(parents=True)
    printed = out / "printed.txt"
    child = os.fork()
    if not child:
        _be_child(call, case, folder, out, printed)
    deadline, hangs, ended, waited = time.monotonic() + _WAIT, False, 0, 0.0
    while not ended:  # without a thread, whose locks the next child would inherit
        ended, status, usage = os.wait4(child, 0 if hangs else os.WNOHANG)
        if not ended and time.monotonic() > deadline + waited:
            waited = max(waited, _waited_for_processor(child))  # threads that ended are not in it
        if not ended and time.monotonic() > deadline + waited:
            hangs = True
            os.kill(child, signal.SIGKILL)
        elif not ended:
            time.sleep(0.005)
    text = printed.read_bytes().decode(errors="replace")
    seconds, memory = usage.ru_utime + usage.ru_stime, usage.ru_maxrss << 10
    words, broken = _judged(case, status, text, out)
    if hangs:
        broken = f"hangs for {_WAIT} s"
    elif seconds > SECONDS:
        broken = broken or f"takes {seconds:.0f} s"
    if memory > MEMORY:
        broken = broken or f"takes {memory / 2**30:.1f} GB"
    return Outcome(case, command, words, broken, seconds, memory)


def _waited_for_processor(process: int) -> float:
    """Seconds in which the threads of a process could have run; 0 where they are not counted."""
    waited = 0.0
    for path in Path(f"/proc/{process}/task").glob("*/schedstat"):
        with suppress(OSError, IndexError):  # the thread ends
            waited += int(path.read_text().split()[1]) / 1e9
    return waited


def _be_child(
    call: Callable[[Case, Path, Path], int], case: Case, folder: Path, out: Path, printed: Path
) -> None:
    status = 70
    try:
        file = os.open(printed, os.O_WRONLY | os.O_CREAT)
        os.dup2(file, 1)
        os.dup2(file, 2)
        resource.setrlimit(resource.RLIMIT_AS, (_MAX_ADDRESSES, _MAX_ADDRESSES))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        # Threads that spin wait for each other, so the clock alone would never end them.
        resource.setrlimit(resource.RLIMIT_CPU, (_MAX_SECONDS, _MAX_SECONDS))
        status = call(case, folder, out)
    except SystemExit as error:
        status = error.code if isinstance(error.code, int) else 1
    except BaseException:
        traceback.print_exc()
    finally:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os._exit(status or 0)


def _judged(case: Case, status: int, text: str, out: Path) -> tuple[str, str]:
    """What happened, and what is wrong with it."""
    last = text.strip().splitlines()[-1:] or [""]
    if os.WIFSIGNALED(status):
        return last[0], f"crashes with {signal.Signals(os.WTERMSIG(status)).name}"
    code = os.WEXITSTATUS(status)
    if "Traceback (most recent call last)" in text:
        return last[0], "a traceback"
    if code == WRONG:
        return last[0], last[0]
    if code == 2:
        errors = [line for line in text.splitlines() if line.startswith("error: ")]
        if len(errors) != 1 or errors[0] != last[0]:
            return last[0], "not one sentence at the end"
        if len(errors[0]) > _MAX_MESSAGE:
            return errors[0][:_MAX_MESSAGE], f"a message of {len(errors[0])} characters"
        return f"stops: {errors[0].removeprefix('error: ')}", ""
    if code:
        return last[0], f"exit status {code}"
    if case.stops:
        return last[0], "goes on with it"
    read = _sources(out)
    lost = [item for item in case.items if item not in text and item not in read]
    reports = [line for line in text.splitlines() if any(item in line for item in case.items)]
    words = f"goes on: {reports[0]}" if reports else "goes on"
    return ("reads it" if case.items and not reports else words), (
        f"silent about {lost[0]}" if lost else ""
    )


def _sources(out: Path) -> set[str]:
    """The files that were read, by predict.py's JSON, the photos that convert wrote, and the photos
    that get_map.py scored."""
    converted = {path.name for path in (out / "converted").rglob("*")}
    names = converted | {Path(name).stem for name in converted}
    scored = out / "scores" / "ground_truth.json"
    if scored.exists():
        names |= {one["stem"] for one in json.loads(scored.read_text(encoding="utf-8"))["images"]}
    found = out / "found.json"
    content = json.loads(found.read_text(encoding="utf-8")) if found.exists() else []
    return names | {
        Path(one["source"]).name for one in content if isinstance(one, dict) and "source" in one
    }


def snapshot(folder: Path) -> dict[str, tuple[int, int]]:
    """Size and time of change of everything in a folder; links are not followed."""
    found = {}
    for root, folders, files in os.walk(folder):
        for name in (*folders, *files):
            path = os.path.join(root, name)
            status = os.lstat(path)
            found[path] = status.st_size, status.st_mtime_ns
    return found
