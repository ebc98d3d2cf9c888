"""Whether an exported file answers as its checkpoint does: outputs on photos, and mAP."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from utils.data.records import Dataset
from utils.data.synthetic import draw_scene
from utils.detector import Detector
from utils.errors import UserError
from utils.evaluation import bootstrap
from utils.evaluation.coco_files import ground_truth, to_results
from utils.evaluation.matching import match_results
from utils.evaluation.run_detector import detect_records
from utils.evaluation.schema import Comparison
from utils.images import read_image
from utils.letterbox import Letterbox
from utils.postprocess import nms
from utils.runtime.runtime import Infer, Runtime
from utils.thresholds import Thresholds

# Largest differences that are allowed, in pixels of the network input and in score. Float32
# arithmetic in another order gives about 0.001 and 0.00001.
# 8-bit integers move single predictions far where the scores stay low; AP decides, see MAX_LOSS.
TOLERANCES = {"float32": (0.5, 0.005), "float16": (2.0, 0.02), "int8": (np.inf, np.inf)}

MAX_LOSS = 0.05  # of AP and of AP50, by 8-bit integers

MAX_PHOTOS = 32
BEST = 100  # predictions of a photo that are compared, those that can become detections


@dataclass(frozen=True)
class Agreement:
    """How far an export is from its checkpoint.

    Attributes:
        photos: how many were compared.
        box: largest difference of a coordinate, in pixels of the network input.
        score: largest difference of a score.
    """

    photos: int
    box: float
    score: float


def float32_reference(weights: Path) -> Runtime:
    """The checkpoint in TensorFlow in float32, whatever precision it was trained in, on the CPU."""
    import tensorflow as tf

    from nets.yolo import YOLOv3
    from utils.checkpoint import load_checkpoint
    from utils.runtime.tensorflow_runtime import compile_inference

    model = load_checkpoint(weights)
    if model.dtype_policy.name != "float32":
        single = YOLOv3.from_config(model.get_config() | {"dtype": "float32"})
        single.set_weights(model.get_weights())
        model = single
    size = model.input_size, model.input_size
    return Runtime(
        compile_inference(model, any_shape=True),
        tuple(model.classes),
        size,
        description=f"TensorFlow {tf.__version__}, float32, CPU",
        metadata=model.metadata,
        any_shape=True,
    )


def network_inputs(
    input_size: tuple[int, int], dataset: Dataset | None, most: int = MAX_PHOTOS
) -> list[np.ndarray]:
    """Letterboxed photos, uint8 (H, W, 3): of a dataset, spread over it, or generated scenes."""
    if dataset is None:
        photos = [draw_scene(0, "test", index).image for index in range(min(most, 8))]
    else:
        step = max(1, len(dataset.records) // most)
        photos = []
        for record in dataset.records[::step][:most]:
            try:
                photos.append(read_image(record.image))
            except UserError:  # scoring reports it
                continue
    height, width = input_size
    return [
        Letterbox(photo.shape[1], photo.shape[0], width, height).apply(photo) for photo in photos
    ]


def compare_outputs(
    export: Infer,
    reference: Infer,
    inputs: Sequence[np.ndarray],
    *,
    any_shape: bool,
    best: int | None = BEST,
) -> Agreement:
    """Compare all scores, and the boxes of the best predictions of each photo.

    Args:
        export, reference: uint8 (1, H, W, 3) → boxes (1, N, 4), scores (1, N, C).
        inputs: uint8 (H, W, 3).
        any_shape: every other photo is cut to a wider shape, to try that, too.
        best: how many boxes are compared; None for all.
    """
    box = score = 0.0
    for number, image in enumerate(inputs):
        if any_shape and number % 2:
            image = image[: max(32, image.shape[0] * 3 // 4 // 32 * 32)]
        boxes, scores = (part[0] for part in reference(image[None]))
        other_boxes, other_scores = (part[0] for part in export(image[None]))
        if boxes.shape != other_boxes.shape or scores.shape != other_scores.shape:
            return Agreement(len(inputs), np.inf, np.inf)
        order = np.argsort(-scores.max(axis=1), kind="stable")[:best]
        box = max(box, _largest(other_boxes[order] - boxes[order]))
        score = max(score, _largest(other_scores - scores))
    return Agreement(len(inputs), box, score)


def compare_with_nms(
    export: Infer, reference: Infer, inputs: Sequence[np.ndarray], thresholds: Thresholds
) -> Agreement:
    """Compare the detections of a graph with NMS with those of ``utils.postprocess.nms``.

    A detection that only one of them has counts as a difference of its whole score, but for one
    within 0.001 of the threshold.
    """
    box = score = 0.0
    for image in inputs:
        boxes, scores = (part[0] for part in reference(image[None]))
        wanted = nms(
            boxes,
            scores,
            conf=thresholds.conf,
            iou=thresholds.iou,
            max_det=thresholds.max_det,
        )
        found_boxes, *rest = (np.squeeze(part) for part in export(image[None]))
        found = found_boxes.reshape(-1, 4), *(part.reshape(-1) for part in rest)
        real = found[1] > 0  # outputs of a fixed length are filled up with zeros
        for ours, theirs in _pairs(wanted, [part[real] for part in found]):
            if ours and theirs:
                box = max(box, _largest(ours[0] - theirs[0]))
                score = max(score, abs(float(ours[1] - theirs[1])))
            else:
                alone = float((ours or theirs)[1])
                score = max(score, alone if alone > thresholds.conf + 0.001 else 0.0)
    return Agreement(len(inputs), box, score)


def load_with_nms(path: Path, format: str) -> Infer:
    """What runs a file whose graph holds NMS."""
    if format == "onnx":
        from utils.runtime.onnx_runtime import load_onnx

        return load_onnx(path, f"--out {path}", "cpu")[0]
    from utils.runtime.saved_model_runtime import load_saved_model

    return load_saved_model(path, f"--out {path}")[0]


def compare_ap(export: Detector, reference: Detector, dataset: Dataset) -> Comparison:
    """AP of both on a dataset, and the difference with its 95 % interval.

    Both get the photos in the same shape, so that only the conversion makes a difference.
    """
    reference = Detector(replace(reference.runtime, any_shape=export.runtime.any_shape))
    truth = ground_truth(dataset.records, dataset.classes)
    samples = []
    for detector in (export, reference):
        found = detect_records(
            detector, dataset.records, conf=0.001, ious=(0.6,), max_det=300,
            on_unreadable=lambda message: None,
        )  # fmt: skip
        matched = match_results(truth, to_results(found[0.6], truth))
        samples.append(bootstrap.sample(matched, bootstrap.draw(matched.images)))
    return bootstrap.compare(
        *samples,
        "the checkpoint",
        matched.names,
        matched.images_of_class,
        matched.images_with_objects,
    )


def refuse_loss(comparison: Comparison) -> None:
    """
    Raises:
        UserError: an export with 8-bit integers loses more than ``MAX_LOSS``, or nobody knows.
    """
    differences = (comparison.ap50.value, comparison.ap.value)
    if None in differences:
        raise UserError(
            "--int8: there are no objects on the photos of --split to check the export with, so it "
            "was removed"
        )
    if min(differences) < -MAX_LOSS:
        raise UserError(
            f"--int8: AP50 changes by {differences[0]:+.3f} and AP by {differences[1]:+.3f}, more "
            f"than the {MAX_LOSS:g} that is allowed, so the export was removed"
        )


def _largest(difference: np.ndarray) -> float:
    """The largest absolute value; infinite where one is not a number."""
    if not difference.size:
        return 0.0
    return float(np.abs(difference).max()) if np.isfinite(difference).all() else float("inf")


def _pairs(wanted: Sequence[np.ndarray], found: Sequence[np.ndarray]) -> list[tuple]:
    """Detections of both lists, each with the nearest of its class in the other list or None.

    A list is boxes (M, 4), scores (M,) and class ids (M,); a detection is one of each.
    """
    pairs = []
    left = list(zip(*found, strict=True))
    for one in zip(*wanted, strict=True):
        same = [i for i, other in enumerate(left) if other[2] == one[2]]
        if same:
            nearest = min(same, key=lambda i: np.abs(left[i][0] - one[0]).max())
            pairs.append((one, left.pop(nearest)))
        else:
            pairs.append((one, None))
    return pairs + [(None, one) for one in left]
