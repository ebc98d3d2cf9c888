"""TensorFlow SavedModel, as TensorFlow Serving takes it; facts in ``assets.extra``.

The signature ``serving_default`` takes ``images``, uint8 (B, H, W, 3). The weights are constants:
the graph needs no variables, so that it can be checked and opened without running anything else
(see ``utils.runtime.saved_model_runtime``).
"""

from __future__ import annotations

from pathlib import Path

import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from nets.export_network import INPUT, export_network
from nets.yolo import YOLOv3
from utils.runtime.export.request import ExportRequest
from utils.runtime.facts import KEY, Facts
from utils.thresholds import Thresholds

FACTS = Path("assets.extra") / f"{KEY}.json"


def write(model: YOLOv3, facts: Facts, request: ExportRequest) -> None:
    """Write ``request.target``."""
    save(model, request, request.target, (None, None, None))
    path = request.target / FACTS
    path.parent.mkdir()
    path.write_text(facts.to_json(), encoding="ascii")


def save(
    model: YOLOv3,
    request: ExportRequest,
    folder: Path,
    input_shape: tuple[int | None, int | None, int | None],
) -> None:
    """Write the network itself, for an input of this batch, height and width."""
    network = export_network(model, heads=request.outputs == "heads", input_shape=input_shape)
    spec = tf.TensorSpec((*input_shape, 3), tf.uint8, name=INPUT)
    concrete = tf.function(lambda images: network(images, training=False)).get_concrete_function(
        spec
    )
    names = sorted(concrete.structured_outputs)  # as TensorFlow orders them
    constant = convert_variables_to_constants_v2(concrete)

    @tf.function(input_signature=[spec])
    def serve(images: tf.Tensor) -> dict[str, tf.Tensor]:
        outputs = dict(zip(names, constant(images), strict=True))
        if request.nms:
            return with_nms(outputs["boxes"], outputs["scores"], request.nms)
        return outputs

    module = tf.Module()
    module.serve = serve
    # Nothing is trained from it, and the gradient of swish could not be saved.
    options = tf.saved_model.SaveOptions(experimental_custom_gradients=False)
    tf.saved_model.save(module, str(folder), {"serving_default": serve}, options)


def with_nms(boxes: tf.Tensor, scores: tf.Tensor, thresholds: Thresholds) -> dict[str, tf.Tensor]:
    """Boxes (B, N, 4) and scores (B, N, C) → the best ``max_det`` of each picture.

    ``best_boxes`` (B, max_det, 4), ``best_scores`` and ``best_class_ids`` (B, max_det), zero behind
    the ``count`` (B,) first. Unlike in ``utils.postprocess``, boxes do not vote.
    """
    kept = tf.image.combined_non_max_suppression(
        boxes[:, :, None],
        scores,
        max_output_size_per_class=thresholds.max_det,
        max_total_size=thresholds.max_det,
        iou_threshold=thresholds.iou,
        score_threshold=thresholds.conf,
        clip_boxes=False,
    )
    return {
        "best_boxes": kept.nmsed_boxes,
        "best_scores": kept.nmsed_scores,
        "best_class_ids": tf.cast(kept.nmsed_classes, tf.int32),
        "count": kept.valid_detections,
    }
