"""Writing Label Studio JSON: one task with predictions (``label_studio_task``), the address of a
photo that it serves from its own disk (``local_address``), and the labelling setup of a project
(``label_studio_config``). ``utils.data.formats.label_studio`` reads such tasks."""

from __future__ import annotations

import os
import xml.etree.ElementTree as ET  # writing only
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import quote

import numpy as np

_DIGITS = 8  # of percentages: a millionth of a pixel in photos of 10,000
_LABEL, _IMAGE = "label", "image"  # what a project's setup calls its tool and its picture


def local_address(path: PurePosixPath) -> str:
    """The address of a photo under Label Studio's LOCAL_FILES_DOCUMENT_ROOT.

    Args:
        path: relative to that folder.
    """
    return f"/data/local-files/?d={quote(os.fsencode(path.as_posix()))}"


def label_studio_task(
    address: str,
    width: int,
    height: int,
    boxes: np.ndarray,
    names: Sequence[str],
    scores: Sequence[float],
    *,
    model: str,
) -> dict[str, Any]:
    """A task: a photo, and the objects that a detector found on it.

    Args:
        address: of the photo.
        width, height: size in pixels of the upright photo.
        boxes: (N, 4) ``x0, y0, x1, y1`` in pixels of the photo.
        names: N class names.
        scores: N scores, 0 to 1. The prediction as a whole gets their mean, by which Label Studio
            can sort tasks.
        model: what found them.
    """
    percent = 100 * np.asarray(boxes, np.float64).reshape(-1, 4) / ([width, height] * 2)
    scores = [round(float(score), 6) for score in scores]
    results = []
    for number, ((x0, y0, x1, y1), name, score) in enumerate(
        zip(percent.tolist(), names, scores, strict=True), start=1
    ):
        place = {"x": x0, "y": y0, "width": x1 - x0, "height": y1 - y0}
        results.append(
            {
                "id": str(number),
                "type": "rectanglelabels",
                "from_name": _LABEL,
                "to_name": _IMAGE,
                "original_width": width,
                "original_height": height,
                "image_rotation": 0,
                "value": {
                    **{key: round(value, _DIGITS) for key, value in place.items()},
                    "rotation": 0,
                    "rectanglelabels": [name],
                },
                "score": score,
            }
        )
    mean = round(sum(scores) / len(scores), 6) if scores else 0.0
    prediction = {"model_version": model, "score": mean, "result": results}
    return {"data": {_IMAGE: address}, "predictions": [prediction]}


def label_studio_config(colours: Mapping[str, tuple[int, int, int]]) -> str:
    """The labelling setup of a project for such tasks, to paste into its settings.

    Args:
        colours: class name → RGB.
    """
    view = ET.Element("View")
    ET.SubElement(view, "Image", name=_IMAGE, value=f"${_IMAGE}", zoom="true")
    labels = ET.SubElement(view, "RectangleLabels", name=_LABEL, toName=_IMAGE)
    for name, rgb in colours.items():
        ET.SubElement(labels, "Label", value=name, background="#{:02x}{:02x}{:02x}".format(*rgb))
    ET.indent(view)
    return ET.tostring(view, encoding="unicode") + "\n"
