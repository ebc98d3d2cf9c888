"""The names of the runtimes; importing this imports nothing."""

DISPLAY_NAMES = {  # by the name in options
    "tensorflow": "TensorFlow",
    "onnx": "ONNX Runtime",
    "openvino": "OpenVINO",
    "litert": "LiteRT",
    "saved_model": "TensorFlow SavedModel",
}
RUNTIMES = tuple(DISPLAY_NAMES)
CONVERTED = ("openvino", "onnx", "litert")  # --runtime converts a checkpoint for these
