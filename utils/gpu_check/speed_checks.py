"""Photos a second in training: on the CPU, on the device, in mixed precision, in larger batches."""

from __future__ import annotations

from typing import Any

from utils.gpu_check.result import PASSED, Result, Row, skipped
from utils.gpu_check.session import PRECISIONS, Session


def speed(session: Session) -> Result:
    """Photos a second of a training step, and where its time goes. Nothing can fail here."""
    plan = session.plan
    rows = [speed_row("CPU", "float32", plan.batch, session.cpu_run)]
    rows += [
        speed_row(session.name, precision, plan.batch, session.device_runs[precision])
        for precision in PRECISIONS
    ]
    asked = [
        {"precision": precision, "batch": batch, "steps": 2 * plan.speed_steps,
         "timed": plan.speed_steps}
        for batch in plan.batch_sizes
        for precision in plan.speed_precisions
    ]  # fmt: skip
    found = session.train(session.one, "speed", asked, plan.speed_seconds)
    rows += [
        speed_row(session.name, run["precision"], run["batch"], measured)
        for run, measured in zip(asked, found, strict=False)  # fewer where time ran out
    ]
    rows = [row for row in rows if row]
    if not rows:
        return skipped("speed", "no run could be measured")
    left_out = len(asked) - len(found)
    summary = (
        f"{plan.backbone} at {plan.input_size}×{plan.input_size}, {plan.speed_steps} steps each; "
        'a photo counts from its file to the updated weights, in "step alone" from main memory'
    )
    if left_out:
        summary += f"; {left_out} more were left out, to keep within the time"
    return Result("speed", PASSED, summary, tuple(rows))


def speed_row(device: str, precision: str, batch: int, run: dict[str, Any]) -> Row:
    """A row of the table; empty for a run that failed, which other checks report."""
    if "photos a second" not in run:
        return {}
    waits, stepping = run["waits for data"], run["is in the step"]
    memory = run["peak MiB"]
    return {
        "device": device,
        "precision": precision,
        "batch": batch,
        "in parts": run["accumulation steps"],
        "photos a second": round(run["photos a second"], 1),
        "step alone": round(run["step alone"], 1),
        "waits for data": f"{waits:.0%}",
        "in the call of the step": f"{stepping:.0%}",
        "waits for the result": f"{max(1 - waits - stepping, 0.0):.0%}",
        "peak MiB": "–" if memory is None else round(memory),
    }
