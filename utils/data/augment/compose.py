"""A sample put together: of one photo, of four that share the picture, of two pictures blended."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import cv2
import numpy as np

from utils.data.augment.colour import degrade, recolour
from utils.data.augment.config import AugmentConfig
from utils.data.augment.draw import Layer, PhotoDraw, SampleDraw
from utils.data.augment.geometry import IGNORED, clip_boxes, move_boxes, place, render
from utils.images import reduction
from utils.letterbox import PAD_VALUE


class Picture(NamedTuple):
    """uint8 (H, W, 3) network input, float32 (N, 4) boxes in it, int32 (N,) class ids."""

    image: np.ndarray
    boxes: np.ndarray
    class_ids: np.ndarray


class Photo(NamedTuple):
    """A labelled photo whose pixels are yet to be decoded, as small as they may be.

    Attributes:
        width, height: of the upright photo in pixels.
        boxes: float32 (N, 4) in those pixels.
        class_ids: int32 (N,), ``IGNORED`` for objects that are neither trained on nor punished.
        pixels: the largest ``reduce`` of ``utils.images.read_image`` that will do → uint8 (h, w, 3)
            pixels, which are not written to, and the ``reduce`` that they have.
    """

    width: int
    height: int
    boxes: np.ndarray
    class_ids: np.ndarray
    pixels: Callable[[int], tuple[np.ndarray, int]]


# Opens the photo at a place in the epoch's order, calls the function given with it, and returns
# what that returns; where the photo cannot be read another one stands in.
WithPhoto = Callable[[int, Callable[[Photo], "Drawn"]], "Drawn"]
Drawn = tuple[np.ndarray, np.ndarray]


class Canvas(NamedTuple):
    """The shape of a network input that training photos are drawn into.

    Attributes:
        width, height: in pixels, multiples of 32.
        frame: (width, height) within; a photo at a scale of 1 is letterboxed in it.
    """

    width: int
    height: int
    frame: tuple[int, int]

    @classmethod
    def square(cls, size: int) -> Canvas:
        return cls(size, size, (size, size))


def compose(
    draw: SampleDraw, with_photo: WithPhoto, canvas: Canvas, config: AugmentConfig
) -> Picture:
    """The sample that a draw describes.

    Args:
        draw: all its random numbers.
        with_photo: where its photos come from.
        canvas: what it is drawn on.
        config: the strengths that the draw was made with.

    Returns:
        Objects out of the picture are gone; those of which too little is left are ``IGNORED``.
    """
    picture = _layer(draw.layers[0], with_photo, canvas, config)
    if len(draw.layers) > 1:
        other = _layer(draw.layers[1], with_photo, canvas, config)
        picture = blend(picture, other, draw.share, config.min_visible)
    return picture._replace(image=degrade(picture.image, draw.layers[0].photos[0][1]))


def blend(first: Picture, second: Picture, share: float, min_visible: float) -> Picture:
    """Mixup (Zhang et al., 2018) for detection: pixels weighted, the objects of both kept.

    Objects of a picture that shows through with less than ``min_visible`` are ``IGNORED``.
    """
    image = cv2.addWeighted(first.image, share, second.image, 1 - share, 0)
    class_ids = [
        picture.class_ids if weight >= min_visible else np.full_like(picture.class_ids, IGNORED)
        for picture, weight in ((first, share), (second, 1 - share))
    ]
    return Picture(image, np.concatenate([first.boxes, second.boxes]), np.concatenate(class_ids))


def augment(
    image: np.ndarray,
    boxes: np.ndarray,
    class_ids: np.ndarray,
    size: int,
    rng: np.random.Generator,
    config: AugmentConfig,
) -> Picture:
    """One photo → one network input, without partners: no mosaic and no mixup.

    Args:
        image: uint8 (H, W, 3) RGB.
        boxes: float32 (N, 4) in pixels of the photo.
        class_ids: int32 (N,).
        size: side of the square network input in pixels.
        rng: consumed in a fixed order, whatever the configuration.
        config: strengths.
    """
    draw = SampleDraw((Layer(((0, PhotoDraw(rng, config)),)),))
    photo = Photo(image.shape[1], image.shape[0], boxes, class_ids, lambda _: (image, 1))
    return compose(draw, lambda place, work: work(photo), Canvas.square(size), config)


def _layer(layer: Layer, with_photo: WithPhoto, canvas: Canvas, config: AugmentConfig) -> Picture:
    """One photo over the whole input, or four around a point (mosaic: Bochkovskiy et al., 2020)."""
    image = np.full((canvas.height, canvas.width, 3), PAD_VALUE, np.uint8)
    boxes, class_ids = [], []
    zoom = config.mosaic_scale if layer.centre else 1.0
    rooms = _rooms(layer, canvas)
    for (at, draw), (x0, y0, x1, y1) in zip(layer.photos, rooms, strict=True):
        room = image[y0:y1, x0:x1]
        moved, ids = with_photo(
            at, lambda p, r=room, d=draw: _draw(p, r, canvas.frame, d, zoom, config)
        )
        recolour(room, draw)
        boxes.append(moved + np.float32([x0, y0, x0, y0]))
        class_ids.append(ids)
    return Picture(image, np.concatenate(boxes), np.concatenate(class_ids))


def _draw(
    photo: Photo,
    room: np.ndarray,
    frame: tuple[int, int],
    draw: PhotoDraw,
    zoom: float,
    config: AugmentConfig,
) -> Drawn:
    """Draw a photo into its room; the boxes and class ids of what is seen there."""
    shape = (room.shape[1], room.shape[0])
    placement = place((photo.width, photo.height), shape, frame, draw, zoom)
    most = reduction((photo.width, photo.height), (placement.width, placement.height))
    matrix = render(*photo.pixels(most), placement, room)
    return clip_boxes(move_boxes(photo.boxes, matrix), photo.class_ids, shape, config.min_visible)


def _rooms(layer: Layer, canvas: Canvas) -> list[tuple[int, int, int, int]]:
    """The rectangle of each photo, ``x0, y0, x1, y1``."""
    if layer.centre is None:
        return [(0, 0, canvas.width, canvas.height)]
    width, height, _ = canvas
    x, y = round(layer.centre[0] * width), round(layer.centre[1] * height)
    return [(0, 0, x, y), (x, 0, width, y), (0, y, x, height), (x, y, width, height)]
