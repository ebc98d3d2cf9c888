"""``read_detections``: a file of detections from any source, as COCO results.

The file is a list of results, or a whole COCO JSON with ``images``, ``annotations`` and
``categories``. Names settle what is meant; ``utils.evaluation.id_mappings`` reads bare numbers.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from utils.data.formats.json_files import load_json
from utils.errors import UserError
from utils.evaluation.box_agreement import BoxAgreement
from utils.evaluation.class_lookup import ClassLookup
from utils.evaluation.dataset_ids import own_ids
from utils.evaluation.id_mappings import (
    IdMapping,
    category_mappings,
    choose_mapping,
    image_mappings,
    meanings_in_words,
)
from utils.evaluation.image_names import ImageNames, file_path
from utils.evaluation.tables import class_names
from utils.text import listed, short

_MAX_COORDINATE = 1e9  # pixels; no photo is as large, and areas stay finite
_WHOLE_NUMBER = re.compile(r"[+-]?[0-9]{1,30}(\.0+)?")


def read_detections(
    path: str | Path,
    ground_truth: dict,
    *,
    labels: Iterable[Path] = (),
    image_ids: str | None = None,
    category_ids: str | None = None,
    warn: Callable[[str], None] = print,
) -> list[dict]:
    """Read a file of detections, in its own order. Nothing is clipped or filtered.

    Each result needs these keys; others are ignored.

    - ``bbox``: x, y, width, height in pixels of the photo.
    - ``score``.
    - ``file_name``, or ``image_id``: the file stem as a string, or a number.
    - ``category``, the class name, or ``category_id``, a number.

    Numbers are explained by ``images`` and ``categories`` of the file, or by results that give both
    number and name. Otherwise all numbers of the file are read in the one way that fits.

    Args:
        path: the file.
        ground_truth: as ``utils.evaluation.coco_files.ground_truth`` makes it.
        labels: the label files of the dataset, which may have ids of their own.
        image_ids, category_ids: how to read numbers; one of ``IMAGE_IDS``, ``CATEGORY_IDS``.
        warn: called with each warning.

    Raises:
        UserError: the file cannot be read, a result is wrong, or numbers can mean two things; the
            message names the file and the result, counted from 0.
    """
    path = Path(path)
    items, file_names, class_names_given = _content(path)
    found = [_at(path, index, _parsed, item) for index, item in enumerate(items)]
    images, categories = [one.image for one in found], [one.category for one in found]
    names = ImageNames(ground_truth)
    images = _numbers_or_stems(images, names)

    numbers_used = any(one.name is None for one in (*images, *categories))
    own_images, own_categories = own_ids(labels, ground_truth) if numbers_used else ({}, {})
    agreement = BoxAgreement(ground_truth, [one.box for one in found], [one.score for one in found])
    files = {image["id"]: file_path(image) for image in ground_truth["images"]}
    image_field = _IdField(
        "image_id", "images", file_names,
        find=lambda name: _image(names, name, files),
        mappings=image_mappings(ground_truth, own_images),
        requested=image_ids,
        format_id=files.__getitem__,
        unknown=_unknown_image,
        evidence=agreement.on_objects,
    )  # fmt: skip
    image_of, image_mapping = _resolve(path, images, image_field, warn)
    classes = class_names(ground_truth)
    lookup = ClassLookup(classes)
    category_field = _IdField(
        "category_id", "categories", class_names_given,
        find=lambda name: _category(lookup, classes, name),
        mappings=category_mappings(classes, own_categories),
        requested=category_ids,
        format_id=lambda i: repr(classes[i]),
        unknown=lambda value, mappings: _unknown_category(value, mappings, len(classes)),
        evidence=lambda ids: agreement.on_class(image_of, ids),
    )  # fmt: skip
    category_of, category_mapping = _resolve(path, categories, category_field, warn)
    warnings = []
    if image_mapping is not None and image_mapping.option == "position" and image_ids is None:
        warnings.append(agreement.image_warning(image_of))
    if category_mapping is not None:  # however they are read: wrong classes cost the whole score
        numbers = [one.number for one in categories]
        warnings.append(agreement.category_warning(image_of, category_of, numbers, classes))
    for warning in warnings:
        if warning:
            warn(f"{path}: {warning}")
    return [
        {"image_id": image, "category_id": category, "bbox": one.box, "score": one.score}
        for one, image, category in zip(found, image_of, category_of, strict=True)
    ]


class _ItemError(Exception):
    """What is wrong with a result; the caller adds which result it is."""


@dataclass(frozen=True, slots=True)
class _Reference:
    """What a result says about its photo or its class.

    Attributes:
        number: of ``image_id`` or ``category_id``, if it is a whole number.
        name: of ``file_name`` or ``category``, or a stem.
        given: as in the file, for messages.
    """

    number: int | None
    name: str | None
    given: Any


@dataclass(frozen=True, slots=True)
class _Found:
    """One result: what it says of photo and class, ``bbox`` and score."""

    image: _Reference
    category: _Reference
    box: list[float]
    score: float


@dataclass(frozen=True, slots=True)
class _IdField:
    """How the ids in one field of the results are read.

    Attributes:
        name: ``image_id`` or ``category_id``.
        block: the list in a COCO JSON that explains its numbers.
        names: the file's own names by id.
        find: the id for a name; raises ``_ItemError``.
        mappings: what bare numbers can mean.
        requested: the mapping that the user chose.
        format_id: the name of an id.
        unknown: the message for a number without a meaning.
        evidence: what speaks for ids, one for each result.
    """

    name: str
    block: str
    names: Mapping[int | str, str]
    find: Callable[[str], int]
    mappings: Sequence[IdMapping]
    requested: str | None
    format_id: Callable[[int], str]
    unknown: Callable[[Any, Sequence[IdMapping]], str]
    evidence: Callable[[Sequence[int]], str]


# The file ----------------------------------------------------------------------------------------


def _content(path: Path) -> tuple[list, dict[int | str, str], dict[int | str, str]]:
    """The results of a file, its file names by image id, and its class names by category id."""
    content = _read_json(path)
    if isinstance(content, list):
        return content, {}, {}
    if not isinstance(content, dict) or not isinstance(content.get("annotations"), list):
        raise UserError(
            f"{path}: expected a list of detections, as COCO results are, or a COCO JSON with "
            f"annotations, but the file holds {_kind(content)}"
        )
    names = [
        _names(path, content.get(block, []), block, key)
        for block, key in (("images", "file_name"), ("categories", "name"))
    ]
    return content["annotations"], *names


def _names(path: Path, rows: Any, block: str, key: str) -> dict[int | str, str]:
    """The names in a block of a COCO JSON, by id."""
    names: dict[int | str, str] = {}
    for index, row in enumerate(rows if isinstance(rows, list) else [rows]):
        if not isinstance(row, dict) or not isinstance(row.get(key), str) or "id" not in row:
            raise UserError(
                f"{path}, {block}[{index}]: expected an object with id and {key}, "
                f"got {_quoted(row)}"
            )
        own = _whole(row["id"])
        if own is None and isinstance(row["id"], str):
            own = row["id"]
        if own is None or names.setdefault(own, row[key]) != row[key]:
            problem = "is no id" if own is None else "stands twice"
            raise UserError(f"{path}, {block}[{index}]: the id {_quoted(row['id'])} {problem}")
    return names


def _read_json(path: Path) -> Any:
    try:
        fewer = "make it again with fewer detections: a lower --max-det or a higher --conf"
        return load_json(path, dict, remedy=fewer)
    except ValueError as error:
        problem = str(error)
        words = "is" if problem.startswith("not ") else "cannot be read:"
        raise UserError(f"{path}: {words} {problem}") from error


# One result --------------------------------------------------------------------------------------


def _at(path: Path, index: int, function: Callable, *args: Any) -> Any:
    """Call a function; an error says which result it is about."""
    try:
        return function(*args)
    except _ItemError as error:
        raise UserError(f"{path}, item {index} (counted from 0): {error}") from None


def _parsed(item: Any) -> _Found:
    if not isinstance(item, dict):
        raise _ItemError(f"expected an object with image_id, bbox and score, got {_kind(item)}")
    image = _reference(item, "image_id", "file_name", "the key 'image_id' is missing")
    missing = "the key 'category_id' (or 'category', the class name) is missing"
    category = _reference(item, "category_id", "category", missing)
    for key in ("bbox", "score"):
        if key not in item:
            hint = "; these look like labels, not detections" if key == "score" else ""
            raise _ItemError(f"the key {key!r} is missing{hint}")
    bbox = item["bbox"]
    if not isinstance(bbox, list) or len(bbox) != 4:
        raise _ItemError(f"bbox must be a list of x, y, width, height, got {_quoted(bbox)}")
    box = [_number(value, "bbox") for value in bbox]
    if max(map(abs, box)) > _MAX_COORDINATE:
        raise _ItemError(f"bbox {_quoted(bbox)} is larger than any photo")
    return _Found(image, category, box, _number(item["score"], "score"))


def _reference(item: dict, number_key: str, name_key: str, missing: str) -> _Reference:
    if number_key not in item and name_key not in item:
        raise _ItemError(missing)
    given = item.get(number_key, item.get(name_key))
    number = _whole(item.get(number_key))
    if name_key not in item:
        return _Reference(number, None, given)
    name = item[name_key]
    if not isinstance(name, str):
        wanted = "a class name" if name_key == "category" else "a file name"
        raise _ItemError(f"{name_key} {_quoted(name)} is not {wanted}")
    return _Reference(number, name, given)


def _whole(value: Any) -> int | None:
    """A whole number, also as 3.0 or "3". ``true`` is none, although it equals 1 in Python."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, float):
        return int(value) if value.is_integer() else None
    if isinstance(value, str) and _WHOLE_NUMBER.fullmatch(value):
        return int(value.partition(".")[0])
    return None


def _number(value: Any, key: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _ItemError(f"{key} holds {_quoted(value)}, which is not a number")
    try:
        number = float(value)
    except OverflowError:  # JSON allows integers of any length
        number = math.inf
    if not math.isfinite(number):
        raise _ItemError(f"{key} holds a number that is not finite")
    return number


# Ids ---------------------------------------------------------------------------------------------


def _numbers_or_stems(images: Sequence[_Reference], names: ImageNames) -> list[_Reference]:
    """Strings in ``image_id`` as names: all of them, or none that is a number.

    "12" is the stem of 12.jpg where every string of the file is a stem. Where one is none, the file
    writes numbers as strings.
    """
    strings = {one.given for one in images if one.name is None and isinstance(one.given, str)}
    digits = {string for string in strings if _whole(string) is not None}
    if any(names.find_image_id(string) is None for string in digits):
        strings -= digits
    return [
        _Reference(None, one.given, one.given)
        if one.name is None and isinstance(one.given, str) and one.given in strings
        else one
        for one in images
    ]


def _resolve(
    path: Path, references: Sequence[_Reference], field: _IdField, warn: Callable[[str], None]
) -> tuple[list[int], IdMapping | None]:
    """The id in ``ground_truth.json`` for each reference, and the mapping of bare numbers.

    Args:
        path: for messages.
        references: what each result says in the field.
        field: how it is read.
        warn: called if the numbers are not those of ``ground_truth.json``.
    """
    ids, explained = _ids_from_names(path, references, field)
    bare = [one.number for one, value in zip(references, ids, strict=True) if value is None]
    numbers = {number for number in bare if number is not None and number not in explained}
    mapping, meanings = None, explained
    if numbers:
        mapping = _mapping_for_bare_numbers(path, references, ids, explained, numbers, field)
        meanings = {**mapping.ids, **explained}
    ids = _resolve_bare_numbers(path, references, ids, meanings, field)
    if mapping is not None and mapping is not field.mappings[0] and field.requested is None:
        differing = {n for n in numbers if field.mappings[0].ids.get(n) != mapping.ids[n]}
        if differing:
            warn(
                f"{path}: the numbers in {field.name} are read as {mapping.meaning}, because "
                "nothing else fits all of them"
            )
    return ids, mapping


def _ids_from_names(
    path: Path, references: Sequence[_Reference], field: _IdField
) -> tuple[list[int | None], dict[int, int]]:
    """The id of each reference that has a name, None for bare numbers; and the meanings of the
    numbers that stand beside a name."""
    known: dict[str, int] = {}  # names that were looked up before
    explained: dict[int, int] = {}
    ids: list[int | None] = []
    for index, one in enumerate(references):
        own = one.given if one.number is None else one.number
        name = one.name
        if name is None and field.names:
            name = field.names.get(own) if isinstance(own, int | str) else None
            if name is None:
                raise UserError(
                    f"{path}, item {index} (counted from 0): {field.name} {_quoted(one.given)} is "
                    f"not among the {field.block} of this file"
                )
        if name is None:
            ids.append(None)
            continue
        if name not in known:
            known[name] = _at(path, index, field.find, name)
        ids.append(known[name])
        if one.number is not None and explained.setdefault(one.number, known[name]) != known[name]:
            raise UserError(
                f"{path}, item {index} (counted from 0): {field.name} {_quoted(one.given)} is "
                f"{field.format_id(known[name])} here, but "
                f"{field.format_id(explained[one.number])} in an item before"
            )
    return ids, explained


def _mapping_for_bare_numbers(
    path: Path,
    references: Sequence[_Reference],
    ids: Sequence[int | None],
    explained: Mapping[int, int],
    numbers: Collection[int],
    field: _IdField,
) -> IdMapping:
    """The mapping that fits the bare ``numbers`` of a file.

    Raises:
        UserError: several fit and differ.
    """

    def evidence(mapping: IdMapping) -> str:
        return field.evidence([
            explained.get(one.number, mapping.ids.get(one.number)) if value is None else value
            for one, value in zip(references, ids, strict=True)
        ])  # fmt: skip

    return choose_mapping(
        field.mappings, numbers, explained, where=str(path), key=field.name,
        requested=field.requested, format_id=field.format_id, evidence=evidence,
    )  # fmt: skip


def _resolve_bare_numbers(
    path: Path,
    references: Sequence[_Reference],
    ids: Sequence[int | None],
    meanings: Mapping[int, int],
    field: _IdField,
) -> list[int]:
    """``ids`` with the meanings of the bare numbers in place of None."""
    resolved = list(ids)
    for index, one in enumerate(references):
        if resolved[index] is not None:
            continue
        resolved[index] = meanings.get(one.number)
        if resolved[index] is None:
            tried = [m for m in field.mappings if field.requested in (None, m.option)]
            message = field.unknown(one.given, tried)
            raise UserError(f"{path}, item {index} (counted from 0): {message}")
    return resolved


def _image(names: ImageNames, name: str, files: Mapping[int, str]) -> int:
    found = names.candidates(name)
    if len(found) == 1:
        return found[0]
    if found:
        raise _ItemError(
            f"{_quoted(name)} can be {listed([files[i] for i in found])}; "
            "write the folder before the file name"
        )
    raise _ItemError(
        f"{_quoted(name)} is neither a file name nor the file stem of an image of this split"
    )


def _unknown_image(value: Any, mappings: Sequence[IdMapping]) -> str:
    from_one = "; those numbers count from 1" if _whole(value) == 0 else ""
    meanings = meanings_in_words(mappings)
    return (
        f"image_id {_quoted(value)} is neither {meanings} nor the file stem of an image of this "
        f"split{from_one}"
    )


def _category(lookup: ClassLookup, classes: Sequence[str], name: str) -> int:
    found = lookup.find(name)
    if found is None:
        raise _ItemError(
            f"category {_quoted(name)} is not one of the class names {_quoted(list(classes))}"
        )
    return found


def _unknown_category(value: Any, mappings: Sequence[IdMapping], classes: int) -> str:
    if len(mappings) == 1 and mappings[0].option != "0":
        return f"category_id {_quoted(value)} is not {mappings[0].meaning}"
    return (
        f"category_id {_quoted(value)} is not a class id from 0 to {classes - 1}, and the numbers "
        "of this file have no other meaning that fits all of them"
    )


def _kind(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "a string", type(None): "null"}
    return names.get(type(value), "a single value")


def _quoted(value: Any) -> str:
    return short(repr(value), 80)
