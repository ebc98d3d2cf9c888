"""The names of the runtimes, for options; importing this imports nothing."""

RUNTIMES = ("tensorflow", "onnx", "openvino", "litert", "saved_model")
CONVERTED = ("openvino", "onnx", "litert")  # --runtime converts a checkpoint for these
