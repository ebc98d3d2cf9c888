"""Timing several functions in turn, so that other work on the machine slows all of them alike."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

WARM_UP = 3  # runs of each that are not counted
# Threads of ONNX Runtime go on looking for work after a run, for as much processor time as a whole
# run of a small network. They would slow what another runtime does next. So a run begins after this
# many seconds in which the process used nearly no processor time, or after so many attempts.
PAUSE, MAX_PAUSES = 0.03, 20
IDLE = 0.02  # processor seconds a second


class Times(NamedTuple):
    """Milliseconds of the runs of one function, in their order.

    Attributes:
        wall: on the clock.
        cpu: of all cores, for this process. With one thread it says how much work a run is, also on
            a machine that does other work.
    """

    wall: list[float]
    cpu: list[float]


def in_turn(calls: Mapping[str, Callable[[], object]], repeats: int) -> dict[str, Times]:
    """Run each of ``calls`` ``repeats`` times, one after the other."""
    times = {name: Times([], []) for name in calls}
    for index in range(WARM_UP + repeats):
        for name, call in calls.items():
            _wait_until_idle()
            wall, cpu = time.perf_counter(), time.process_time()
            call()
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
            if index >= WARM_UP:
                times[name].wall.append(round(1000 * wall, 3))
                times[name].cpu.append(round(1000 * cpu, 3))
    return times


def _wait_until_idle() -> None:
    for _ in range(MAX_PAUSES):
        before = time.process_time()
        time.sleep(PAUSE)
        if time.process_time() - before < IDLE * PAUSE:
            return
