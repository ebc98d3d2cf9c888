"""All checks one after the other; the report is written after each of them."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from utils.files import atomic_write
from utils.gpu_check.detection_checks import prediction, same_scores
from utils.gpu_check.device_checks import devices_seen, input_pipeline, memory_growth
from utils.gpu_check.machine import driver_gpus
from utils.gpu_check.plan import FULL, QUICK
from utils.gpu_check.report import STAND_IN, report
from utils.gpu_check.result import FAILED, CheckFailed, Result
from utils.gpu_check.session import Session
from utils.gpu_check.speed_checks import speed
from utils.gpu_check.training_checks import (
    kill_and_resume,
    mixed_precision,
    out_of_memory,
    same_steps,
    two_devices,
)

Check = Callable[[Session], Result]

CHECKS: dict[str, Check] = {
    "devices": devices_seen,
    "memory growth": memory_growth,
    "input pipeline": input_pipeline,
    "float32 steps": same_steps,
    "mixed precision": mixed_precision,
    "two devices": two_devices,
    "out of memory": out_of_memory,
    "kill and resume": kill_and_resume,
    "get_map": same_scores,
    "prediction": prediction,
    "speed": speed,
}


def check_gpus(out: Path, *, quick: bool, on_cpu: bool) -> list[Result]:
    """Run all checks.

    Args:
        out: the report.
        quick: less of everything; always so without a GPU.
        on_cpu: let the CPU stand in even where there is a GPU.

    Returns:
        The results, in order.
    """
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="gpu-check-") as name:
        session = Session(FULL, Path(name))
        session.stand_in = on_cpu or not has_gpus(session)
        if quick or session.stand_in:
            session.plan = QUICK
        if session.stand_in:
            print(STAND_IN.replace("*", ""), flush=True)
        draw_scenes(session)
        results: list[Result] = []
        for check_name, check in CHECKS.items():
            results.append(run_check(check_name, check, session))
            print(f"{check_name}: {results[-1].outcome}. {results[-1].summary}", flush=True)
            with atomic_write(out) as file:
                file.write(report(session, results, time.monotonic() - began))
    return results


def has_gpus(session: Session) -> bool:
    """Whether the driver or TensorFlow has a GPU; where TensorFlow fails, a check says how."""
    try:
        return bool(driver_gpus() or session.machine["gpus"])
    except CheckFailed:
        return False


def draw_scenes(session: Session) -> None:
    """The photos of all checks."""
    from utils.data.synthetic import write_dataset

    plan = session.plan
    write_dataset(session.data, train=plan.train, val=plan.val, test=plan.test, seed=7)


def run_check(name: str, check: Check, session: Session) -> Result:
    """A check's result, with its seconds; a failed one where it raised."""
    began = time.monotonic()
    try:
        result = check(session)
    except CheckFailed as error:
        result = Result(name, FAILED, str(error))
    except Exception as error:  # the other checks go on, and the report says what happened
        result = Result(name, FAILED, f"{type(error).__name__}: {error}")
    return replace(result, seconds=time.monotonic() - began)
