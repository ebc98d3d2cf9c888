"""A network in less than float32, tried beside float32 on the first pictures it gets.

Whether rounding matters depends on the network and its pictures. So the first pictures are run in
both precisions, as they are and in variations, and their detections compared. Until that is
decided, float32 gives the answers. One photo with many objects decides nothing, nor does the same
one many times: it takes several.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import cv2
import numpy as np

from utils.decoding import decode
from utils.detections import Detections
from utils.letterbox import Letterbox
from utils.overlap import iou as box_iou
from utils.postprocess import to_detections
from utils.runtime.runtime import Runtime
from utils.voting import MIN_SCORE_RATIO

CONFIDENCE = 0.25  # of the detections compared
MIN_IOU = 0.9  # of two boxes that agree
MAX_SCORE_DIFFERENCE = 0.05
MIN_AGREEMENT = 0.98  # share of the detections that must have a partner
ENOUGH_DETECTIONS = 50
ENOUGH_PHOTOS = 4
MAX_PHOTOS = 8  # different ones; a network that finds little on so many is not tried any longer
_NMS_IOU, _MAX_DET = 0.45, 300


@dataclass
class Agreement:
    """How well two precisions agree.

    Attributes:
        photos: how many were compared.
        detections: of both precisions together, above ``CONFIDENCE``.
        agreeing: those with a partner of the same class, box and score.
        inputs: hashes of what was compared, so that none counts twice.
    """

    photos: int = 0
    detections: int = 0
    agreeing: int = 0
    inputs: list[str] = field(default_factory=list, compare=False)

    @property
    def can_decide(self) -> bool:
        """Whether the trial ends: with enough data, or after ``MAX_PHOTOS`` without."""
        return self.has_enough_data or self.photos >= MAX_PHOTOS

    @property
    def has_enough_data(self) -> bool:
        """Whether it says something about the network, not only about these photos."""
        return self.photos >= ENOUGH_PHOTOS and self.detections >= ENOUGH_DETECTIONS

    @property
    def passed(self) -> bool:
        """Whether the faster precision is good enough."""
        return self.has_enough_data and self.agreeing >= MIN_AGREEMENT * self.detections

    def add(self, reference: Detections, fast: Detections) -> None:
        """Count the detections of one picture in float32 and in the faster precision."""
        for mine, theirs in ((reference, fast), (fast, reference)):
            sure = mine[mine.scores >= CONFIDENCE]
            self.detections += len(sure)
            self.agreeing += sum(has_partner(sure, i, theirs) for i in range(len(sure)))


def has_partner(detections: Detections, index: int, others: Detections) -> bool:
    """Whether one of the ``others`` has the same class, nearly the same box and score."""
    same = (
        (others.class_ids == detections.class_ids[index])
        & (np.abs(others.scores - detections.scores[index]) <= MAX_SCORE_DIFFERENCE)
        & (box_iou(detections.boxes[index], others.boxes) >= MIN_IOU)
    )
    return bool(same.any())


class PrecisionTrial:
    """``Infer`` that tries a faster precision, and then uses it or float32 for good.

    Args:
        reference: the network in float32.
        fast: the same in another precision.
        on_decision: called once, with the agreement; gives what runs the network from then on.
        so_far: an agreement on earlier photos, to go on with.
        on_photo: called with the agreement after each new photo that decides nothing yet.
    """

    def __init__(
        self,
        reference: Runtime,
        fast: Runtime,
        on_decision: Callable[[Agreement], Runtime],
        so_far: Agreement | None = None,
        on_photo: Callable[[Agreement], None] = lambda agreement: None,
    ) -> None:
        self._pair: tuple[Runtime, Runtime] | None = reference, fast
        self._on_decision = on_decision
        self._on_photo = on_photo
        self._agreement = so_far or Agreement()
        self._chosen: Runtime | None = None
        self._lock = threading.Lock()

    @property
    def undecided(self) -> bool:
        """Whether float32 still gives the answers because too few pictures were seen."""
        return self._chosen is None

    def __call__(self, images: np.ndarray) -> tuple[np.ndarray, ...]:
        if self._chosen is None:
            with self._lock:
                if self._chosen is None:
                    return self._try(images)
        return self._chosen.infer(images)

    def decide_now(self, images: Iterable[np.ndarray]) -> Runtime:
        """Decide on these network inputs, uint8 (H, W, 3); returns what runs the network now on.

        Reads only as many as it takes. Where they do not suffice, it is float32.
        """
        for image in images:
            if self._chosen is not None:
                break
            self(image[None])
        with self._lock:
            if self._chosen is None:
                self._chosen, self._pair = self._pair[0], None
            return self._chosen

    def _try(self, images: np.ndarray) -> tuple[np.ndarray, ...]:
        reference, fast = self._pair
        outputs = reference.infer(images)
        agreement = self._agreement
        before = agreement.photos
        for image in images:
            name = short_hash(image)
            if agreement.can_decide or name in agreement.inputs:
                continue
            agreement.photos += 1
            agreement.inputs.append(name)
            for picture in variations(image):
                agreement.add(detections_of(reference, picture), detections_of(fast, picture))
        if agreement.can_decide:
            self._chosen = self._on_decision(agreement)
            self._pair = None  # frees their memory
        elif agreement.photos > before:
            self._on_photo(agreement)
        return outputs


def short_hash(image: np.ndarray) -> str:
    """Of a network input, uint8 (H, W, 3)."""
    shape = str(image.shape).encode()
    return hashlib.blake2b(shape + image.tobytes(), digest_size=8).hexdigest()


def variations(image: np.ndarray) -> list[np.ndarray]:
    """uint8 (H, W, 3) → itself, mirrored, darker, brighter, and its quarters enlarged."""
    height, width = image.shape[:2]
    top, left = height // 2, width // 2
    quarters = (image[:top, :left], image[:top, left:], image[top:, :left], image[top:, left:])
    return [
        image,
        np.ascontiguousarray(image[:, ::-1]),
        cv2.convertScaleAbs(image, alpha=0.7),
        cv2.convertScaleAbs(image, alpha=1.3),
        *(cv2.resize(quarter, (width, height)) for quarter in quarters),
    ]


def detections_of(runtime: Runtime, image: np.ndarray) -> Detections:
    """The detections on a network input, in its pixels."""
    height, width = image.shape[:2]
    lowest = CONFIDENCE - MAX_SCORE_DIFFERENCE
    arrays = [output[0] for output in runtime.infer(image[None])]
    if runtime.decoding_params:
        arrays = decode(arrays, runtime.decoding_params, lowest * MIN_SCORE_RATIO)
    return to_detections(
        *arrays, Letterbox(width, height, width, height), runtime.class_names,
        conf=lowest, iou=_NMS_IOU, max_det=_MAX_DET,
    )  # fmt: skip
