"""Checks of scoring and prediction: the same AP as on the CPU, and the fastest runtime."""

from __future__ import annotations

import json
import re
from typing import Any

from utils.gpu_check.plan import SAME_AP, SAME_DETECTIONS
from utils.gpu_check.processes import ROOT, run_python
from utils.gpu_check.result import CheckFailed, Result, judged
from utils.gpu_check.session import Session

WEIGHTS = ROOT / "model_data" / "signs.keras"  # the bundled detector knows the road scenes
IOU, SCORE = 0.9, 0.05  # from which two boxes are the same, and up to which their scores may differ


def same_scores(session: Session) -> Result:
    """``get_map.py`` gives the same AP on the device as on the CPU."""
    cpu, device = score(session, "cpu", "cpu"), score(session, session.one.device, "device")
    rows, worst = [], 0.0
    for name, group, key in (
        ("AP", "coco", "AP"), ("AP50", "coco", "AP50"), ("VOC 2007 mAP", "voc2007", "mAP"),
    ):  # fmt: skip
        one, other = cpu[group][key], device[group][key]
        worst = max(worst, abs(one - other))
        rows.append({"score": name, "CPU": round(one, 4), session.name: round(other, 4)})
    return judged(
        "get_map", worst <= SAME_AP,
        f"scores of {cpu['images']} generated scenes differ by {worst:.4f} at most (allowed: "
        f"{SAME_AP:g})",
        rows,
    )  # fmt: skip


def score(session: Session, device: str, name: str) -> dict[str, Any]:
    """``metrics.json`` of the bundled detector on the test scenes."""
    out = session.folder / f"scores-{name}"
    run_python(
        ["-m", "get_map", "--weights", str(WEIGHTS), "--data", str(session.data), "--device",
         device, "--out", str(out), "--no-report", "--resamples", "0"],
        session.folder, session.plan.timeout,
    )  # fmt: skip
    return json.loads((out / "metrics.json").read_text())


def prediction(session: Session) -> Result:
    """``predict.py`` finds the same with TensorFlow on the device and with ``--runtime auto``."""
    device, own = predict(session, "tensorflow", session.one.device)
    auto, fastest = predict(session, "auto", "cpu" if session.stand_in else "auto")
    share, count = agreement(device, auto), count_detections(device)
    rows = [{"runtime": "tensorflow", "was": own}, {"runtime": "auto", "was": fastest}]
    return judged(
        "prediction", share >= SAME_DETECTIONS and count > 0,
        f"{share:.0%} of {count} detections in {len(device)} scenes have a partner in the other "
        f"runtime (needed: {SAME_DETECTIONS:.0%}, with an IoU of at least {IOU:g} and scores "
        f"within {SCORE:g})",
        rows,
    )  # fmt: skip


def predict(session: Session, runtime: str, device: str) -> tuple[list[dict[str, Any]], str]:
    """Detections in the test scenes, and what ``predict.py`` says of the runtime."""
    names = (session.data / "ImageSets/Main/test.txt").read_text().split()
    scenes = [str(session.data / "JPEGImages" / f"{name}.jpg") for name in names]
    found = session.folder / f"found-{runtime}.json"
    printed = run_python(
        ["-m", "predict", *scenes[:8], "--weights", str(WEIGHTS), "--runtime", runtime, "--device",
         device, "--no-pictures", "--json", str(found), "--out", str(found.with_suffix(""))],
        session.folder, session.plan.timeout,
    )  # fmt: skip
    said = re.search(r"^.*(?:TensorFlow|OpenVINO|LiteRT|ONNX Runtime) .*$", printed, re.MULTILINE)
    if not said:
        raise CheckFailed(f"predict.py --runtime {runtime} did not say what ran the network")
    return json.loads(found.read_text()), said[0].strip().removeprefix(f"{WEIGHTS}: ")


def agreement(found: list[dict[str, Any]], others: list[dict[str, Any]]) -> float:
    """Share of all detections of both that have a partner of the same class in the same picture."""
    partners = total = 0
    for one, other in zip(found, others, strict=True):
        for mine, theirs in ((one, other), (other, one)):
            total += len(mine["detections"])
            partners += sum(
                any(same_object(a, b) for b in theirs["detections"]) for a in mine["detections"]
            )
    return partners / total if total else 1.0


def same_object(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether two detections are the same, within ``IOU`` and ``SCORE``."""
    close = abs(one["score"] - other["score"]) <= SCORE
    return one["class"] == other["class"] and close and iou(one["box"], other["box"]) >= IOU


def iou(one: list[float], other: list[float]) -> float:
    """IoU of two boxes x0, y0, x1, y1."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    both = max(width, 0.0) * max(height, 0.0)
    areas = sum((box[2] - box[0]) * (box[3] - box[1]) for box in (one, other))
    return both / (areas - both) if both else 0.0


def count_detections(found: list[dict[str, Any]]) -> int:
    return sum(len(one["detections"]) for one in found)
