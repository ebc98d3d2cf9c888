"""The costliest errors, each cut out of its photo.

``choose_cards`` picks them, the worst first and all classes in turn. ``encode_crop`` cuts one out.
The page draws the boxes over the crop, so that they stay sharp at any size and can be hidden.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from utils.errors import UserError
from utils.evaluation.formatting import percent, score
from utils.evaluation.schema import Analysis, ErrorItem, SuspectedLabelError
from utils.html.page import data_address
from utils.images import read_image
from utils.letterbox import resize

LABEL_ERROR = "label-error"  # kind of a card, beside ERROR_KINDS
MAX_PER_KIND = 60
MAX_SIDE = 400  # longest side of a crop in pixels
QUALITY = 72  # of WebP
_CROP_SCALE = 2.0  # side of a crop, as a multiple of the boxes that the error concerns
_MIN_SIDE = 96  # pixels of the photo; smaller crops do not show the surroundings
_MAX_CONTEXT_BOXES = 40  # boxes drawn besides those that the error concerns

Box = tuple[float, float, float, float]  # x0, y0, x1, y1 in pixels of the photo


@dataclass(frozen=True)
class DrawnBox:
    """A box over a crop.

    Attributes:
        box: in pixels of the photo.
        detection: a detection; otherwise a label.
        context: only near the error, not part of it.
    """

    box: Box
    detection: bool
    context: bool = False

    @property
    def path(self) -> str:
        """The outline as the data of an SVG path."""
        x0, y0, x1, y1 = (f"{side:.4g}" if abs(side) < 1 else f"{side:.1f}" for side in self.box)
        return f"M{x0} {y0}H{x1}V{y1}H{x0}Z"


@dataclass(frozen=True)
class Card:
    """One error.

    Attributes:
        kinds: of ``ERROR_KINDS`` and ``LABEL_ERROR``; an error may be a suspected label error too.
        classes: ids of the classes concerned.
        image_id, stem, file_name: which photo.
        title: the error in a line.
        detail: further facts; may be empty.
        boxes: what is drawn, the boxes that the error concerns last.
        region: the part of the photo in the crop, in its pixels.
        source: ``data:`` URL of the crop; empty if the photo could not be read.
    """

    kinds: tuple[str, ...]
    classes: tuple[int, ...]
    image_id: int
    stem: str
    file_name: str
    title: str
    detail: str
    boxes: tuple[DrawnBox, ...]
    region: Box = (0, 0, 1, 1)
    source: str = ""

    @property
    def view_box(self) -> str:
        x0, y0, x1, y1 = self.region
        return f"{x0:g} {y0:g} {x1 - x0:g} {y1 - y0:g}"


@dataclass
class CropEncoder:
    """Adds crops to cards until a number of bytes is used up.

    Attributes:
        photos: files by the records' ``image_id``, which is the ``stem`` of a card.
        bytes_left: bytes that further crops may take.
        unreadable: those of the photos that could not be read.
        left_out: number of cards left out because no bytes were left.
    """

    photos: Mapping[str, Path]
    bytes_left: int
    unreadable: list[str] = field(default_factory=list)
    left_out: int = 0

    def fill(self, cards: Sequence[Card], sizes: Mapping[int, tuple[int, int]]) -> list[Card]:
        """The cards with crops, the first ones if bytes run out; each photo is read once."""
        by_photo = defaultdict(list)
        for place, card in enumerate(cards):
            by_photo[card.stem].append(place)
        crops: dict[int, tuple[Box, str]] = {}
        for stem, places in by_photo.items():
            image = self._read(stem)
            for place in places:
                card = cards[place]
                size = sizes[card.image_id] if image is None else image.shape[1::-1]
                region = crop_region([drawn.box for drawn in card.boxes if not drawn.context], size)
                crops[place] = region, "" if image is None else encode_crop(image, region)
        filled = []
        for place, card in enumerate(cards):  # the worst come first
            region, source = crops[place]
            if len(source) > self.bytes_left:
                self.left_out += 1
                continue
            self.bytes_left -= len(source)
            filled.append(replace(card, region=region, source=source))
        return filled

    def _read(self, stem: str) -> np.ndarray | None:
        try:
            return read_image(self.photos[stem])
        except (UserError, KeyError):
            self.unreadable.append(stem)
            return None


def choose_cards(
    analysis: Analysis, missed: Sequence[ErrorItem], ground_truth: dict, results: list[dict]
) -> list[Card]:
    """The errors to show: the worst of each kind, in turn through kinds and classes.

    ``missed`` replaces the missed objects of the analysis. When boxes of any confidence count, few
    objects are missed.
    """
    ids = {one.name: i for i, one in enumerate(analysis.classes)}
    suspected = {_identity(s): s for s in analysis.errors.suspicions}
    by_kind: dict[str, list[Card]] = {}
    wrong = [item for item in analysis.errors.worst if item.kind != "missed"]
    for item in (*wrong, *missed):
        card = _error_card(item, ids)
        if label_error := suspected.pop(_identity(item), None):
            card = replace(card, kinds=(*card.kinds, LABEL_ERROR), detail=_precision(label_error))
        by_kind.setdefault(item.kind, []).append(card)
    by_kind[LABEL_ERROR] = [_label_error_card(s, ids) for s in suspected.values()]
    chosen = [_classes_in_turn(cards)[:MAX_PER_KIND] for cards in by_kind.values()]
    cards = [rank[i] for i in range(MAX_PER_KIND) for rank in chosen if i < len(rank)]
    return _with_context(cards, analysis.confidence, ground_truth, results)


def crop_region(boxes: Sequence[Box], size: tuple[int, int]) -> Box:
    """The part of a photo of ``size`` (width, height) that shows boxes and their surroundings.

    Square where the photo allows it, in whole pixels, never larger than the photo.
    """
    width, height = size
    x0, y0 = np.min([box[:2] for box in boxes], axis=0).clip(0, size)
    x1, y1 = np.max([box[2:] for box in boxes], axis=0).clip(0, size)
    side = math.ceil(max(_CROP_SCALE * max(x1 - x0, y1 - y0), _MIN_SIDE))
    across, down = min(side, width), min(side, height)
    left = min(max(round((x0 + x1 - across) / 2), 0), width - across)
    top = min(max(round((y0 + y1 - down) / 2), 0), height - down)
    return left, top, left + across, top + down


def encode_crop(image: np.ndarray, region: Box) -> str:
    """The region of an RGB photo as a ``data:`` URL, its longest side at most ``MAX_SIDE``."""
    x0, y0, x1, y1 = (int(side) for side in region)
    crop = image[y0:y1, x0:x1]
    scale = min(1.0, MAX_SIDE / max(crop.shape[:2]))
    if scale < 1:
        crop = resize(crop, *(max(1, round(side * scale)) for side in crop.shape[1::-1]))
    return data_address(crop, QUALITY)


def _identity(item: ErrorItem | SuspectedLabelError) -> tuple:
    return item.image_id, item.predicted_class, tuple(item.box or ()), item.score


def _error_card(item: ErrorItem, ids: Mapping[str, int]) -> Card:
    predicted = f"{item.predicted_class} {score(item.score, 2)}"
    title = {
        "class": f"{predicted}, labelled {item.true_class}",
        "location": f"{predicted}, poor localization",
        "both": f"{predicted}, labelled {item.true_class}, poor localization",
        "duplicate": f"{predicted}, duplicate",
        "background": f"{predicted}, nothing labelled there",
        "missed": f"{item.true_class} missed",
    }[item.kind]
    detail = f"IoU {score(item.iou, 2)}" if item.iou is not None else ""
    return _card((item.kind,), item, ids, title, detail)


def _label_error_card(item: SuspectedLabelError, ids: Mapping[str, int]) -> Card:
    predicted = f"{item.predicted_class} {score(item.score, 2)}"
    title = {
        "not labelled": f"{predicted}, not labelled",
        "other class": f"{predicted}, labelled {item.true_class}",
        "other box": f"{predicted}, labelled with another box",
    }[item.kind]
    return _card((LABEL_ERROR,), item, ids, title, _precision(item))


def _precision(item: SuspectedLabelError) -> str:
    detections = f"{item.predicted_class} detections with this score or more"
    return f"{percent(item.precision)} of {detections} are right"


def _card(
    kinds: tuple[str, ...],
    item: ErrorItem | SuspectedLabelError,
    ids: Mapping[str, int],
    title: str,
    detail: str,
) -> Card:
    names = item.true_class, item.predicted_class
    concerned = dict.fromkeys(name for name in names if name is not None)
    boxes = [DrawnBox(tuple(item.true_box), detection=False)] if item.true_box else []
    boxes += [DrawnBox(tuple(item.box), detection=True)] if item.box else []
    return Card(
        kinds=kinds,
        classes=tuple(ids[name] for name in concerned),
        image_id=item.image_id,
        stem=item.stem,
        file_name=item.file_name,
        title=title,
        detail=detail,
        boxes=tuple(boxes),
    )


def _classes_in_turn(cards: Sequence[Card]) -> list[Card]:
    """The worst of each class, then the second worst of each, and so on."""
    seen: dict[int, int] = defaultdict(int)
    ranks = []
    for card in cards:
        ranks.append(seen[card.classes[0]])
        seen[card.classes[0]] += 1
    return [cards[i] for i in sorted(range(len(cards)), key=ranks.__getitem__)]


def _with_context(
    cards: Sequence[Card], confidence: float, ground_truth: dict, results: list[dict]
) -> list[Card]:
    """The cards with the other labels and detections in their crops."""
    wanted = {card.image_id for card in cards}
    near: dict[int, list[DrawnBox]] = defaultdict(list)
    for detection, items in ((False, ground_truth["annotations"]), (True, results)):
        for item in items:
            if item["image_id"] in wanted and not (detection and item["score"] < confidence):
                x, y, w, h = item["bbox"]
                near[item["image_id"]].append(DrawnBox((x, y, x + w, y + h), detection, True))
    sizes = {image["id"]: (image["width"], image["height"]) for image in ground_truth["images"]}
    return [
        replace(card, boxes=(*_context_boxes(card, near[card.image_id], sizes), *card.boxes))
        for card in cards
    ]


def _context_boxes(
    card: Card, near: Sequence[DrawnBox], sizes: Mapping[int, tuple[int, int]]
) -> list[DrawnBox]:
    own = {(drawn.detection, _rounded(drawn.box)) for drawn in card.boxes}
    x0, y0, x1, y1 = crop_region([drawn.box for drawn in card.boxes], sizes[card.image_id])
    inside = [
        drawn
        for drawn in near
        if (drawn.detection, _rounded(drawn.box)) not in own
        and drawn.box[0] < x1 and drawn.box[2] > x0 and drawn.box[1] < y1 and drawn.box[3] > y0
    ]  # fmt: skip
    return inside[:_MAX_CONTEXT_BOXES]


def _rounded(box: Box) -> tuple[float, ...]:
    return tuple(round(side, 2) for side in box)
