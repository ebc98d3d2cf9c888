"""Score a detector, or anyone's detections: how good, how sure, what is wrong. See ``--help``."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from utils.cli import MISSED, OK, option, parse, run
from utils.errors import UserError
from utils.files import atomic_write
from utils.quiet import import_tensorflow

if TYPE_CHECKING:  # what is heavy is imported once the options are known to be good
    from collections.abc import Mapping, Sequence

    from utils.data.records import Dataset
    from utils.detections import Detections
    from utils.detector import Detector
    from utils.evaluation.schema import Analysis, Tuning
    from utils.evaluation.stopwatch import Stopwatch

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
    batch_size: int = option(8, help="photos that each device sees at once", low=1)
    device: str = option(
        "auto", help="auto takes all GPUs, or the processor when there is none",
        metavar="auto|cpu|gpu|gpu:0,1",
    )  # fmt: skip
    compare: Path | None = option(
        None, help="another detector, or its detections (.json), to compare with on the same "
        "photos", metavar="FILE", group="analysis",
    )  # fmt: skip
    resamples: int = option(
        1000, help="bootstrap resamples behind the 95 % intervals, at least 100; 0 for none",
        low=0, high=100_000, group="analysis",
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


def main(argv: list[str]) -> int:
    config = parse(MapConfig, argv, DESCRIPTION, EPILOG)
    refuse_contradictions(config)
    from utils.data.classes import read_classes
    from utils.evaluation.analysis import analyse
    from utils.evaluation.coco_files import ground_truth, to_results
    from utils.evaluation.matching import match_results
    from utils.evaluation.metrics import compute_metrics
    from utils.evaluation.stopwatch import Stopwatch
    from utils.evaluation.summaries import format_table, sentences

    watch = Stopwatch()
    warnings: list[str] = []

    # The detectors know their classes, and which photos they were trained on.
    classes = read_classes(config.classes) if config.classes else None
    with watch.phase("start-up"):
        detector, rival = open_detectors(config, watch)
    facts = detector.runtime.metadata if detector else {}
    classes = classes or (detector.class_names if detector else None)

    # The photos and their labels. What may be wrong with them is found out before hours of looking.
    with watch.phase("labels"):
        dataset = read_split(config, config.split, classes, facts)
        truth = ground_truth(dataset.records, dataset.classes)
        print(
            f"{len(dataset)} photos of the split {config.split!r}, "
            f"{len(truth['annotations'])} objects"
        )
        warnings += remarks(dataset)
        leaks, found = look_for_leaks(dataset, facts)
        warnings += found
        if rival:
            warnings += look_for_leaks(dataset, rival.runtime.metadata, f"{config.compare}: ")[1]
        tuned = None
        if config.tune:
            tuned, shared, found = read_tuning_split(config, dataset, classes, facts)
            leaks, warnings = {**leaks, **shared}, [*warnings, *found]
    given = {
        path: read_results(path, dataset, truth, config, watch, warnings)
        for path in (config.detections, None if rival else config.compare)
        if path
    }
    for path, one in ((config.weights, detector), (config.compare, rival)):
        refuse_unlisted(path, one, dataset)

    # What was found on them.
    def look(path: Path, one: Detector | None) -> list[dict]:
        if one is None:
            return given[path]
        options = {"conf": config.conf, "ious": (config.iou,), "warnings": warnings}
        return to_results(detect(one, dataset, config, watch, **options)[config.iou], truth)

    source = config.weights or config.detections
    results = look(source, detector)
    other = (str(config.compare), look(config.compare, rival)) if config.compare else None
    tuning = tune_on(detector, tuned, config, watch, warnings) if tuned else None

    # The scores.
    with watch.phase("scores"):
        matched = match_results(truth, results)
        metrics = {
            **compute_metrics(matched),
            "weights": str(source),
            "split": config.split,
            "leaks": {name: len(image_ids) for name, image_ids in leaks.items()},
            "warnings": warnings,
            **limits(config),
        }
    if other:
        with watch.phase("comparison"):
            other = other[0], match_results(truth, other[1])
    analysis = analyse(
        matched,
        resamples=config.resamples,
        other=other,
        tuning=tuning,
        stopwatch=watch,
    )
    print(f"\n{format_table(metrics, analysis)}\n")
    for line in sentences(metrics, analysis):
        print(line)

    # The files.
    from utils.files import next_free

    out = config.out or next_free(Path("runs/map"), source.resolve().parent.name)
    names = write_results(out, config, metrics, analysis, truth, results, dataset, warnings, watch)
    if tuning:
        note_operating_point(config.weights, tuning)
    print(f"\nwritten to {out}: {', '.join(names)}")
    print("seconds: " + ", ".join(f"{name} {s:.1f}" for name, s in watch.seconds.items()))
    if detector:
        share = network_share(watch.seconds)
        print(f"{share:.0%} of the time, start-up and files apart, was the network's")
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
    if 0 < config.resamples < 100:
        raise UserError(
            f"--resamples {config.resamples}: too few to say how sure; take 100 or more, or 0"
        )


def is_json(path: Path) -> bool:
    return path.suffix.lower() == ".json"


def open_detectors(config: MapConfig, watch: Stopwatch) -> list[Detector | None]:
    """The detectors of ``--weights`` and ``--compare``; None where there is none, or a JSON."""
    from utils.detector import Detector
    from utils.runtime.runtime import open_runtime

    device = None
    detectors: list[Detector | None] = []
    for option_name, path in (("--weights", config.weights), ("--compare", config.compare)):
        if path is None or is_json(path):
            detectors.append(None)
            continue
        if path.suffix.lower() == ".keras" and device is None:
            import_tensorflow()
            from utils.runtime.distribution import make_cluster

            device = make_cluster(config.device)
        runtime = open_runtime(
            path, device=device or config.device, batch_size=config.batch_size, option=option_name
        )
        timed = watch.phase("network")(runtime.infer)
        detectors.append(Detector(replace(runtime, infer=timed)))
    return detectors


def read_split(config: MapConfig, split: str, classes, facts: dict) -> Dataset:
    """The photos of a split.

    What the training run chose itself is taken from the checkpoint, if these are its photos: the
    validation photos that it held out, and all splits where the folder has no lists of its own.
    Otherwise photos that it was trained on would be taken for new ones.
    """
    from utils.data.datasets import load_photos, load_split
    from utils.data.folder.index import open_index
    from utils.evaluation.leaks import is_folder_of_run

    options = {"classes": classes, "only_listed": config.only_listed}
    seed = facts.get("training", {}).get("seed", 0)
    chosen, made = facts.get("split", {}), facts.get("splits", {}).get(split)
    held_out = split == "val" and str(chosen.get("val", "")).startswith("held out")
    if made and (chosen.get("generated") or held_out):
        layout = open_index(config.data).layout
        if held_out or not layout.lists:
            photos = {image_id: entry.image for image_id, entry in layout.entries.items()}
            if is_folder_of_run(photos, made, facts.get("hashes", {})):
                print(f"{split!r} is the split that the training run made")
                return load_photos(config.data, made, **options)
    return load_split(config.data, split, **options, seed=seed)


def remarks(dataset: Dataset) -> list[str]:
    """What was skipped or mended in the data, the first few, printed as well."""
    lines = [f"data: {note}" for note in dataset.notes[:5]]
    if len(dataset.notes) > 5:
        lines.append(f"data: and {len(dataset.notes) - 5} more remarks")
    for line in lines:
        print(line)
    return lines


def warn(message: str) -> str:
    """Print a warning at once; it is also kept for the files."""
    print(f"warning: {message}", file=sys.stderr)
    return message


def look_for_leaks(
    dataset: Dataset, facts: dict, whose: str = ""
) -> tuple[dict[str, list[str]], list[str]]:
    """Photos that a checkpoint has seen, and warnings about them."""
    from utils.evaluation.leaks import find_leaks

    leaks, warnings = find_leaks(dataset.records, facts.get("hashes", {})), []
    for kind, what in (("train", "trained on"), ("val", "used to choose this checkpoint")):
        if leaks[kind]:
            warnings.append(warn(
                f"{whose}{len(leaks[kind])} of these photos were {what} ({some(leaks[kind])}); "
                "the scores are better than they would be on new photos"
            ))  # fmt: skip
    return leaks, warnings


def read_tuning_split(
    config: MapConfig, dataset: Dataset, classes, facts: dict
) -> tuple[Dataset, dict[str, list[str]], list[str]]:
    """The photos to tune on, those of them that were trained on (``tune_train``) or are reported
    on (``tune_reported``), and warnings about that."""
    from utils.evaluation.leaks import find_leaks, find_shared

    tuned = read_split(config, config.tune, classes, facts)
    if not any(not record.difficult.all() for record in tuned.records if len(record.boxes)):
        raise UserError(f"--tune {config.tune}: there is no object on these photos to tune with")
    trained = find_leaks(tuned.records, facts.get("hashes", {}))["train"]
    shared = find_shared(tuned.records, dataset.records)
    warnings = []
    if trained:
        warnings.append(warn(
            f"{len(trained)} of the {len(tuned)} photos of --tune {config.tune} were trained on "
            f"({some(trained)}); on new photos other thresholds are better than those found here"
        ))  # fmt: skip
    if config.tune == config.split:
        warnings.append(warn(
            f"tuning on {config.tune!r}, the split that is reported; what the thresholds reach "
            "there is better than it would be on new photos"
        ))  # fmt: skip
    elif shared:
        warnings.append(warn(
            f"{len(shared)} of the {len(tuned)} photos of --tune {config.tune} are reported on as "
            f"well ({some(shared)}); what the thresholds reach there is better than it would be on "
            "new photos"
        ))  # fmt: skip
    return tuned, {"tune_train": trained, "tune_reported": shared}, warnings


def some(image_ids: Sequence[str]) -> str:
    return ", ".join(image_ids[:3]) + (", …" if len(image_ids) > 3 else "")


def refuse_unlisted(path: Path, detector: Detector | None, dataset: Dataset) -> None:
    """A detector must not know classes that the data cannot score."""
    if detector and (unlisted := set(detector.class_names) - set(dataset.classes)):
        raise UserError(
            f"the class list lacks {', '.join(sorted(unlisted))}, which the detector {path} knows; "
            "leave --classes out to take the detector's own list"
        )


def read_results(
    path: Path,
    dataset: Dataset,
    truth: dict,
    config: MapConfig,
    watch: Stopwatch,
    warnings: list[str],
) -> list[dict]:
    """Somebody's COCO results."""
    from utils.data.folder.index import open_index
    from utils.evaluation.coco_files import read_detections

    with watch.phase("labels"):
        entries, labels = open_index(config.data).layout.entries, set()
        for record in dataset.records:
            label = entries[record.image_id].label if record.image_id in entries else None
            if label is not None and is_json(label):
                labels.add(label)
        return read_detections(
            path, truth, labels=labels, warn=lambda message: warnings.append(warn(message))
        )


def tune_on(
    detector: Detector, tuned: Dataset, config: MapConfig, watch: Stopwatch, warnings: list[str]
) -> Tuning:
    """The operating point with the best results on the photos to tune on."""
    from utils.evaluation.coco_files import ground_truth, to_results
    from utils.evaluation.tuning import LOWEST_CONFIDENCE, NMS_IOUS, tune

    truth = ground_truth(tuned.records, tuned.classes)
    options = {"conf": LOWEST_CONFIDENCE, "ious": NMS_IOUS, "warnings": warnings}
    found = detect(detector, tuned, config, watch, **options)
    with watch.phase("tuning"):
        results = {iou: to_results(one, truth) for iou, one in found.items()}
        return tune(truth, results, config.tune, config.tune_precision)


def detect(
    detector: Detector,
    dataset: Dataset,
    config: MapConfig,
    watch: Stopwatch,
    *,
    conf: float,
    ious: Sequence[float],
    warnings: list[str],
) -> dict[float, dict[str, Detections]]:
    """Detections by NMS threshold and image id; photos that cannot be read become warnings."""
    from tqdm import tqdm

    from utils.evaluation.run_detector import detect_records

    def progress(batches):
        return tqdm(batches, "looking", unit="batch", leave=False, disable=None)

    before = watch.seconds.get("network", 0.0)
    start = time.perf_counter()
    found = detect_records(
        detector,
        dataset.records,
        conf=conf,
        ious=ious,
        max_det=config.max_det,
        progress=progress,
        on_unreadable=lambda message: warnings.append(warn(message)),
    )
    waited = time.perf_counter() - start - (watch.seconds.get("network", 0.0) - before)
    watch.seconds["photos and boxes"] = watch.seconds.get("photos and boxes", 0.0) + waited
    return found


def limits(config: MapConfig) -> dict[str, float | None]:
    """What is asked of detections, for ``metrics.json``; a file is scored as it stands."""
    names = ("conf", "iou", "max_det")
    return {name: getattr(config, name) if config.weights else None for name in names}


def network_share(seconds: Mapping[str, float]) -> float:
    """Share of the network in what an evaluation takes, start-up, files and report apart."""
    apart = ("start-up", "files", "report")
    return seconds["network"] / sum(s for name, s in seconds.items() if name not in apart)


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
    from utils.evaluation.summaries import write_csv, write_summary

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
                photos={record.image_id: record.image for record in dataset.records},
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
