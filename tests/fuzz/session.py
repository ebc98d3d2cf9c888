"""``run_target``: a target in processes of its own, for a time."""

from __future__ import annotations

import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tests.fuzz.target import MAX_MEMORY, MAX_SECONDS, ROOT

_MAX_STARTS = 10  # after crashes, hangs and too much memory
_KINDS = {70: "hang", 71: "memory", 77: "crash"}  # libFuzzer's exit statuses
_STILL_S = 120  # without a new input: libFuzzer did not end an input that hangs
_START_S = 900  # to import and to try the corpus, on a machine that is busy


@dataclass
class Result:
    """What came of a target.

    Attributes:
        seconds: since the first input of each process.
        executions: inputs that were tried.
        coverage: libFuzzer's count of places in the instrumented code.
        inputs: in the corpus at the end.
        finds: broken promises, in words.
    """

    name: str
    seconds: float = 0.0
    executions: int = 0
    coverage: int = 0
    inputs: int = 0
    slowest_s: float = 0.0
    finds: list[str] = field(default_factory=list)
    interrupted: bool = False

    def row(self) -> dict[str, Any]:
        return {
            "target": self.name, "atheris": version("atheris"),
            "minutes": round(self.seconds / 60, 1), "executions": self.executions,
            "coverage": self.coverage, "corpus": self.inputs,
            "slowest_s": round(self.slowest_s, 2), "finds": self.finds,
        }  # fmt: skip

    def line(self) -> str:
        finds = f"{len(self.finds)} found: {'; '.join(self.finds)}" if self.finds else "none found"
        return (
            f"{self.name:14} {self.seconds / 60:5.1f} min {self.executions:10,d} executions, "
            f"{self.coverage} places, {self.inputs} inputs, slowest {self.slowest_s:.1f} s, {finds}"
        )


def run_target(name: str, folder: Path, seconds: float) -> Result:
    """Fuzz a target for so long. Crashes and hangs end a process; another one goes on.

    Args:
        name: of the target.
        folder: its corpus and finds, kept between runs.
        seconds: of running, without the time to start.
    """
    corpus = folder / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    result = Result(name)
    for start in range(_MAX_STARTS):
        left = seconds - result.seconds
        if left < 1 or result.interrupted:
            break
        log = folder / f"log-{start}.txt"
        status = _run(name, folder, corpus, left, result, log)
        if status == 0:
            break
        result.finds.append(f"{_KINDS.get(status, f'status {status}')} ({log.name})")
    result.inputs = sum(1 for _ in corpus.iterdir())
    return result


def _run(
    name: str, folder: Path, corpus: Path, seconds: float, result: Result, log_path: Path
) -> int:
    """One process; its exit status. What it did is added to ``result``."""
    progress = folder / "progress.json"
    progress.unlink(missing_ok=True)
    (folder / "finds").mkdir(exist_ok=True)
    words, most_bytes = _prepare(name, folder, corpus)
    command = [
        sys.executable, "-m", "tests.fuzz.worker", name, str(folder), str(corpus),
        f"-max_total_time={max(1, round(seconds))}", f"-timeout={MAX_SECONDS}",
        f"-rss_limit_mb={MAX_MEMORY}", f"-max_len={most_bytes}", f"-dict={words}",
        f"-artifact_prefix={folder / 'finds'}/", "-print_final_stats=1",
    ]  # fmt: skip
    with open(log_path, "w", encoding="utf-8") as log:
        # A group of its own: libFuzzer would take Ctrl-C for a crash.
        process = subprocess.Popen(
            command, cwd=ROOT, stdout=log, stderr=log, start_new_session=True,
            env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
        )  # fmt: skip
        try:
            status = _wait(process, progress)
        except KeyboardInterrupt:
            status, result.interrupted = 0, True
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
    if progress.exists():
        told = json.loads(progress.read_text(encoding="utf-8"))
        result.executions += told["executions"]
        result.seconds += told["seconds"]
        result.slowest_s = max(result.slowest_s, told["slowest_s"])
        result.finds += [find for find in told["finds"] if find not in result.finds]
    text = log_path.read_text(encoding="utf-8", errors="replace")
    counts = re.findall(r"\bcov: (\d+)", text)
    result.coverage = max(result.coverage, *map(int, counts[-1:]), 0)
    return status


def _wait(process: subprocess.Popen, progress: Path) -> int:
    """The exit status; that of a hang where libFuzzer cannot end it and nothing goes on."""
    moved = time.monotonic()
    before = None
    while True:
        with suppress(subprocess.TimeoutExpired):
            return process.wait(2)
        now = progress.stat().st_mtime_ns if progress.exists() else None
        if now != before:
            before, moved = now, time.monotonic()
        if time.monotonic() - moved > (_STILL_S if before else _START_S):
            return 70


def _prepare(name: str, folder: Path, corpus: Path) -> tuple[Path, int]:
    """Seeds go into the corpus, words into a file; that file, and the largest input in bytes.

    In a process of its own, so that Ctrl-C and what the target imports stay there.
    """
    made = folder / "words.txt"
    done = subprocess.run(
        [sys.executable, "-m", "tests.fuzz.session", name, str(corpus), str(made)],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return made, int(done.stdout.split()[-1])


def _write_seeds(name: str, corpus: Path, words: Path) -> None:
    from tests.fuzz.targets import load

    target = load(name)
    for data in (*target.finds, *target.seeds()):
        path = corpus / f"seed-{hashlib.sha256(data).hexdigest()[:16]}"
        if not path.exists():
            path.write_bytes(data)
    lines = ("".join(f"\\x{byte:02x}" for byte in word) for word in target.words)
    words.write_text("".join(f'"{line}"\n' for line in lines), encoding="ascii")
    print(target.most_bytes)


if __name__ == "__main__":
    _write_seeds(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
