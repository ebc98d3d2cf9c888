"""Non-maximum suppression as ONNX nodes, for one picture at a time."""

from __future__ import annotations

import numpy as np
from onnx import helper

from utils.runtime.export.onnx_layers import GraphBuilder
from utils.thresholds import Thresholds

THRESHOLD_INPUTS = ("conf", "iou", "max_det")  # the graph's optional inputs


def add_nms(
    graph: GraphBuilder, boxes: str, scores: str, thresholds: Thresholds
) -> tuple[str, str, str]:
    """Boxes (1, N, 4) and scores (1, N, C) → ``best_boxes`` (M, 4), ``best_scores`` (M,) and
    ``best_class_ids`` (M,), int64.

    Greedy within each class, then the best ``max_det`` of all by falling score. A caller may
    override the constants of ``THRESHOLD_INPUTS``. Unlike in ``utils.postprocess``, a score must be
    above ``conf`` (not equal), and boxes do not vote.
    """
    add = graph.add
    conf = graph.constant("conf", np.array([thresholds.conf], np.float32))
    iou = graph.constant("iou", np.array([thresholds.iou], np.float32))
    max_det = graph.constant("max_det", np.array([thresholds.max_det], np.int64))
    by_class = add("Transpose", [scores], "nms/scores_by_class", perm=[0, 2, 1])  # (1, C, N)
    # (K, 3): picture, class, box
    kept = add("NonMaxSuppression", [boxes, by_class, max_det, iou, conf], "nms/kept")
    kept_scores = add("GatherND", [by_class, kept], "nms/kept_scores")
    number = add("Min", [add("Shape", [kept_scores], "nms/kept_number"), max_det], "nms/number")
    best = ["best_scores", "nms/order"]
    graph.nodes.append(helper.make_node("TopK", [kept_scores, number], best, name="nms/best"))

    def best_column(index: int, name: str) -> str:
        position = graph.constant(f"nms/{name}_position", np.array(index, np.int64))
        column = add("Gather", [kept, position], f"nms/kept_{name}", axis=1)
        return add("Gather", [column, "nms/order"], name)

    picture = graph.constant("nms/picture", np.array(0, np.int64))
    all_boxes = add("Gather", [boxes, picture], "nms/boxes")
    best_boxes = add("Gather", [all_boxes, best_column(2, "best_box_ids")], "best_boxes")
    return best_boxes, "best_scores", best_column(1, "best_class_ids")
