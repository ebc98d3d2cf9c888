"""Score a detector, or anyone's detections, with VOC and COCO mAP. See ``--help``."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path

from utils.cli import MISSED, OK, option, parse, run
from utils.errors import UserError
from utils.files import atomic_write
from utils.quiet import import_tensorflow

DESCRIPTION = """\
Score a detector, or a file of detections, on labelled photos: VOC 2007, VOC 2010 and COCO mAP.

Writes metrics.json, ground_truth.json and detections.json (COCO format, so that anyone can score
them again) and prints a table."""

EPILOG = """\
examples:
  python get_map.py --weights runs/mine/best.keras --data photos --split test
  python get_map.py --detections theirs.json --data photos --classes classes.txt
  python get_map.py --weights runs/mine/best.keras --data photos --min-map50 0.8   (exit 1 below)"""


@dataclass(frozen=True)
class MapConfig:
    """The options of ``get_map.py``."""

    data: Path = option(help="folder with the labelled photos", metavar="DIR")
    weights: Path | None = option(None, help="detector to score", metavar="FILE")
    detections: Path | None = option(
        None, help="COCO results to score as they are, instead of a detector", metavar="FILE.json"
    )
    split: str = option("test", help="list of photos to score on", metavar="NAME")
    classes: Path | None = option(
        None, help="text file with one class name a line; by itself the detector's classes, or "
        "those found in the data", metavar="FILE",
    )  # fmt: skip
    only_listed: bool = option(False, help="drop objects of classes that are not listed")
    out: Path | None = option(
        None, help="folder for the results; by itself runs/map/NAME with a number", metavar="DIR"
    )
    conf: float = option(0.001, help="lowest score that counts", low=0, high=1)
    iou: float = option(0.6, help="IoU above which a weaker box is suppressed", low=0, high=1)
    max_det: int = option(300, help="most detections a photo", low=1)
    batch_size: int = option(8, help="photos the network sees at once", low=1)
    device: str = option(
        "auto", help="auto takes a GPU when there is one", metavar="auto|cpu|gpu|gpu:N"
    )
    min_map50: float | None = option(
        None, help="exit with status 1 when COCO AP50 is below this", low=0, high=1
    )


def main(argv: list[str]) -> int:
    config = parse(MapConfig, argv, DESCRIPTION, EPILOG)
    if config.only_listed and config.classes is None:
        raise UserError("--only-listed needs --classes, the list")
    if config.out and config.out.exists() and not config.out.is_dir():
        raise UserError(f"--out {config.out}: is a file, not a folder")
    if (config.weights is None) == (config.detections is None):
        raise UserError("give either --weights or --detections (see get_map.py --help)")

    # The detector knows its classes, and which photos it was trained on.
    from utils.data.classes import read_classes

    classes = read_classes(config.classes) if config.classes else None
    model, facts = None, {}
    if config.weights:
        import_tensorflow()
        from utils.checkpoint import load_checkpoint
        from utils.training.device import use_device

        use_device(config.device)
        model = load_checkpoint(config.weights)
        facts, classes = model.metadata, classes or model.classes

    # The photos and their labels.
    from utils.evaluation.files import ground_truth, read_detections, to_results
    from utils.evaluation.leaks import find_leaks
    from utils.evaluation.metrics import evaluate, format_table
    from utils.training.run_directory import next_free

    dataset = read_split(config, classes, facts)
    for note in dataset.notes[:5]:
        print(f"data: {note}")
    if len(dataset.notes) > 5:
        print(f"data: and {len(dataset.notes) - 5} more remarks")
    if model and (unlisted := set(model.classes) - set(dataset.classes)):
        raise UserError(
            f"--classes {config.classes}: lacks {', '.join(sorted(unlisted))}, which the detector "
            "knows; leave --classes out to take the detector's own list"
        )
    truth = ground_truth(dataset.records, dataset.classes)
    print(
        f"{len(dataset)} photos of the split {config.split!r}, {len(truth['annotations'])} objects"
    )
    leaks = find_leaks(dataset.records, facts.get("hashes", {}))
    for name, what in (("train", "trained on"), ("val", "used to choose this checkpoint")):
        if leaks[name]:
            print(
                f"warning: {len(leaks[name])} of these photos were {what} "
                f"({', '.join(leaks[name][:3])}{', …' if len(leaks[name]) > 3 else ''}); "
                "the scores are better than they would be on new photos",
                file=sys.stderr,
            )

    # What was found on them.
    if model:
        results = to_results(detect(model, dataset, config), truth)
    else:
        results = read_detections(config.detections, truth)

    # The scores.
    metrics = {
        **evaluate(truth, results),
        "weights": str(config.weights or config.detections),
        "split": config.split,
        "leaks": {name: len(stems) for name, stems in leaks.items()},
    }
    print(f"\n{format_table(metrics)}")
    out = config.out or next_free(
        Path("runs/map"), (config.weights or config.detections).resolve().parent.name
    )
    for name, content in (
        ("ground_truth.json", truth), ("detections.json", results), ("metrics.json", metrics),
    ):  # fmt: skip
        with atomic_write(out / name) as file:
            json.dump(
                content, file, ensure_ascii=False, indent=1 if name == "metrics.json" else None
            )
    print(f"\nwritten to {out}: metrics.json, ground_truth.json, detections.json")
    ap50 = metrics["coco"]["AP50"]
    if config.min_map50 is not None and ap50 < config.min_map50:
        print(f"AP50 {ap50:.4f} is below --min-map50 {config.min_map50:g}", file=sys.stderr)
        return MISSED
    return OK


def read_split(config: MapConfig, classes, facts: dict):
    """The photos to score.

    Where the folder has no lists of its own, the split that the training run made is taken from
    the checkpoint, so that its test photos are the ones that it never saw.
    """
    from utils.data.voc import load_split, load_stems
    from utils.data.voc_layout import find_layout

    options = {"classes": classes, "only_listed": config.only_listed}
    seed = facts.get("training", {}).get("seed", 0)
    made = facts.get("split", {}).get("generated") and facts["splits"].get(config.split)
    if made:
        layout = find_layout(config.data)
        if not layout.lists and layout.entries.keys() & set(made):
            print(f"no split lists here; {config.split!r} is the split that the training run made")
            return load_stems(config.data, made, **options)
    return load_split(config.data, config.split, **options, seed=seed)


def detect(model, dataset, config: MapConfig) -> dict:
    """Detections by file stem."""
    from tqdm import tqdm

    from utils.checkpoint import compile_inference
    from utils.evaluation.detect import detect_records

    return detect_records(
        compile_inference(model),
        dataset.records,
        model.input_size,
        model.classes,
        conf=config.conf,
        iou=config.iou,
        max_det=config.max_det,
        batch_size=config.batch_size,
        progress=lambda batches: tqdm(batches, "looking", unit="batch", leave=False, disable=None),
        on_unreadable=lambda message: print(f"warning: {message}", file=sys.stderr),
    )


if __name__ == "__main__":
    sys.exit(run(main))
