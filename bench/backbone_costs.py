"""Measures what a detector on each backbone costs and writes the tables of docs/backbones.md.

    python -m bench.backbone_costs [--runs 10] [--tables-only]

The neck is training's default. Parameters and multiply-adds are counted in TensorFlow's graph at
416 x 416 with 20 classes, and must equal the count from the backbone's table. The time is the
fastest of some forward passes of one image; let the machine be idle. Results go to
nets/backbones/measured.py, from which ``train.py --backbone help`` prints them.
"""

import argparse
import math
import os
import platform
import sys
import time
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from nets.backbones import BACKBONES, backbone_cost, classifier_cost, compound_scaling
from nets.backbones.catalogue import catalogue, legend
from nets.yolo import YOLOv3
from utils.cores import available_cores
from utils.training.choices.neck import OF_RECIPE

SIDE, CLASSES = 416, 20
ROOT = Path(__file__).resolve().parents[1]
MEASURED = ROOT / "nets" / "backbones" / "measured.py"
DOCS = ROOT / "docs" / "backbones.md"


def measure(name: str, runs: int) -> tuple[int, int, float]:
    """Parameters, multiply-adds and milliseconds of the detector."""
    classes = [f"class{i}" for i in range(CLASSES)]
    model = YOLOv3(backbone=name, classes=classes, input_size=SIDE, neck=OF_RECIPE["default"])
    image = tf.constant(np.random.default_rng(0).uniform(0, 255, (1, SIDE, SIDE, 3)), tf.float32)
    spec = tf.TensorSpec(image.shape, image.dtype)
    counted = graph_multiply_adds(
        tf.function(lambda x: model.backbone(x, training=False)).get_concrete_function(spec)
    )
    table = backbone_cost(BACKBONES[name], SIDE)
    if (counted, model.backbone.count_params()) != (table.multiply_adds, table.parameters):
        raise SystemExit(f"{name}: the table's cost is not that of the graph ({counted:,})")
    forward = tf.function(lambda x: model(x, training=False)).get_concrete_function(spec)
    times = []
    for _ in range(runs + 2):  # the first two warm up
        start = time.perf_counter()
        forward(image)["boxes"].numpy()
        times.append(1000 * (time.perf_counter() - start))
    return model.count_params(), graph_multiply_adds(forward), min(times[2:])


def graph_multiply_adds(function) -> int:
    """Kernel weights times the places where they are applied, of all convolutions and products."""
    total = 0
    for operation in function.graph.get_operations():
        if operation.type in ("Conv2D", "DepthwiseConv2dNative"):
            kernel, output = operation.inputs[1].shape, operation.outputs[0].shape
            total += math.prod(kernel) * output[1] * output[2]
        elif operation.type in ("MatMul", "BatchMatMulV2"):
            raise SystemExit("a dense layer in a detector: count it")
    return total


def compound_table() -> str:
    """The published members beside the compound rule."""
    lines = [
        "| member | phi by depth | by width | by resolution | by cost | cost, B0 = 1 |",
        "|--------|-------------:|---------:|--------------:|--------:|-------------:|",
    ]
    base = classifier_cost(BACKBONES["efficientnet_b0"]).multiply_adds
    growth = compound_scaling(1).relative_cost
    for i in range(1, 8):
        row = BACKBONES[f"efficientnet_b{i}"]
        cost = classifier_cost(row).multiply_adds / base
        phi = [
            math.log(row.depth, 1.2),
            math.log(row.width, 1.1),
            math.log(row.resolution / 224, 1.15),
            math.log(cost, growth),
        ]
        numbers = " | ".join(f"{value:.2f}" for value in phi)
        lines.append(f"| B{i} | {numbers} | {cost:.2f} |")
    return "\n".join(lines)


def write_docs() -> None:
    """Puts the tables between their marks in docs/backbones.md."""
    text = DOCS.read_text(encoding="utf-8")
    for mark, table in (
        ("costs", f"{catalogue()}\n\n{legend()}"),
        ("compound", compound_table()),
    ):
        begin, end = f"<!-- {mark}: written by bench.backbone_costs -->", f"<!-- end {mark} -->"
        before, _, rest = text.partition(begin)
        _, _, after = rest.partition(end)
        text = f"{before}{begin}\n{table}\n{end}{after}"
    DOCS.write_text(text, encoding="utf-8")


def write_measured(machine: str, detectors: dict[str, tuple[int, int, float]]) -> None:
    rows = "".join(f'    "{k}": ({p}, {m}, {ms:.1f}),\n' for k, (p, m, ms) in detectors.items())
    MEASURED.write_text(
        '"""What a detector on each backbone costs. '
        'Written by ``python -m bench.backbone_costs``."""\n\n'
        f'MACHINE = "{machine}"\n\n'
        "# name: parameters, multiply-adds at 416 x 416 with 20 classes, milliseconds an image\n"
        f"DETECTORS = {{\n{rows}}}\n",
        encoding="utf-8",
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=10, help="timed passes each (%(default)s)")
    parser.add_argument("--tables-only", action="store_true", help="measure nothing")
    args = parser.parse_args()
    if args.tables_only:
        write_docs()
        return 0
    detectors = {}
    for name in BACKBONES:
        detectors[name] = measure(name, args.runs)
        print(name, *detectors[name], f"load {os.getloadavg()[0]:.1f}", flush=True)
        keras.backend.clear_session()
    machine = f"{available_cores()} cores ({platform.machine()}), fastest of {args.runs} passes"
    write_measured(machine, detectors)
    print("now: python -m bench.backbone_costs --tables-only")
    return 0


if __name__ == "__main__":
    sys.exit(main())
