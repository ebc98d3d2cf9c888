"""All scores of a set of detections, as ``metrics.json`` holds them."""

from __future__ import annotations

import numpy as np

from utils.evaluation.coco import coco_scores
from utils.evaluation.matching import MatchedResults
from utils.evaluation.tables import mean_of_known
from utils.evaluation.voc import voc_average_precisions


def compute_metrics(matched: MatchedResults) -> dict:
    """VOC and COCO scores in plain Python values.

    Returns:
        A dictionary with these keys. A class without countable objects has None and is outside
        every mean.

        - ``coco``: the twelve numbers; -1 where nothing counts.
        - ``coco_classes``: ``AP`` and ``AP50`` by class name.
        - ``voc2007``, ``voc2010``: ``mAP``, and ``AP`` by class name.
        - ``images``: number of images.
        - ``boxes``: number of objects that are not difficult.
        - ``objects``: the same by class name.
        - ``classes``: class names.
    """
    names, truth = matched.names, matched.truth
    ap_2007, ap_2010 = voc_average_precisions(truth, matched.detections, len(names))
    coco = coco_scores(matched)
    objects = np.bincount(truth.class_ids[~truth.difficult], minlength=len(names)).tolist()

    def by_name(values: list) -> dict:
        return dict(zip(names, values, strict=True))

    return {
        "coco": coco.summary,
        "coco_classes": {"AP": by_name(coco.ap), "AP50": by_name(coco.ap50)},
        "voc2007": {"mAP": mean_of_known(ap_2007), "AP": by_name(ap_2007)},
        "voc2010": {"mAP": mean_of_known(ap_2010), "AP": by_name(ap_2010)},
        "images": matched.images,
        "boxes": sum(objects),
        "objects": by_name(objects),
        "classes": names,
    }
