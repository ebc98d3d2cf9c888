"""OpenVINO: a folder with ``model.xml`` and ``model.bin``; any batch, height and width; facts in
``rt_info``."""

from __future__ import annotations

import onnx
import openvino

from nets.yolo import YOLOv3
from utils.runtime.export.request import ExportRequest
from utils.runtime.export.to_onnx import onnx_model
from utils.runtime.facts import KEY, Facts


def write(model: YOLOv3, facts: Facts, request: ExportRequest) -> None:
    """Write ``request.target``."""
    request.target.mkdir()
    path = request.target / "model.onnx"
    onnx.save(onnx_model(model, facts, request), path)
    network = openvino.Core().read_model(path)
    if request.precision == "int8":
        from utils.runtime.export import int8_openvino

        network = int8_openvino.quantised(network, request.calibration_inputs())
    network.set_rt_info(facts.to_json(), [KEY])
    float16 = request.precision == "float16"
    openvino.save_model(network, request.target / "model.xml", compress_to_fp16=float16)
    path.unlink()
