"""``TrainingSamples``: augmented training samples by index, from records.

The position in the data is one number, the index of a sample since the start of the run. Epoch,
order and every random number follow from (seed, index), the order also from how often each photo is
to be seen. So a run can start anywhere and see what it would have seen, whatever the number of
workers or of hosts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import NamedTuple

import cv2
import numpy as np

from utils.data.augment import IGNORED, AugmentConfig
from utils.data.augment.colour import degrade, recolour
from utils.data.augment.geometry import Placement, clip_boxes, move_boxes, place_photo, render
from utils.data.augment.params import ImageParams, PhotoParams, SampleParams, sample_params
from utils.data.batches.crops import Crops, crop_corner, too_small
from utils.data.batches.image_cache import PhotoReader, plain_reader
from utils.data.batches.input_shape import TrainingShape, training_shape
from utils.data.batches.repeats import epoch_order
from utils.data.records import Dataset, Record
from utils.errors import UserError
from utils.images import reduction
from utils.letterbox import PAD_VALUE


class Sample(NamedTuple):
    """uint8 (H, W, 3) network input, float32 (N, 4) boxes in it, int32 (N,) class ids."""

    image: np.ndarray
    boxes: np.ndarray
    class_ids: np.ndarray


@dataclass
class ReadErrors:
    """What went wrong in the threads that read photos.

    Attributes:
        failure: what ended the stream, if anything did; TensorFlow hides the exception itself.
        unreadable: message by image id, for photos that failed to load. The next photo of
            the same epoch replaced each of them.
    """

    failure: Exception | None = None
    unreadable: dict[str, str] = field(default_factory=dict)


class TrainingSamples:
    """Augmented training samples by index; any index from 0 on is valid.

    Attributes:
        dataset, size, seed, config, aspect, warmup_epochs, crops, repeats: what the samples are
            made of; not to be changed.
        errors: what went wrong so far.
    """

    def __init__(
        self,
        dataset: Dataset,
        size: int,
        seed: int,
        config: AugmentConfig,
        reader: PhotoReader | None = None,
        aspect: tuple[float, float] = (1.0, 1.0),
        warmup_epochs: int = 1,
        crops: Crops | None = None,
        repeats: np.ndarray | None = None,
    ) -> None:
        """Nothing is read yet.

        Args:
            dataset: the labelled photos.
            size: side in pixels of the square that the network input lies in.
            seed: of every random number.
            config: strengths of the augmentation.
            reader: reads photos; see ``utils.data.batches.image_cache``.
            aspect: width and height of the network input, relative to that square; see
                ``utils.data.batches.input_shape``.
            warmup_epochs: augmentation reaches full strength in this epoch. Before, it grows in
                proportion to the epochs.
            crops: of the photos; None to show photos whole.
            repeats: how often each photo, or crop, is seen, relative to the others; None for once
                an epoch. See ``utils.data.batches.repeats``.
        """
        self.dataset, self.size, self.seed, self.config = dataset, size, seed, config
        self.aspect, self.warmup_epochs, self.crops = aspect, warmup_epochs, crops
        self.repeats = np.ones(len(self)) if repeats is None else repeats
        self.errors = ReadErrors()
        self._reader = reader or plain_reader(dataset)
        self._order: tuple[int, np.ndarray] = (-1, np.empty(0, np.int64))

    def __len__(self) -> int:
        """Samples in an epoch: as many as photos, or as crops."""
        return len(self.dataset if self.crops is None else self.crops)

    @property
    def unreadable(self) -> dict[str, str]:
        """Message by image id, for photos that failed to load."""
        return self.errors.unreadable

    def __getitem__(self, index: int) -> Sample:
        """The sample at an index, at the size of ``self``.

        Raises:
            UserError: no photo of the dataset can be read.
        """
        return self.sample(index, self.size)

    def sample(self, index: int, size: int) -> Sample:
        """As ``self[index]``, at another size of the network input.

        Raises:
            UserError: no photo of the dataset can be read.
        """
        epoch, position = divmod(index, len(self))
        config = self.config
        if epoch + 1 < self.warmup_epochs:
            config = config.at_strength((epoch + 1) / self.warmup_epochs)
        params = sample_params(self.seed, epoch, position, len(self), config)
        shape = training_shape(size, self.aspect)
        return self.compose(params, self._epoch_order(epoch), shape, config)

    def with_config(self, config: AugmentConfig, size: int | None = None) -> TrainingSamples:
        """The same photos in the same order, augmented differently: for a later part of a run.

        Both report errors in the same place.
        """
        other = TrainingSamples(
            self.dataset, size or self.size, self.seed, config, self._reader, self.aspect,
            self.warmup_epochs, self.crops, self.repeats,
        )  # fmt: skip
        other.errors = self.errors
        return other

    def compose(
        self,
        params: SampleParams,
        order: Sequence[int],
        shape: TrainingShape,
        config: AugmentConfig,
    ) -> Sample:
        """The sample that its parameters describe.

        Args:
            params: all its random numbers.
            order: of the records, or crops, in the epoch.
            shape: of the network input.
            config: the strengths that the parameters were drawn with.

        Returns:
            Without the objects outside the picture. Those of which too little is left are
            ``IGNORED``.

        Raises:
            UserError: no photo of the dataset can be read.
        """
        samples = [self._compose_image(p, order, shape, config) for p in params.images]
        sample = samples[0]
        if len(samples) > 1:
            sample = mixup(*samples, params.mixup_weight, config.min_visible)
        return sample._replace(image=degrade(sample.image, params.images[0].photos[0][1]))

    def _compose_image(
        self,
        image_params: ImageParams,
        order: Sequence[int],
        shape: TrainingShape,
        config: AugmentConfig,
    ) -> Sample:
        """One photo over the whole input, or four in a mosaic (Bochkovskiy et al., 2020)."""
        image = np.full((shape.height, shape.width, 3), PAD_VALUE, np.uint8)
        scale = config.mosaic_scale if image_params.centre else 1.0
        boxes, class_ids = [], []
        regions = image_params.regions(shape.width, shape.height)
        for (position, params), (x0, y0, x1, y1) in zip(image_params.photos, regions, strict=True):
            region = image[y0:y1, x0:x1]
            drawn = self._draw_photo(region, order, position, params, shape.inner, scale)
            record, matrix, whole_of_larger = drawn
            recolour(region, params)
            ids = np.where(record.difficult, IGNORED, record.class_ids).astype(np.int32)
            moved = move_boxes(record.boxes, matrix)
            moved, ids = clip_boxes(moved, ids, (x1 - x0, y1 - y0), config.min_visible)
            if whole_of_larger:
                ids[too_small(moved)] = IGNORED
            boxes.append(moved + np.float32([x0, y0, x0, y0]))
            class_ids.append(ids)
        return Sample(image, np.concatenate(boxes), np.concatenate(class_ids))

    def _draw_photo(
        self,
        region: np.ndarray,
        order: Sequence[int],
        position: int,
        params: PhotoParams,
        inner: tuple[int, int],
        scale: float,
    ) -> tuple[Record, np.ndarray, bool]:
        """Place, read and render a photo; if it cannot be read, the next one in the order that can.

        Returns:
            Its record, the map from the photo to the region, and whether all of a photo
            is shown that is larger than a crop.
        """
        others = (order[(position + step) % len(order)] for step in range(len(order)))
        for number in chain(others, range(len(self))):  # an epoch need not have all of them
            record = self.dataset.records[
                number if self.crops is None else self.crops.photos[number]
            ]
            size = (record.width, record.height)
            whole = self.crops is not None and bool(self.crops.whole[number])
            if self.crops is None or whole:
                placement = place_photo(size, region.shape[1::-1], inner, params, scale)
            else:
                visible_size = self.crops.visible_size(size)
                placement = place_crop(
                    record, region.shape[1::-1], inner, params, scale, visible_size
                )
            reduce = reduction(size, (placement.width, placement.height))
            try:
                pixels = self._read(record, reduce)
            except UserError as error:
                self.unreadable[record.image_id] = str(error)
            else:
                return record, render(pixels, reduce, placement, region), whole
        first = next(iter(self.unreadable.values()), "")
        raise UserError(f"none of the {len(self.dataset)} training photos can be read ({first})")

    def _read(self, record: Record, reduce: int) -> np.ndarray:
        image = self._reader(record.image, reduce=reduce)
        if image.shape[:2] != (-(-record.height // reduce), -(-record.width // reduce)):
            raise UserError(
                f"{record.image}: is not the picture of {record.width}×{record.height} pixels "
                "that its labels are for; was it replaced?"
            )
        return image

    def _epoch_order(self, epoch: int) -> np.ndarray:
        cached_epoch, order = self._order
        if cached_epoch != epoch:
            rng = np.random.default_rng([self.seed, 0, epoch])
            order = epoch_order(self.repeats, rng)
            self._order = (epoch, order)
        return order


def place_crop(
    record: Record,
    region: tuple[int, int],
    inner: tuple[int, int],
    params: PhotoParams,
    scale: float,
    visible_size: tuple[int, int],
) -> Placement:
    """As ``place_photo``; a photo that is larger than its region lies where ``crop_corner`` says.

    At a scale of 1 the region has ``visible_size`` pixels of the photo. Smaller scales show more of
    it, not more grey.
    """
    placement = place_photo(
        (record.width, record.height), region, inner, params, scale, visible_size
    )
    photo, drawn = (record.width, record.height), (placement.width, placement.height)
    view = tuple(region[i] * photo[i] / drawn[i] for i in (0, 1))
    targets = record.boxes[~record.difficult]
    corner = crop_corner(photo, view, targets, params.crop)
    usual = (params.position_x, params.position_y)
    position = tuple(
        corner[i] / (photo[i] - view[i]) if photo[i] > view[i] else usual[i] for i in (0, 1)
    )
    return place_photo(photo, region, inner, params, scale, visible_size, position)


def mixup(first: Sample, second: Sample, weight: float, min_visible: float) -> Sample:
    """Mixup (Zhang et al., 2018) for detection: pixels are samples, the objects of both kept.

    ``weight`` is the weight of the first sample. Objects of a sample whose weight is less than
    ``min_visible`` are ``IGNORED``.
    """
    image = cv2.addWeighted(first.image, weight, second.image, 1 - weight, 0)
    class_ids = [
        sample.class_ids if own_weight >= min_visible else np.full_like(sample.class_ids, IGNORED)
        for sample, own_weight in ((first, weight), (second, 1 - weight))
    ]
    return Sample(image, np.concatenate([first.boxes, second.boxes]), np.concatenate(class_ids))
