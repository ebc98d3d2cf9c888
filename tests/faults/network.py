"""A tiny ONNX network that opens in a moment and finds two boxes on every picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from utils.runtime.facts import KEY, Facts

_COPIES = 12  # of each box, so that voting lowers no score


def write_network(path: Path, classes: Sequence[str], side: int) -> None:
    """Write a detector of ``classes`` for pictures of ``side`` pixels."""
    anchors = tuple((float(size), float(size)) for size in range(4, 40, 4))
    facts = Facts(tuple(classes), anchors, (side, side), "mobilenet_v3_small", "0" * 64, {})
    boxes = np.float32([[8, 8, 40, 40], [20, 24, 60, 60]]).repeat(_COPIES, axis=0)
    scores = np.zeros((len(boxes), len(classes)), np.float32)
    scores[:_COPIES, 0] = scores[_COPIES:, -1] = 0.9
    constants = {
        "zero": np.float32(0), "shape": np.int64([0, 1, 1]), "axes": np.int64([1, 2, 3]),
        "places": boxes[None], "values": scores[None],
    }  # fmt: skip
    nodes = [
        helper.make_node("Cast", ["images"], ["pixels"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["pixels", "axes"], ["mean"]),
        helper.make_node("Reshape", ["mean", "shape"], ["row"]),
        helper.make_node("Mul", ["row", "zero"], ["nothing"]),
        helper.make_node("Add", ["nothing", "places"], ["boxes"]),
        helper.make_node("Add", ["nothing", "values"], ["scores"]),
    ]
    images = helper.make_tensor_value_info("images", TensorProto.UINT8, ["B", "H", "W", 3])
    outputs = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["B", "N", columns])
        for name, columns in (("boxes", 4), ("scores", len(classes)))
    ]
    initial = [numpy_helper.from_array(np.asarray(x), name) for name, x in constants.items()]
    graph = helper.make_graph(nodes, "detector", [images], outputs, initial)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    helper.set_model_props(model, {KEY: facts.to_json()})
    onnx.save(model, path)
