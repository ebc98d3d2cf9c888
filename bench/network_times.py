"""Milliseconds of the network at the sizes that training chooses from, and of the default before.

    python -m bench.network_times

One square picture in OpenVINO, in bfloat16 where the processor has it, on all cores; the networks
run in turn. The weights are random, as time does not depend on them. A row for each network and
size is appended to ``bench/results/network_times.jsonl``.
"""

from __future__ import annotations

import sys
import tempfile
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median

import numpy as np

from bench.common import append_result
from bench.timing import in_turn
from utils.cli import OK, option, parse, run
from utils.cores import available_cores
from utils.cpu import describe_cpu, has_bfloat16
from utils.quiet import import_tensorflow
from utils.runtime.exported import ExportedNetwork
from utils.runtime.runtime import Runtime

NETWORKS = (
    ("efficientnet_lite0", "yolov3"),  # the default before
    ("efficientnet_lite0", "pan"),
    ("efficientnet_lite2", "pan"),  # the default
)
CLASSES = 10


@dataclass(frozen=True)
class Config:
    """The options of this measurement."""

    sizes: tuple[int, ...] = option((256, 320, 416, 512, 640), help="input sizes")
    repeats: int = option(40, help="runs of each kind; their median is the result", low=1)


def main(argv: list[str]) -> int:
    config = parse(Config, argv, __doc__.split("\n\n")[0])
    import_tensorflow()
    precision = "bfloat16" if has_bfloat16() else "float32"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        ways = {}
        for backbone, neck in NETWORKS:
            network = opened(backbone, neck, precision, folder)
            for size in config.sizes:
                pixels = np.random.default_rng(0).integers(0, 256, (1, size, size, 3), np.uint8)
                ways[backbone, neck, size] = partial(network.infer, pixels)
        times = in_turn(ways, config.repeats)
    print("| input size | " + " | ".join(" ".join(network) for network in NETWORKS) + " |")
    print("|---|" + "--:|" * len(NETWORKS))
    for size in config.sizes:
        medians = [median(times[*network, size].wall) for network in NETWORKS]
        print(f"| {size} | " + " | ".join(f"{value:.1f}" for value in medians) + " |")
        for (backbone, neck), value in zip(NETWORKS, medians, strict=True):
            row = {
                "backbone": backbone, "neck": neck, "input_size": size,
                "milliseconds": round(value, 2), "precision": precision,
                "processor": describe_cpu(), "cores": available_cores(),
            }  # fmt: skip
            append_result("network_times", row)
    return OK


def opened(backbone: str, neck: str, precision: str, folder: Path) -> Runtime:
    """The network with random weights, in OpenVINO."""
    import keras

    from nets.yolo import YOLOv3

    keras.utils.set_random_seed(0)  # a second run finds the converted network in the cache
    weights = folder / f"{backbone}_{neck}.keras"
    names = [str(i) for i in range(CLASSES)]
    YOLOv3(backbone, names, 416, backbone_weights=None, neck=neck).save(weights)
    return ExportedNetwork(weights).open("openvino", precision=precision)


if __name__ == "__main__":
    sys.exit(run(main))
