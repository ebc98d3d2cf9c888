"""Starting from a detector instead of the bundled weights: what it gains, and what is forgotten.

    python -m bench.finetune signs --seeds 0 1 2
    python -m bench.finetune signs --seeds 0 1 2 --short-epochs 4
    python -m bench.finetune transfer --data photos --seeds 0 1 2
    python -m bench.finetune table

``signs``: a detector of four kinds of generated road signs learns four more on other photos, in two
minutes. Beside it, at the same time, a run from the bundled weights learns all eight. Then the same
on photos that label the new kinds only, with ``--keep-classes`` and without. Runs that are compared
have one processor core each, so that whatever else slows the machine slows both. On a machine that
is busy, ``--short-epochs`` gives them a number of epochs instead of minutes.

``transfer``: from BCCD to raccoons, from raccoons to BCCD, and from the bundled sign detector to
BCCD, beside runs from the weights that train.py starts with otherwise (ImageNet weights in the
backbone, pyramid and heads pretrained on synthetic pictures). ``imagenet-raccoon`` begins with
random pyramid and heads instead. DIR holds ``bccd`` and ``raccoon``.

Results are appended to bench/results/finetune.jsonl. A run that has finished is not repeated.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from statistics import mean
from xml.etree import ElementTree

from bench.accuracy import ON_ONE_CORE
from bench.common import ROOT, append_result, read_results

OLD = ("mandatory_direction", "no_entry", "pedestrian_crossing", "priority_road")
NEW = ("speed_limit", "stop", "warning", "yield")
RESULTS = "finetune"
SETTINGS = ("input_size", "photos", "minutes", "half_epochs", "epochs")
SIGNS = ROOT / "model_data" / "signs.keras"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("part", choices=("signs", "transfer", "table"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--data", type=Path, help="of transfer: folder with bccd and raccoon")
    parser.add_argument("--out", type=Path, default=Path("runs/finetune"))
    parser.add_argument("--minutes", type=float, default=2.0, help="of signs: of compared runs")
    parser.add_argument("--short-epochs", type=int, help="of signs: instead of --minutes")
    parser.add_argument("--photos", type=int, default=300, help="of signs: for training")
    parser.add_argument("--epochs", type=int, default=8, help="of runs without --minutes")
    parser.add_argument("--input-size", type=int, default=256, help="of all runs, in pixels")
    options = parser.parse_args()
    if options.part == "transfer" and options.data is None:
        parser.error("transfer needs --data")
    for seed in options.seeds if options.part != "table" else ():
        if options.part == "signs":
            signs(seed, options)
        else:
            transfer(seed, options)
    print_table()


def signs(seed: int, options: argparse.Namespace) -> None:
    """All runs of one seed."""
    length = {"minutes": options.minutes}
    if options.short_epochs:
        length = {"epochs": options.short_epochs}
    ((unit, number),) = length.items()
    settings = (options.photos, options.input_size, options.epochs, f"{number:g}{unit}", seed)
    out = options.out / "-".join(map(str, ("signs", *settings)))
    first, second, only_new = (out / name for name in ("first", "second", "only_new"))
    draw_signs(first, options.photos, seed=1000 + seed)
    draw_signs(second, options.photos, seed=2000 + seed)
    if not only_new.exists():
        without_objects(second, only_new, OLD)
    half, every = out / "half.txt", out / "all.txt"
    half.write_text("\n".join(OLD))
    every.write_text("\n".join(OLD + NEW))

    common = ["--seed", str(seed), "--input-size", str(options.input_size)]
    start = ["--data", str(first), "--classes", str(half), "--only-listed"]
    train_together({out / "half": [*start, *common, "--epochs", str(options.epochs)]})
    common += [f"--{unit}", str(number)]
    again = ["--weights", str(out / "half" / "best.keras"), *common]
    both = ["--data", str(second), "--classes", str(every)]
    train_together({out / "from_half": [*both, *again], out / "from_bundled": [*both, *common]})
    new = ["--data", str(only_new)]
    as_background = ["--classes", str(every)]  # says that the old kinds are labelled too
    train_together({
        out / "kept": [*new, *again, "--keep-classes"],
        out / "not_kept": [*new, *again, *as_background],
    })  # fmt: skip
    facts = {
        "part": "signs", "seed": seed, **length, "photos": options.photos,
        "input_size": options.input_size, "half_epochs": options.epochs,
    }  # fmt: skip
    for arm in ("half", "from_half", "from_bundled", "kept", "not_kept"):
        listed = ["--classes", str(half), "--only-listed"] if arm == "half" else []
        record({**facts, "arm": arm}, out / arm, [*listed, "--data", str(second)])


def transfer(seed: int, options: argparse.Namespace) -> None:
    """All runs of one seed."""
    data = {
        "bccd": ["--data", str(options.data / "bccd"), "--split", "trainval"],
        "raccoon": ["--data", str(options.data / "raccoon")],
    }
    out = options.out / f"transfer-{options.input_size}-{options.epochs}-{seed}"
    common = ["--seed", str(seed), "--epochs", str(options.epochs)]
    common += ["--input-size", str(options.input_size)]
    default = {name: out / f"default-{name}" for name in data}
    train_together({default[name]: [*data[name], *common] for name in data})
    imagenet = out / "imagenet-raccoon"
    train_together({imagenet: [*data["raccoon"], *common, "--head-weights", "none"]})
    starts = {
        "bccd-raccoon": default["bccd"] / "best.keras",
        "raccoon-bccd": default["raccoon"] / "best.keras",
        "signs-bccd": SIGNS,
    }
    runs = {
        out / pair: [*data[pair.split("-")[1]], *common, "--weights", str(weights)]
        for pair, weights in starts.items()
    }
    train_together({run: runs[run] for run in (out / "bccd-raccoon", out / "raccoon-bccd")})
    train_together({out / "signs-bccd": runs[out / "signs-bccd"]})
    for arm in (*(f"default-{name}" for name in data), imagenet.name, *starts):
        facts = {
            "part": "transfer", "seed": seed, "epochs": options.epochs,
            "input_size": options.input_size, "arm": arm,
        }  # fmt: skip
        record(facts, out / arm, data[arm.split("-")[1]][:2])


def draw_signs(folder: Path, photos: int, seed: int) -> None:
    """A generated dataset, unless it is there."""
    subprocess.run(
        [sys.executable, "-m", "utils.commands.synthetic", "--out", str(folder),
         "--train", str(photos), "--val", "40", "--test", "100", "--seed", str(seed)],
        check=True, cwd=ROOT,
    )  # fmt: skip


def without_objects(data: Path, copy: Path, classes: tuple[str, ...]) -> None:
    """A copy of a VOC folder that does not label these classes."""
    part = copy.with_name(f".part-{copy.name}")
    shutil.rmtree(part, ignore_errors=True)
    shutil.copytree(data, part, copy_function=os.link)
    for path in (part / "Annotations").iterdir():
        tree = ElementTree.parse(path)
        for one in tree.getroot().findall("object"):
            if one.findtext("name") in classes:
                tree.getroot().remove(one)
        path.unlink()  # a link: the original stays
        tree.write(path, encoding="unicode")
    part.rename(copy)


def train_together(runs: dict[Path, list[str]]) -> None:
    """Train what is not finished yet, all at the same time, each on one core.

    Args:
        runs: options of train.py by run directory.

    Raises:
        SystemExit: too few cores, or a training failed; its messages are in a .log file.
    """
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < len(runs):
        raise SystemExit(f"this needs {len(runs)} processor cores")
    if all(finished(run) for run in runs):
        return
    processes = {}
    for (run, arguments), core in zip(runs.items(), cores, strict=False):
        shutil.rmtree(run, ignore_errors=True)  # compared runs must share the machine's load
        run.parent.mkdir(parents=True, exist_ok=True)
        with open(run.with_name(f"{run.name}.log"), "w", encoding="utf-8") as log:
            processes[run] = subprocess.Popen(
                [sys.executable, "-c", ON_ONE_CORE, str(core), "train.py", *arguments,
                 "--out", str(run)],
                stdout=log, stderr=log, cwd=ROOT,
            )  # fmt: skip
    failed = [run for run, process in processes.items() if process.wait()]
    if failed:
        raise SystemExit(f"training failed: see {', '.join(f'{run}.log' for run in failed)}")


def finished(run: Path) -> bool:
    log = run / "log.txt"
    return log.exists() and "done in " in log.read_text(encoding="utf-8")


def record(facts: dict, run: Path, data: list[str]) -> None:
    """Score a run on the test photos and append its row, unless that was done."""
    if any(facts.items() <= row.items() for row in read_results(RESULTS)):
        return
    scores = run.with_name(f"{run.name}-scores")
    shutil.rmtree(scores, ignore_errors=True)
    subprocess.run(
        [sys.executable, "get_map.py", "--weights", str(run / "best.keras"), *data,
         "--split", "test", "--out", str(scores)],
        check=True, cwd=ROOT,
    )  # fmt: skip
    metrics = json.loads((scores / "metrics.json").read_text(encoding="utf-8"))
    by_class = metrics["coco_classes"]["AP"]
    row = {**facts, "AP": round(metrics["coco"]["AP"], 4)}
    for column, names in (("old", OLD), ("new", NEW)):
        found = [by_class[name] for name in names if by_class.get(name) is not None]
        if found:
            row[column] = round(mean(found), 4)
    row["steps"] = steps(run)
    append_result(RESULTS, row)


def steps(run: Path) -> int:
    """Training steps of a finished run: with --minutes they tell how fast the machine was."""
    lines = (run / "metrics.csv").read_text(encoding="utf-8").splitlines()
    return int(lines[-1].split(",")[lines[0].split(",").index("step")])


def print_table() -> None:
    """Mean, lowest and highest score of each arm over the seeds."""
    groups: dict[tuple, list[dict]] = {}
    for row in read_results(RESULTS):
        setting = ", ".join(f"{row[name]:g} {name}" for name in SETTINGS if name in row)
        groups.setdefault((row["part"], setting, row["arm"]), []).append(row)
    for (part, setting, arm), rows in groups.items():
        texts = []
        for column in ("AP", "old", "new"):
            values = [row[column] for row in rows if column in row]
            if values:
                texts.append(f"{column} {mean(values):.3f} ({min(values):.3f}–{max(values):.3f})")
        print(f"{part} ({setting}), {arm}, {len(rows)} seeds: {', '.join(texts)}")


if __name__ == "__main__":
    main()
