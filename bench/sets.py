"""The default recipe on many data sets, to judge it by the mean and never by one of them.

    python -m bench.sets photos --name today --held-out -- --minutes 10
    python -m bench.sets --table before today

``photos`` is a folder of labelled folders. Each is trained on one processor core, as many at a time
as there are cores, with the options after ``--``, and scored. With ``--held-out`` a fifth of the
training photos is scored that chose nothing, and the test list appears nowhere: this is for
choosing between recipes. Without it the folder's own lists are used and ``test`` is scored: once,
at the end. ``--photos 20`` leaves that many training photos, the same ones for every ``--name``.

A row for each set and seed is appended to ``bench/results/sets.jsonl``. What has its row is not
done again, and a run that was cut off is resumed: repeat the command until all is done.
``--table`` prints the sets of several names side by side: AP, AP50 and the minutes that were used,
and of the second name on the difference to the first, with the 95 % interval of its mean over sets.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue

import numpy as np
from scipy.stats import t as student

from bench.accuracy import ON_ONE_CORE, length, metrics_in
from bench.common import ROOT, append_result, read_results
from utils.data.conversion import write_folder
from utils.data.folder.data_folder import DataFolder
from utils.data.splits.stratified import stratified_split
from utils.runtime.facts import Facts

SCORED = "held_out"  # the list that --held-out writes
SHARE = 0.2  # of the training photos, in that list


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path, help="folder of labelled folders")
    parser.add_argument("--name", help="of the recipe, as results call it")
    parser.add_argument("--sets", nargs="+", help="only these (default: all)")
    parser.add_argument("--held-out", action="store_true", help="score training photos, not test")
    parser.add_argument("--photos", type=int, help="training photos (default: all)")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--jobs", type=int, help="runs at a time (default: one for each core)")
    parser.add_argument("--out", type=Path, default=Path("runs/bench/sets"))
    parser.add_argument("--table", nargs="+", metavar="NAME", help="only print the table of these")
    arguments, training = _divided(sys.argv[1:])
    options = parser.parse_args(arguments)
    if not options.table:
        if not (options.folder and options.name):
            parser.error("a folder of labelled folders and --name are needed, or --table")
        if "--out" in training or "--data" in training or "--seed" in training:
            parser.error("--data, --out and --seed are set for each run; leave them out after --")
        measure(options, training)
    print_table(options.table or [options.name])
    return 0


def _divided(argv: list[str]) -> tuple[list[str], list[str]]:
    """What stands before and after ``--``."""
    end = argv.index("--") if "--" in argv else len(argv)
    return argv[:end], argv[end + 1 :]


@dataclass(frozen=True)
class Run:
    """One training: on which set, from which seed, and where it is kept."""

    data: Path
    seed: int
    out: Path
    facts: dict


def measure(options: argparse.Namespace, training: list[str]) -> None:
    """All sets and seeds that have no row yet."""
    rows = read_results("sets")
    names = options.sets or sorted(path.name for path in options.folder.iterdir() if path.is_dir())
    runs = []
    for seed in options.seeds:
        for name in names:
            facts = {
                "name": options.name, "set": name, "seed": seed,
                "scored": SCORED if options.held_out else "test", "photos": options.photos,
                "train": " ".join(training),
            }  # fmt: skip
            if any(facts.items() <= row.items() for row in rows):
                continue
            data = prepared(
                options.folder / name, options.out / "data", options.held_out, options.photos
            )
            out = options.out / f"{options.name}-{data.name}-{seed}"
            runs.append(Run(data, seed, out, facts))
    cores: SimpleQueue[int] = SimpleQueue()
    available = sorted(os.sched_getaffinity(0))[: options.jobs]
    for core in available:
        cores.put(core)

    def work(run: Run) -> None:
        core = cores.get()
        try:
            train_and_score(run, training, core)
        finally:
            cores.put(core)

    with ThreadPoolExecutor(len(available)) as pool:
        for _ in pool.map(work, runs):
            pass  # raises what a run raised


def prepared(data: Path, copies: Path, held_out: bool, photos: int | None) -> Path:
    """The folder itself, or a VOC copy with a part held out or with few training photos."""
    if not held_out and photos is None:
        return data
    copy = copies / "-".join(filter(None, (data.name, SCORED * held_out, str(photos or ""))))
    if copy.exists():
        return copy
    folder = DataFolder.open(data)
    splits = folder.splits(0)
    own = ["trainval"] if "trainval" in splits.named else ["train", "val"]
    train = {i for name in own if name in splits.named for i in splits.named[name].image_ids}
    lists = {}
    if held_out:
        parts = _divide(folder, train, {"train": 1 - SHARE, SCORED: SHARE})
        train, lists[SCORED] = set(parts["train"]), parts[SCORED]
    else:
        lists["test"] = tuple(splits.named["test"].image_ids)
    if photos is not None and photos < len(train):
        share = photos / len(train)
        train = set(_divide(folder, train, {"train": share, "rest": 1 - share})["train"])
    lists["train"] = tuple(sorted(train))
    classes = folder.classes(None, False)
    kept = {image_id for ids in lists.values() for image_id in ids}
    records = folder.dataset(kept, classes).records
    write_folder(copy, "voc", records, classes, lists)
    return copy


def _divide(
    folder: DataFolder, image_ids: Iterable[str], shares: dict[str, float]
) -> dict[str, tuple[str, ...]]:
    """Stratified parts, near-duplicates in one of them; the same in every call."""
    image_ids = set(image_ids)
    groups, _ = folder.duplicates.split_groups(image_ids)
    return stratified_split(folder.class_names(image_ids), shares, seed=0, groups=groups)


def train_and_score(run: Run, training: list[str], core: int) -> None:
    """Train, or go on with what was cut off, and append the row of the scores."""
    if not (run.out / "best.keras").exists() or not finished(run.out):
        begun = ["--resume"] if (run.out / "metrics.csv").exists() else []
        command = ["train.py", "--data", run.data, "--seed", run.seed, "--out", run.out]
        call(run, core, *command, *([] if begun else training), *begun)
    scores = run.out / "scores"
    call(
        run, core, "get_map.py", "--weights", run.out / "best.keras", "--data", run.data,
        "--split", run.facts["scored"], "--out", scores, "--runtime", "tensorflow",
    )  # fmt: skip
    metrics = metrics_in(scores)
    overall = metrics["analysis"]["overall"]
    network = Facts.of_checkpoint(run.out / "best.keras")
    append_result(
        "sets",
        {
            **run.facts,
            **{score: round(metrics["coco"][score], 4) for score in ("AP", "AP50")},
            **{f"{score}_{end}": overall[score.lower()][end]
               for score in ("AP", "AP50") for end in ("low", "high")},
            "images": metrics["images"],
            "backbone": network.backbone, "input_size": network.input_size[0],
            **length(run.out),
        },
    )  # fmt: skip


def finished(out: Path) -> bool:
    return "done in" in (out / "log.txt").read_text(encoding="utf-8")


def call(run: Run, core: int, *command: object) -> None:
    """Run a command of the project on one core; its messages go to a file beside the run.

    Raises:
        SystemExit: it failed.
    """
    log = run.out.with_name(f"{run.out.name}.log")
    log.parent.mkdir(parents=True, exist_ok=True)
    with open(log, "a", encoding="utf-8") as file:
        code = subprocess.run(
            [sys.executable, "-c", ON_ONE_CORE, str(core), *map(str, command)],
            cwd=ROOT, stdout=file, stderr=file, check=False,
        ).returncode  # fmt: skip
    if code:
        raise SystemExit(f"{command[0]} failed: see {log}")


def print_table(names: list[str]) -> None:
    """Sets × names; the mean over seeds stands for each set."""
    rows = [row for row in read_results("sets") if row["name"] in names]
    by_set: dict[tuple, dict[str, list[dict]]] = {}
    for row in rows:
        key = (row["set"], row["scored"], row["photos"])
        by_set.setdefault(key, {}).setdefault(row["name"], []).append(row)

    def mean(key: tuple, name: str, value: Callable[[dict], float]) -> float:
        found = by_set[key].get(name, [])
        return float(np.mean([value(row) for row in found])) if found else float("nan")

    print("| set | " + " | ".join(names) + " |\n|---|" + "---|" * len(names))
    for key in sorted(by_set, key=str):
        cells = []
        for name in names:
            ap, ap50, minutes = (
                mean(key, name, lambda row, column=column: row[column])
                for column in ("AP", "AP50", "minutes")
            )
            cells.append(f"{ap:.3f} ({ap50:.3f}), {minutes:.1f} min")
        scored = f"{key[0]}, {key[1]}" + (f", {key[2]} photos" if key[2] else "")
        print(f"| {scored} | " + " | ".join(cells) + " |")
    for name in names:
        ap = np.array([mean(key, name, lambda row: row["AP"]) for key in by_set])
        first = np.array([mean(key, names[0], lambda row: row["AP"]) for key in by_set])
        both = ~np.isnan(ap - first)
        line = f"{name}: AP {ap[~np.isnan(ap)].mean():.3f} on {(~np.isnan(ap)).sum()} sets"
        if name != names[0] and both.sum() > 1:
            gain = 100 * (ap - first)[both]
            half = student.ppf(0.975, len(gain) - 1) * gain.std(ddof=1) / len(gain) ** 0.5
            line += f"; {gain.mean():+.1f} ± {half:.1f} points over {names[0]} on {len(gain)}"
        print(line)


if __name__ == "__main__":
    sys.exit(main())
