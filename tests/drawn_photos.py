"""Labelled photos in memory: samples made of them, and objects of a bright colour found again."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from utils.data.augment import AugmentConfig
from utils.data.augment.params import SampleParams
from utils.data.batches.input_shape import TrainingShape
from utils.data.batches.samples import Sample, TrainingSamples
from utils.data.records import Dataset, Record
from utils.images import decode_image

# Channels that the object of each colour lights up. The padding is grey and lights up all.
COLOURS = {"red": (0,), "green": (1,), "blue": (2,), "yellow": (0, 1)}


class LabelledPhoto(NamedTuple):
    """The bytes of an image file, the size of the photo, its boxes and class ids."""

    data: bytes
    width: int
    height: int
    boxes: np.ndarray
    class_ids: np.ndarray


def compose(
    photos: Sequence[LabelledPhoto],
    params: SampleParams,
    shape: TrainingShape,
    config: AugmentConfig,
) -> Sample:
    """The sample that a draw makes of photos in this order."""
    records = [
        Record(
            str(i), Path(str(i)), photo.width, photo.height, photo.boxes, photo.class_ids,
            np.zeros(len(photo.boxes), bool),
        )
        for i, photo in enumerate(photos)
    ]  # fmt: skip

    def read(path: Path, *, reduce: int) -> np.ndarray:
        return decode_image(photos[int(path.name)].data, reduce=reduce)

    dataset = Dataset(tuple(records), ("thing",))
    samples = TrainingSamples(dataset, shape.width, 0, config, read)
    return samples.compose(params, range(len(photos)), shape, config)


def drawn_photo(size, box, colour="red", *, ellipse=False, class_id=0) -> LabelledPhoto:
    """A JPEG of (width, height), black, whose only object fills ``box`` with a bright colour."""
    width, height = size
    image = np.zeros((height, width, 3), np.uint8)
    x0, y0, x1, y1 = box
    if ellipse:
        x = (np.arange(width) + 0.5 - (x0 + x1) / 2) / ((x1 - x0) / 2)
        y = (np.arange(height) + 0.5 - (y0 + y1) / 2) / ((y1 - y0) / 2)
        shape = x[None] ** 2 + y[:, None] ** 2 <= 1
    else:
        shape = np.zeros((height, width), bool)
        shape[y0:y1, x0:x1] = True
    for channel in COLOURS[colour]:
        image[..., channel][shape] = 255
    boxes, class_ids = np.array([box], np.float32), np.array([class_id], np.int32)
    return LabelledPhoto(as_jpeg(image), width, height, boxes, class_ids)


def as_jpeg(image) -> bytes:
    """RGB pixels as a JPEG that keeps colours sharp."""
    options = [
        cv2.IMWRITE_JPEG_QUALITY, 98,
        cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444,
    ]  # fmt: skip
    done, data = cv2.imencode(".jpg", image[..., ::-1], options)
    assert done
    return data.tobytes()


def as_png(image) -> bytes:
    done, data = cv2.imencode(".png", image[..., ::-1])
    assert done
    return data.tobytes()


def find(picture, colour="red", level=127.5):
    """The box around what is of that colour and brighter than ``level``; None without any."""
    lit = [picture[..., i].astype(int) for i in COLOURS[colour]]
    dark = [picture[..., i].astype(int) for i in range(3) if i not in COLOURS[colour]]
    return extent(np.minimum.reduce(lit) - np.maximum.reduce(dark) > level)


def extent(mask):
    """x0, y0, x1, y1 around the true pixels of a mask; None without any."""
    if not mask.any():
        return None
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1])
