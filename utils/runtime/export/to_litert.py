"""LiteRT (TensorFlow Lite): one picture of the checkpoint's own size; facts in a zip behind it.

An archive appended to the file is how TensorFlow Lite carries associated files; interpreters do not
see it.
"""

from __future__ import annotations

import tempfile
import zipfile
from pathlib import Path

import tensorflow as tf

from nets.yolo import YOLOv3
from utils.runtime.export.request import ExportRequest
from utils.runtime.export.to_saved_model import save
from utils.runtime.facts import KEY, Facts


def write(model: YOLOv3, facts: Facts, request: ExportRequest) -> None:
    """Write ``request.target``."""
    with tempfile.TemporaryDirectory(dir=request.target.parent) as folder:
        save(model, request, Path(folder) / "saved", (1, *facts.input_size))
        converter = tf.lite.TFLiteConverter.from_saved_model(
            f"{folder}/saved", signature_keys=["serving_default"]
        )
        # Interpreters have no other operations unless they are built with all of TensorFlow.
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
        if request.precision == "float16":
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
            converter.target_spec.supported_types = [tf.float16]
        network = converter.convert()
    if request.precision == "int8":
        from utils.runtime.export import int8_litert

        network = int8_litert.quantised(network, request.calibration_inputs())
    request.target.write_bytes(network)
    append_facts(request.target, facts)


def append_facts(path: Path, facts: Facts) -> None:
    """Put facts behind a LiteRT file."""
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(f"{KEY}.json", facts.to_json())
