"""Validates an ONNX file before ONNX Runtime opens it: no file beside it, only a detector's
operations.

ONNX Runtime would read other files for a model's weights, run its loops for as long as they last,
and call operators of libraries. A detector needs none of that. The file is parsed as Protocol
Buffers in plain Python, and weights are skipped.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from pathlib import Path

from utils.text import listed, one_line

# Those of ``nets.export_network`` by way of tf2onnx and of quantisation. Those that make arrays of
# any size (Expand, Tile, ConstantOfShape, Pad) and those with graphs inside (Loop, If) are missing.
_OPERATIONS = {
    "Abs", "Add", "AveragePool", "BatchNormalization", "Cast", "Ceil", "Clip", "Concat", "Constant",
    "Conv", "DequantizeLinear", "Div", "DynamicQuantizeLinear", "Equal", "Exp", "Flatten", "Floor",
    "Gather", "GatherElements", "GatherND", "Gemm", "GlobalAveragePool", "Greater", "HardSigmoid",
    "HardSwish", "Identity", "LeakyRelu", "Less", "MatMul", "Max", "MaxPool", "Min", "Mod", "Mul",
    "Neg", "NonMaxSuppression", "Not", "PRelu", "QuantizeLinear", "Range", "ReduceMax",
    "ReduceMean", "ReduceSum", "Relu", "Reshape", "Resize", "Round", "Shape", "Sigmoid", "Slice",
    "Split", "Sqrt", "Squeeze", "Sub", "Tanh", "TopK", "Transpose", "Unsqueeze", "Where",
}  # fmt: skip
_DOMAINS = {"", "ai.onnx"}
_MAX_NODES = 100_000

# Numbers of fields, from onnx.proto.
_GRAPH, _METADATA, _FUNCTION = 7, 14, 25  # of a model
_KEY = 1  # of an entry of metadata
_NODE, _INITIALIZER, _SPARSE = 1, 5, 15  # of a graph
_OPERATION, _ATTRIBUTE, _DOMAIN = 4, 5, 7  # of a node
_TENSOR, _SUBGRAPH, _TENSORS, _SUBGRAPHS, _SPARSE_TENSORS = 5, 6, 10, 11, (22, 23)
_EXTERNAL, _LOCATION = 13, 14  # of a tensor


class ForeignError(ValueError):
    """A network that does more than a detector."""


def check_onnx(path: Path) -> None:
    """Refuse external data, functions, graphs in graphs, and other operations than a detector's.

    Raises:
        ForeignError: the file has some of these.
        OSError, ValueError: it cannot be read.
    """
    if not path.is_file():  # a pipe waits for a writer
        raise ValueError("it is no ordinary file")
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        operations: set[str] = set()
        for number, start, end in _fields(data, 0, len(data)):
            if number == _FUNCTION:
                raise ForeignError("it has functions of its own")
            if number == _GRAPH:
                operations |= _operations(data, start, end)
    if foreign := operations - _OPERATIONS:
        raise ForeignError(f"it has operations that no detector needs ({listed(sorted(foreign))})")


def metadata_keys(path: Path) -> set[bytes]:
    """The names of what a file says about itself beside the network.

    Raises:
        OSError, ValueError: it cannot be read.
    """
    if not path.is_file():
        raise ValueError("it is no ordinary file")
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        return {
            data[first:last]
            for number, start, end in _fields(data, 0, len(data))
            if number == _METADATA
            for field, first, last in _fields(data, start, end)
            if field == _KEY
        }


def _operations(data: mmap.mmap, start: int, end: int) -> set[str]:
    """The operations of a graph; its tensors are checked."""
    found = set()
    for number, first, last in _fields(data, start, end):
        if number == _SPARSE:
            raise ForeignError("it has sparse weights")
        if number == _INITIALIZER:
            _check_tensor(data, first, last)
        if number != _NODE:
            continue
        domain, operation = "", ""
        for field, begin, stop in _fields(data, first, last):
            if field == _OPERATION:
                operation = data[begin:stop].decode(errors="replace")
            elif field == _DOMAIN:
                domain = data[begin:stop].decode(errors="replace")
            elif field == _ATTRIBUTE:
                _check_attribute(data, begin, stop)
        name = operation if domain in _DOMAINS else f"{domain}.{operation}"
        found.add(name if name in _OPERATIONS else one_line(name)[:50])
    return found


def _check_attribute(data: mmap.mmap, start: int, end: int) -> None:
    for number, first, last in _fields(data, start, end):
        if number in (_SUBGRAPH, _SUBGRAPHS, *_SPARSE_TENSORS):
            raise ForeignError("it has graphs within its graph, or sparse weights")
        if number in (_TENSOR, _TENSORS):
            _check_tensor(data, first, last)


def _check_tensor(data: mmap.mmap, start: int, end: int) -> None:
    for number, first, last in _fields(data, start, end):
        # ONNX Runtime's quantisation writes the location, too: 0, within the file.
        within = number == _LOCATION and data[first:last] == b"\0"
        if number in (_EXTERNAL, _LOCATION) and not within:
            raise ForeignError("its weights are in other files")


def _fields(data: mmap.mmap, start: int, end: int) -> Iterator[tuple[int, int, int]]:
    """The number of each field of a message, and where its content starts and ends."""
    count = 0
    while start < end:
        key, start = _varint(data, start, end)
        if key >> 32:  # ONNX Runtime would drop these bits, and see a field that was passed over
            raise ValueError("it is damaged")
        kind, stop = key & 7, start
        if kind == 0:
            _, stop = _varint(data, start, end)
        elif kind == 1:
            stop = start + 8
        elif kind == 2:
            length, start = _varint(data, start, end)
            stop = start + length
        elif kind == 5:
            stop = start + 4
        else:
            raise ValueError("it is damaged")
        count += 1
        if stop > end or count > _MAX_NODES:
            raise ValueError("it is damaged")
        yield key >> 3, start, stop
        start = stop


def _varint(data: mmap.mmap, start: int, end: int) -> tuple[int, int]:
    """A number of seven bits a byte, and where it ends."""
    value = 0
    for shift in range(0, 70, 7):
        if start >= end:
            break
        byte = data[start]
        start += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, start
    raise ValueError("it is damaged")
