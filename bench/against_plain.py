"""``python -m bench.against_plain``: the default recipe against the plain one, minute for minute.

    python -m bench.against_plain --name bccd --minutes 17 -- --data bccd --split trainval \\
        --backbone efficientnet_lite0 --input-size 416

Both train at the same time with the same seed, each on a processor core of its own, so that
whatever else slows the machine slows both; neither for more than so many minutes (the default may
end sooner, when it has seen its photos often enough). Then both are scored on the same photos. The
interval of a difference is get_map.py's, from resamples of these photos. Everything after ``--``
goes to train.py. Seeds that have a result of this state of the code are left out.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

from bench.accuracy import shown
from bench.recipe.runs import ROOT, commit_of
from utils.data.folder.index import open_index

RESULTS = Path(__file__).parent / "results" / "against_plain.jsonl"
RECIPES = {"default": [], "plain": ["--recipe", "plain"]}
# As results call them: as get_map.py does.
NAMES = {"default": "this", "plain": "other", "gain": "value", "low": "low", "high": "high"}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--name", required=True, help="of the data, as results call it")
    parser.add_argument("--minutes", type=float, required=True, help="of each training, at most")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--split", default="test", help="list to score (default: test)")
    parser.add_argument("training", nargs="+", help="options of train.py, after --")
    options = parser.parse_args()
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < len(RECIPES):
        raise SystemExit(f"this needs {len(RECIPES)} processor cores, one for each recipe")
    if "--input-size" not in options.training:
        raise SystemExit("give an --input-size: either recipe might choose another by itself")
    data = Path(options.training[options.training.index("--data") + 1])
    if len(options.seeds) > 1 and not open_index(data).layout.lists:
        raise SystemExit(
            f"{data} has no lists of photos, and each seed would test on others: write some with "
            "python -m utils.commands.write_lists"
        )
    commit = commit_of(ROOT)
    for seed in options.seeds:
        words = [*options.training, "--minutes", f"{options.minutes:g}", "--seed", str(seed)]
        key = {
            "data": options.name,
            "train": shown(words, data, options.name),
            "split": options.split,
            "commit": commit,
        }
        if any(key.items() <= row.items() for row in done()):
            print(f"seed {seed} is done")
            continue
        base = Path("runs/against_plain") / f"{options.name}-{options.minutes:g}min-s{seed}"
        runs = {recipe: base.with_name(f"{base.name}-{recipe}") for recipe in RECIPES}
        train_both(words, runs, cores)
        scores = base.with_name(f"{base.name}-scores")
        score = [sys.executable, "get_map.py", "--weights", str(runs["default"] / "best.keras")]
        score += ["--compare", str(runs["plain"] / "best.keras"), "--data", str(data)]
        subprocess.run([*score, "--split", options.split, "--out", str(scores)], check=True)
        metrics = json.loads((scores / "metrics.json").read_text(encoding="utf-8"))
        lengths = {recipe: length(run) for recipe, run in runs.items()}
        date = time.strftime("%Y-%m-%d", time.gmtime())
        row = {**key, **summary(metrics), "lengths": lengths, "date": date}
        with open(RESULTS, "a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
        print(json.dumps(row, indent=1), flush=True)
    return 0


def done() -> list[dict]:
    """All results so far."""
    if not RESULTS.exists():
        return []
    return [json.loads(line) for line in RESULTS.read_text(encoding="utf-8").splitlines()]


def train_both(words: list[str], runs: dict[str, Path], cores: list[int]) -> None:
    """Train every recipe, each on one core.

    Raises:
        SystemExit: a training failed; its last words are in a .log file beside its folder.
    """
    processes = {}
    for (recipe, run), core in zip(runs.items(), cores, strict=False):
        run.parent.mkdir(parents=True, exist_ok=True)
        with open(run.with_name(f"{run.name}.log"), "a", encoding="utf-8") as log:
            processes[recipe] = subprocess.Popen(
                [sys.executable, "-c", ON_ONE_CORE, str(core), "train.py", *words,
                 *RECIPES[recipe], "--out", str(run), "--resume"],
                stdout=log, stderr=log,
            )  # fmt: skip
    failed = [recipe for recipe, process in processes.items() if process.wait()]
    if failed:
        logs = ", ".join(f"{runs[recipe]}.log" for recipe in failed)
        raise SystemExit(f"training failed: see {logs}")


# The child takes its core itself, before any library counts the cores.
ON_ONE_CORE = """
import os, sys
os.sched_setaffinity(0, {int(sys.argv[1])})
os.execv(sys.executable, [sys.executable, *sys.argv[2:]])
"""


def summary(metrics: dict) -> dict:
    """Scores of both and the difference in AP, in AP50 with their 95 % intervals."""
    compared = metrics["analysis"]["comparison"]
    row: dict = {"images": metrics["images"]}
    for score in ("ap", "ap50"):
        row[score] = {name: round(compared[score][key], 4) for name, key in NAMES.items()}
    return row


def length(run: Path) -> dict:
    """Epochs and minutes of a finished run."""
    epochs = len((run / "metrics.csv").read_text(encoding="utf-8").splitlines()) - 1
    minutes = re.findall(r"done in ([\d.]+) minutes", (run / "log.txt").read_text("utf-8"))
    return {"epochs": epochs, "minutes": float(minutes[-1])}


if __name__ == "__main__":
    sys.exit(main())
