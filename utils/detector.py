"""``Detector``: any weights file and any picture → the objects on it.

    detector = Detector("best.keras")
    detections = detector("photo.jpg")          # .boxes .scores .class_ids .class_names
    several = detector(["a.jpg", "b.jpg"], conf=0.5)
    small_too = detector("city.tif", tile="auto")

This is the one path from photos to detections, for every runtime, in three steps: ``preprocess``
letterboxes a photo, ``infer`` runs the network on a batch, and ``postprocess`` applies NMS and maps
the boxes back to the photo. Prediction, scoring and training use it. Importing this module does not
import TensorFlow.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from numbers import Integral, Real
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from PIL import Image

from utils.decoding import decode
from utils.detections import Detections
from utils.images import pixels_of, read_image
from utils.letterbox import Letterbox
from utils.pixel_range import PixelRanges
from utils.postprocess import to_detections
from utils.runtime.runtime import Runtime, open_runtime
from utils.tiff_regions import ScaledRegion, TiffRegions, group_into_passes, open_regions
from utils.tiled_stream import detect_pictures, parts_of
from utils.tiling import NO_TILES, TILE_OVERLAP, Tiling, TrainingSizes
from utils.voting import MIN_SCORE_RATIO

# The path of an image; an image of Pillow; or pixels, uint8 (H, W, 3) RGB, upright. OpenCV gives
# BGR, which looks the same to a program: convert it with cv2.cvtColor(image, cv2.COLOR_BGR2RGB).
Picture = str | Path | Image.Image | np.ndarray
Pixels = np.ndarray | TiffRegions  # uint8 (H, W, 3) RGB, upright; all of them or read by regions


class NetworkInput(NamedTuple):
    """A photo as the network gets it.

    Attributes:
        pixels: uint8 (height, width, 3) RGB.
        letterbox: where the photo lies in them.
    """

    pixels: np.ndarray
    letterbox: Letterbox


class NetworkOutput(NamedTuple):
    """The network's output for one photo.

    Attributes:
        arrays: float32 boxes (N, 4) in pixels of the network input and scores (N, classes); or
            three raw maps, where the runtime has ``decoding_params``.
        letterbox: where the photo lies in the network input.
    """

    arrays: tuple[np.ndarray, ...]
    letterbox: Letterbox


class Detector:
    """Finds objects in pictures.

    Args:
        weights: a file that ``train.py`` or ``export.py`` wrote, or a ready ``Runtime``.
        runtime: ``auto`` for the fastest here, or one of ``utils.runtime.names.RUNTIMES``;
            ``tensorflow`` gives the numbers of the checkpoint's own network.
        device: ``auto``, ``cpu``, ``gpu`` or ``gpu:N``; None leaves the choice to the runtime, for
            programs that have set up their devices themselves.
        throughput: for many pictures in lists: the most a second, not the first one soonest.

    Raises:
        UserError: the file is missing, or no detector.
    """

    def __init__(
        self,
        weights: str | Path | Runtime,
        runtime: str = "auto",
        device: str | None = None,
        *,
        throughput: bool = False,
    ) -> None:
        if not isinstance(weights, Runtime):
            weights = open_runtime(weights, runtime, device=device, throughput=throughput)
        self.runtime = weights

    @property
    def class_names(self) -> tuple[str, ...]:
        return self.runtime.class_names

    @property
    def input_size(self) -> tuple[int, int]:
        """(height, width) of the network input in pixels."""
        return self.runtime.input_size

    @property
    def shape_in_words(self) -> str:
        """Which shape of input the pictures are given to the network in."""
        height, width = self.input_size
        if self.runtime.any_shape:
            return f"each picture at its own shape, the longer side {max(height, width)} pixels"
        return f"every picture at {width}×{height} pixels"

    @property
    def batch_size(self) -> int:
        """How many pictures the network gets at once."""
        return self.runtime.batch_size

    @property
    def pixel_ranges(self) -> PixelRanges:
        """The pixel ranges that the network was trained with."""
        return PixelRanges.from_metadata(self.runtime.metadata)

    @property
    def training_sizes(self) -> TrainingSizes:
        """Tile side and object sizes of training, from the file's metadata; empty without it."""
        return TrainingSizes.from_metadata(self.runtime.metadata)

    def read(self, path: str | Path, tiling: Tiling = NO_TILES) -> Pixels:
        """The photo at ``path`` as training read it: uint8 (H, W, 3) RGB, upright.

        With tiles, a TIFF too large for memory is read by regions when they are needed.

        Raises:
            UserError: it cannot be read as an image.
        """
        regions = open_regions(path) if tiling.side != "off" else None
        return regions or read_image(path, ranges=self.pixel_ranges)

    @property
    def operating_point(self) -> dict[str, float]:
        """``conf`` and ``iou`` that ``get_map.py --tune`` stored; empty without."""
        return operating_point(self.runtime.metadata)

    def __call__(
        self,
        images: Picture | Sequence[Picture],
        *,
        conf: float = 0.25,
        iou: float = 0.45,
        max_det: int = 300,
        tile: int | Literal["auto", "off"] = "off",
        overlap: float = TILE_OVERLAP,
    ) -> Detections | list[Detections]:
        """The objects on a picture; a list of them for a list of pictures.

        Args:
            images: a path, a Pillow image, or pixels; or a list or an array of them. Pixels are
                uint8 (H, W, 3), RGB and upright. OpenCV reads BGR: convert it first, because the
                detector cannot see the difference and finds less.
            conf: lowest score that is kept, 0 to 1.
            iou: IoU above which the weaker of two boxes of a class is dropped, 0 to 1.
            max_det: most objects a picture.
            tile: also look at large pictures in tiles of this side in pixels; ``auto`` for the one
                that suits the detector. docs/tiles.md tells more.
            overlap: share of a tile's side that neighbouring tiles have in common.

        Raises:
            UserError: a file that cannot be read as an image; no such tiles.
            ValueError: anything else, pixels of another type or shape, or a threshold out of range.
        """
        check_thresholds(conf, iou, max_det)
        several = isinstance(images, Sequence) and not isinstance(
            images, (str, bytes, bytearray, memoryview)
        )
        if not several and not (isinstance(images, np.ndarray) and images.ndim == 4):
            check_picture(images)
            options = {"conf": conf, "iou": iou, "max_det": max_det, "tile": tile}
            return self([images], **options, overlap=overlap)[0]
        for index, image in enumerate(images):  # before the first batch, which may take long
            check_picture(image, f"picture {index} (counted from 0): ")
        tiling = Tiling(tile, overlap)
        if len(images) == 1 and tile == "off":  # needs no threads
            output = self.infer([self.preprocess(self._pixels(images[0], tiling))])[0]
            return [self.postprocess(output, conf=conf, iou=iou, max_det=max_det)]
        parts = (
            (None, parts_of(self, self._pixels(image, tiling), tiling, _name(image, number)))
            for number, image in enumerate(images)
        )
        found = detect_pictures(self, parts, conf=conf, ious=(iou,), max_det=max_det)
        return [by_iou[iou] for _, by_iou, _ in found]

    def preprocess(self, image: np.ndarray) -> NetworkInput:
        """uint8 (H, W, 3) photo → the network input.

        It has the photo's own shape where the runtime takes any, otherwise ``input_size``.
        """
        letterbox = self._letterbox(*image.shape[:2])
        return NetworkInput(letterbox.apply(image), letterbox)

    def preprocess_regions(
        self, image: TiffRegions, boxes: Sequence[tuple[int, int, int, int]]
    ) -> Iterator[NetworkInput]:
        """Regions of a picture, ``x0, y0, x1, y1`` in pixels → their network inputs, in order.

        Raises:
            UserError: a part of the file is damaged.
        """
        letterboxes = {box: self._letterbox(box[3] - box[1], box[2] - box[0]) for box in boxes}
        wanted = [
            ScaledRegion(box, letterboxes[box].inner_width, letterboxes[box].inner_height)
            for box in boxes
        ]
        for some in group_into_passes(wanted):
            for one, small in zip(some, image.read_scaled(some), strict=True):
                letterbox = letterboxes[one.box]  # the copy has the size that it will give
                inner = replace(letterbox, width=one.width, height=one.height)
                yield NetworkInput(inner.apply(small), letterbox)

    def _letterbox(self, height: int, width: int) -> Letterbox:
        if self.runtime.any_shape:
            return Letterbox.fitted(width, height, max(self.input_size))
        return Letterbox(width, height, *reversed(self.input_size))

    def infer(self, batch: Sequence[NetworkInput]) -> list[NetworkOutput]:
        """Run the network on up to ``batch_size`` inputs of one shape."""
        outputs = self.runtime.infer(np.stack([one.pixels for one in batch]))
        return [
            NetworkOutput(tuple(array[row] for array in outputs), one.letterbox)
            for row, one in enumerate(batch)
        ]

    def postprocess(
        self, output: NetworkOutput, *, conf: float, iou: float, max_det: int
    ) -> Detections:
        """The network's output → the objects on the photo."""
        boxes, scores = self.decode_output(output, conf)
        return to_detections(
            boxes, scores, output.letterbox, self.class_names, conf=conf, iou=iou, max_det=max_det
        )

    def decode_output(self, output: NetworkOutput, conf: float) -> tuple[np.ndarray, np.ndarray]:
        """The boxes and scores of an output, at least those that suppression and voting look at."""
        if self.runtime.decoding_params:
            # Suppression looks at scores of at least ``conf``, voting at half of that.
            return decode(output.arrays, self.runtime.decoding_params, conf * MIN_SCORE_RATIO)
        boxes, scores = output.arrays
        return boxes, scores

    def _pixels(self, image: Picture, tiling: Tiling) -> Pixels:
        if isinstance(image, (str, Path)):
            return self.read(image, tiling)
        if isinstance(image, Image.Image):
            name = getattr(image, "filename", "") or "image"
            return pixels_of(image, name, ranges=self.pixel_ranges)
        return np.ascontiguousarray(image)  # image[:, :, ::-1], say, which OpenCV refuses


def _name(image: Picture, number: int) -> str:
    """Of a picture, for errors: its file, or its place among those given."""
    name = image if isinstance(image, (str, Path)) else getattr(image, "filename", "")
    return str(name or f"picture {number} (counted from 0)")


def operating_point(metadata: Mapping[str, Any]) -> dict[str, float]:
    """``{"conf": …, "iou": …}`` that ``get_map.py --tune`` stored, without missing or invalid
    values."""
    stored = metadata.get("operating_point")
    stored = stored if isinstance(stored, Mapping) else {}
    return {
        key: float(stored[key])
        for key in ("conf", "iou")
        if isinstance(stored.get(key), int | float)
        and not isinstance(stored[key], bool)
        and 0 <= stored[key] <= 1
    }


def check_thresholds(conf: object, iou: object, max_det: object) -> None:
    """Refuse invalid thresholds.

    Raises:
        ValueError: a threshold that is no number, or out of range.
    """
    for name, value in (("conf", conf), ("iou", iou)):
        if not (isinstance(value, Real) and 0 <= value <= 1):
            raise ValueError(f"{name}: expected a number from 0 to 1, not {value!r}")
    if not (isinstance(max_det, Integral) and max_det >= 1):
        raise ValueError(f"max_det: expected a whole number from 1 on, not {max_det!r}")


def check_picture(image: object, where: str = "") -> None:
    """Refuse what is no picture.

    Args:
        image: what stands for a picture.
        where: begins the message.

    Raises:
        ValueError: says what it is and what to give instead.
    """
    if isinstance(image, (str, Path, Image.Image)):
        return
    wanted = "a path, a Pillow image, or uint8 pixels of shape (height, width, 3) in RGB order"
    if not isinstance(image, np.ndarray):
        kind = "None" if image is None else f"{type(image).__module__}.{type(image).__qualname__}"
        raise ValueError(
            f"{where}expected {wanted}; got {kind.removeprefix('builtins.')}{_hint(image)}"
        )
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or not image.size:
        raise ValueError(
            f"{where}expected {wanted}; got {image.dtype} of shape {image.shape}{_hint(image)}"
        )


def _hint(image: object) -> str:
    """What probably happened, or what to do."""
    if image is None:
        return " (cv2.imread returns None if it cannot read a file)"
    if not isinstance(image, np.ndarray):
        return ""
    if not image.size:
        return ", which is empty"
    if image.ndim == 4:
        return ". Give several pictures as one array, or as a list of single pictures"
    if image.dtype != np.uint8:
        largest = image.max() if image.dtype.kind in "fiu" else None
        scaling = "image * 255" if image.dtype.kind == "f" and largest <= 1 else "image"
        return f". Scale the values to 0–255, then convert: ({scaling}).astype(np.uint8)"
    if image.ndim == 2:
        return ". A grey picture becomes RGB with np.repeat(image[:, :, None], 3, axis=2)"
    if image.ndim == 3 and image.shape[2] == 4:
        return ". Drop the fourth channel: image[:, :, :3]"
    if image.ndim == 3 and image.shape[2] == 1:
        return ". A grey picture becomes RGB with np.repeat(image, 3, axis=2)"
    if image.ndim == 3 and image.shape[0] == 3:
        return ". Move the channels to the end: image.transpose(1, 2, 0)"
    return ""
