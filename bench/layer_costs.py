"""Milliseconds of each convolution of the detector, forward and backward, by the way it computes.

    python -m bench.layer_costs

Convolutions of one shape are measured once, on one thread, each in three ways: in float32, in
float32 with oneDNN's fast math, and in bfloat16 with its inputs and result cast. oneDNN reads its
setting once a process, so there are two processes, which measure in turn. The figures are medians
of processor time.
"""

from __future__ import annotations

import itertools
import json
import multiprocessing
import os
import statistics
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple

from bench.common import append_result
from utils.cli import OK, option, parse, run
from utils.cpu import FAST_MATH_VARIABLE
from utils.quiet import import_tensorflow

PASSES = ("forward", "input gradient", "weight gradient")


@dataclass(frozen=True)
class LayerCostsConfig:
    """The options of this measurement."""

    backbone: str = option("efficientnet_lite0", help="backbone of the detector")
    size: int = option(256, help="side of the network input in pixels")
    batch: int = option(8, help="photos in a step")
    rounds: int = option(2, help="times that every layer is measured", low=1)
    repeats: int = option(3, help="passes of each kind in a round", low=1)


class Convolution(NamedTuple):
    """What a convolution's time depends on."""

    depthwise: bool
    kernel: tuple[int, int, int, int]  # as TensorFlow has it
    stride: int
    input: tuple[int, int, int, int]  # (B, H, W, C)

    def __str__(self) -> str:
        height, _, inputs, outputs = self.kernel
        channels = f"depthwise {inputs}" if self.depthwise else f"{inputs} to {outputs}"
        return f"{height}x{height}/{self.stride} {channels} at {self.input[1]}"


def main(argv: list[str]) -> int:
    config = parse(LayerCostsConfig, argv, __doc__.split("\n\n")[0])
    workers = {name: _worker(mode) for name, mode in (("float32", "STRICT"), ("fast math", "BF16"))}
    layers = workers["float32"].submit(convolutions, config).result()
    times: dict[Convolution, dict[str, list[float]]] = {c: defaultdict(list) for c in layers}
    for _, layer, (name, worker) in itertools.product(
        range(config.rounds), layers, workers.items()
    ):
        ways = ("float32", "bfloat16") if name == "float32" else ("float32",)
        for way in ways:
            found = worker.submit(measure, layer, way == "bfloat16", config.repeats).result()
            for part, values in zip(PASSES, found, strict=True):
                times[layer][f"{part}, {name if way == 'float32' else way}"] += values
    rows = []
    for layer, found in times.items():
        row = {key: round(1000 * statistics.median(values), 2) for key, values in found.items()}
        rows.append({"layer": str(layer), "count": layers[layer], "milliseconds": row})
        print(json.dumps(rows[-1]), flush=True)
    measured = {"backbone": config.backbone, "size": config.size, "batch": config.batch}
    append_result("layer_costs", {**measured, "layers": rows})
    for worker in workers.values():
        worker.shutdown()
    return OK


def _worker(mode: str) -> ProcessPoolExecutor:
    """A process with one thread and oneDNN's fast math off (STRICT) or on (BF16)."""
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(1, context, initializer=_start, initargs=(mode,))


def _start(mode: str) -> None:
    os.environ[FAST_MATH_VARIABLE] = mode
    import_tensorflow()
    import tensorflow as tf

    tf.get_logger().setLevel("ERROR")  # no warning of many compiled functions
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)


def convolutions(config: LayerCostsConfig) -> Counter[Convolution]:
    """The detector's convolutions, and how often each occurs."""
    import tensorflow as tf

    from nets.yolo import YOLOv3

    model = YOLOv3(config.backbone, ["a", "b", "c"], config.size)
    spec = tf.TensorSpec([config.batch, config.size, config.size, 3])
    graph = tf.function(model.raw).get_concrete_function(spec).graph
    found: Counter[Convolution] = Counter()
    for operation in graph.get_operations():
        if operation.type in ("Conv2D", "DepthwiseConv2dNative"):
            pixels, kernel = (tuple(tensor.shape) for tensor in operation.inputs)
            depthwise = operation.type != "Conv2D"
            found[Convolution(depthwise, kernel, operation.get_attr("strides")[1], pixels)] += 1
    return found


def measure(layer: Convolution, bfloat16: bool, repeats: int) -> list[list[float]]:
    """Seconds of each of ``PASSES``, ``repeats`` times."""
    import tensorflow as tf

    return [[_seconds(work, tf) for _ in range(repeats)] for work in _passes(layer, bfloat16, tf)]


def _seconds(work: Callable, tf) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


def _passes(layer: Convolution, bfloat16: bool, tf) -> list[Callable]:
    """The three passes, compiled; inputs and results are float32."""
    raw = tf.raw_ops
    strides = [1, layer.stride, layer.stride, 1]
    shared = {"strides": strides, "padding": "SAME"}
    forward, by_input, by_weight = (
        (
            raw.DepthwiseConv2dNative,
            raw.DepthwiseConv2dNativeBackpropInput,
            raw.DepthwiseConv2dNativeBackpropFilter,
        )
        if layer.depthwise
        else (raw.Conv2D, raw.Conv2DBackpropInput, raw.Conv2DBackpropFilter)
    )
    batch, height, width, _ = layer.input
    filters = layer.kernel[2] if layer.depthwise else layer.kernel[3]
    result = [batch, -(-height // layer.stride), -(-width // layer.stride), filters]
    x, w, dy = (tf.random.stateless_normal(s, [1, 2]) for s in (layer.input, layer.kernel, result))

    def cast(value):
        return tf.cast(value, tf.bfloat16) if bfloat16 else value

    def compiled(work: Callable, *inputs) -> Callable:
        # one number leaves the function, so that nothing else is copied
        whole = tf.function(
            lambda *given: tf.cast(work(*map(cast, given)), tf.float32)[0, 0, 0, 0],
            jit_compile=False,
        )
        whole(*inputs)
        return lambda: whole(*inputs).numpy()

    return [
        compiled(lambda x, w: forward(input=x, filter=w, **shared), x, w),
        compiled(
            lambda w, dy: by_input(
                input_sizes=layer.input, filter=w, out_backprop=dy, **shared
            ),
            w, dy,
        ),
        compiled(
            lambda x, dy: by_weight(
                input=x, filter_sizes=layer.kernel, out_backprop=dy, **shared
            ),
            x, dy,
        ),
    ]  # fmt: skip


if __name__ == "__main__":
    sys.exit(run(main))
