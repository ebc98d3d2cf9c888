"""LiteRT files: ``check_litert`` on FlatBuffers."""

from __future__ import annotations

from functools import cache

import flatbuffers

from tests.fuzz.target import Target
from utils.runtime.litert_check import check_litert


@cache
def _model(code: int, graphs: int, custom: bool = False) -> bytes:
    """Operators and empty graphs, as LiteRT's schema has them."""
    builder = flatbuffers.Builder(0)
    name = builder.CreateString("custom") if custom else None
    builder.StartObject(4)
    builder.PrependInt8Slot(0, min(code, 127), 0)
    if name is not None:
        builder.PrependUOffsetTRelativeSlot(1, name, 0)
    builder.PrependInt32Slot(3, code, 0)
    operator = builder.EndObject()
    tables = []
    for _ in range(graphs):
        builder.StartObject(5)
        tables.append(builder.EndObject())
    vectors = []
    for items in (tables, [operator]):
        builder.StartVector(4, len(items), 4)
        for item in reversed(items):
            builder.PrependUOffsetTRelative(item)
        vectors.append(builder.EndVector())
    builder.StartObject(8)
    builder.PrependInt32Slot(0, 3, 0)
    builder.PrependUOffsetTRelativeSlot(1, vectors[1], 0)
    builder.PrependUOffsetTRelativeSlot(2, vectors[0], 0)
    builder.Finish(builder.EndObject(), file_identifier=b"TFL3")
    return bytes(builder.Output())


TARGET = Target(
    name="litert_file",
    run=check_litert,
    seeds=lambda: [
        _model(0, 1), _model(3, 1), _model(119, 1), _model(0, 2), _model(32, 1, True),
        _model(150, 1), _model(0, 1)[:30], b"", bytes(8), b"\x10\0\0\0TFL3" + b"\xff" * 32,
    ],
    refusals=(ValueError,),
    words=(b"TFL3", b"\xff\xff\xff\xff", b"\xff\xff\xff\x7f", b"\0\0\0\x80", b"\x10\0\0\0"),
    most_bytes=1024,
)  # fmt: skip
