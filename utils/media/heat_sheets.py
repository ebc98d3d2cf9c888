"""``HeatSheets``: the output of ``--heatmap``, a sheet of heat maps for each picture."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from utils.detections import Detections
from utils.errors import UserError
from utils.heatmaps.box import Box
from utils.heatmaps.evidence import Evidence
from utils.heatmaps.sheet import heat_sheet
from utils.images import save_image
from utils.media.class_filter import unknown_class
from utils.media.frames import Frame
from utils.media.outputs import Output, in_memory
from utils.media.predict_config import PredictConfig
from utils.text import counted, nfc, one_line

MAX_HEAT_MAPS = 12  # of a picture that get a heat map, the best


class HeatSheets(Output):
    """``FOLDER/heatmaps/name_heat.jpg``: not the name of the photo, or its labels would belong to
    two pictures.

    Args:
        folder: for results.
        weights: the checkpoint. Its own network computes the heat maps, whatever detects.
        config: says what the maps are for.

    Raises:
        UserError: an unknown class.
    """

    def __init__(self, folder: Path, weights: Path, config: PredictConfig) -> None:
        self.folder = folder / "heatmaps"
        self.evidence = Evidence(weights, config.device)
        # In the detector's spelling of letters.
        spelt = {nfc(name): name for name in self.evidence.class_names}
        self.class_name = config.heatmap_class and spelt.get(
            nfc(config.heatmap_class), config.heatmap_class
        )
        self.box = None if config.heatmap_box is None else Box.parse(config.heatmap_box)
        self._frames = 0  # of videos, which are left out
        if self.class_name is not None and self.class_name not in self.evidence.class_names:
            instead = unknown_class(self.class_name, self.evidence.class_names)
            raise UserError(f"--heatmap-class {self.class_name}: {instead}")

    def write(self, frame: Frame, detections: Detections, name: str) -> None:
        if frame.index is not None:
            self._frames += 1
            return
        image, scale = in_memory(frame)
        seen = self.evidence(image)
        shown = None
        if self.box is None and self.class_name is None:
            shown = detections[:MAX_HEAT_MAPS]
            shown = replace(shown, boxes=shown.boxes * np.float32(scale))
            maps = [seen.heat(one.class_name, one.box) for one in shown]
            subject = _of_detections(len(shown), len(detections))
        else:
            height, width = frame.image.shape[:2]
            box = self.box and self.box.inside(width, height)
            outside = self.box is not None and box is None
            box = box and [side * scale for side in box]
            maps = [] if outside else [seen.heat(self.class_name, box)]
            what = "the box" if self.class_name is None else one_line(self.class_name)
            what += f" in the box {self.box}" if self.box and self.class_name else ""
            subject = f"LayerCAM: where the network sees evidence for {what}"
            if outside:
                subject = f"the box {self.box} lies outside this picture of {width}×{height} pixels"
        sheet = heat_sheet(
            image, frame.source.path.name, maps, seen.objectness(), subject=subject,
            detections=shown,
        )  # fmt: skip
        save_image(self.folder / f"{name}_heat.jpg", sheet)

    def notes(self) -> list[str]:
        if not self._frames:
            return []
        frames = counted(self._frames, "video frame")
        return [f"heat maps are for pictures; {frames} got none"]


def _of_detections(shown: int, found: int) -> str:
    if not found:
        return "nothing was detected; --heatmap-class NAME shows where a class is likeliest"
    objects = f"the best {shown} of {found:,} objects" if found > shown else "what it detected"
    return f"LayerCAM: where the network saw evidence for {objects}"
