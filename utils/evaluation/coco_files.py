"""``ground_truth.json`` and ``detections.json``, in COCO's format.

``ground_truth``, ``to_results`` and ``named_results`` make their content.
``utils.evaluation.read_detections`` reads files of detections.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from utils.data.records import Record
from utils.detections import Detections, xywh
from utils.errors import UserError
from utils.evaluation.image_names import file_path
from utils.evaluation.tables import class_names


def ground_truth(records: Iterable[Record], classes: Sequence[str]) -> dict:
    """The labels of ``records`` as a COCO dictionary, ready for ``json.dump``.

    COCO's image ids are 1 … n in sorted order of the records' ``image_id``, category ids the class
    ids from 0, annotation ids count from 1. An area is that of the labels, or else that of the box.
    Difficult objects have ``iscrowd: 1``, so that finding them counts neither way in COCO's
    scorers.
    """
    images: list[dict] = []
    annotations: list[dict] = []
    for coco_id, record in enumerate(sorted(records, key=lambda r: r.image_id), 1):
        images.append(
            {
                "id": coco_id,
                "file_name": record.image.name,
                "stem": record.image_id,
                "width": int(record.width),
                "height": int(record.height),
            }
        )
        objects = zip(
            record.boxes.tolist(),
            record.class_ids.tolist(),
            record.difficult.tolist(),
            [math.nan] * len(record.boxes) if record.areas is None else record.areas.tolist(),
            strict=True,
        )
        for box, class_id, difficult, area in objects:
            bbox = xywh(box)
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": coco_id,
                    "category_id": class_id,
                    "bbox": bbox,
                    "area": bbox[2] * bbox[3] if math.isnan(area) else area,
                    "iscrowd": int(difficult),
                }
            )
    categories = [{"id": i, "name": name} for i, name in enumerate(classes)]
    return {"images": images, "annotations": annotations, "categories": categories}


def to_results(detections: Mapping[str, Detections], ground_truth: dict) -> list[dict]:
    """Detections by image id → COCO results, in order of image id, best first in each image.

    Classes are matched by name, never by number, because a detector may have another order of
    classes. Images without an entry have no detections.

    Raises:
        UserError: an image id or a class that ``ground_truth`` lacks.
    """
    coco_ids = {image["stem"]: image["id"] for image in ground_truth["images"]}
    class_ids = {name: i for i, name in enumerate(class_names(ground_truth))}
    for image_id, found in detections.items():
        if image_id not in coco_ids:
            raise UserError(f"detections for {image_id!r}, which is not an image of this split")
        unknown = [name for name in found.class_names if name not in class_ids]
        if unknown:
            raise UserError(
                f"the detector's class {unknown[0]!r} is not in the class list of the data; "
                "score with the class list that the detector was trained with"
            )
    results = []
    for image_id in sorted(detections, key=coco_ids.__getitem__):
        results += [
            {
                "image_id": coco_ids[image_id],
                "category_id": class_ids[one.class_name],
                "bbox": xywh(one.box),
                "score": one.score,
            }
            for one in detections[image_id]
        ]
    return results


def named_results(results: Iterable[dict], ground_truth: dict) -> list[dict]:
    """COCO results with the file and the class by name too, so that no number is ambiguous."""
    files = {image["id"]: file_path(image) for image in ground_truth["images"]}
    classes = class_names(ground_truth)
    return [
        {
            **result,
            "file_name": files[result["image_id"]],
            "category": classes[result["category_id"]],
        }
        for result in results
    ]
