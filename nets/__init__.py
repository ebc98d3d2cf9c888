"""The network: backbones, feature pyramid, heads, targets and loss.

Importing this package registers the detector with Keras, so that afterwards
``keras.saving.load_model("best.keras")`` opens a checkpoint in safe mode. It knows nothing of
files, datasets or the command line.
"""

from nets.yolo import YOLOv3

__all__ = ["YOLOv3"]
