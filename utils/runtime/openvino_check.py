"""A look at an OpenVINO network's XML before OpenVINO opens it: only a detector's operations."""

from __future__ import annotations

import math
from pathlib import Path
from xml.etree.ElementTree import Element

from defusedxml.ElementTree import iterparse

from utils.text import listed

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
_MOST_BYTES = 1 << 30
_BITS = {
    "boolean": 8, "i4": 4, "u4": 4, "i8": 8, "u8": 8, "i16": 16, "u16": 16, "i32": 32, "u32": 32,
    "i64": 64, "u64": 64, "f16": 16, "bf16": 16, "f32": 32, "f64": 64,
}  # fmt: skip
_DEEPEST = 30  # elements within elements


def check_openvino(xml: Path) -> None:
    """Refuse document types, entities, deep nesting, other operations than a detector's, and
    weights that are not in the ``.bin`` beside the file.

    Raises:
        ValueError: the file has some of these.
        OSError, SyntaxError: it cannot be read.
    """
    weights = xml.with_suffix(".bin").stat().st_size
    if xml.stat().st_size > _MOST_BYTES:
        raise ValueError(f"it is larger than {_MOST_BYTES >> 20} MiB")
    foreign, depth, root = set(), 0, None
    for event, element in iterparse(xml, ("start", "end"), forbid_dtd=True):
        depth += 1 if event == "start" else -1
        root = element if root is None else root
        if depth > _DEEPEST or root.tag != "net":
            raise ValueError("it is not the XML of a network")
        if event == "end":
            element.clear()
        elif element.tag == "layer":
            kind, version = element.get("type", ""), element.get("version", "")
            if kind not in _OPERATIONS or not version.startswith("opset"):
                foreign.add(kind[:50])
        elif element.tag == "data" and element.get("offset") is not None:
            _check_constant(element, weights)
    if foreign:
        raise ValueError(f"it has operations that no detector needs ({listed(sorted(foreign))})")


def _check_constant(data: Element, weights: int) -> None:
    """Refuse a constant that is larger than its bytes, or lies outside ``weights`` bytes."""
    offset, size = (int(data.get(name, "")) for name in ("offset", "size"))
    shape = [int(side) for side in data.get("shape", "").split(",") if side.strip()]
    bits = _BITS.get(data.get("element_type", ""), 0)
    if min(offset, size, *shape) < 0 or offset + size > weights:
        raise ValueError("it has weights outside its .bin")
    if (math.prod(shape) * bits + 7) // 8 != size:
        raise ValueError("it has weights of another size than their shape")
