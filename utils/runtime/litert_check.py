"""Validates a LiteRT file before LiteRT opens it: one graph of a detector's operations.

Branches and loops are graphs of their own, and a loop may never end. Some of LiteRT's operations
trust the shapes in the file and write out of bounds.
"""

from __future__ import annotations

import struct

_IDENTIFIER = b"TFL3"
_OPERATORS, _GRAPHS = 1, 2  # fields of a model, from LiteRT's schema.fbs
_OLD_CODE, _CUSTOM_CODE, _CODE = 0, 1, 3  # fields of an operator

# Numbers of LiteRT's built-in operations that take arrays of numbers and give arrays of numbers.
# FAKE_QUANT (80), recurrent cells, tables, variables, calls, loops and random numbers are missing.
_OPERATIONS = {
    *range(7), 8, 9, 14, *range(17, 24), 25, 26, 28, 34, *range(36, 44), 45, *range(47, 50),
    *range(53, 56), *range(57, 64), 64, 65, 67, *range(69, 80), *range(81, 85), *range(86, 91),
    *range(92, 103), 104, 106, 107, 110, 111, 114, 116, 117, 123, 126, 130, 145, 150, 152, 158,
}  # fmt: skip


def check_litert(data: bytes) -> None:
    """
    Raises:
        ValueError: the file is damaged, has several graphs, or other operations.
    """
    if data[4:8] != _IDENTIFIER:
        raise ValueError("it is no LiteRT file")
    try:
        root = _offset(data, 0)
        _, graphs = _vector(data, root, _GRAPHS)
        start, operators = _vector(data, root, _OPERATORS)
        foreign = [
            number
            for number in range(operators)
            if not _is_usual(data, _offset(data, start + 4 * number))
        ]
    except struct.error:
        raise ValueError("it is damaged") from None
    if graphs != 1 or foreign:
        raise ValueError("it has loops, or operations that no detector needs")


def _is_usual(data: bytes, operator: int) -> bool:
    """Whether an operator of the file is one of ``_OPERATIONS``."""
    old, new = _field(data, operator, _OLD_CODE), _field(data, operator, _CODE)
    code = max(  # as LiteRT does it
        struct.unpack_from("<b", data, old)[0] if old else 0,
        struct.unpack_from("<i", data, new)[0] if new else 0,
    )
    return code in _OPERATIONS and not _field(data, operator, _CUSTOM_CODE)


def _offset(data: bytes, place: int) -> int:
    """Where the offset that stands at a place points to."""
    return place + struct.unpack_from("<I", data, place)[0]


def _field(data: bytes, table: int, number: int) -> int:
    """Where a field of a table is; 0 where it is missing."""
    sizes = table - struct.unpack_from("<i", data, table)[0]  # of the table, and its fields' places
    if sizes < 0:  # not missing: LiteRT would read what lies before the file
        raise struct.error
    if 4 + 2 * number >= struct.unpack_from("<H", data, sizes)[0]:
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
