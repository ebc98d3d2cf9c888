"""Whether ``predict.py --suggest`` chooses better photos to label than chance.

    python -m bench.suggestions --name bccd --data bccd --pool trainval -- --epochs 40

For each seed, 30 photos of the pool are labelled at random and a detector is trained on them. Then
30 more are added three times, by each rule in turn: ``suggest`` takes those that the detector of
the round before suggests, ``random`` any. Every detector is scored on the test list. What stands
after ``--`` goes to train.py. A row for each detector is appended to
``bench/results/suggestions.jsonl``; ``--table`` prints the means of all rows of a name.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
from pathlib import Path

import numpy as np

from bench.common import ROOT, append_result, read_results
from utils.data.conversion import write_folder
from utils.data.folder.data_folder import DataFolder
from utils.data.records import Record

RULES = ("suggest", "random")
FIRST, MORE, ROUNDS = 30, 30, 3
VALIDATION = 0.1  # of the labelled photos, which choose the epoch


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--name", required=True, help="of the data, as results call it")
    parser.add_argument("--data", type=Path, help="labelled photos")
    parser.add_argument("--pool", default="train", help="list to choose from (default: train)")
    parser.add_argument("--test", default="test", help="list to score (default: test)")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path("runs/bench/suggestions"))
    parser.add_argument("--table", action="store_true", help="only print the table")
    parser.add_argument("training", nargs="*", help="options of train.py, after --")
    options = parser.parse_args()
    if not options.table:
        measure(options)
    print_table(options.name)


def measure(options: argparse.Namespace) -> None:
    """All seeds and rules; results that are there already are not computed again."""
    folder = DataFolder.open(options.data)
    classes = folder.classes(None, False)
    pool = folder.dataset(folder.index.layout.lists[options.pool].image_ids, classes, ())
    records = {record.image_id: record for record in pool.records}
    done = {
        (row["rule"], row["seed"], row["photos"])
        for row in read_results("suggestions")
        if row["data"] == options.name
    }
    for seed in range(options.seeds):
        first = random.Random(seed).sample(sorted(records), FIRST)
        for rule in RULES:
            labelled = list(first)
            for round_ in range(ROUNDS + 1):
                name = f"{rule if round_ else 'first'}-{seed}-{round_}"
                run = options.out / options.name / name
                if not (run / "run" / "best.keras").exists():
                    train(run, [records[i] for i in labelled], classes, seed, options.training)
                if (rule, seed, len(labelled)) not in done:
                    scores = score(run, options)
                    row = {"data": options.name, "rule": rule, "seed": seed}
                    append_result("suggestions", {**row, "photos": len(labelled), **scores})
                left = {i: record for i, record in records.items() if i not in set(labelled)}
                if round_ < ROUNDS:
                    choose = suggested if rule == "suggest" else at_random
                    labelled += choose(run, left, seed)


def train(
    run: Path, labelled: list[Record], classes: tuple[str, ...], seed: int, training: list[str]
) -> None:
    """Train on these photos alone; a tenth of them chooses the epoch."""
    ids = [record.image_id for record in labelled]
    held_out = ids[:: round(1 / VALIDATION)]
    lists = {"train": [i for i in ids if i not in held_out], "val": held_out}
    write_folder(run / "data", "voc", labelled, classes, lists)
    call(
        "train.py", "--data", run / "data", "--classes", run / "data" / "classes.txt", "--seed",
        seed, "--out", run / "run", *training,
    )  # fmt: skip


def score(run: Path, options: argparse.Namespace) -> dict:
    call(
        "get_map.py", "--weights", run / "run" / "best.keras", "--data", options.data, "--split",
        options.test, "--out", run / "scores",
    )  # fmt: skip
    coco = json.loads((run / "scores" / "metrics.json").read_text(encoding="utf-8"))["coco"]
    return {"AP50": round(coco["AP50"], 4), "AP": round(coco["AP"], 4)}


def suggested(run: Path, left: dict[str, Record], seed: int) -> list[str]:
    """What predict.py suggests of the photos that are left; any others where it suggests fewer."""
    pool = run / "pool"
    pool.mkdir(exist_ok=True)
    by_name = {}
    for number, (image_id, record) in enumerate(sorted(left.items())):
        link = pool / f"{number:06d}{record.image.suffix}"
        by_name[link.name] = image_id
        if not link.exists():
            link.symlink_to(record.image.resolve())
    out = run / "suggested"
    if not (out / "suggested.txt").exists():
        call(
            "predict.py", "--weights", run / "run" / "best.keras", pool, "--suggest", MORE, "--out",
            out,
        )  # fmt: skip
    names = [Path(line).name for line in (out / "suggested.txt").read_text().splitlines()]
    chosen = [by_name[name] for name in names]
    return (
        chosen
        + at_random(run, {i: left[i] for i in left if i not in chosen}, seed)[: MORE - len(chosen)]
    )


def at_random(run: Path, left: dict[str, Record], seed: int) -> list[str]:
    """Any of the photos that are left; the same in every call."""
    return random.Random(f"{seed} {run.name}").sample(sorted(left), min(MORE, len(left)))


def call(script: str, *arguments: object) -> None:
    subprocess.run([sys.executable, script, *map(str, arguments)], check=True, cwd=ROOT)


def print_table(name: str) -> None:
    """Mean AP50 of the seeds by number of photos, and the difference with its 95 % interval.

    The interval is that of the mean of paired differences by Student's t.
    """
    from scipy.stats import t as student

    rows = [row for row in read_results("suggestions") if row["data"] == name]
    print("| photos | suggested | random | difference |")
    print("|--:|--:|--:|---|")
    for photos in sorted({row["photos"] for row in rows}):
        ap = {
            rule: {r["seed"]: r["AP50"] for r in rows if (r["rule"], r["photos"]) == (rule, photos)}
            for rule in RULES
        }
        seeds = sorted(set.intersection(*(set(by_seed) for by_seed in ap.values())))
        if not seeds:
            continue
        first, second = (np.array([ap[rule][seed] for seed in seeds]) for rule in RULES)
        gain = first - second
        half = (
            student.ppf(0.975, len(seeds) - 1) * gain.std(ddof=1) / len(seeds) ** 0.5
            if len(seeds) > 1
            else float("nan")
        )
        print(
            f"| {photos} | {first.mean():.3f} | {second.mean():.3f} | "
            f"{gain.mean():+.3f} ± {half:.3f} |"
        )


if __name__ == "__main__":
    main()
