"""A rival on the sets of ``bench.sets``: same lists, same minutes, one core.

    python -m bench.sets_rival photos --name effdet --python ENVIRONMENT/bin/python \\
        --prepare prepare.py --train effdet_train.py --minutes 10 --sizes raccoon=256 chess=416

The rival's two scripts are not part of the project. ``prepare.py ANNOTATIONS IMAGES OUT TRAINVAL
TEST`` makes its input of a VOC folder and two lists. ``effdet_train.py OUT MINUTES --threads 1
--size S --seed N`` trains on the first list, scores the second, and prints two lines: one with
``trained: … SECONDS s after the start``, and ``RES … AP … AP50 …``. Rows are appended to
``bench/results/sets.jsonl``; what has its row is not done again.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from pathlib import Path

from bench.accuracy import ON_ONE_CORE
from bench.common import append_result, read_results
from utils.data.conversion import write_folder
from utils.data.folder.data_folder import DataFolder


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="folder of labelled folders")
    parser.add_argument("--name", required=True, help="of the rival, as results call it")
    parser.add_argument("--python", required=True, help="interpreter of the rival's environment")
    parser.add_argument("--prepare", required=True, type=Path, help="the script that prepares")
    parser.add_argument("--train", required=True, type=Path, help="the script that trains")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--sizes", nargs="+", default=[], metavar="SET=SIZE", help="input sizes")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--core", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("runs/bench/rival"))
    options = parser.parse_args()
    done = {
        (row["set"], row["seed"])
        for row in read_results("sets")
        if row["name"] == options.name and row["scored"] == "test"
    }
    for given in options.sizes:
        name, size = given.split("=")
        if (name, options.seed) not in done:
            measure(options, name, int(size))
    return 0


def measure(options: argparse.Namespace, name: str, size: int) -> None:
    """Train and score on one set, and append the row."""
    data = prepared(options, name)
    log = options.out / f"{name}-{options.seed}.log"
    command = [
        options.python, options.train.resolve(), data, options.minutes,
        "--threads", 1, "--size", size, "--seed", options.seed,
    ]  # fmt: skip
    # The interpreter that takes the core is ours; the one that it becomes is the rival's.
    on_one_core = ON_ONE_CORE.replace("sys.executable, [sys.executable, *sys.argv[2:]]",
                                      "sys.argv[2], sys.argv[2:]")  # fmt: skip
    with open(log, "w", encoding="utf-8") as file:
        code = subprocess.run(
            [sys.executable, "-c", on_one_core, str(options.core), *map(str, command)],
            stdout=file, stderr=file, check=False,
        ).returncode  # fmt: skip
    text = log.read_text(encoding="utf-8")
    scores = re.findall(r"^RES .* AP (\S+) AP50 (\S+)", text, re.MULTILINE)
    seconds = re.findall(r"trained: .* ([\d.]+) s after the start", text)
    if code or not scores or not seconds:
        raise SystemExit(f"{options.train.name} failed: see {log}")
    row = {
        "name": options.name, "set": name, "seed": options.seed, "scored": "test", "photos": None,
        "train": f"{options.train.name} --minutes {options.minutes:g}",
        "AP": float(scores[-1][0]), "AP50": float(scores[-1][1]), "input_size": size,
        "minutes": round(float(seconds[-1]) / 60, 1),
    }  # fmt: skip
    append_result("sets", row)
    print(f"{name}: AP {row['AP']:.3f}, AP50 {row['AP50']:.3f}", flush=True)


def prepared(options: argparse.Namespace, name: str) -> Path:
    """The rival's input: the lists that ``bench.sets`` trains on, validation photos among them."""
    data = (options.out / "data" / name).resolve()
    if data.exists():
        return data
    folder = DataFolder.open(options.folder / name)
    splits = folder.splits(0).named
    test = set(splits["test"].image_ids)
    own = ("trainval",) if "trainval" in splits else ("train", "val")
    train = {i for part in own if part in splits for i in splits[part].image_ids} - test
    classes = folder.classes(None, False)
    records = folder.dataset(train | test, classes).records
    lists = {"trainval": tuple(sorted(train)), "test": tuple(sorted(test))}
    voc = options.out / "voc" / name
    if not voc.exists():
        write_folder(voc, "voc", records, classes, lists)
        _without_spaces(voc)
    listed = [voc / "ImageSets" / "Main" / f"{part}.txt" for part in lists]
    subprocess.run(
        [options.python, options.prepare.resolve(), voc / "Annotations", voc / "JPEGImages", data,
         *listed],
        check=True,
    )  # fmt: skip
    return data


def _without_spaces(voc: Path) -> None:
    """Rename the photos whose names hold white space; the rival's script splits lists at it."""
    for folder in ("Annotations", "JPEGImages"):
        for path in sorted((voc / folder).iterdir()):
            target = path.with_name("_".join(path.name.split()))
            if target != path and target.exists():
                raise SystemExit(f"{path} and {target} cannot both be {target.name}")
            path.rename(target)
    for path in (voc / "ImageSets" / "Main").glob("*.txt"):
        ids = path.read_text(encoding="utf-8").splitlines()
        path.write_text("".join("_".join(i.split()) + "\n" for i in ids), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
