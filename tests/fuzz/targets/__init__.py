"""The targets: one file each, which defines ``TARGET``. ``NAMES`` lists them."""

from __future__ import annotations

from importlib import import_module

from tests.fuzz.target import Target

NAMES = (
    "voc_xml", "coco", "label_studio", "yolo_labels", "yolo_yaml", "class_list", "split_list",
    "anchors_file", "configuration", "detections", "image", "image_header", "exif", "checkpoint",
    "description", "onnx_file", "openvino_xml", "litert_file", "request",
)  # fmt: skip


def load(name: str) -> Target:
    """The target of that name; the code that it tests is imported."""
    return import_module(f"{__name__}.{name}").TARGET
