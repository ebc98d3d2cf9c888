"""Timing several functions in turn, so that other work on the machine slows all of them alike."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

WARM_UP = 3  # runs of each that are not counted
# Seconds between two runs. ONNX Runtime's threads, and others, go on looking for work for
# milliseconds after a run. Without a pause they would slow what another runtime does next.
PAUSE = 0.05


class Times(NamedTuple):
    """Milliseconds of the runs of one function, in their order.

    Attributes:
        wall: on the clock.
        cpu: of all cores, for this process. With one thread it says how much work a run is, also on
            a machine that does other work.
    """

    wall: list[float]
    cpu: list[float]


def in_turn(
    calls: Mapping[str, Callable[[], object]], repeats: int, pause: float = PAUSE
) -> dict[str, Times]:
    """Run each of ``calls`` ``repeats`` times, one after the other."""
    times = {name: Times([], []) for name in calls}
    for index in range(WARM_UP + repeats):
        for name, call in calls.items():
            time.sleep(pause)
            wall, cpu = time.perf_counter(), time.process_time()
            call()
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
            if index >= WARM_UP:
                times[name].wall.append(round(1000 * wall, 3))
                times[name].cpu.append(round(1000 * cpu, 3))
    return times
