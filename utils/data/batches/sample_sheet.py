"""A sheet of augmented training photos with their boxes, as the network sees them.

It shows what no check finds: boxes beside their objects, exchanged classes, and augmentation so
strong that objects cannot be recognised.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from utils.data.augment import IGNORED
from utils.data.batches.pipeline import input_size_at
from utils.data.batches.samples import Sample, TrainingSamples
from utils.drawing.boxes import draw_box, sizes
from utils.drawing.colours import colour
from utils.drawing.contact_sheet import contact_sheet
from utils.drawing.fonts import Typeface, drawable
from utils.images import save_image

COLUMNS, CELL = 4, 416
_GREY = (150, 150, 150)  # boxes of objects that the loss ignores
_TEXT = 22  # pixels
_MAX_CLASSES = 40  # in the legend


def draw_sample_sheet(
    path: Path,
    samples: TrainingSamples,
    *,
    batch_size: int,
    batches: int = 2,
    first_step: int = 0,
    input_sizes: Sequence[int] = (),
) -> None:
    """Write a JPEG picture of the first batches.

    Args:
        path: of the picture.
        samples: that batches are made of.
        batch_size: photos in a batch.
        batches: how many to show.
        first_step: the step to begin at.
        input_sizes: as for ``utils.data.batches.pipeline.training_batches``.

    Raises:
        UserError: no photo of the dataset can be read.
    """
    pictures = []
    for step in range(first_step, first_step + batches):
        multi_scale = len(input_sizes) > 1
        size = input_size_at(input_sizes, samples.seed, step) if multi_scale else samples.size
        for row in range(batch_size):
            pictures.append(with_boxes(samples.sample(step * batch_size + row, size)))
    sheet = contact_sheet(pictures, columns=COLUMNS, cell=CELL)
    save_image(path, np.vstack([sheet, _legend(samples.dataset.classes, sheet.shape[1])]))


def with_boxes(picture: Sample) -> np.ndarray:
    """A copy of the picture with each object outlined in the colour of its class."""
    image = picture.image.copy()
    thickness = 1 + sizes(image.shape[1], image.shape[0])[0]
    for box, class_id in zip(picture.boxes, picture.class_ids, strict=True):
        rgb = _GREY if class_id == IGNORED else colour(int(class_id))
        draw_box(image, box, rgb, thickness)
    return image


def _legend(classes: Sequence[str], width: int) -> np.ndarray:
    """uint8 (h, ``width``, 3): a patch of each class's colour, and its name."""
    entries = [(colour(i), drawable(name, i)) for i, name in enumerate(classes[:_MAX_CLASSES])]
    if len(classes) > _MAX_CLASSES:
        entries.append(((255, 255, 255), f"and {len(classes) - _MAX_CLASSES} more"))
    entries.append((_GREY, "ignored: difficult, or mostly hidden"))
    face = Typeface(_TEXT)
    spots, x, y, line = [], _TEXT, 0, round(1.8 * _TEXT)
    for rgb, name in entries:
        text = round(face.width(name))
        if x + 4 * _TEXT + text > width and x > _TEXT:
            x, y = _TEXT, y + line
        spots.append((x, y, rgb, name))
        x += round(3.2 * _TEXT) + text
    image = Image.new("RGB", (width, y + line + _TEXT // 2), "white")
    drawer = ImageDraw.Draw(image)
    for x, y, rgb, name in spots:
        top = y + _TEXT // 4
        drawer.rectangle((x, top, x + _TEXT, top + _TEXT), fill=rgb)
        face.draw(drawer, (x + 1.5 * _TEXT, top + 0.85 * _TEXT), name, "black")
    return np.asarray(image)
