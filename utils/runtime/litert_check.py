"""A look at a LiteRT file before LiteRT opens it: one graph of LiteRT's own operations.

Branches and loops are graphs of their own, and a loop may never end.
"""

from __future__ import annotations

import struct

_IDENTIFIER = b"TFL3"
_OPERATORS, _GRAPHS = 1, 2  # fields of a model, from LiteRT's schema.fbs
_CUSTOM_CODE = 1  # field of an operator


def check_litert(data: bytes) -> None:
    """
    Raises:
        ValueError: the file is damaged, has several graphs, or operations of other libraries.
    """
    if data[4:8] != _IDENTIFIER:
        raise ValueError("it is no LiteRT file")
    try:
        root = _offset(data, 0)
        _, graphs = _vector(data, root, _GRAPHS)
        start, operators = _vector(data, root, _OPERATORS)
        custom = any(
            _field(data, _offset(data, start + 4 * number), _CUSTOM_CODE)
            for number in range(operators)
        )
    except struct.error:
        raise ValueError("it is damaged") from None
    if graphs != 1 or custom:
        raise ValueError("it has loops, or operations of other libraries")


def _offset(data: bytes, place: int) -> int:
    """Where the offset that stands at a place points to."""
    return place + struct.unpack_from("<I", data, place)[0]


def _field(data: bytes, table: int, number: int) -> int:
    """Where a field of a table is; 0 where it is missing."""
    sizes = table - struct.unpack_from("<i", data, table)[0]  # of the table, and its fields' places
    if sizes < 0 or 4 + 2 * number >= struct.unpack_from("<H", data, sizes)[0]:
        return 0
    place = struct.unpack_from("<H", data, sizes + 4 + 2 * number)[0]
    return table + place if place else 0


def _vector(data: bytes, table: int, number: int) -> tuple[int, int]:
    """Where the elements of a vector are, and how many there are."""
    field = _field(data, table, number)
    if not field:
        return 0, 0
    start = _offset(data, field)
    return start + 4, struct.unpack_from("<I", data, start)[0]
