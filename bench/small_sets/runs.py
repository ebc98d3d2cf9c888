"""Train with default options on a set, score its test list, and keep the result."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from pathlib import Path

from bench.small_sets.sets import SmallSet
from utils.cores import available_cores
from utils.errors import UserError

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "bench" / "results" / "small_sets.jsonl"
BACKBONE = "efficientnet_lite0"


def train_and_score(name: str, small: SmallSet, data: Path, minutes: float, out: Path) -> dict:
    """One row of results; the run and its scores go to new folders in ``out``.

    Raises:
        UserError: train.py or get_map.py failed.
    """
    started = time.strftime("%Y%m%d-%H%M%S", time.gmtime())
    run, scores = out / f"run-{started}", out / f"scores-{started}"
    _call(
        "train.py", "--data", data, "--backbone", BACKBONE, "--minutes", f"{minutes:g}",
        "--out", run,
    )  # fmt: skip
    _call(
        "get_map.py", "--weights", run / "best.keras", "--data", data, "--split", "test",
        "--out", scores, "--resamples", "0", "--no-report",
    )  # fmt: skip
    metrics = json.loads((scores / "metrics.json").read_text(encoding="utf-8"))
    row = {
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "set": name,
        "photos": {"train": small.train, "test": small.test},
        "minutes": minutes,
        "cores": available_cores(),
        "input_size": input_size((run / "log.txt").read_text(encoding="utf-8")),
        "AP50": round(metrics["coco"]["AP50"], 4),
        "AP": round(metrics["coco"]["AP"], 4),
    }
    if small.rare:
        by_class = metrics["coco_classes"]["AP50"]
        row["AP50_by_class"] = {kind: round(value, 4) for kind, value in by_class.items()}
    return row


def keep(row: dict) -> None:
    """Append a row to the results."""
    RESULTS.parent.mkdir(exist_ok=True)
    with open(RESULTS, "a", encoding="utf-8") as file:
        file.write(json.dumps(row) + "\n")


def input_size(log: str) -> int | None:
    """The side in pixels of the network input, from the log of a run."""
    found = re.search(r"\btraining \S+ at (\d+)×\d+ on ", log)
    return int(found[1]) if found else None


def table(rows: list[dict]) -> str:
    """Markdown: one line a set, and below it the classes where they were kept."""
    lines = ["| set | photos | tested on | input | minutes | AP50 | AP |"]
    lines.append("|---|--:|--:|--:|--:|--:|--:|")
    for row in rows:
        lines.append(
            f"| {row['set']} | {row['photos']['train']} | {row['photos']['test']} | "
            f"{row['input_size']} | {row['minutes']:g} | {row['AP50']:.3f} | {row['AP']:.3f} |"
        )
    for row in rows:
        if by_class := row.get("AP50_by_class"):
            values = ", ".join(f"{kind} {value:.3f}" for kind, value in by_class.items())
            lines += ["", f"AP50 in {row['set']}: {values}"]
    return "\n".join(lines)


def _call(script: str, *words: object) -> None:
    command = [sys.executable, script, *map(str, words)]
    status = subprocess.run(command, cwd=ROOT).returncode
    if status:
        raise UserError(f"{script} ended with status {status}")
