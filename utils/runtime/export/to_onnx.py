"""ONNX: any batch, height and width; facts in the metadata."""

from __future__ import annotations

import onnx
from onnx import TensorProto, helper

from nets.backbones.spec import STRIDES
from nets.export_network import HEADS, INPUT, folded_copy
from nets.yolo import ANCHORS_PER_LEVEL, YOLOv3
from utils.runtime.export.onnx_decoding import add_decoding
from utils.runtime.export.onnx_layers import GraphBuilder, add_layers
from utils.runtime.export.onnx_nms import THRESHOLD_INPUTS, add_nms
from utils.runtime.export.request import ExportRequest
from utils.runtime.facts import KEY, Facts

OPSET = 17  # of 2022: old runtimes read it, too


def write(model: YOLOv3, facts: Facts, request: ExportRequest) -> None:
    """Write ``request.target``."""
    network = onnx_model(model, facts, request)
    if request.precision == "int8":
        from utils.runtime.export import int8_onnx

        network = int8_onnx.quantised(network, request.calibration_inputs())
    onnx.save(network, request.target)


def onnx_model(model: YOLOv3, facts: Facts, request: ExportRequest) -> onnx.ModelProto:
    """The network as an ONNX model, checked.

    ``images`` uint8 (batch, height, width, 3) → as ``request.outputs`` says:

    - ``decoded``: ``boxes`` (batch, N, 4), ``scores`` (batch, N, classes);
    - ``heads``: ``head8``, ``head16``, ``head32`` (batch, height/s, width/s, 3·(5 + classes));
    - ``suppressed``: for a batch of 1, see ``onnx_nms.add_nms``.
    """
    graph = GraphBuilder()
    # Pixels are transposed before they are float32, which are four times as many bytes.
    pixels = graph.add("Transpose", [INPUT], "pixels", perm=[0, 3, 1, 2])
    pixels = graph.add("Cast", [pixels], "pixels_float", to=TensorProto.FLOAT)
    features = add_layers(graph, folded_copy(model.backbone), [pixels], "backbone")
    raw = add_layers(graph, folded_copy(model.head), features, "head")

    batch, classes = "batch", len(facts.class_names)
    inputs, overridable = [], []
    if request.outputs == "heads":
        channels = ANCHORS_PER_LEVEL * (5 + classes)
        for source, name in zip(raw, HEADS, strict=True):
            graph.add("Transpose", [source], name, perm=[0, 2, 3, 1])
        shapes = {
            name: (batch, f"height/{stride}", f"width/{stride}", channels)
            for name, stride in zip(HEADS, STRIDES, strict=True)
        }
    else:
        boxes, scores = add_decoding(graph, raw, facts)
        shapes = {boxes: (batch, "predictions", 4), scores: (batch, "predictions", classes)}
        if request.nms:
            batch = 1
            best = add_nms(graph, boxes, scores, request.nms)
            shapes = dict(
                zip(best, (("detections", 4), ("detections",), ("detections",)), strict=True)
            )
            overridable = [_overridable(graph.constants[name]) for name in THRESHOLD_INPUTS]
    inputs = [
        helper.make_tensor_value_info(INPUT, TensorProto.UINT8, (batch, "height", "width", 3)),
        *overridable,
    ]
    outputs = [
        helper.make_tensor_value_info(
            name, TensorProto.INT64 if name.endswith("ids") else TensorProto.FLOAT, shape
        )
        for name, shape in shapes.items()
    ]
    model_proto = helper.make_model(
        helper.make_graph(graph.nodes, model.name, inputs, outputs, list(graph.constants.values())),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=8,
        producer_name="efficient-yolo3",
        producer_version=facts.version,
    )
    helper.set_model_props(model_proto, {KEY: facts.to_json()})
    onnx.checker.check_model(model_proto, full_check=True)
    return model_proto


def _overridable(constant: TensorProto) -> onnx.ValueInfoProto:
    """A constant as an input with a default."""
    return helper.make_tensor_value_info(constant.name, constant.data_type, constant.dims)
