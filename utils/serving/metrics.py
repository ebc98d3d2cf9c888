"""Counts and times of a server in Prometheus' text format.

The format is version 0.0.4 of https://prometheus.io/docs/instrumenting/exposition_formats/. Label
values come from fixed sets, so the number of lines is bounded.
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_PICTURES = (1, 2, 4, 8, 16, 32)


class Count:
    """A number that only grows, for each set of label values.

    Args:
        name: of the metric.
        help: one sentence.
        labels: their names.
    """

    def __init__(self, name: str, help: str, labels: Sequence[str] = ()) -> None:
        self.name, self.help, self.labels = name, help, tuple(labels)
        self._values: Counter[tuple[str, ...]] = Counter()
        self._lock = threading.Lock()
        if not labels:
            self._values[()] = 0

    def add(self, number: int, *values: str) -> None:
        """Add to the count with these label values."""
        with self._lock:
            self._values[values] += number

    def total(self) -> int:
        return sum(self._values.values())

    def lines(self) -> Iterator[str]:
        yield from _head(self.name, self.help, "counter")
        with self._lock:
            values = sorted(self._values.items())
        for of_labels, number in values:
            pairs = ",".join(
                f'{name}="{value}"' for name, value in zip(self.labels, of_labels, strict=True)
            )
            yield f"{self.name}{{{pairs}}} {number}" if pairs else f"{self.name} {number}"


class Histogram:
    """How many observations lie at or below each of some bounds, and their sum."""

    def __init__(self, name: str, help: str, bounds: Sequence[float]) -> None:
        self.name, self.help, self.bounds = name, help, tuple(bounds)
        self._counts, self._sum = [0] * (len(bounds) + 1), 0.0
        self._lock = threading.Lock()

    def observe(self, value: float) -> None:
        with self._lock:
            self._counts[bisect_left(self.bounds, value)] += 1
            self._sum += value

    def lines(self) -> Iterator[str]:
        yield from _head(self.name, self.help, "histogram")
        with self._lock:
            counts, total = list(self._counts), self._sum
        below = 0
        for bound, count in zip((*self.bounds, "+Inf"), counts, strict=True):
            below += count
            yield f'{self.name}_bucket{{le="{bound}"}} {below}'
        yield f"{self.name}_sum {total:.6f}"
        yield f"{self.name}_count {below}"


class Gauge:
    """A number of now, asked for when it is read."""

    def __init__(self, name: str, help: str, read: Callable[[], float]) -> None:
        self.name, self.help, self.read = name, help, read

    def lines(self) -> Iterator[str]:
        yield from _head(self.name, self.help, "gauge")
        yield f"{self.name} {self.read():g}"


class Metrics:
    """All metrics of a server."""

    def __init__(self) -> None:
        self.requests = Count(
            "yolo3_requests_total", "Requests by path and status.", ("path", "status")
        )
        self.objects = Count("yolo3_objects_total", "Objects found.")
        self.request_seconds = Histogram(
            "yolo3_request_seconds", "Seconds from the headers of a request to its answer.",
            _SECONDS,
        )  # fmt: skip
        self.picture_seconds = Histogram(
            "yolo3_picture_seconds", "Seconds from a picture's bytes to its objects.", _SECONDS
        )
        self.batch_pictures = Histogram(
            "yolo3_batch_pictures", "Pictures that the network got at once.", _PICTURES
        )
        self._gauges: list[Gauge] = []

    def watch(self, name: str, help: str, read: Callable[[], float]) -> None:
        """Add a gauge."""
        self._gauges.append(Gauge(f"yolo3_{name}", help, read))

    def text(self) -> str:
        """The whole answer of ``/metrics``."""
        own = (
            self.requests, self.objects, self.request_seconds, self.picture_seconds,
            self.batch_pictures,
        )  # fmt: skip
        return "".join(f"{line}\n" for metric in (*own, *self._gauges) for line in metric.lines())


def _head(name: str, help: str, kind: str) -> Iterator[str]:
    yield f"# HELP {name} {help}"
    yield f"# TYPE {name} {kind}"
