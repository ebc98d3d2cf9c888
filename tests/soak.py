"""A soak: predict on folders that fill like a stream, and the HTTP endpoint, for as long as asked.

``python -m tests.soak --minutes 60`` runs it for an hour. The network is made up, so that the time
goes into what this project does: reading, batching, suppressing, writing, answering. Each part
prints its figures as a JSON line; the exit status is 1 where memory or the time of a picture grow,
or something is lost. Growth is judged by processor time: other programs do not change it.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.media_files import write_picture
from tests.serving_cases import CLIENT, detector_of, picture_of, read_numbers, running, three_signs
from utils.memory import memory_used

MAX_GROWTH = 32 << 20  # bytes between the second and the last fifth of a soak
MAX_SLOWDOWN = 1.5  # processor time of a picture, last fifth over the one after warming up
_PICTURES = 40  # of a folder
_CLIENTS = 4


@dataclass(frozen=True)
class Figures:
    """What a part of the soak measured.

    Attributes:
        seconds: that it ran.
        sent: pictures, or requests.
        answered: those with a result.
        refused: those whose answer said why there is none.
        latency_ms: medians in each fifth of the time; 0 for a fifth in which nothing ended.
        processor_ms: of a picture, likewise.
        memory_mb: the largest, likewise.
    """

    part: str
    seconds: float
    sent: int
    answered: int
    refused: int
    latency_ms: list[float]
    processor_ms: list[float]
    memory_mb: list[float]

    def problems(self) -> list[str]:
        """Sentences on what was lost or grew. The first fifth is for warming up."""
        found = []
        if self.sent != self.answered + self.refused:
            found.append(f"{self.sent - self.answered - self.refused} lost in silence")
        warm = next((x for x in self.processor_ms[1:] if x), 0.0)
        if self.processor_ms[-1] > MAX_SLOWDOWN * warm:
            found.append(f"a picture takes ever more time: {self.processor_ms} ms of processor")
        used = next((x for x in self.memory_mb[1:] if x), 0.0)
        if (self.memory_mb[-1] - used) * 1e6 > MAX_GROWTH:
            found.append(f"memory grows: {self.memory_mb} MB")
        return found


class Samples:
    """Latencies with their times, and memory, of threads that share it."""

    def __init__(self, seconds: float) -> None:
        self.began, self.seconds = time.monotonic(), seconds
        self.sent = self.answered = self.refused = 0
        self._lock = threading.Lock()
        self._latencies: list[list[float]] = [[] for _ in range(5)]
        self._memory = [0.0] * 5
        self._processor, self._pictures, self._before = [0.0] * 5, [0] * 5, time.process_time()

    def goes_on(self) -> bool:
        return time.monotonic() - self.began < self.seconds

    def add(self, seconds: float, *, sent: int = 1, answered: int, refused: int) -> None:
        fifth = min(4, int(5 * (time.monotonic() - self.began) / self.seconds))
        with self._lock:
            self.sent += sent
            self.answered += answered
            self.refused += refused
            self._latencies[fifth].append(seconds)
            now = time.process_time()
            self._processor[fifth] += now - self._before
            self._pictures[fifth] += sent
            self._before = now
            self._memory[fifth] = max(self._memory[fifth], memory_used() / 1e6)

    def figures(self, part: str) -> Figures:
        return Figures(
            part, round(time.monotonic() - self.began, 1), self.sent, self.answered, self.refused,
            [round(1000 * statistics.median(x), 2) if x else 0.0 for x in self._latencies],
            [
                round(1000 * x / count, 2) if count else 0.0
                for x, count in zip(self._processor, self._pictures, strict=True)
            ],
            [round(x, 1) for x in self._memory],
        )  # fmt: skip


def soak_predict(seconds: float) -> Figures:
    """``predict.py`` on one folder after another, in this process; a tenth of the pictures are
    damaged, and each of them must be named."""
    import predict
    from utils.cli import run

    samples = Samples(seconds)
    with tempfile.TemporaryDirectory() as name, made_up_network(predict):
        root = Path(name)
        photos = root / "photos"
        for i in range(_PICTURES):
            path = write_picture(photos / f"{i:03d}.png", value=i)
            if i % 10 == 7:
                path.write_bytes(path.read_bytes()[:40])
        words = [str(photos), "--out", str(root / "out"), "--json", str(root / "found.json")]
        while samples.goes_on():
            began = time.monotonic()
            with captured(root / "printed.txt") as printed:
                status = run(predict.main, words)
            entries = json.loads((root / "found.json").read_text())
            named = sum(f"{i:03d}.png" in printed() for i in range(7, _PICTURES, 10))
            samples.add(
                (time.monotonic() - began) / _PICTURES,
                sent=_PICTURES, answered=len(entries) if status == 0 else 0, refused=named,
            )  # fmt: skip
    return samples.figures("predict on folders")


@contextmanager
def made_up_network(predict) -> Iterator[None]:
    before = predict.open_detector, predict.choose_weights
    detector = detector_of(three_signs)
    predict.open_detector = lambda *given, **options: detector
    predict.choose_weights = lambda config: Path("made_up.keras")
    try:
        yield
    finally:
        predict.open_detector, predict.choose_weights = before


@contextmanager
def captured(path: Path) -> Iterator:
    """What is printed in the block; the value gives it as text."""
    before = sys.stdout, sys.stderr
    with open(path, "w", encoding="utf-8") as file:
        sys.stdout = sys.stderr = file
        try:
            yield lambda: path.read_text(encoding="utf-8")
        finally:
            sys.stdout, sys.stderr = before
            file.flush()


def soak_endpoint(seconds: float) -> Figures:
    """Clients that ask one request after another; each answer must be that of its own picture."""
    pictures = [picture_of(number) for number in range(256)]
    with running(detector_of(read_numbers)) as address:
        samples = Samples(seconds)

        def client(first: int) -> None:
            number = first
            while samples.goes_on():
                number = (number + _CLIENTS) % 256
                began = time.monotonic()
                try:
                    answer = CLIENT.post(f"{address}v1/detect", content=pictures[number])
                except Exception:  # counts as lost
                    samples.add(time.monotonic() - began, answered=0, refused=0)
                    continue
                good = answer.status_code == 200 and is_of(answer.json()[0], number)
                said = answer.status_code in (429, 503) and "error" in answer.json()
                samples.add(time.monotonic() - began, answered=int(good), refused=int(said))

        threads = [threading.Thread(target=client, args=(i,)) for i in range(_CLIENTS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    return samples.figures("endpoint")


def is_of(entry: dict, number: int) -> bool:
    """Whether an answer is that of the picture with this number; ``read_numbers`` finds no box that
    has a width in one that is black."""
    found = [round(4 * one["box"][2]) for one in entry["detections"]]
    return found == [number] if number else found in ([], [0])


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=60.0, help="in all; default: 60")
    parser.add_argument("--record", action="store_true", help="append to bench/results")
    given = parser.parse_args()
    problems = []
    for part in (soak_predict, soak_endpoint):
        figures = part(30 * given.minutes)
        print(json.dumps(asdict(figures)), flush=True)
        problems += [f"{figures.part}: {problem}" for problem in figures.problems()]
        if given.record:
            from bench.common import append_result

            append_result("soak", asdict(figures))
    print(*problems, sep="\n")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
