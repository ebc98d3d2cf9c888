"""Checks of training: equal losses, mixed precision, several devices, memory, kill and resume."""

from __future__ import annotations

import csv
import json
import math
import re
from pathlib import Path

import numpy as np

from utils.gpu_check.plan import MIXED_LOSS, SAME_LOSS
from utils.gpu_check.processes import Place, run_python, run_until_killed
from utils.gpu_check.result import CheckFailed, Result, Row, judged, skipped
from utils.gpu_check.session import PRECISIONS, Session, losses_of


def same_steps(session: Session) -> Result:
    """The first steps in float32 have the losses that they have on the CPU."""
    cpu = losses_of(session.cpu_run, "on the CPU")
    device = losses_of(session.device_runs["equal"], f"on the {session.name}")
    return compared("float32 steps", "CPU", cpu, session.name, device)


def two_devices(session: Session) -> Result:
    """Two devices that divide each batch have the losses of one."""
    name = "two devices"
    if session.two is None:
        return skipped(name, "there is one GPU")
    one = losses_of(session.device_runs["equal"], "on one device")
    run = {"comparable": True, "timed": session.plan.speed_steps}
    two = session.train(session.two, "two", [run])[0]
    return compared(name, "one device", one, "two devices", losses_of(two, "on two devices"))


def compared(
    name: str, first: str, losses: list[float], second: str, others: list[float]
) -> Result:
    """Whether two runs have the same losses, step by step, within ``SAME_LOSS``."""
    worst = worst_difference(losses, others)
    rows = [
        {"step": number, first: round(losses[number - 1], 5), second: round(others[number - 1], 5)}
        for number in sorted({1, (len(losses) + 1) // 2, len(losses)})
    ]
    return judged(
        name, worst <= SAME_LOSS,
        f"{first} and {second}: the losses of {len(losses)} steps differ by {worst:.1e} at most "
        f"(relative; allowed: {SAME_LOSS:g})",
        rows,
    )  # fmt: skip


def worst_difference(losses: list[float], others: list[float]) -> float:
    """Largest relative difference of two lists; infinite where they are not finite."""
    if len(losses) != len(others) or not np.isfinite([*losses, *others]).all():
        return math.inf
    return float(np.max(np.abs(np.subtract(losses, others)) / np.abs(losses)))


def mixed_precision(session: Session) -> Result:
    """Losses in mixed precision are finite, and end where those of float32 do."""
    runs = session.device_runs
    reference = end_of(losses_of(runs["float32"], "float32"))
    rows: list[Row] = []
    good = True
    for precision in PRECISIONS:
        if error := runs[precision].get("error"):
            good = False
            rows.append(
                {"precision": precision, "not finite": "–", "loss": error, "difference": "–"}
            )
            continue
        losses = runs[precision]["losses"]
        end, broken = end_of(losses), int(np.sum(~np.isfinite(losses)))
        difference = abs(end - reference) / reference
        good = good and not broken and difference <= MIXED_LOSS
        rows.append(
            {
                "precision": precision,
                "not finite": broken,
                "loss": round(end, 4),
                "difference": f"{difference:.1%}",
            }
        )
    return judged(
        "mixed precision", good,
        f"the mean loss of the last tenth of {session.plan.mixed_steps} steps, against float32 "
        f"(allowed: {MIXED_LOSS:.0%}), and losses that are not finite (allowed: none)",
        rows,
    )  # fmt: skip


def end_of(losses: list[float]) -> float:
    """Mean of the last tenth."""
    return float(np.mean(losses[-max(len(losses) // 10, 1) :]))


def out_of_memory(session: Session) -> Result:
    """A batch that does not fit into memory is computed in parts."""
    plan = session.plan
    place = Place(session.one.device, memory_mib=plan.memory_mib)
    run = {"batch": plan.largest_batch, "steps": 2, "short_of_memory": session.stand_in}
    found = session.train(place, "memory", [run])[0]
    losses = losses_of(found, f"batches of {plan.largest_batch}")
    parts = found["accumulation steps"]
    how = (
        "the check itself raised the error of a GPU that is out of memory"
        if session.stand_in
        else f"TensorFlow had {plan.memory_mib} MiB of the GPU"
    )
    if parts == 1:
        words = "and memory did not run out, so that nothing was checked"
    else:
        words = f"and was computed in {parts} parts from then on"
    return judged(
        "out of memory", parts > 1 and bool(np.isfinite(losses).all()),
        f"{how}; a batch of {plan.largest_batch} photos of {size_of_input(session)} was asked for, "
        f"{words}",
    )  # fmt: skip


def size_of_input(session: Session) -> str:
    return f"{session.plan.input_size}×{session.plan.input_size}"


def kill_and_resume(session: Session) -> Result:
    """``train.py``, killed (SIGKILL) in the middle, is resumed to its end."""
    plan = session.plan
    out = session.folder / "killed"
    arguments = [
        "-m", "train", "--data", str(session.data), "--out", str(out), "--device",
        session.one.device, "--backbone", plan.backbone, "--backbone-weights",
        plan.backbone_weights, "--input-size", str(plan.input_size), "--batch-size",
        str(plan.batch), "--epochs", str(plan.epochs), "--freeze-epochs", "0", "--save-every", "0",
    ]  # fmt: skip
    killed = run_until_killed(
        arguments, session.folder, plan.timeout, lambda: saved_step(out) >= plan.killed_after
    )
    step = saved_step(out)
    if not killed:
        end = end_of_file(session.folder / "killed.txt")
        raise CheckFailed(f"train.py ended before it could be killed: {end}")
    resumed = ["-m", "train", "--out", str(out), "--resume"]
    printed = run_python(resumed, session.folder, plan.timeout)
    return resumed_result(out, step, printed, plan.epochs)


def resumed_result(out: Path, step: int, printed: str, epochs: int) -> Result:
    """What a run directory and the output of the resumed run say.

    Args:
        out: the run directory.
        step: that the state had when the run was killed.
        printed: by the run that resumed it.
        epochs: that it must have in the end.
    """
    said = re.search(r"resuming after step (\d+)", printed)
    with open(out / "metrics.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    losses = [float(row["loss"] or "nan") for row in rows]
    faults = [
        words
        for words, fault in {
            f"it said nothing of resuming after step {step}": not said or int(said[1]) != step,
            f"it has {len(rows)} epochs instead of {epochs}": len(rows) != epochs,
            "a loss is not finite": not np.isfinite(losses).all(),
            "best.keras is missing": not (out / "best.keras").is_file(),
        }.items()
        if fault
    ]
    summary = f"killed after step {step}, resumed there, and trained to the end of epoch {epochs}"
    return judged("kill and resume", not faults, "; ".join(faults) or summary)


def saved_step(out: Path) -> int:
    """The step of a run's saved state; 0 before there is one."""
    try:
        with np.load(out / "state" / "state.npz") as archive:
            return json.loads(archive["facts"].tobytes())["history"]["step"]
    except FileNotFoundError:
        return 0


def end_of_file(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace").strip()[-500:]
