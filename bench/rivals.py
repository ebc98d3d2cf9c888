"""Ours beside networks that people would pick instead: the network alone, and from a JPEG to boxes.

    python -m bench.rivals --python ENVIRONMENT/bin/python

The environment holds the rivals' package (``pip install ultralytics onnx onnxslim``), which writes
them as ONNX files. All networks have random weights and 80 classes. Ours find a few objects
(``bench.untrained``), the rivals' none. They run in turn in this process, on all cores, in the same
runtimes; with ``--threads 1``, processor times can be compared on a busy machine, too. A rival's
way from a JPEG file is as short as OpenCV allows: letterbox, network, the best class of each
prediction, ``cv2.dnn.NMSBoxesBatched``. As its package does with an exported file, it runs at the
square; ours runs at the photo's own shape. For the networks alone both shapes are measured.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median

import cv2
import numpy as np

from bench.common import append_result
from bench.runtimes import CONF, IOU, MAX_DET, write_photo
from bench.timing import in_turn
from bench.untrained import let_it_find, network_pixels
from utils.cli import OK, option, parse, run
from utils.cores import available_cores
from utils.cpu import describe_cpu, has_bfloat16
from utils.detector import Detector
from utils.quiet import import_tensorflow
from utils.runtime.export.export import export
from utils.runtime.exported import ExportedNetwork
from utils.runtime.onnx_runtime import open_onnx
from utils.runtime.openvino_runtime import open_openvino
from utils.runtime.runtime import Runtime

OURS = ("efficientnet_lite0", "mobilenet_v3_small")
CLASSES = 80  # as the rivals have
GREY = 114
WRITE_RIVALS = """
import shutil, sys
from ultralytics import YOLO
folder, *names = sys.argv[1:]
for name in names:
    for height, width in ((416, 416), (320, 416)):
        path = YOLO(name + ".yaml").export(format="onnx", imgsz=(height, width), verbose=False)
        shutil.move(path, f"{folder}/{name}_{height}x{width}.onnx")
"""

Way = Callable[[], object]
Ways = dict[tuple[str, str], Way]  # by what it computes, and the name of the network and runtime
SHAPES = {"network 416x416": (416, 416), "network 320x416": (320, 416)}  # height, width
BOXES = "JPEG to boxes"
WHAT = (*SHAPES, BOXES)


@dataclass(frozen=True)
class RivalsConfig:
    """The options of this measurement."""

    python: Path = option(help="interpreter of the rivals' environment", metavar="FILE")
    rivals: tuple[str, ...] = option(("yolov8n", "yolo11n", "yolo26n"), help="networks to measure")
    neck: str = option("pan", help="our feature pyramid", choices=("pan", "yolov3"))
    repeats: int = option(40, help="runs of each kind; their median is the result", low=1)
    threads: int = option(available_cores(), help="of each network", low=1)


def main(argv: list[str]) -> int:
    config = parse(RivalsConfig, argv, __doc__.split("\n\n")[0])
    import_tensorflow()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        subprocess.run(
            [config.python, "-c", WRITE_RIVALS, str(folder), *config.rivals],
            check=True, cwd=folder, capture_output=True,
        )  # fmt: skip
        photo = write_photo(folder / "photo.jpg", 640, 480)
        ways = rival_ways(config.rivals, photo, folder, config.threads)
        ways |= our_ways(config.neck, photo, folder, config.threads)
        row = {
            "processor": describe_cpu(),
            "cores": available_cores(),
            "threads": config.threads,
            "classes": CLASSES,
            "neck": config.neck,
        }
        for what in WHAT:
            these = {name: way for (kind, name), way in ways.items() if kind == what}
            times = in_turn(these, config.repeats)
            medians = {
                "milliseconds": {name: round(median(one.wall), 2) for name, one in times.items()},
                "processor milliseconds": {
                    name: round(median(one.cpu), 2) for name, one in times.items()
                },
            }
            print(what, json.dumps(medians, indent=1), flush=True)
            every = {name: one._asdict() for name, one in times.items()}
            append_result("rivals", {**row, "what": what, **medians, "times": every})
    return OK


def rival_ways(rivals: Sequence[str], photo: Path, folder: Path, threads: int) -> Ways:
    """What to time of the rivals, whose files are in the folder."""
    ways: Ways = {}
    for rival in rivals:
        for what, (height, width) in SHAPES.items():
            pixels = np.random.default_rng(0).random((1, 3, height, width), np.float32)
            for runtime, infer in rival_networks(
                folder / f"{rival}_{height}x{width}.onnx", threads
            ):
                name = f"{rival}, {runtime}"
                ways[what, name] = partial(infer, pixels)
                if height == width:
                    ways[BOXES, name] = partial(rival_boxes, infer, photo, width)
    return ways


def our_ways(neck: str, photo: Path, folder: Path, threads: int) -> Ways:
    """What to time of ours."""
    ways: Ways = {}
    for backbone in OURS:
        for runtime, opened in our_networks(backbone, neck, photo, folder, threads):
            name = f"{backbone}, {runtime}"
            for what, (height, width) in SHAPES.items():
                shape = (1, height, width, 3)
                pixels = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
                ways[what, name] = partial(opened.infer, pixels)
            ways[BOXES, name] = partial(Detector(opened), photo)
    return ways


def rival_networks(
    path: Path, threads: int
) -> Iterator[tuple[str, Callable[[np.ndarray], np.ndarray]]]:
    """A rival's file in each runtime: its name, and float32 (1, 3, H, W) → (1, 4 + classes, N)."""
    import onnxruntime
    import openvino

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(str(path), options, ["CPUExecutionProvider"])
    yield "ONNX Runtime", lambda x: session.run(None, {"images": x})[0]
    core = openvino.Core()
    for precision, hint in {"float32": "f32", "bfloat16": "bf16"}.items():
        if precision == "bfloat16" and not has_bfloat16():
            continue
        settings = {
            "INFERENCE_PRECISION_HINT": hint,
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_NUM_THREADS": threads,
        }
        request = core.compile_model(core.read_model(path), "CPU", settings).create_infer_request()
        yield f"OpenVINO {precision}", lambda x, r=request: np.array(r.infer([x])[0])


def our_networks(
    backbone: str, neck: str, photo: Path, folder: Path, threads: int
) -> Iterator[tuple[str, Runtime]]:
    """One of ours with random weights in each runtime: its name, and what it opens as."""
    import keras

    from nets.yolo import YOLOv3

    keras.utils.set_random_seed(0)  # a second run finds the converted network in the cache
    weights = folder / f"{backbone}.keras"
    names = [str(i) for i in range(CLASSES)]
    model = YOLOv3(backbone, names, 416, backbone_weights=None, neck=neck)
    pixels = network_pixels(photo, 416)
    let_it_find(model.head, model.raw(np.float32(pixels)), CONF)
    model.save(weights)
    network = ExportedNetwork(weights)
    yield "ONNX Runtime", network.open("onnx", threads=threads)
    yield "OpenVINO float32", network.open("openvino", precision="float32", threads=threads)
    if has_bfloat16():
        yield "OpenVINO bfloat16", network.open("openvino", precision="bfloat16", threads=threads)
    for name, format, opener in (("OpenVINO INT8", "openvino", open_openvino),
                                 ("ONNX Runtime INT8", "onnx", open_onnx)):  # fmt: skip
        out = folder / f"{backbone}_int8{'.onnx' if format == 'onnx' else ''}"
        path = export(
            weights, format, out, precision="int8", outputs="heads", calibration=list(pixels)
        )
        yield name, opener(path, threads=threads)


def rival_boxes(
    infer: Callable[[np.ndarray], np.ndarray], photo: Path, size: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Boxes (N, 4) xyxy in pixels of the photo, scores and class ids, by the shortest way."""
    image = cv2.imread(str(photo))
    height, width = image.shape[:2]
    scale = size / max(height, width)
    resized = cv2.resize(image, (round(width * scale), round(height * scale)))
    top, left = (size - resized.shape[0]) // 2, (size - resized.shape[1]) // 2
    square = np.full((size, size, 3), GREY, np.uint8)
    square[top : top + resized.shape[0], left : left + resized.shape[1]] = resized
    pixels = cv2.dnn.blobFromImage(square, 1 / 255, swapRB=True)
    found = infer(pixels)[0]
    best = found[4:].max(axis=0)
    found = found[:, best >= CONF]
    scores, ids = found[4:].max(axis=0), found[4:].argmax(axis=0)
    corners = np.concatenate([found[:2] - found[2:4] / 2, found[2:4]]).T
    kept = cv2.dnn.NMSBoxesBatched(corners, scores, ids, CONF, IOU) if len(ids) else []
    kept = np.asarray(kept, int)[:MAX_DET]
    boxes = np.concatenate([corners[kept, :2], corners[kept, :2] + corners[kept, 2:]], axis=1)
    return (boxes - [left, top, left, top]) / scale, scores[kept], ids[kept]


if __name__ == "__main__":
    sys.exit(run(main))
