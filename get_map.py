"""Score a detector, or anyone's detections: how good, how sure, what is wrong. See ``--help``."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from utils.cli import MISSED, OK, option, parse, run
from utils.errors import UserError
from utils.files import atomic_write
from utils.quiet import import_tensorflow

if TYPE_CHECKING:  # what is heavy is imported once the options are known to be good
    from collections.abc import Sequence

    from utils.data.records import Dataset
    from utils.detections import Detections
    from utils.evaluation.analyse import Stopwatch
    from utils.evaluation.analysis import Analysis, Tuning
    from utils.evaluation.detect import Infer

DESCRIPTION = """\
Score a detector, or a file of detections, on labelled photos: VOC 2007, VOC 2010 and COCO mAP with
95 % intervals, what goes wrong and what it costs.

Writes report.html (open it first), summary.md, classes.csv, metrics.json, and ground_truth.json and
detections.json (COCO format, so that anyone can score them again), and prints a table."""

EPILOG = """\
examples:
  python get_map.py --weights runs/mine/best.keras --data photos --split test
  python get_map.py --weights new.keras --compare old.keras --data photos    (better, or luck?)
  python get_map.py --weights runs/mine/best.keras --data photos --tune val  (thresholds to use)
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
    compare: Path | None = option(
        None, help="another detector, or its detections (.json), to compare with on the same "
        "photos", metavar="FILE", group="analysis",
    )  # fmt: skip
    resamples: int = option(
        1000, help="bootstrap resamples behind the 95 % intervals; 0 for none", low=0,
        high=100_000, group="analysis",
    )  # fmt: skip
    report: bool = option(True, help="write report.html", group="analysis")
    min_map50: float | None = option(
        None, help="exit with status 1 when COCO AP50 is below this", low=0, high=1,
        group="analysis",
    )  # fmt: skip
    tune: str | None = option(
        None, help="find the confidence and NMS threshold with the best F1 on this split, and note "
        "them in the checkpoint for predict.py; take one that is not reported on, such as val",
        metavar="NAME", group="tuning",
    )  # fmt: skip
    tune_precision: float | None = option(
        None, help="tune for the highest recall at this precision or better, instead of F1",
        low=0, high=1, group="tuning",
    )  # fmt: skip


@dataclass(frozen=True)
class Network:
    """A detector, however it is run.

    Attributes:
        infer: batches of network inputs → boxes and scores.
        classes: names by class id.
        input_size: (height, width) of the network input in pixels.
        facts: what the checkpoint knows of its training; empty where the file does not say.
    """

    infer: Infer
    classes: tuple[str, ...]
    input_size: tuple[int, int]
    facts: dict[str, Any] = field(default_factory=dict)


def main(argv: list[str]) -> int:
    config = parse(MapConfig, argv, DESCRIPTION, EPILOG)
    refuse_contradictions(config)
    from utils.data.classes import read_classes
    from utils.evaluation.analyse import Stopwatch, analyse
    from utils.evaluation.case import open_case
    from utils.evaluation.files import ground_truth
    from utils.evaluation.metrics import evaluate_case, format_table
    from utils.evaluation.outputs import sentences

    watch = Stopwatch()

    # The detector knows its classes, and which photos it was trained on.
    classes = read_classes(config.classes) if config.classes else None
    network, facts = None, {}
    with watch.phase("start-up"):
        if config.weights:
            network = open_network(config.weights, config, watch)
            facts, classes = network.facts, classes or network.classes

    # The photos and their labels.
    with watch.phase("labels"):
        dataset = read_split(config, config.split, classes, facts)
        for note in dataset.notes[:5]:
            print(f"data: {note}")
        if len(dataset.notes) > 5:
            print(f"data: and {len(dataset.notes) - 5} more remarks")
        truth = ground_truth(dataset.records, dataset.classes)
        print(
            f"{len(dataset)} photos of the split {config.split!r}, "
            f"{len(truth['annotations'])} objects"
        )
        leaks, warnings = look_for_leaks(dataset, facts)

    # What was found on them.
    results = results_of(
        config.weights or config.detections, network, dataset, truth, config, watch
    )
    other = None
    if config.compare:
        with watch.phase("start-up"):
            rival = None if is_json(config.compare) else open_network(config.compare, config, watch)
        _, theirs = look_for_leaks(dataset, rival.facts if rival else {}, config.compare)
        warnings += theirs
        found = results_of(config.compare, rival, dataset, truth, config, watch)
        other = (str(config.compare), found)
    tuning = tune_on(network, config, classes, facts, watch) if config.tune else None

    # The scores.
    with watch.phase("scores"):
        case = open_case(truth, results)
        metrics = {
            **evaluate_case(case),
            "weights": str(config.weights or config.detections),
            "split": config.split,
            "leaks": {name: len(stems) for name, stems in leaks.items()},
        }
    analysis = analyse(
        truth,
        results,
        case=case,
        resamples=config.resamples,
        other=other,
        tuning=tuning,
        stopwatch=watch,
    )
    print(f"\n{format_table(metrics, analysis)}\n")
    for line in sentences(metrics, analysis):
        print(line)

    # The files.
    from utils.training.run_directory import next_free

    source = (config.weights or config.detections).resolve()
    out = config.out or next_free(Path("runs/map"), source.parent.name)
    names = write_results(out, config, metrics, analysis, truth, results, dataset, warnings, watch)
    if tuning:
        note_operating_point(config.weights, tuning)
    print(f"\nwritten to {out}: {', '.join(names)}")
    print("seconds: " + ", ".join(f"{name} {s:.1f}" for name, s in watch.seconds.items()))
    ap50 = metrics["coco"]["AP50"]
    if config.min_map50 is not None and ap50 < config.min_map50:
        print(f"AP50 {ap50:.4f} is below --min-map50 {config.min_map50:g}", file=sys.stderr)
        return MISSED
    return OK


def refuse_contradictions(config: MapConfig) -> None:
    """Usage errors that one option alone does not show."""
    if config.only_listed and config.classes is None:
        raise UserError("--only-listed needs --classes, the list")
    if config.out and config.out.exists() and not config.out.is_dir():
        raise UserError(f"--out {config.out}: is a file, not a folder")
    if (config.weights is None) == (config.detections is None):
        raise UserError("give either --weights or --detections (see get_map.py --help)")
    if config.tune and (config.weights is None or config.weights.suffix.lower() != ".keras"):
        raise UserError("--tune needs --weights with a .keras checkpoint to note the result in")
    if config.tune_precision is not None and not config.tune:
        raise UserError("--tune-precision needs --tune, the split to tune on")


def is_json(path: Path) -> bool:
    return path.suffix.lower() == ".json"


def open_network(weights: Path, config: MapConfig, watch: Stopwatch) -> Network:
    """Open any weights file, and let it see a batch of nothing: compiling is start-up too."""
    import numpy as np

    if weights.suffix.lower() == ".keras" or not weights.exists():
        import_tensorflow()
        from utils.checkpoint import compile_inference, load_checkpoint
        from utils.training.device import use_device

        use_device(config.device)
        model = load_checkpoint(weights)
        infer, size = compile_inference(model), (model.input_size, model.input_size)
        classes, facts = tuple(model.classes), model.metadata
    else:
        from utils.detector import open_runtime

        runtime = open_runtime(weights, device=config.device)
        infer, size = runtime.infer, runtime.input_size
        classes, facts = tuple(runtime.class_names), getattr(runtime, "metadata", {})

    def timed(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        # A batch that is not full is filled up: the network is compiled for one size only.
        missing = config.batch_size - len(images)
        full = np.concatenate([images, np.zeros((missing, *images.shape[1:]), np.uint8)])
        start = time.perf_counter()
        boxes, scores = infer(full)
        took = time.perf_counter() - start
        watch.seconds["network"] = watch.seconds.get("network", 0.0) + took
        return boxes[: len(images)], scores[: len(images)]

    infer(np.zeros((config.batch_size, *size, 3), np.uint8))
    return Network(timed, classes, size, facts)


def read_split(config: MapConfig, split: str, classes, facts: dict) -> Dataset:
    """The photos of a split.

    Where the folder has no lists of its own, the split that the training run made is taken from
    the checkpoint, so that its test photos are the ones that it never saw.
    """
    from utils.data.datasets import load_split, load_stems
    from utils.data.index import open_index

    options = {"classes": classes, "only_listed": config.only_listed}
    seed = facts.get("training", {}).get("seed", 0)
    made = facts.get("split", {}).get("generated") and facts["splits"].get(split)
    if made:
        layout = open_index(config.data).layout
        if not layout.lists and layout.entries.keys() & set(made):
            print(f"no split lists here; {split!r} is the split that the training run made")
            return load_stems(config.data, made, **options)
    return load_split(config.data, split, **options, seed=seed)


def look_for_leaks(
    dataset: Dataset, facts: dict, name: Path | None = None
) -> tuple[dict[str, list[str]], list[str]]:
    """Photos that a checkpoint has seen, and warnings about them, printed as well."""
    from utils.evaluation.leaks import find_leaks

    leaks = find_leaks(dataset.records, facts.get("hashes", {}))
    whose, warnings = f"{name}: " if name else "", []
    for kind, what in (("train", "trained on"), ("val", "used to choose this checkpoint")):
        if leaks[kind]:
            warnings.append(
                f"{whose}{len(leaks[kind])} of these photos were {what} "
                f"({', '.join(leaks[kind][:3])}{', …' if len(leaks[kind]) > 3 else ''}); "
                "the scores are better than they would be on new photos"
            )
            print(f"warning: {warnings[-1]}", file=sys.stderr)
    return leaks, warnings


def results_of(
    path: Path,
    network: Network | None,
    dataset: Dataset,
    truth: dict,
    config: MapConfig,
    watch: Stopwatch,
) -> list[dict]:
    """COCO results of a detector, or of a file when there is none."""
    from utils.evaluation.files import read_detections, to_results

    if network is None:
        with watch.phase("labels"):
            return read_detections(path, truth)
    if unlisted := set(network.classes) - set(dataset.classes):
        raise UserError(
            f"the class list lacks {', '.join(sorted(unlisted))}, which the detector {path} knows; "
            "leave --classes out to take the detector's own list"
        )
    found = detect(network, dataset, config, watch, conf=config.conf, ious=(config.iou,))
    return to_results(found[config.iou], truth)


def tune_on(network: Network, config: MapConfig, classes, facts: dict, watch: Stopwatch) -> Tuning:
    """The operating point with the best results on the split ``--tune``."""
    from utils.evaluation.files import ground_truth, to_results
    from utils.evaluation.tuning import LOWEST_CONFIDENCE, NMS_IOUS, tune

    if config.tune == config.split:
        print(
            f"warning: tuning on {config.tune!r}, the split that is reported; what the thresholds "
            "reach there is better than it would be on new photos",
            file=sys.stderr,
        )
    dataset = read_split(config, config.tune, classes, facts)
    truth = ground_truth(dataset.records, dataset.classes)
    found = detect(network, dataset, config, watch, conf=LOWEST_CONFIDENCE, ious=NMS_IOUS)
    with watch.phase("tuning"):
        results = {iou: to_results(one, truth) for iou, one in found.items()}
        return tune(truth, results, config.tune, config.tune_precision)


def detect(
    network: Network,
    dataset: Dataset,
    config: MapConfig,
    watch: Stopwatch,
    *,
    conf: float,
    ious: Sequence[float],
) -> dict[float, dict[str, Detections]]:
    """Detections by NMS threshold and file stem."""
    from tqdm import tqdm

    from utils.evaluation.detect import detect_at

    def progress(batches):
        return tqdm(batches, "looking", unit="batch", leave=False, disable=None)

    before = watch.seconds.get("network", 0.0)
    start = time.perf_counter()
    found = detect_at(
        network.infer,
        dataset.records,
        network.input_size,
        network.classes,
        conf=conf,
        ious=ious,
        max_det=config.max_det,
        batch_size=config.batch_size,
        progress=progress,
        on_unreadable=lambda message: print(f"warning: {message}", file=sys.stderr),
    )
    waited = time.perf_counter() - start - (watch.seconds.get("network", 0.0) - before)
    watch.seconds["photos and boxes"] = watch.seconds.get("photos and boxes", 0.0) + waited
    return found


def write_results(
    out: Path,
    config: MapConfig,
    metrics: dict,
    analysis: Analysis,
    truth: dict,
    results: list[dict],
    dataset: Dataset,
    warnings: Sequence[str],
    watch: Stopwatch,
) -> list[str]:
    """Write every file, and return their names, the one to open first in front."""
    from utils.evaluation.outputs import write_csv, write_summary

    with watch.phase("files"):
        for name, content in (("ground_truth.json", truth), ("detections.json", results)):
            with atomic_write(out / name) as file:
                file.write(json.dumps(content, ensure_ascii=False))
        write_csv(out / "classes.csv", analysis)
        write_summary(out / "summary.md", metrics, analysis, warnings)
    names = ["summary.md", "classes.csv", "metrics.json", "ground_truth.json", "detections.json"]
    if config.report:
        from utils.evaluation.report import write_report

        with watch.phase("report"):
            write_report(
                out / "report.html",
                metrics=metrics,
                analysis=analysis,
                ground_truth=truth,
                results=results,
                photos={record.stem: record.image for record in dataset.records},
                warnings=warnings,
            )
        names.insert(0, "report.html")
    with atomic_write(out / "metrics.json") as file:
        everything = {**metrics, "analysis": asdict(analysis)}
        file.write(json.dumps(everything, ensure_ascii=False, indent=1))
    return names


def note_operating_point(weights: Path, tuning: Tuning) -> None:
    """Write the thresholds into the checkpoint, where ``predict.py`` finds them."""
    from utils.checkpoint import update_metadata

    update_metadata(
        weights,
        {
            "operating_point": {
                "conf": tuning.confidence,
                "iou": tuning.iou,
                "split": tuning.split,
                "goal": tuning.goal,
                "precision": tuning.point.precision,
                "recall": tuning.point.recall,
                "f1": tuning.point.f1,
            }
        },
    )
    print(f"noted in {weights} for predict.py: --conf {tuning.confidence:g} --iou {tuning.iou:g}")


if __name__ == "__main__":
    sys.exit(run(main))
