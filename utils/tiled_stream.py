"""A stream of pictures through a detector, large ones as a whole and in tiles.

Every tile goes through the detector as a picture of its own. All tiles of a picture look alike to
the network, so batches are full, and only a few are in memory at a time. A picture without tiles
goes the same way as ever, with the same result.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import numpy as np

from utils.detections import Detections
from utils.errors import UserError
from utils.streaming import detect_stream
from utils.tiff_regions import TiffRegions
from utils.tile_merging import View, merge_views
from utils.tiles import Area, picture_areas
from utils.tiling import Tiling

if TYPE_CHECKING:
    from utils.detector import Detector, NetworkInput, NetworkOutput, Pixels

Key = TypeVar("Key")


class Part(NamedTuple):
    """What the network sees of a picture at a time.

    Attributes:
        input: as the network gets it.
        area: which part of the picture.
        last: whether this is the picture's last part.
    """

    input: NetworkInput
    area: Area
    last: bool


def parts_of(detector: Detector, image: Pixels, tiling: Tiling, name: str = "") -> Iterator[Part]:
    """The whole picture and, where it is large, its tiles, each made when it is asked for.

    Args:
        detector: a detector.
        image: uint8 (H, W, 3) RGB pixels, or a TIFF to read by regions.
        tiling: which tiles are wanted.
        name: of the picture, for errors.

    Raises:
        UserError: too many tiles, or a part of the file is damaged.
    """
    height, width = image.shape[:2]
    sides = tiling.sides_for(height, width, max(detector.input_size), detector.training_sizes)
    areas = picture_areas(height, width, sides, tiling.overlap, name)
    inputs = (
        detector.preprocess_regions(image, [area.bounds for area in areas])
        if isinstance(image, TiffRegions)
        else (detector.preprocess(image[y0:y1, x0:x1]) for (x0, y0, x1, y1), _ in areas)
    )
    for number, (area, input) in enumerate(zip(areas, inputs, strict=True), 1):
        yield Part(input, area, number == len(areas))


def detect_pictures(
    detector: Detector,
    pictures: Iterable[tuple[Key, Iterable[Part]]],
    *,
    conf: float,
    ious: Sequence[float],
    max_det: int,
    urgent: Callable[[Key], bool] = lambda key: False,
    on_unreadable: Callable[[str], None] | None = None,
) -> Iterator[tuple[Key, dict[float, Detections], float]]:
    """The key of each picture, the objects on it by NMS threshold, and the network's milliseconds.

    Args:
        detector: a detector.
        pictures: keys, and the parts of each picture as ``parts_of`` gives them.
        conf, max_det: as for ``Detector``.
        ious: NMS thresholds; the network sees a picture once for all of them.
        urgent: as for ``detect_stream``.
        on_unreadable: called with one sentence for a picture of which a part cannot be read; it is
            left out then. None raises the error.
    """

    def inputs() -> Iterator[tuple[_Place, NetworkInput]]:
        for number, (key, parts) in enumerate(pictures):
            try:
                for part in parts:
                    yield _Place(number, key, part.area, part.last), part.input
            except UserError as error:
                if on_unreadable is None:
                    raise
                on_unreadable(str(error))

    def last_of_urgent(place: _Place) -> bool:  # the tiles before it wait for a full batch
        return place.last and urgent(place.key)

    def postprocess(output: NetworkOutput) -> dict[float, Detections]:
        return {
            iou: detector.postprocess(output, conf=conf, iou=iou, max_det=max_det) for iou in ious
        }

    seen: list[tuple[_Place, dict[float, Detections], float]] = []  # of one picture
    for one in detect_stream(detector, inputs(), postprocess, last_of_urgent):
        place = one[0]
        if seen and seen[0][0].picture != place.picture:  # that could not be read to its end
            seen = []
        seen.append(one)
        if place.last:
            by_iou = one[1]
            if len(seen) > 1:
                by_iou = {iou: _merged(seen, iou, max_det) for iou in ious}
            yield place.key, by_iou, sum(network_ms for *_, network_ms in seen)
            seen = []


class _Place(NamedTuple):
    """Where a part belongs: the number of its picture, the picture's key, and as in ``Part``."""

    picture: int
    key: Any
    area: Area
    last: bool


def _merged(
    seen: Sequence[tuple[_Place, dict[float, Detections], float]], iou: float, max_det: int
) -> Detections:
    views = [
        View(place.area.bounds, _shifted(by_iou[iou], place.area.bounds), place.area.min_length)
        for place, by_iou, _ in seen
    ]
    return merge_views(views, max_det=max_det)


def _shifted(detections: Detections, bounds: Sequence[int]) -> Detections:
    """From pixels of the tile to those of the picture."""
    corner = np.array([*bounds[:2], *bounds[:2]], np.float32)
    return replace(detections, boxes=detections.boxes + corner)
