"""``Detections``: the objects found in one image, to filter, draw, convert and score.

    sure = detections[detections.scores > 0.5]
    for one in sure:
        print(one.class_name, one.score, one.box)
    picture = sure.draw("photo.jpg")

Neither TensorFlow nor a network is needed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from operator import index
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, overload

import numpy as np

from utils.drawing.boxes import draw_detections
from utils.errors import UserError
from utils.images import read_image
from utils.label_files.voc import voc_annotation

if TYPE_CHECKING:
    import pandas
    import supervision

NO_TRACK = -1  # in ``Detections.track_ids``: the object has no id (yet)

Rows = slice | Sequence[int] | Sequence[bool] | np.ndarray


class Detection(NamedTuple):
    """One object.

    Attributes:
        class_name: its class.
        class_id: index of the class in ``Detections.class_names``.
        score: 0 to 1.
        box: ``x0, y0, x1, y1`` in pixels of the original image, continuous coordinates.
        track_id: the same in every frame of a video; None where the object has none.
    """

    class_name: str
    class_id: int
    score: float
    box: tuple[float, float, float, float]
    track_id: int | None = None


@dataclass(frozen=True, eq=False)
class Detections:
    """The objects found in one image, best score first.

    ``len(detections)`` is their number, and iteration yields each as a ``Detection``. An index
    gives one ``Detection``; a slice, a boolean array or an array of indices gives ``Detections``.

    Attributes:
        boxes: float32 (N, 4), ``x0, y0, x1, y1`` in pixels of the original image, continuous
            coordinates (a box around a whole W×H image is ``0, 0, W, H``).
        scores: float32 (N,), 0 to 1.
        class_ids: int32 (N,), indices into ``class_names``.
        class_names: the names of all classes the detector knows.
        image_size: (width, height) of the original image in pixels; None where it is not known.
        track_ids: int64 (N,), the same for an object in every frame of a video, ``NO_TRACK`` where
            it has none; None without tracking.
    """

    boxes: np.ndarray
    scores: np.ndarray
    class_ids: np.ndarray
    class_names: tuple[str, ...]
    image_size: tuple[int, int] | None = None
    track_ids: np.ndarray | None = None

    def __post_init__(self) -> None:
        n = len(self.scores)
        if self.boxes.shape != (n, 4) or self.class_ids.shape != (n,):
            raise ValueError(
                f"boxes {self.boxes.shape}, scores {self.scores.shape} and class ids "
                f"{self.class_ids.shape} do not describe the same number of objects"
            )
        if self.track_ids is not None and self.track_ids.shape != (n,):
            raise ValueError(f"track ids {self.track_ids.shape} for {n} objects")

    def __len__(self) -> int:
        return len(self.scores)

    @overload
    def __getitem__(self, key: int) -> Detection: ...

    @overload
    def __getitem__(self, key: Rows) -> Detections: ...

    def __getitem__(self, key: int | Rows) -> Detection | Detections:
        """
        Raises:
            IndexError: an index out of range, a boolean array of another length, or a key that is
                neither an index nor a selection of rows.
        """
        rows = key if isinstance(key, slice) else _rows(key)
        if isinstance(rows, int):
            class_id = int(self.class_ids[rows])
            return Detection(
                self.class_names[class_id],
                class_id,
                float(self.scores[rows]),
                tuple(self.boxes[rows].tolist()),
                self._track_id(rows),
            )
        return replace(
            self,
            boxes=self.boxes[rows],
            scores=self.scores[rows],
            class_ids=self.class_ids[rows],
            track_ids=None if self.track_ids is None else self.track_ids[rows],
        )

    def __iter__(self) -> Iterator[Detection]:
        return (self[i] for i in range(len(self)))

    def _track_id(self, row: int) -> int | None:
        if self.track_ids is None or self.track_ids[row] == NO_TRACK:
            return None
        return int(self.track_ids[row])

    def names(self) -> list[str]:
        """The class name of each detection."""
        return [self.class_names[i] for i in self.class_ids]

    def draw(self, image: np.ndarray | str | Path) -> np.ndarray:
        """A copy of the image, uint8 (H, W, 3) RGB, with a box and a label for each object.

        Args:
            image: uint8 (H, W, 3) RGB pixels, or the path of a picture.

        Raises:
            UserError: the file cannot be read as an image.
        """
        return draw_detections(read_image(image) if isinstance(image, str | Path) else image, self)

    def to_coco(self, image_id: int | str = 1) -> list[dict[str, Any]]:
        """COCO results, as ``get_map.py --detections`` reads them.

        ``bbox`` is x, y, width, height in pixels. Category ids are the class ids, from 0.
        """
        return [
            {
                "image_id": image_id,
                "category_id": one.class_id,
                "bbox": xywh(one.box),
                "score": one.score,
            }
            for one in self
        ]

    def to_voc(self, image_name: str = "image.jpg") -> str:
        """The text of a Pascal VOC XML file, as labelling programs and ``train.py`` read it.

        Args:
            image_name: file name of the picture, without a folder.

        Raises:
            ValueError: the size of the image is not known, or a class name has characters that
                XML cannot store.
        """
        if self.image_size is None:
            raise ValueError(
                "VOC XML needs the size of the image; give image_size=(width, height) to Detections"
            )
        return voc_annotation(
            image_name, *self.image_size, self.boxes, self.names(), scores=self.scores
        )

    def to_pandas(self) -> pandas.DataFrame:
        """A table with a row an object: class, class_id, score, x0, y0, x1, y1; with tracking also
        track_id.

        Raises:
            UserError: pandas is not installed.
        """
        x0, y0, x1, y1 = self.boxes.T
        return optional_library("pandas", "to_pandas").DataFrame(
            {
                "class": np.array(self.names(), dtype=object),
                "class_id": self.class_ids,
                "score": self.scores,
                "x0": x0, "y0": y0, "x1": x1, "y1": y1,
                **({} if self.track_ids is None else {"track_id": self.track_ids}),
            }
        )  # fmt: skip

    def to_supervision(self) -> supervision.Detections:
        """The same objects as ``supervision.Detections``.

        Raises:
            UserError: supervision is not installed.
        """
        return optional_library("supervision", "to_supervision").Detections(
            xyxy=self.boxes,
            confidence=self.scores,
            class_id=self.class_ids.astype(int),
            tracker_id=self.track_ids,
            data={"class_name": np.array(self.names(), dtype=str)},
        )


def xywh(box: Sequence[float]) -> list[float]:
    """``x0, y0, x1, y1`` → x, y, width, height."""
    x0, y0, x1, y1 = box
    return [x0, y0, x1 - x0, y1 - y0]


def xyxy(boxes: Sequence[Sequence[float]]) -> np.ndarray:
    """x, y, width, height of N boxes → float64 (N, 4) ``x0, y0, x1, y1``."""
    corners = np.array(boxes, np.float64).reshape(-1, 4)
    corners[:, 2:] += corners[:, :2]
    return corners


def optional_library(name: str, needed_by: str) -> Any:
    """A library that only some people need.

    Raises:
        UserError: it is not installed.
    """
    try:
        return import_module(name)
    except ImportError as error:
        raise UserError(
            f"{needed_by}() needs {name}, which cannot be imported ({error}); install it with: "
            f"pip install {name}"
        ) from error


def _rows(key: Any) -> int | np.ndarray:
    """An index, or an array of booleans or of indices."""
    try:
        if not isinstance(key, bool | np.bool_):
            return index(key)
    except TypeError:
        pass
    rows = np.asarray(key)
    rows = rows.astype(int) if not rows.size and rows.dtype != bool else rows
    if rows.ndim != 1 or rows.dtype.kind not in "biu":
        raise IndexError(
            "an index, a slice, a boolean array or an array of indices selects detections, not "
            f"{key!r}"
        )
    return rows
