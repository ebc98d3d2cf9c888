"""``python -m tests.bad_input.sound_weights FOLDER``: weights files that are whole, tiny, and take
TensorFlow to write; and SavedModels with operations of no detector. Bad weights are made of them.
"""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path

import numpy as np

from utils.quiet import import_tensorflow

import_tensorflow()
import onnx  # noqa: E402  (after TensorFlow)
import openvino  # noqa: E402
import tensorflow as tf  # noqa: E402
from openvino import opset13 as ov  # noqa: E402

from nets.yolo import YOLOv3  # noqa: E402
from tests.onnx_network import constant_network  # noqa: E402
from utils.runtime.facts import KEY, Facts  # noqa: E402

from .exports import bad_descriptions  # noqa: E402
from .hostile_onnx import write_hostile  # noqa: E402

CANARY = "canary"  # what runs writes this file

_BOXES = np.float32([[[8, 8, 40, 40], [8, 8, 41, 41]]])
_SCORES = np.full((1, 2, 1), 0.9, np.float32)


def facts(outputs: str = "decoded") -> Facts:
    """Of a detector of cats at 64 × 64 pixels."""
    anchors = tuple((float(side), float(side)) for side in range(4, 40, 4))
    return Facts(("cat",), anchors, (64, 64), "mobilenet_v3_small", "0" * 64, {}, outputs=outputs)


def write_all(folder: Path) -> None:
    _write_checkpoint(folder / "sound.keras")
    onnx.save(_onnx_network(), folder / "sound.onnx")
    write_hostile(_onnx_network(), bad_descriptions(facts().to_json()), folder / "onnx")
    _write_openvino(folder / "openvino")
    _write_litert(folder / "sound.tflite", _detect)
    _write_litert(folder / "endless.tflite", _endless)
    for name, function in _saved_models().items():
        _write_saved_model(folder / "saved_models" / name, function)


def _write_checkpoint(path: Path) -> None:
    options = {"width": 0.1, "depth": 0.1}
    YOLOv3("mobilenet_v3_small", ["cat"], input_size=64, backbone_options=options).save(path)


def _onnx_network() -> onnx.ModelProto:
    return constant_network(_BOXES[0], _SCORES[0], facts())


def _write_openvino(folder: Path) -> None:
    images = ov.parameter([-1, -1, -1, 3], np.uint8, name="images")
    images.output(0).set_names({"images"})
    axes = ov.constant(np.int64([1, 2, 3]))
    mean = ov.reduce_mean(ov.convert(images, "f32"), axes, keep_dims=True)
    row = ov.multiply(
        ov.reshape(mean, ov.constant(np.int64([0, 1, 1])), special_zero=True), np.float32(0)
    )
    outputs = []
    for name, values in (("boxes", _BOXES), ("scores", _SCORES)):
        node = ov.add(row, ov.constant(values))
        node.output(0).set_names({name})
        outputs.append(ov.result(node))
    network = openvino.Model(outputs, [images], "detector")
    network.set_rt_info(facts().to_json(), [KEY])
    folder.mkdir()
    openvino.save_model(network, folder / "model.xml", compress_to_fp16=False)


def _detect(images: tf.Tensor) -> dict[str, tf.Tensor]:
    mean = tf.reduce_mean(tf.cast(images, tf.float32), axis=[1, 2, 3], keepdims=True)
    row = tf.reshape(mean, [-1, 1, 1]) * 0.0
    return {"boxes": row + _BOXES, "scores": row + _SCORES}


def _endless(images: tf.Tensor) -> dict[str, tf.Tensor]:
    found = _detect(images)
    start = found["scores"][0, 0, 0]
    (end,) = tf.while_loop(lambda x: x < 1e9, lambda x: (x * 0.5,), (start,))
    return {**found, "boxes": found["boxes"] + end}


def _write_litert(path: Path, function: object) -> None:
    signature = tf.TensorSpec((1, 64, 64, 3), tf.uint8, name="images")
    concrete = tf.function(function, input_signature=[signature]).get_concrete_function()
    folder = path.with_suffix(".saved_model")
    module = tf.Module()
    tf.saved_model.save(module, str(folder), signatures={"serving_default": concrete})
    path.write_bytes(tf.lite.TFLiteConverter.from_saved_model(str(folder)).convert())
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(f"{KEY}.json", facts().to_json())


def _saved_models() -> dict[str, object]:
    def with_payload(payload: object) -> object:
        def function(images: tf.Tensor) -> dict[str, tf.Tensor]:
            found = _detect(images)
            with tf.control_dependencies([payload(images)]):
                return {name: tf.identity(x) for name, x in found.items()}

        return function

    def told(content: tf.Tensor) -> tf.Tensor:
        return tf.raw_ops.WriteFile(filename=CANARY, contents=content)

    def python() -> float:
        Path(CANARY).touch()
        return 0.0

    @tf.function(autograph=False)
    def inner(images: tf.Tensor) -> tf.Tensor:
        with tf.control_dependencies([told("inside")]):
            return tf.identity(images)

    def read_into_boxes(images: tf.Tensor) -> dict[str, tf.Tensor]:
        found = _detect(images)
        secret = tf.io.decode_raw(tf.io.read_file("/etc/hostname"), tf.uint8)
        return {**found, "boxes": found["boxes"] + tf.cast(secret[0], tf.float32)}

    def much(images: tf.Tensor) -> dict[str, tf.Tensor]:
        found = _detect(images)
        zeros = tf.zeros(tf.cast(found["boxes"][0, 0, :2], tf.int32) + 2_000_000)
        return {**found, "boxes": found["boxes"] + tf.reduce_sum(zeros)}

    return {
        "sound": _detect,
        "endless": _endless,
        "write-file": with_payload(lambda images: told("canary")),
        "write-file-in-a-function": with_payload(inner),
        "read-file": read_into_boxes,
        "save": with_payload(
            lambda images: tf.raw_ops.SaveV2(
                prefix=CANARY, tensor_names=["x"], shape_and_slices=[""], tensors=[images]
            )
        ),
        "print-to-a-file": with_payload(
            lambda images: tf.raw_ops.PrintV2(input="canary", output_stream=f"file://{CANARY}")
        ),
        "python": with_payload(lambda images: tf.numpy_function(python, [], tf.float64)),
        "much-memory": much,
    }


def _write_saved_model(folder: Path, function: object) -> None:
    signature = tf.TensorSpec((None, None, None, 3), tf.uint8, name="images")
    concrete = tf.function(function, input_signature=[signature]).get_concrete_function()
    tf.saved_model.save(tf.Module(), str(folder), signatures={"serving_default": concrete})
    extra = folder / "assets.extra"
    extra.mkdir()
    (extra / f"{KEY}.json").write_text(facts().to_json(), encoding="utf-8")


if __name__ == "__main__":
    write_all(Path(sys.argv[1]))
