"""``python -m bench.accuracy``: train, score the test list, and keep the result with its options.

Everything after ``--`` goes to train.py:

    python -m bench.accuracy --name bccd -- --data bccd --split trainval --minutes 24 \\
        --backbone efficientnet_lite0
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

from utils.cores import available_cores

RESULTS = Path(__file__).parent / "results" / "accuracy.jsonl"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--name", required=True, help="of the data, as results call it")
    parser.add_argument("--split", default="test", help="list to score (default: test)")
    parser.add_argument("training", nargs="+", help="options of train.py, after --")
    options = parser.parse_args()
    data = Path(options.training[options.training.index("--data") + 1])
    run = Path("runs/bench") / f"{options.name}-{datetime.now(UTC):%Y%m%d-%H%M%S}"
    scores = run.with_name(run.name + "-scores")

    training = [sys.executable, "train.py", *options.training, "--out", str(run)]
    subprocess.run(training, check=True)
    scoring = [sys.executable, "get_map.py", "--weights", str(run / "best.keras")]
    scoring += ["--data", str(data), "--split", options.split, "--out", str(scores)]
    subprocess.run(scoring, check=True)

    metrics = json.loads((scores / "metrics.json").read_text())
    row = {
        "data": options.name,
        "train": shown(options.training, data, options.name),
        "split": options.split,
        "images": metrics["images"],
        "AP50": round(metrics["coco"]["AP50"], 4),
        "AP": round(metrics["coco"]["AP"], 4),
        "voc2007": round(metrics["voc2007"]["mAP"], 4),
        "voc2010": round(metrics["voc2010"]["mAP"], 4),
        "machine": f"{platform.machine()}, {available_cores()} of {os.cpu_count()} cores",
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
    }
    with open(RESULTS, "a", encoding="utf-8") as file:
        file.write(json.dumps(row) + "\n")
    print(json.dumps(row, indent=1))
    return 0


def shown(training: list[str], data: Path, name: str) -> str:
    """The options without the place where the data happens to lie."""
    return " ".join(name if word == str(data) else word for word in training)


if __name__ == "__main__":
    sys.exit(main())
