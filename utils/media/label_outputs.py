"""Label files of what was found, to correct and to train on: YOLO, VOC, COCO, Label Studio.

``train.py --data`` reads each of them, with the photos anywhere below the same folder.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from utils.detections import Detections
from utils.files import atomic_write
from utils.label_files.coco import short_xywh, write_coco
from utils.label_files.label_studio import (
    label_studio_config,
    label_studio_task,
    local_address,
)
from utils.label_files.voc import storable, write_voc_annotation
from utils.label_files.yolo import write_yolo_labels
from utils.media.frame_photos import FramePhotos
from utils.media.frames import Frame
from utils.media.outputs import JsonList, Output

COCO_RESULTS, COCO_ANNOTATIONS = "coco_results.json", "coco_annotations.json"
LABEL_STUDIO, LABEL_STUDIO_CONFIG = "label_studio.json", "label_studio_config.txt"
_NAMES_OF_CLASSES = ("classes", "predefined_classes")  # text files so called name the classes


class YoloLabels(Output):
    """``FOLDER/labels/name.txt``, a line for each object: class id, centre x, centre y, width and
    height as shares of the picture, and the score if asked for. ``FOLDER/classes.txt`` names the
    ids. The labels of a photo called so are in ``classes.jpg.txt``, which ``train.py`` finds."""

    def __init__(
        self,
        folder: Path,
        class_names: Sequence[str],
        photos: FramePhotos,
        *,
        with_scores: bool = False,
    ) -> None:
        self.folder, self.photos, self.with_scores = folder / "labels", photos, with_scores
        self.class_names, self._classes_file = class_names, folder / "classes.txt"
        self._started = False

    def write(self, frame: Frame, detections: Detections, name: str) -> None:
        if not self._started:  # the first: labels without the names of their ids are worth little
            with atomic_write(self._classes_file) as file:
                file.writelines(f"{name}\n" for name in self.class_names)
            self._started = True
        height, width = frame.image.shape[:2]
        label = self.photos.label_name(frame, name)
        if label.rpartition("/")[2].lower() in _NAMES_OF_CLASSES:
            label += self.photos.path(frame, name).suffix
        write_yolo_labels(
            self.folder / f"{label}.txt",
            width,
            height,
            detections.boxes,
            detections.class_ids,
            scores=detections.scores if self.with_scores else None,
        )


class VocLabels(Output):
    """``FOLDER/Annotations/name.xml``, as labelling programs read them; with the scores."""

    def __init__(self, folder: Path, photos: FramePhotos) -> None:
        self.folder, self.photos = folder / "Annotations", photos

    def write(self, frame: Frame, detections: Detections, name: str) -> None:
        height, width = frame.image.shape[:2]
        write_voc_annotation(
            self.folder / f"{self.photos.label_name(frame, name)}.xml",
            storable(self.photos.path(frame, name).name),
            width,
            height,
            detections.boxes,
            detections.names(),
            scores=detections.scores,
        )


class CocoLabels(Output):
    """``FOLDER/coco_results.json``, as COCO's scorers read them, and ``coco_annotations.json``,
    which labelling programs read; with the scores, and the same ids in both."""

    def __init__(self, folder: Path, class_names: Sequence[str], photos: FramePhotos) -> None:
        self.annotations = folder / COCO_ANNOTATIONS
        self.class_names, self.photos = class_names, photos
        self._results = JsonList(folder / COCO_RESULTS)
        self._labelled: list[tuple[int, str, _Labels]] = []
        self._scores: list[np.ndarray] = []

    def write(self, frame: Frame, detections: Detections, name: str) -> None:
        height, width = frame.image.shape[:2]
        image_id, file_name = self.photos.image_id(frame), self.photos.listed_name(frame, name)
        for one, box in zip(detections, detections.boxes, strict=True):
            self._results.append(
                {
                    "image_id": image_id,
                    "file_name": file_name,
                    "category_id": one.class_id + 1,  # as in the annotations
                    "category": one.class_name,
                    "bbox": short_xywh(box),
                    "score": round(one.score, 6),
                }
            )
        labels = _Labels(width, height, detections.boxes, detections.class_ids)
        self._labelled.append((image_id, file_name, labels))
        self._scores.append(detections.scores)

    def close(self, complete: bool) -> None:
        self._results.close(complete)
        if complete:
            write_coco(self.annotations, self._labelled, self.class_names, self._scores)


@dataclass(frozen=True)
class _Labels:
    """The objects of a photo, as ``write_coco`` takes them."""

    width: int
    height: int
    boxes: np.ndarray
    class_ids: np.ndarray
    areas: None = None

    @property
    def difficult(self) -> np.ndarray:
        return np.zeros(len(self.boxes), bool)


class LabelStudioTasks(Output):
    """``FOLDER/label_studio.json``, tasks with predictions to import into a project, and
    ``label_studio_config.txt``, the labelling setup of that project.

    Args:
        folder: for both files.
        colours: class name → RGB.
        photos: where the photos are.
        root: the folder that Label Studio serves (LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT).
        model: what found the objects.
    """

    def __init__(
        self,
        folder: Path,
        colours: Mapping[str, tuple[int, int, int]],
        photos: FramePhotos,
        root: Path,
        model: str,
    ) -> None:
        self.photos, self.root, self.model = photos, root.resolve(), model
        self._tasks = JsonList(folder / LABEL_STUDIO)
        self._colours, self._config = colours, folder / LABEL_STUDIO_CONFIG

    def write(self, frame: Frame, detections: Detections, name: str) -> None:
        height, width = frame.image.shape[:2]
        address = local_address(self.photos.below(self.root, frame, name))
        self._tasks.append(
            label_studio_task(
                address,
                width,
                height,
                detections.boxes,
                detections.names(),
                detections.scores.tolist(),
                model=self.model,
            )
        )

    def close(self, complete: bool) -> None:
        self._tasks.close(complete)
        if complete:
            with atomic_write(self._config) as file:
                file.write(label_studio_config(self._colours))
