"""Weights files that mean one thing to a check and another to the library, made by hand."""

import struct

import pytest

from utils.runtime.litert_check import check_litert
from utils.runtime.onnx_check import ForeignError, check_onnx

GRAPH, NODE, OPERATION = 7, 1, 4  # numbers of fields, from onnx.proto


def varint(number):
    rest = number >> 7
    return bytes([number & 0x7F | 0x80]) + varint(rest) if rest else bytes([number])


def field(number, content, more=0):
    """A field of Protocol Buffers; ``more`` is added to its key."""
    return varint((number << 3 | 2) + more) + varint(len(content)) + content


def onnx_file(path, operation, *, graph=0, node=0):
    inner = field(NODE, field(OPERATION, operation), node)
    path.write_bytes(field(GRAPH, inner, graph))
    return path


def test_the_operations_of_an_onnx_file_are_seen(tmp_path):
    check_onnx(onnx_file(tmp_path / "a.onnx", b"Relu"))
    with pytest.raises(ForeignError, match="Loop"):
        check_onnx(onnx_file(tmp_path / "a.onnx", b"Loop"))


def test_names_of_operations_send_no_codes_to_the_terminal(tmp_path):
    with pytest.raises(ForeignError) as refused:
        check_onnx(onnx_file(tmp_path / "a.onnx", b"\x1b[31mLoop"))
    assert "Loop" in str(refused.value)
    assert "\x1b" not in str(refused.value)


@pytest.mark.parametrize("where", ["graph", "node"])
def test_keys_of_more_than_32_bits_hide_nothing(where, tmp_path):
    """ONNX Runtime drops the bits above, and would read a graph where the check saw none."""
    with pytest.raises(ValueError, match="damaged"):
        check_onnx(onnx_file(tmp_path / "a.onnx", b"Loop", **{where: 1 << 32}))


def test_a_litert_table_before_the_file_is_damage():
    data = struct.pack("<I4si", 8, b"TFL3", 100) + bytes(20)
    with pytest.raises(ValueError, match="it is damaged"):
        check_litert(data)
