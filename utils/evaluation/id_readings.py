"""What the numbers in ``image_id`` and ``category_id`` of another tool's detections mean.

COCO results hold bare numbers. The same number can be a position, a part of a file name, or an id
of the dataset's own JSON. Each of these is a ``Reading``. ``choose_reading`` takes the one that
fits all numbers of a file and never guesses between two.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from utils.errors import UserError

IMAGE_IDS = ("position", "name", "dataset")  # values of --image-ids, besides auto
CATEGORY_IDS = ("0", "1", "dataset")  # values of --category-ids, besides auto


@dataclass(frozen=True)
class Reading:
    """One meaning of the numbers of a file.

    Attributes:
        option: the value that chooses it on the command line.
        meaning: completes "image_id is …".
        ids: what each number stands for, as an id of ``ground_truth.json``.
    """

    option: str
    meaning: str
    ids: Mapping[int, int] = field(repr=False)


def image_readings(truth: dict, dataset_ids: Mapping[int, int]) -> list[Reading]:
    """The meanings of numbers in ``image_id``, that of ``ground_truth.json`` first."""
    readings = [
        Reading(
            "position",
            "the number in ground_truth.json",
            {image["id"]: image["id"] for image in truth["images"]},
        )
    ]
    for numbers in (_all_digits, _last_digits):
        readings.append(Reading("name", "the number in the file name", _by_number(truth, numbers)))
    readings.append(Reading("dataset", "the id in the dataset's own JSON", dataset_ids))
    return [reading for reading in readings if reading.ids]


def category_readings(classes: Sequence[str], dataset_ids: Mapping[int, int]) -> list[Reading]:
    """The meanings of numbers in ``category_id``, that of ``ground_truth.json`` first."""
    readings = [
        Reading(
            str(start),
            f"the place in the class list, counted from {start}",
            {start + i: i for i in range(len(classes))},
        )
        for start in (0, 1)
    ]
    readings.append(Reading("dataset", "the id in the dataset's own JSON", dataset_ids))
    return [reading for reading in readings if reading.ids]


def choose_reading(
    readings: Sequence[Reading],
    numbers: Collection[int],
    named: Mapping[int, int],
    *,
    where: str,
    key: str,
    asked: str | None = None,
    shown: Callable[[int], str],
    support: Callable[[Reading], str] = lambda reading: "",
) -> Reading:
    """The reading of the numbers of a file; the one that fits most if none fits all.

    Args:
        readings: those to choose from, the one of the contract first.
        numbers: those that stand alone.
        named: numbers that the file explains itself, by a name beside them, and their meaning.
        where: the file, for messages.
        key: ``image_id`` or ``category_id``.
        asked: the reading that the user chose, as an ``option``.
        shown: the name of an id, for messages.
        support: what speaks for a reading, for messages.

    Raises:
        UserError: several readings fit and differ.
    """
    if asked is not None:
        readings = [reading for reading in readings if reading.option == asked]
    if not readings:
        reasons = {
            "name": "the file names of these photos hold no numbers, or two photos the same one; "
            "give each result a file_name",
            "dataset": "the labels of these photos are not COCO JSON, so the dataset has no ids of "
            "its own",
        }
        reason = reasons.get(asked, "there is nothing to count")
        raise UserError(f"{_option(key)} {asked}: {reason}")
    fitting = [reading for reading in readings if _fits(reading, numbers, named)]
    if not fitting:
        return max(readings, key=lambda reading: len(reading.ids.keys() & set(numbers)))
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
            f"{where}: the numbers in {key} can be {first.meaning}{support(first)} or "
            f"{other.meaning}{support(other)}. For example, {differing} is "
            f"{shown(first.ids[differing])} or {shown(other.ids[differing])}. {advice}"
        )
    return first


def named_readings(readings: Sequence[Reading]) -> str:
    """``the number in ground_truth.json, the number in the file name``: for messages."""
    return ", ".join(dict.fromkeys(reading.meaning for reading in readings))


def _option(key: str) -> str:
    return f"--{key.replace('_', '-')}s"


def _fits(reading: Reading, numbers: Collection[int], named: Mapping[int, int]) -> bool:
    return all(n in reading.ids for n in numbers) and all(
        reading.ids.get(n) == meaning for n, meaning in named.items()
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
