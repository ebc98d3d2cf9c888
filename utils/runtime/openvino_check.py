"""Validates an OpenVINO network's XML before OpenVINO opens it: only a detector's operations."""

from __future__ import annotations

import math
from pathlib import Path
from xml.parsers.expat import ParserCreate

from utils.files import read_limited
from utils.text import listed, one_line

# Those of ``nets.export_network`` by way of ONNX and of NNCF. Loops, which may never end, and
# operations of extensions are missing.
_OPERATIONS = {
    "Abs", "Add", "AvgPool", "BatchNormInference", "Broadcast", "Clamp", "Concat", "Const",
    "Convert", "Convolution", "Divide", "Exp", "FakeQuantize", "Floor", "FloorMod", "Gather",
    "GatherElements", "GroupConvolution", "HSigmoid", "HSwish", "HardSigmoid", "Interpolate",
    "MatMul", "MaxPool", "Maximum", "Minimum", "Mod", "Multiply", "Negative", "PReLU", "PRelu",
    "Parameter", "Range", "ReLU", "ReduceMax", "ReduceMean", "Reshape", "Result", "ShapeOf",
    "Sigmoid", "Slice", "Split", "Sqrt", "Squeeze", "StridedSlice", "Subtract", "Swish", "Tanh",
    "Transpose", "Unsqueeze", "VariadicSplit",
}  # fmt: skip
_MAX_BYTES = 1 << 30
_BITS = {
    "boolean": 8, "i4": 4, "u4": 4, "i8": 8, "u8": 8, "i16": 16, "u16": 16, "i32": 32, "u32": 32,
    "i64": 64, "u64": 64, "f16": 16, "bf16": 16, "f32": 32, "f64": 64,
}  # fmt: skip
_MAX_DEPTH = 30  # elements within elements


def check_openvino(xml: Path) -> None:
    """Refuse document types, entities, deep nesting, other operations than a detector's, and
    weights that are not in the ``.bin`` beside the file.

    Raises:
        ValueError: the file has some of these, or cannot be read.
        ExpatError: it is no XML.
    """
    validator = _Validator(xml.with_suffix(".bin").stat().st_size)
    parser = ParserCreate()
    parser.StartDoctypeDeclHandler = validator.refuse_document_type
    parser.StartElementHandler, parser.EndElementHandler = validator.start, validator.end
    # At once: in parts, a description of many photos would be read again with each of them.
    parser.Parse(read_limited(xml, _MAX_BYTES), True)
    if validator.foreign:
        names = listed(sorted(validator.foreign))
        raise ValueError(f"it has operations that no detector needs ({names})")


class _Validator:
    """The parser's callbacks; ``weights`` is the size of the ``.bin`` in bytes."""

    def __init__(self, weights: int) -> None:
        self.weights, self.depth = weights, 0
        self.foreign: set[str] = set()

    def refuse_document_type(self, *_: object) -> None:
        raise ValueError("it has a document type")

    def start(self, tag: str, values: dict[str, str]) -> None:
        if self.depth > _MAX_DEPTH or (self.depth == 0 and tag != "net"):
            raise ValueError("it is not the XML of a network")
        self.depth += 1
        if tag == "layer":
            kind = values.get("type", "")
            if kind not in _OPERATIONS or not values.get("version", "").startswith("opset"):
                self.foreign.add(one_line(kind)[:50])
        elif tag == "data" and "offset" in values:
            _check_constant(values, self.weights)

    def end(self, tag: str) -> None:
        self.depth -= 1


def _check_constant(values: dict[str, str], weights: int) -> None:
    """Refuse a constant that is larger than its bytes, or lies outside ``weights`` bytes."""
    offset, size = int(values["offset"]), int(values.get("size", ""))
    shape = [int(side) for side in values.get("shape", "").split(",") if side.strip()]
    bits = _BITS.get(values.get("element_type", ""), 0)
    if min(offset, size, *shape) < 0 or offset + size > weights:
        raise ValueError("it has weights outside its .bin")
    if (math.prod(shape) * bits + 7) // 8 != size:
        raise ValueError("it has weights of another size than their shape")
