"""``run_export``: a checkpoint → a checked file for another runtime."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from utils.deployment.calibration import calibration_inputs
from utils.deployment.check import TOLERANCES, refuse_loss
from utils.deployment.config import ExportConfig, refuse_contradictions
from utils.deployment.worker import CheckRequest, check_in_process
from utils.detector import operating_point
from utils.errors import UserError
from utils.evaluation.leaks import load_evaluation_split
from utils.evaluation.schema import Comparison, Difference
from utils.runtime.export.export import export
from utils.runtime.facts import Facts
from utils.text import counted
from utils.thresholds import Thresholds


@dataclass(frozen=True)
class ExportResult:
    """What was written, and how it compares with the checkpoint.

    Attributes:
        path: the file or folder.
        runtime: what ran it in the check, in words.
        photos: how many were compared.
        box_difference: largest difference of a box's coordinate, in pixels of the network input.
        score_difference: largest difference of a score.
        comparison: AP of the export minus that of the checkpoint; None without ``data`` or with
            ``nms``.
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
        UserError: what is wrong with options, checkpoint or data; or the export differs
            too much
            from the checkpoint's, and it was removed.
    """
    refuse_contradictions(config)
    facts = Facts.of_checkpoint(config.weights)
    nms = _nms_thresholds(config, facts) if config.nms else None
    calibration = []
    if config.int8:
        scored = load_evaluation_split(
            config.data, config.compared, facts.metadata, classes=facts.class_names
        )
        calibration = calibration_inputs(
            config.data, facts, scored, any_shape=config.format != "litert"
        )
        print(f"ranges of activations: measured on {counted(len(calibration), 'training photo')}")
    checked: list[ExportResult] = []
    path = export(
        config.weights,
        config.format,
        config.out,
        precision=config.arithmetic,
        outputs="suppressed" if nms else "decoded",
        nms=nms,
        calibration=calibration,
        check=lambda path: checked.append(_check(path, config, nms)),
    )
    return replace(checked[0], path=path)


def _nms_thresholds(config: ExportConfig, facts: Facts) -> Thresholds:
    """The thresholds as given, or as noted in the checkpoint, or the usual ones."""
    noted = operating_point(facts.metadata)
    given = {"conf": config.conf, "iou": config.iou, "max_det": config.max_det}
    given = {name: value for name, value in given.items() if value is not None}
    if "conf" in noted and "conf" not in given:
        print(
            f"note: the lowest score is {noted['conf']:g}, as get_map.py --tune stored it for "
            "predict.py, which lowers scores by voting; without voting more boxes reach it "
            "(--conf sets another)"
        )
    return Thresholds(**{**noted, **given})


def _check(path: Path, config: ExportConfig, nms: Thresholds | None) -> ExportResult:
    request = CheckRequest(path, config.weights, config.format, nms, config.data, config.compared)
    result = check_in_process(request)
    photos = counted(result.photos, "photo" if config.data else "generated photo")
    print(
        f"{result.runtime}: on {photos}, largest difference from the checkpoint in float32: box "
        f"{result.box_difference:.3g} pixels, score {result.score_difference:.2g}"
    )
    box, score = TOLERANCES[config.arithmetic]
    if result.box_difference > box or result.score_difference > score:
        raise UserError(
            f"--format {config.format}: the export answers otherwise than the checkpoint (more "
            f"than {box:g} pixels or {score:g} apart), so it was removed"
        )
    if config.nms and config.data:
        print("AP is not computed for a graph with suppression; its detections were compared")
    if result.comparison:
        print(f"AP50 {_sentence(result.comparison.ap50)}")
        print(f"AP {_sentence(result.comparison.ap)}")
        if config.int8:
            refuse_loss(result.comparison)
    return ExportResult(path, **vars(result))


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
