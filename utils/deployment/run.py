"""``run_export``: a checkpoint → a checked file for another runtime."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from utils.data.records import Dataset
from utils.deployment.calibration import calibration_inputs
from utils.deployment.config import ExportConfig, refuse_contradictions
from utils.detector import Detector, operating_point
from utils.errors import UserError
from utils.evaluation.leaks import load_evaluation_split
from utils.evaluation.schema import Comparison, Difference
from utils.quiet import import_tensorflow
from utils.runtime.export.export import export
from utils.runtime.export.request import Suppression
from utils.runtime.facts import Facts
from utils.runtime.runtime import open_runtime
from utils.text import counted


@dataclass(frozen=True)
class ExportResult:
    """What was written, and how it compares with the checkpoint.

    Attributes:
        path: the file or folder.
        runtime: what ran it in the check, in words.
        photos: how many were compared.
        box_difference: largest difference of a box's coordinate, in pixels of the network input.
        score_difference: largest difference of a score.
        comparison: AP of the export minus that of the checkpoint; None without ``data``.
    """

    path: Path
    runtime: str
    photos: int
    box_difference: float
    score_difference: float
    comparison: Comparison | None = None


def run_export(config: ExportConfig) -> ExportResult:
    """Convert, compare on photos, score where there are labels, and give the file its name.

    What was found is printed.

    Raises:
        UserError: what is wrong with options, checkpoint or data; or the export answers otherwise
            than the checkpoint, and was removed.
    """
    refuse_contradictions(config)
    facts = Facts.of_checkpoint(config.weights)
    dataset = None
    if config.data:
        dataset = load_evaluation_split(
            config.data, config.split, facts.metadata, classes=facts.class_names
        )
    suppression = _suppression(config, facts) if config.nms else None
    calibration = []
    if config.int8:
        calibration = calibration_inputs(
            config.data, facts, dataset, any_shape=config.format != "litert"
        )
        print(f"ranges of activations: measured on {counted(len(calibration), 'training photo')}")
    checked: list[ExportResult] = []
    path = export(
        config.weights,
        config.format,
        config.out,
        precision=config.arithmetic,
        outputs="suppressed" if suppression else "decoded",
        suppression=suppression,
        calibration=calibration,
        check=lambda path: checked.append(_check(path, config, dataset, suppression)),
    )
    return replace(checked[0], path=path)


def _suppression(config: ExportConfig, facts: Facts) -> Suppression:
    """The thresholds as given, or as noted in the checkpoint, or the usual ones."""
    noted = {"conf": 0.25, "iou": 0.45, **operating_point(facts.metadata)}
    given = {"conf": config.conf, "iou": config.iou}
    given = {name: value for name, value in given.items() if value is not None}
    return Suppression(**{**noted, **given}, max_det=config.max_det)


def _check(
    path: Path, config: ExportConfig, dataset: Dataset | None, suppression: Suppression | None
) -> ExportResult:
    import_tensorflow()
    from utils.deployment import check

    reference = check.float32_reference(config.weights)
    inputs = check.network_inputs(reference.input_size, dataset)
    if suppression:
        name = config.format
        infer = check.load_suppressed(path, config.format)
        agreement = check.compare_suppressed(infer, reference.infer, inputs, suppression)
    else:
        runtime = open_runtime(path, option="--out")
        name = runtime.description
        agreement = check.compare_outputs(
            runtime.infer, reference.infer, inputs, any_shape=runtime.any_shape
        )
    photos = counted(agreement.photos, "photo" if dataset else "generated photo")
    print(
        f"{name}: on {photos}, largest difference from the checkpoint in float32: box "
        f"{agreement.box:.3g} pixels, score {agreement.score:.2g}"
    )
    box, score = check.TOLERANCES[config.arithmetic]
    if agreement.box > box or agreement.score > score:
        raise UserError(
            f"--format {config.format}: the export answers otherwise than the checkpoint (more "
            f"than {box:g} pixels or {score:g} apart), so it was removed"
        )
    comparison = None
    if dataset and not suppression:
        comparison = check.compare_ap(Detector(runtime), Detector(reference), dataset)
        print(f"AP50 {_sentence(comparison.ap50)}")
        print(f"AP {_sentence(comparison.ap)}")
        if config.int8:
            check.refuse_loss(comparison)
    return ExportResult(path, name, agreement.photos, agreement.box, agreement.score, comparison)


def _sentence(difference: Difference) -> str:
    if difference.value is None:
        return "cannot be computed: there are no objects on these photos"
    text = (
        f"{difference.this:.4f}, of the checkpoint {difference.other:.4f}: difference "
        f"{difference.value:+.4f}"
    )
    if difference.low is not None:
        text += f" (95 % interval {difference.low:+.4f} to {difference.high:+.4f}, paired)"
    return text
