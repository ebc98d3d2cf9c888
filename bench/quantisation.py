"""What 8-bit integers cost in AP and save in bytes and time.

    python -m bench.quantisation --weights FILE.keras --data DIR --name NAME

exports a checkpoint in float32 and INT8 to ONNX, OpenVINO and LiteRT, and scores each pair of files
on the same photos. ``--groups`` quantises one group of layers at a time instead (LiteRT). Without
``--data`` photos to detections are timed, Lite0 with random weights at 416, best float against best
INT8 file of each runtime.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from bench.common import append_result
from bench.timing import in_turn
from utils.cli import option, parse, run
from utils.cores import available_cores
from utils.data.records import Dataset
from utils.data.synthetic import draw_scene
from utils.deployment.calibration import calibration_inputs
from utils.detector import Detector
from utils.errors import UserError
from utils.evaluation import bootstrap
from utils.evaluation.coco_files import ground_truth, to_results
from utils.evaluation.leaks import load_evaluation_split
from utils.evaluation.matching import match_results
from utils.evaluation.run_detector import detect_records
from utils.evaluation.schema import Difference
from utils.files import size_of
from utils.images import decode_image
from utils.letterbox import Letterbox
from utils.runtime.export.export import export
from utils.runtime.facts import Facts
from utils.runtime.openvino_runtime import open_openvino
from utils.runtime.runtime import open_runtime

FORMATS = {"openvino": "", "onnx": ".onnx", "litert": ".tflite"}
TRIALS: dict[str, tuple[str, ...]] = {  # of --groups
    **{
        group: (group,)
        for group in (
            "stem", "stages", "pyramid", "head convolutions", "output convolutions", "decoding",
        )
    },
    "all but outputs and decoding": ("stem", "stages", "pyramid", "head convolutions"),
    "all but decoding": (
        "stem", "stages", "pyramid", "head convolutions", "output convolutions",
    ),
}  # fmt: skip


@dataclass(frozen=True)
class QuantisationConfig:
    """The options of this measurement."""

    weights: Path | None = option(None, help="checkpoint to quantise", metavar="FILE.keras")
    data: Path | None = option(None, help="its data folder", metavar="DIR")
    name: str = option("", help="of the data, as results call it")
    formats: str = option(",".join(FORMATS), help="formats to write, separated by commas")
    groups: bool = option(False, help="one group of layers at a time")
    photos: int = option(200, help="training photos to measure activations on", low=1)
    repeats: int = option(60, help="network runs for the median time", low=1)
    record: bool = option(True, help="append the results to bench/results")


def main(argv: list[str]) -> None:
    config = parse(QuantisationConfig, argv, __doc__.split("\n\n")[0])
    if (config.weights is None) != (config.data is None):
        raise UserError("--weights and --data belong together")
    with tempfile.TemporaryDirectory() as folder:
        if config.weights is None:
            rows = [time_detectors(Path(folder), config)]
        elif config.groups:
            rows = score_groups(Path(folder), config)
        else:
            rows = score_formats(Path(folder), config)
        for row in rows:
            row = {"data": config.name, "cores": available_cores(), **row}
            print(json.dumps(row), flush=True)
            if config.record:
                append_result("quantisation", row)


def score_formats(folder: Path, config: QuantisationConfig) -> Iterable[dict]:
    """A row a format: AP of the INT8 file minus that of the float32 file, bytes, network time."""
    facts = Facts.of_checkpoint(config.weights)
    scored = load_evaluation_split(config.data, "test", facts.metadata, classes=facts.class_names)
    for format in config.formats.split(","):
        inputs = calibration_inputs(
            config.data, facts, scored, any_shape=format != "litert", photos=config.photos
        )
        files = {
            precision: export(
                config.weights, format, folder / f"{precision}{FORMATS[format]}",
                precision=precision, calibration=inputs if precision == "int8" else (),
            )
            for precision in ("float32", "int8")
        }  # fmt: skip
        detectors = {precision: Detector(open_runtime(path)) for precision, path in files.items()}
        yield {
            "format": format,
            "photos": len(scored),
            "calibration": len(inputs),
            **compare(detectors["int8"], detectors["float32"], scored),
            "bytes": {precision: size_of(path) for precision, path in files.items()},
            "network_ms": network_ms(detectors, config.repeats),
        }


def score_groups(folder: Path, config: QuantisationConfig) -> Iterable[dict]:
    """A row for each of ``TRIALS``: AP with these groups in INT8 minus AP in float32, in LiteRT."""
    from utils.runtime.export.int8_litert import quantised
    from utils.runtime.export.to_litert import append_facts

    facts = Facts.of_checkpoint(config.weights)
    scored = load_evaluation_split(config.data, "test", facts.metadata, classes=facts.class_names)
    inputs = calibration_inputs(config.data, facts, scored, any_shape=False, photos=config.photos)
    path = export(config.weights, "litert", folder / "float32.tflite")
    reference = Detector(open_runtime(path))
    results = detect(reference, scored)
    for label, groups in TRIALS.items():
        trial = folder / "int8.tflite"
        trial.write_bytes(quantised(path.read_bytes(), inputs, groups))
        append_facts(trial, facts)
        yield {
            "format": "litert",
            "int8": label,
            "photos": len(scored),
            "calibration": len(inputs),
            **compare(Detector(open_runtime(trial)), reference, scored, results),
        }


def detect(detector: Detector, dataset: Dataset) -> list[dict]:
    """All detections, in COCO's format."""
    found = detect_records(detector, dataset.records, conf=0.001, ious=(0.6,), max_det=300)
    return to_results(found[0.6], ground_truth(dataset.records, dataset.classes))


def compare(
    detector: Detector, reference: Detector, dataset: Dataset, results: list[dict] | None = None
) -> dict:
    """AP and AP50 of both, and the differences with their paired 95 % intervals.

    Args:
        results: what ``detect`` gave for the reference.
    """
    truth = ground_truth(dataset.records, dataset.classes)
    other = match_results(truth, results or detect(reference, dataset))
    this = match_results(truth, detect(detector, dataset))
    draws = bootstrap.draw(this.images)
    comparison = bootstrap.compare(
        bootstrap.sample(this, draws),
        bootstrap.sample(other, draws),
        "float32",
        this.names,
        this.images_of_class,
        this.images_with_objects,
    )
    return {"ap": _rounded(comparison.ap), "ap50": _rounded(comparison.ap50)}


def _rounded(difference: Difference) -> dict:
    keys = {"this": "int8", "other": "float32", "value": "difference", "low": "low", "high": "high"}
    return {key: round(getattr(difference, name), 4) for name, key in keys.items()}


def network_ms(detectors: Mapping[str, Detector], repeats: int) -> dict[str, float]:
    """Median milliseconds of one square picture through each network, all run alternately."""

    def call(detector: Detector) -> Callable[[], object]:
        shape = (1, *detector.input_size, 3)
        image = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
        return lambda: detector.runtime.infer(image)

    return medians({name: call(detector) for name, detector in detectors.items()}, repeats)


def medians(calls: Mapping[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    """Median milliseconds of each; all run alternately."""
    times = in_turn(calls, repeats)
    return {name: round(statistics.median(found.wall), 2) for name, found in times.items()}


def time_detectors(folder: Path, config: QuantisationConfig) -> dict:
    """JPEG to detections: Lite0 with random weights, 416, 20 classes, a photo of 640×480."""
    from utils.quiet import import_tensorflow

    import_tensorflow()
    from nets.yolo import YOLOv3

    weights = folder / "lite0.keras"
    classes = [f"class {index}" for index in range(20)]
    YOLOv3("efficientnet_lite0", classes, 416, backbone_weights="imagenet").save(weights)
    scenes = [draw_scene(0, "train", index).image for index in range(20)]
    inputs = [Letterbox(scene.shape[1], scene.shape[0], 416, 416).apply(scene) for scene in scenes]
    detectors = {}
    for format in config.formats.split(","):
        for precision in ("float32", "int8"):
            path = export(
                weights, format, folder / f"{precision}{FORMATS[format]}",
                precision=precision, outputs="heads", calibration=inputs,
            )  # fmt: skip
            detectors[f"{format} {precision}"] = Detector(open_runtime(path))
            if format == "openvino" and precision == "float32":
                with suppress(UserError, RuntimeError):  # where the processor cannot
                    runtime = open_openvino(path, precision="bfloat16")
                    detectors["openvino bfloat16"] = Detector(runtime)
    photo = cv2.imencode(".jpg", cv2.resize(scenes[0], (640, 480)))[1].tobytes()
    return {"photo": "640x480", "jpeg_to_detections_ms": medians(
        {name: lambda one=one: one(decode_image(photo)) for name, one in detectors.items()},
        config.repeats,
    )}  # fmt: skip


if __name__ == "__main__":
    sys.exit(run(main))
