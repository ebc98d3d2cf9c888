"""The mistakes worth looking at, each cut out of its photo.

``choose`` picks them, the worst first and every class in turn; ``crop`` cuts one out. Boxes are
not painted into the pixels: the page draws them over the crop, so that they stay sharp at any size
and can be taken away to see what lies beneath.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from utils.errors import UserError
from utils.evaluation.analysis import Analysis, ErrorItem, Suspicion
from utils.evaluation.report.formatting import SUSPICIOUS, percent, score
from utils.html.page import data_address
from utils.images import read_image
from utils.letterbox import resize

PER_KIND = 60  # mistakes of one kind
SIDE = 400  # longest side of a crop in pixels
QUALITY = 72  # of WebP
_AROUND = 2.0  # a crop is this many times as large as what it is about
_LEAST = 96  # pixels of the photo: less shows nothing of where the object is
_MOST_OTHERS = 40  # boxes drawn besides those the mistake is about

Box = tuple[float, float, float, float]  # x0, y0, x1, y1 in pixels of the photo


@dataclass(frozen=True)
class Drawn:
    """A box over a crop.

    Attributes:
        box: in pixels of the photo.
        found: a detection; otherwise a label.
        other: not what the mistake is about, only near it.
    """

    box: Box
    found: bool
    other: bool = False

    @property
    def path(self) -> str:
        """The outline as the data of an SVG path."""
        x0, y0, x1, y1 = (f"{side:.4g}" if abs(side) < 1 else f"{side:.1f}" for side in self.box)
        return f"M{x0} {y0}H{x1}V{y1}H{x0}Z"


@dataclass(frozen=True)
class Card:
    """One mistake.

    Attributes:
        kinds: of ``words.KINDS``; a background error may be a suspicious label as well.
        classes: ids of the classes concerned.
        image_id, stem, file_name: which photo.
        what: what happened, in a line.
        why: a further sentence; may be empty.
        boxes: what is drawn, the mistake's own boxes last.
        region: the part of the photo shown, in its pixels.
        source: ``data:`` address of the picture; empty if the photo could not be read.
    """

    kinds: tuple[str, ...]
    classes: tuple[int, ...]
    image_id: int
    stem: str
    file_name: str
    what: str
    why: str
    boxes: tuple[Drawn, ...]
    region: Box = (0, 0, 1, 1)
    source: str = ""

    @property
    def view_box(self) -> str:
        x0, y0, x1, y1 = self.region
        return f"{x0:g} {y0:g} {x1 - x0:g} {y1 - y0:g}"


@dataclass
class Crops:
    """Crops made so far: photos that could not be read, and the bytes that are left to spend."""

    photos: Mapping[str, Path]
    bytes_left: int
    unreadable: list[str] = field(default_factory=list)
    left_out: int = 0

    def fill(self, cards: Sequence[Card], sizes: Mapping[int, tuple[int, int]]) -> list[Card]:
        """The cards with pictures, as far as the bytes go; each photo is read once."""
        by_photo = defaultdict(list)
        for place, card in enumerate(cards):
            by_photo[card.stem].append(place)
        cropped: dict[int, tuple[Box, str]] = {}
        for stem, places in by_photo.items():
            image = self._read(stem)
            for place in places:
                card = cards[place]
                size = sizes[card.image_id] if image is None else image.shape[1::-1]
                region = window([drawn.box for drawn in card.boxes if not drawn.other], size)
                cropped[place] = region, "" if image is None else crop(image, region)
        filled = []
        for place, card in enumerate(cards):  # the first are the worst
            region, source = cropped[place]
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


def choose(
    analysis: Analysis, missed: Sequence[ErrorItem], ground_truth: dict, results: list[dict]
) -> list[Card]:
    """The mistakes to show: of each kind the worst, in turn through kinds and classes.

    ``missed`` stands in for the missed objects of the analysis, few of which are left when any
    box counts, however unsure.
    """
    ids = {one.name: i for i, one in enumerate(analysis.classes)}
    suspicions = {_identity(s): s for s in analysis.errors.suspicions}
    by_kind: dict[str, list[Card]] = {}
    wrong = [item for item in analysis.errors.worst if item.kind != "missed"]
    for item in (*wrong, *missed):
        card = _error_card(item, ids)
        if suspicion := suspicions.pop(_identity(item), None):
            card = replace(card, kinds=(*card.kinds, SUSPICIOUS), why=_trust(suspicion))
        by_kind.setdefault(item.kind, []).append(card)
    by_kind[SUSPICIOUS] = [_suspicion_card(s, ids) for s in suspicions.values()]
    chosen = [_in_turn(cards)[:PER_KIND] for cards in by_kind.values()]
    cards = [rank[i] for i in range(PER_KIND) for rank in chosen if i < len(rank)]
    return _with_others(cards, analysis.confidence, ground_truth, results)


def window(boxes: Sequence[Box], size: tuple[int, int]) -> Box:
    """The part of a photo of ``size`` (width, height) that shows boxes and what is around them.

    Square where the photo allows it, in whole pixels, never larger than the photo.
    """
    width, height = size
    x0, y0 = np.min([box[:2] for box in boxes], axis=0).clip(0, size)
    x1, y1 = np.max([box[2:] for box in boxes], axis=0).clip(0, size)
    side = math.ceil(max(_AROUND * max(x1 - x0, y1 - y0), _LEAST))
    across, down = min(side, width), min(side, height)
    left = min(max(round((x0 + x1 - across) / 2), 0), width - across)
    top = min(max(round((y0 + y1 - down) / 2), 0), height - down)
    return left, top, left + across, top + down


def crop(image: np.ndarray, region: Box) -> str:
    """The region of an RGB photo as a ``data:`` address, its longest side at most ``SIDE``."""
    x0, y0, x1, y1 = (int(side) for side in region)
    cut = image[y0:y1, x0:x1]
    scale = min(1.0, SIDE / max(cut.shape[:2]))
    if scale < 1:
        cut = resize(cut, *(max(1, round(side * scale)) for side in cut.shape[1::-1]))
    return data_address(cut, QUALITY)


def _identity(item: ErrorItem | Suspicion) -> tuple:
    return item.image_id, item.said, tuple(item.box or ()), item.score


def _error_card(item: ErrorItem, ids: Mapping[str, int]) -> Card:
    said = f"{item.said} {score(item.score, 2)}"
    what = {
        "class": f"{said}, labelled {item.true_class}",
        "location": f"{said}, box off",
        "both": f"{said}, labelled {item.true_class}, box off",
        "duplicate": f"{said}, a second time",
        "background": f"{said}, nothing labelled there",
        "missed": f"{item.true_class} missed",
    }[item.kind]
    why = f"IoU {score(item.iou, 2)}" if item.iou is not None else ""
    return _card((item.kind,), item, ids, what, why)


def _suspicion_card(item: Suspicion, ids: Mapping[str, int]) -> Card:
    said = f"{item.said} {score(item.score, 2)}"
    what = {
        "not labelled": f"{said}, not labelled",
        "other class": f"{said}, labelled {item.true_class}",
        "other box": f"{said}, its label lies elsewhere",
    }[item.kind]
    return _card((SUSPICIOUS,), item, ids, what, _trust(item))


def _trust(item: Suspicion) -> str:
    return f"{percent(item.trust)} of the {item.said} this sure are right"


def _card(
    kinds: tuple[str, ...],
    item: ErrorItem | Suspicion,
    ids: Mapping[str, int],
    what: str,
    why: str,
) -> Card:
    concerned = dict.fromkeys(name for name in (item.true_class, item.said) if name is not None)
    boxes = [Drawn(tuple(item.true_box), found=False)] if item.true_box else []
    boxes += [Drawn(tuple(item.box), found=True)] if item.box else []
    return Card(
        kinds=kinds,
        classes=tuple(ids[name] for name in concerned),
        image_id=item.image_id,
        stem=item.stem,
        file_name=item.file_name,
        what=what,
        why=why,
        boxes=tuple(boxes),
    )


def _in_turn(cards: Sequence[Card]) -> list[Card]:
    """The worst of each class, then the second of each, and so on: no class hides the others."""
    seen: dict[int, int] = defaultdict(int)
    ranks = []
    for card in cards:
        ranks.append(seen[card.classes[0]])
        seen[card.classes[0]] += 1
    return [cards[i] for i in sorted(range(len(cards)), key=ranks.__getitem__)]


def _with_others(
    cards: Sequence[Card], confidence: float, ground_truth: dict, results: list[dict]
) -> list[Card]:
    """The cards with the other labels and detections of their photos."""
    wanted = {card.image_id for card in cards}
    near: dict[int, list[Drawn]] = defaultdict(list)
    for found, items in ((False, ground_truth["annotations"]), (True, results)):
        for item in items:
            if item["image_id"] in wanted and item.get("score", 1.0) >= confidence:
                x, y, w, h = item["bbox"]
                near[item["image_id"]].append(Drawn((x, y, x + w, y + h), found, other=True))
    sizes = {image["id"]: (image["width"], image["height"]) for image in ground_truth["images"]}
    return [
        replace(card, boxes=(*_others(card, near[card.image_id], sizes), *card.boxes))
        for card in cards
    ]


def _others(
    card: Card, near: Sequence[Drawn], sizes: Mapping[int, tuple[int, int]]
) -> Iterator[Drawn]:
    own = {(drawn.found, _rounded(drawn.box)) for drawn in card.boxes}
    x0, y0, x1, y1 = window([drawn.box for drawn in card.boxes], sizes[card.image_id])
    inside = [
        drawn
        for drawn in near
        if (drawn.found, _rounded(drawn.box)) not in own
        and drawn.box[0] < x1 and drawn.box[2] > x0 and drawn.box[1] < y1 and drawn.box[3] > y0
    ]  # fmt: skip
    yield from inside[:_MOST_OTHERS]


def _rounded(box: Box) -> tuple[float, ...]:
    return tuple(round(side, 2) for side in box)
