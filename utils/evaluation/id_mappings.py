"""What the numbers in ``image_id`` and ``category_id`` of another tool's detections mean.

COCO results hold bare numbers. The same number can be a position, a part of a file name, or an id
of the dataset's own JSON. Each of these is an ``IdMapping``. ``choose_mapping`` takes the one that
fits all numbers of a file and never guesses between two.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from utils.cli import option_name
from utils.errors import UserError

IMAGE_IDS = ("position", "name", "dataset")  # values of --image-ids, besides auto
CATEGORY_IDS = ("0", "1", "dataset")  # values of --category-ids, besides auto


@dataclass(frozen=True)
class IdMapping:
    """What the numbers of a file may stand for.

    Attributes:
        option: the value that chooses it on the command line.
        meaning: completes "image_id is …".
        ids: what each number stands for, as an id of ``ground_truth.json``.
    """

    option: str
    meaning: str
    ids: Mapping[int, int] = field(repr=False)


def image_mappings(truth: dict, dataset_ids: Mapping[int, int]) -> list[IdMapping]:
    """The meanings of numbers in ``image_id``, that of ``ground_truth.json`` first."""
    mappings = [
        IdMapping(
            "position",
            "the number in ground_truth.json",
            {image["id"]: image["id"] for image in truth["images"]},
        )
    ]
    for numbers in (_all_digits, _last_digits):
        mappings.append(
            IdMapping("name", "the number in the file name", _by_number(truth, numbers))
        )
    mappings.append(IdMapping("dataset", "the id in the dataset's own JSON", dataset_ids))
    return [mapping for mapping in mappings if mapping.ids]


def category_mappings(classes: Sequence[str], dataset_ids: Mapping[int, int]) -> list[IdMapping]:
    """The meanings of numbers in ``category_id``, that of ``ground_truth.json`` first."""
    mappings = [
        IdMapping(
            str(start),
            f"the place in the class list, counted from {start}",
            {start + i: i for i in range(len(classes))},
        )
        for start in (0, 1)
    ]
    mappings.append(IdMapping("dataset", "the id in the dataset's own JSON", dataset_ids))
    return [mapping for mapping in mappings if mapping.ids]


def choose_mapping(
    mappings: Sequence[IdMapping],
    numbers: Collection[int],
    explained: Mapping[int, int],
    *,
    where: str,
    key: str,
    requested: str | None = None,
    format_id: Callable[[int], str],
    evidence: Callable[[IdMapping], str] = lambda mapping: "",
) -> IdMapping:
    """The mapping of the numbers of a file; the one that fits most if none fits all.

    Args:
        mappings: those to choose from, the one of the contract first.
        numbers: those that stand alone.
        explained: numbers that the file explains itself, by a name beside them, and their meaning.
        where: the file, for messages.
        key: ``image_id`` or ``category_id``.
        requested: the mapping that the user chose, as an ``option``.
        format_id: the name of an id, for messages.
        evidence: what speaks for a mapping, for messages.

    Raises:
        UserError: several mappings fit and differ.
    """
    if requested is not None:
        mappings = [mapping for mapping in mappings if mapping.option == requested]
    if not mappings:
        reasons = {
            "name": "the file names of these photos hold no numbers, or two photos the same one; "
            "give each result a file_name",
            "dataset": "the labels of these photos are not COCO JSON, so the dataset has no ids of "
            "its own",
        }
        reason = reasons.get(requested, "there is nothing to count")
        raise UserError(f"{_option(key)} {requested}: {reason}")
    fitting = [mapping for mapping in mappings if _fits(mapping, numbers, explained)]
    if not fitting:
        return max(mappings, key=lambda mapping: len(mapping.ids.keys() & set(numbers)))
    first = fitting[0]
    for other in fitting[1:]:
        differing = min((n for n in numbers if first.ids[n] != other.ids[n]), default=None)
        if differing is None:
            continue
        if first.option == other.option:
            advice = "Give each result a file_name"
        else:
            option = _option(key)
            advice = f"Say which with {option} {first.option} or {option} {other.option}"
        raise UserError(
            f"{where}: the numbers in {key} can be {first.meaning}{evidence(first)} or "
            f"{other.meaning}{evidence(other)}. For example, {differing} is "
            f"{format_id(first.ids[differing])} or {format_id(other.ids[differing])}. {advice}"
        )
    return first


def meanings_in_words(mappings: Sequence[IdMapping]) -> str:
    """``the number in ground_truth.json, the number in the file name``: for messages."""
    return ", ".join(dict.fromkeys(mapping.meaning for mapping in mappings))


def _option(key: str) -> str:
    return f"{option_name(key)}s"


def _fits(mapping: IdMapping, numbers: Collection[int], explained: Mapping[int, int]) -> bool:
    return all(n in mapping.ids for n in numbers) and all(
        mapping.ids.get(n) == meaning for n, meaning in explained.items()
    )


def _by_number(truth: dict, number_of: Callable[[str], int | None]) -> dict[int, int]:
    """Image ids by a number in the stem; empty if two photos have the same number."""
    ids: dict[int, int] = {}
    for image in truth["images"]:
        number = number_of(PurePosixPath(image["file_name"]).stem)
        if number is None:
            continue
        if number in ids:
            return {}
        ids[number] = image["id"]
    return ids


def _all_digits(stem: str) -> int | None:
    """``2007_000032`` → 2007000032, as converters of VOC number photos."""
    digits = "".join(re.findall(r"[0-9]+", stem))
    return int(digits) if 0 < len(digits) <= 30 else None


def _last_digits(stem: str) -> int | None:
    """``COCO_val2014_000000000042`` → 42."""
    runs = re.findall(r"[0-9]+", stem)
    return int(runs[-1]) if runs and len(runs[-1]) <= 30 else None
