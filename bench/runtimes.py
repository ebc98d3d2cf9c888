"""From a JPEG file to boxes, in every runtime, beside a detector written the tutorial way.

    python -m bench.runtimes --backbones efficientnet_b0 efficientnet_lite0

The networks have random weights and find a few objects (``bench.untrained``). All ways run in turn
in one process, on both cores, on a photo of 4:3 and on a square one. Ours run at the photo's own
shape.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from statistics import median

import cv2
import numpy as np

from bench.common import append_result
from bench.timing import in_turn
from bench.untrained import let_it_find, network_pixels
from utils.cli import OK, option, parse, run
from utils.cores import available_cores
from utils.cpu import describe_cpu, has_bfloat16
from utils.quiet import import_tensorflow

CONF, IOU, MAX_DET = 0.25, 0.45, 300
PHOTOS = {"640x480": (640, 480), "480x480": (480, 480)}  # width, height


@dataclass(frozen=True)
class RuntimesConfig:
    """The options of this measurement."""

    backbones: tuple[str, ...] = option(
        ("efficientnet_b0", "efficientnet_lite0", "mobilenet_v3_small"), help="networks to measure"
    )
    neck: str = option(
        "pan", help="our feature pyramid; the tutorial's is yolov3", choices=("pan", "yolov3")
    )
    size: int = option(416, help="longer side of the network input in pixels")
    classes: int = option(20, help="classes of the networks", low=1)
    repeats: int = option(40, help="runs of each kind; their median is the result", low=1)


def main(argv: list[str]) -> int:
    config = parse(RuntimesConfig, argv, __doc__.split("\n\n")[0])
    import_tensorflow()
    with tempfile.TemporaryDirectory() as folder:
        photos = {name: write_photo(Path(folder) / f"{name}.jpg", *size)
                  for name, size in PHOTOS.items()}  # fmt: skip
        for backbone in config.backbones:
            ways = ways_to_detect(backbone, config, Path(folder), photos["640x480"])
            for name, path in photos.items():
                row = {
                    "backbone": backbone,
                    "neck": config.neck,
                    "size": config.size,
                    "classes": config.classes,
                    "photo": name,
                    "processor": describe_cpu(),
                    "cores": available_cores(),
                    **measure(ways, path, config.repeats),
                }
                print(json.dumps(row, indent=1), flush=True)
                append_result("runtimes", row)
    return OK


def write_photo(path: Path, width: int, height: int) -> Path:
    """A JPEG with as much detail as a photo has."""
    rng = np.random.default_rng(0)
    image = np.zeros((height, width, 3), np.float32)
    for cells in (4, 16, 64):  # coarse and fine structures
        noise = rng.uniform(0, 255 / np.sqrt(cells), (cells, cells, 3)).astype(np.float32)
        image += cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC)
    cv2.imwrite(str(path), np.clip(image, 0, 255).astype(np.uint8))
    return path


def ways_to_detect(
    backbone: str, config: RuntimesConfig, folder: Path, photo: Path
) -> dict[str, Callable[[Path], object]]:
    """A function from the path of a photo to its objects, by name of the way.

    On ``photo`` all of them find a few.
    """
    import keras

    from bench import tutorial
    from nets.yolo import YOLOv3
    from utils.detector import Detector
    from utils.runtime.exported import ExportedNetwork

    keras.utils.set_random_seed(0)  # a second run finds the converted network in the cache
    weights = folder / f"{backbone}.keras"
    names = [str(i) for i in range(config.classes)]
    model = YOLOv3(backbone, names, config.size, backbone_weights=None, neck=config.neck)
    let_it_find(model.head, model.raw(np.float32(network_pixels(photo, config.size))), CONF)
    model.save(weights)
    network = ExportedNetwork(weights)
    ways = {
        "tutorial": tutorial.make_detector(
            backbone, config.classes, config.size, CONF, IOU, MAX_DET, photo
        ),
        "TensorFlow": Detector(weights, "tensorflow", "cpu"),
    }
    wanted = {
        "OpenVINO float32": ("openvino", "openvino", "float32"),
        "OpenVINO bfloat16": ("openvino", "openvino", "bfloat16"),
        "ONNX Runtime": ("onnx", "onnxruntime", None),
        "LiteRT": ("litert", "ai_edge_litert", None),
    }
    for name, (runtime, module, precision) in wanted.items():
        if find_spec(module) and (precision != "bfloat16" or has_bfloat16()):
            ways[name] = Detector(network.open(runtime, precision=precision))
    return ways


def measure(ways: dict[str, Callable[[Path], object]], photo: Path, repeats: int) -> dict:
    """Medians in milliseconds, their ratios to the tutorial's way, and all times."""
    calls = {name: partial(detect, photo) for name, detect in ways.items()}
    times = {name: found.wall for name, found in in_turn(calls, repeats).items()}
    medians = {name: round(median(found), 2) for name, found in times.items()}
    rounds = {name: np.array(found) / times["tutorial"] for name, found in times.items()}
    return {
        "milliseconds": medians,
        "of the tutorial's": {name: round(float(np.median(r)), 3) for name, r in rounds.items()},
        "times": times,
    }


if __name__ == "__main__":
    sys.exit(run(main))
