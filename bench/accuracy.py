"""``python -m bench.accuracy``: train, score, and keep the result with its options.

Everything after ``--`` goes to train.py:

    python -m bench.accuracy --name bccd -- --data bccd --split trainval --minutes 24 \\
        --backbone efficientnet_lite0

With ``--plain`` the plain recipe is trained beside the default one, at the same time and with the
same options. Each has one processor core, so that whatever else slows the machine slows both:

    python -m bench.accuracy --plain --name bccd -- --data bccd --split trainval --minutes 10 \\
        --backbone efficientnet_lite0 --input-size 416 --seed 0

The interval of the difference is get_map.py's, from resamples of the scored photos.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import subprocess
import sys
import time
from pathlib import Path

from bench.common import append_result
from utils.cores import available_cores

RECIPES = {"default": [], "plain": ["--recipe", "plain"]}
# Names in the results: names in metrics.json.
NAMES = {"default": "this", "plain": "other", "gain": "value", "low": "low", "high": "high"}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--name", required=True, help="of the data, as results call it")
    parser.add_argument("--split", default="test", help="list to score (default: test)")
    parser.add_argument("--plain", action="store_true", help="also train the plain recipe")
    parser.add_argument("training", nargs="+", help="options of train.py, after --")
    options = parser.parse_args()
    data = options.training[options.training.index("--data") + 1]
    base = Path("runs/bench") / f"{options.name}-{time.strftime('%Y%m%d-%H%M%S')}"
    scores = base.with_name(f"{base.name}-scores")
    base.parent.mkdir(parents=True, exist_ok=True)
    score = [sys.executable, "get_map.py", "--data", data, "--split", options.split]
    score += ["--out", str(scores), "--weights"]
    row = {
        "data": options.name,
        # the options without the place where the data happens to lie
        "train": " ".join(options.name if word == data else word for word in options.training),
        "split": options.split,
    }
    if options.plain:
        for needed in ("--minutes", "--input-size"):
            if needed not in options.training:
                parser.error(f"--plain needs {needed}: the two recipes would choose different ones")
        runs = train_both(options.training, base)
        default, plain = (str(run / "best.keras") for run in runs.values())
        subprocess.run([*score, default, "--compare", plain], check=True)
        lengths = {recipe: length(run) for recipe, run in runs.items()}
        row |= {**comparison(metrics_in(scores)), "lengths": lengths}
    else:
        training = [sys.executable, "train.py", *options.training, "--out", str(base)]
        subprocess.run(training, check=True)
        subprocess.run([*score, str(base / "best.keras")], check=True)
        row |= scores_of(metrics_in(scores))
        row["machine"] = f"{platform.machine()}, {available_cores()} of {os.cpu_count()} cores"
    append_result("against_plain" if options.plain else "accuracy", row)
    print(json.dumps(row, indent=1))
    return 0


def metrics_in(scores: Path) -> dict:
    return json.loads((scores / "metrics.json").read_text(encoding="utf-8"))


def scores_of(metrics: dict) -> dict:
    return {
        "images": metrics["images"],
        "AP50": round(metrics["coco"]["AP50"], 4),
        "AP": round(metrics["coco"]["AP"], 4),
        "voc2007": round(metrics["voc2007"]["mAP"], 4),
        "voc2010": round(metrics["voc2010"]["mAP"], 4),
    }


def comparison(metrics: dict) -> dict:
    """Scores of both recipes, and the differences with their 95 % intervals."""
    compared = metrics["analysis"]["comparison"]
    row: dict = {"images": metrics["images"]}
    for score in ("ap", "ap50"):
        row[score] = {name: round(compared[score][key], 4) for name, key in NAMES.items()}
    return row


def train_both(training: list[str], base: Path) -> dict[str, Path]:
    """Train every recipe, each on one core; run directories by recipe.

    Raises:
        SystemExit: too few cores, or a training failed; its messages are in a .log file beside
            its run directory.
    """
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < len(RECIPES):
        raise SystemExit(f"this needs {len(RECIPES)} processor cores, one for each recipe")
    runs = {recipe: base.with_name(f"{base.name}-{recipe}") for recipe in RECIPES}
    processes = {}
    for (recipe, run), core in zip(runs.items(), cores, strict=False):
        with open(run.with_name(f"{run.name}.log"), "w", encoding="utf-8") as log:
            processes[recipe] = subprocess.Popen(
                [sys.executable, "-c", ON_ONE_CORE, str(core), "train.py", *training,
                 *RECIPES[recipe], "--out", str(run)],
                stdout=log, stderr=log,
            )  # fmt: skip
    failed = [recipe for recipe, process in processes.items() if process.wait()]
    if failed:
        logs = ", ".join(f"{runs[recipe]}.log" for recipe in failed)
        raise SystemExit(f"training failed: see {logs}")
    return runs


# The child takes its core before any library counts the cores.
ON_ONE_CORE = """
import os, sys
os.sched_setaffinity(0, {int(sys.argv[1])})
os.execv(sys.executable, [sys.executable, *sys.argv[2:]])
"""


def length(run: Path) -> dict:
    """Epochs and minutes of a finished run."""
    epochs = len((run / "metrics.csv").read_text(encoding="utf-8").splitlines()) - 1
    minutes = re.findall(r"done in ([\d.]+) minutes", (run / "log.txt").read_text("utf-8"))
    return {"epochs": epochs, "minutes": float(minutes[-1])}


if __name__ == "__main__":
    sys.exit(main())
