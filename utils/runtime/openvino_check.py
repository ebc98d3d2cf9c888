"""A look at an OpenVINO network's XML before OpenVINO opens it: only a detector's operations."""

from __future__ import annotations

from pathlib import Path

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
_DEEPEST = 30  # elements within elements


def check_openvino(xml: Path) -> None:
    """Refuse document types, entities, deep nesting, and other operations than a detector's.

    Raises:
        ValueError: the file has some of these.
        OSError, SyntaxError: it cannot be read.
    """
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
    if foreign:
        raise ValueError(f"it has operations that no detector needs ({listed(sorted(foreign))})")
