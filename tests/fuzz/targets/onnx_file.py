"""ONNX files: what ``check_onnx`` lets pass holds no more than it says, as the ``onnx`` package
reads the same bytes."""

from __future__ import annotations

from functools import cache

import onnx
from google.protobuf.message import DecodeError
from onnx import TensorProto, helper, numpy_helper

from tests.fuzz.target import Target, require, written
from utils.runtime.onnx_check import _DOMAINS, _OPERATIONS, check_onnx


def _run(data: bytes) -> None:
    check_onnx(written(data, "fuzz.onnx"))
    model = onnx.ModelProto()
    try:
        model.ParseFromString(data)
    except DecodeError:  # ONNX Runtime would refuse it, too
        return
    require(not model.functions, "no functions")
    graph = model.graph
    require(not graph.sparse_initializer, "no sparse weights")
    tensors = list(graph.initializer)
    for node in graph.node:
        require(node.domain in _DOMAINS and node.op_type in _OPERATIONS, f"{node.op_type!a:.60}")
        for attribute in node.attribute:
            require(not attribute.HasField("g") and not attribute.graphs, "no graphs in graphs")
            require(not attribute.HasField("sparse_tensor"), "no sparse weights")
            require(not attribute.sparse_tensors, "no sparse weights")
            tensors += [*attribute.tensors, attribute.t]
    for tensor in tensors:
        require(not tensor.external_data, "weights within the file")
        require(tensor.data_location != TensorProto.EXTERNAL, "weights within the file")


@cache
def _sound() -> onnx.ModelProto:
    images = helper.make_tensor_value_info("images", TensorProto.UINT8, ["B", "H", "W", 3])
    boxes = helper.make_tensor_value_info("boxes", TensorProto.FLOAT, ["B", "N", 4])
    weight = helper.make_tensor("w", TensorProto.FLOAT, [1], [2.0])
    value = helper.make_tensor("c", TensorProto.FLOAT, [1], [0.5])
    nodes = [
        helper.make_node("Cast", ["images"], ["x"], to=TensorProto.FLOAT),
        helper.make_node("Constant", [], ["c"], value=value),
        helper.make_node("Mul", ["x", "w"], ["y"]),
        helper.make_node("Add", ["y", "c"], ["boxes"]),
    ]
    graph = helper.make_graph(nodes, "detector", [images], [boxes], [weight])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])


def _seeds():
    sound = _sound()
    yield sound.SerializeToString()
    outside = onnx.ModelProto()
    outside.CopyFrom(sound)
    first = outside.graph.initializer[0]
    first.external_data.add(key="location", value="/etc/hostname")
    first.data_location = TensorProto.EXTERNAL
    yield outside.SerializeToString()
    looped = onnx.ModelProto()
    looped.CopyFrom(sound)
    looped.graph.node.append(helper.make_node("Loop", [], [], body=sound.graph))
    yield looped.SerializeToString()
    called = onnx.ModelProto()
    called.CopyFrom(sound)
    called.functions.append(helper.make_function("f", "F", [], [], [], []))
    yield called.SerializeToString()
    sparse = onnx.ModelProto()
    sparse.CopyFrom(sound)
    sparse.graph.sparse_initializer.add().values.CopyFrom(numpy_helper.from_array(_ARRAY, "s"))
    yield sparse.SerializeToString()
    yield sound.SerializeToString() + outside.SerializeToString()  # messages are merged


_ARRAY = numpy_helper.to_array(helper.make_tensor("w", TensorProto.FLOAT, [1], [2.0]))

TARGET = Target(
    finds=(_sound().SerializeToString().replace(b"Mul", b"M\x1bl"),),
    name="onnx_file",
    run=_run,
    seeds=_seeds,
    refusals=(OSError, ValueError),
    words=(b"\x3a", b"\xca\x01", b"\x0a", b"\x2a", b"\x7a", b"\x70\x01", b"\x70\x81\0", b"\x6a\0",
           b"\xba\x80\0", b"Loop", b"If", b"Constant", b"location", b"ai.onnx", b"\x80\x80\x80\0"),
    most_bytes=2048,
)  # fmt: skip
