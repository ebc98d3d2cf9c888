"""Checks of what a weights file says of its detector: the file may come from a stranger.

Each takes a value of plain JSON and raises ``ValueError`` with its name where it is invalid.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from utils.text import MAX_NAME_LENGTH, is_control

MAX_CLASSES = 20_000  # ImageNet has 21,841, the largest detection datasets a few thousand
MAX_INPUT_SIDE = 8192  # pixels of a network input
_MAX_ANCHOR = 1e6  # pixels
_MAX_NUMBER = 3e38  # of float32
_MAX_DEPTH = 50  # levels of metadata


def require(holds: bool, name: str) -> None:
    """Refuse a value that does not hold what it must.

    Raises:
        ValueError: with the name of the value.
    """
    if not holds:
        raise ValueError(f"{name}: invalid value")


def check_classes(names: Any) -> None:
    """A list of different texts of one line each, of at most ``MAX_NAME_LENGTH`` characters."""
    require(
        isinstance(names, list)
        and 0 < len(names) <= MAX_CLASSES
        and all(isinstance(name, str) and len(name) <= MAX_NAME_LENGTH for name in names)
        and not any(is_control(sign) for name in names for sign in name)
        and len(set(names)) == len(names),
        "class_names",
    )


def check_anchors(anchors: Any) -> None:
    """A list of nine (width, height) pairs."""
    require(
        isinstance(anchors, list)
        and len(anchors) == 9
        and all(
            isinstance(pair, list) and len(pair) == 2 and all(map(_is_side, pair))
            for pair in anchors
        ),
        "anchors",
    )


def check_input_size(size: Any) -> None:
    """A side in pixels."""
    require(type(size) is int and 0 < size <= MAX_INPUT_SIDE and size % 32 == 0, "input_size")


def check_metadata(metadata: Any) -> None:
    """What training notes, and prediction, scoring and training read again.

    Thresholds, pixel ranges and sizes of objects are not looked at: their readers pass over what
    makes no sense.
    """
    require(isinstance(metadata, dict) and not _deeper(metadata, _MAX_DEPTH), "metadata")
    for name, holds in _METADATA.items():
        if name in metadata:
            require(holds(metadata[name]), f"metadata: {name}")


def is_positive(value: Any) -> bool:
    """Whether it is a number above 0 that float32 can hold."""
    return type(value) in (int, float) and 0 < value < _MAX_NUMBER


def _is_side(value: Any) -> bool:
    return is_positive(value) and value <= _MAX_ANCHOR


def _deeper(value: Any, levels: int) -> bool:
    """Whether lists and objects nest deeper than that; without recursion."""
    layer = [value]
    while layer and levels:
        layer = [
            child
            for one in layer
            for child in (one.values() if isinstance(one, dict) else one)
            if isinstance(child, dict | list)
        ]
        levels -= 1
    return bool(layer)


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _object_of(holds: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, dict) and all(map(holds, value.values()))


def _list_of(holds: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, list) and all(map(holds, value))


def _is_training(value: Any) -> bool:
    return isinstance(value, dict) and type(value.get("seed", 0)) is int


_METADATA = {
    "hashes": _object_of(_object_of(_is_text)),
    "splits": _object_of(_list_of(_is_text)),
    "split": lambda value: isinstance(value, dict),
    "training": _is_training,
    "class_origins": _object_of(_list_of(_object_of(_is_text))),
}
