"""What folded norms, frozen depthwise kernels and bfloat16 save, in processor seconds.

    python -m bench.folding

times forward and backward of a batch with stages 3 to 7 of the backbone learning, in four
combinations, and with dense convolutions cast to bfloat16 where a training step does so; then
inference of one picture with and without folding. All run alternately in one process with one
thread. Processor seconds hardly depend on what else the machine does.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

from bench.common import append_result
from utils.cli import option, parse, run
from utils.quiet import import_tensorflow

BATCH = 8


@dataclass(frozen=True)
class FoldingConfig:
    """The options of this measurement."""

    backbone: str = option("efficientnet_lite0", help="backbone of the detector", metavar="NAME")
    size: int = option(320, help="of the network input in training, in pixels")
    repeats: int = option(5, help="steps of each kind", low=1)
    fast_math: bool = option(True, help="bfloat16 convolutions where the processor has them")
    kinds: tuple[str, ...] = option((), help="kinds of steps to measure (default: all)")
    inference: bool = option(True, help="measure inference, too")
    record: bool = option(True, help="append the result to bench/results")


def main(argv: list[str]) -> None:
    config = parse(FoldingConfig, argv, __doc__.split("\n\n")[0])
    os.environ |= dict.fromkeys(("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"), "1")
    if config.fast_math:
        os.environ["ONEDNN_DEFAULT_FPMATH_MODE"] = "BF16"
    import_tensorflow()
    import tensorflow as tf

    from nets.bfloat16 import with_bfloat16_convolutions
    from nets.folding import folded, folded_detector
    from nets.yolo import YOLOv3
    from utils.training.freezing import set_backbone_trainable
    from utils.training.numerics import needs_casts

    model = YOLOv3(config.backbone, ["a", "b", "c"], backbone_options={"stochastic_depth": 0})

    def training_step(fold: bool, freeze_depthwise: bool, bfloat16: bool = False) -> Callable:
        set_backbone_trainable(
            model.backbone,
            frozen_stages=2,
            freeze_batch_norms=True,
            freeze_depthwise=freeze_depthwise,
        )
        backbone, head = folded(model.backbone) if fold else model.backbone, model.head
        if bfloat16:
            backbone, head = with_bfloat16_convolutions(backbone), with_bfloat16_convolutions(head)
        variables = model.trainable_variables

        @tf.function(jit_compile=False)
        def step(images):
            with tf.GradientTape() as tape:
                raw = head(backbone(images, training=True), training=True)
                loss = tf.add_n([tf.reduce_mean(level**2) for level in raw])
            return tape.gradient(loss, variables)

        images = tf.random.uniform([BATCH, config.size, config.size, 3], 0, 255)
        step(images)  # compiles while the right layers are frozen
        return lambda: step(images)

    asked = {
        "nothing frozen or folded": (False, False),
        "depthwise kernels frozen": (False, True),
        "norms folded": (True, False),
        "both": (True, True),
    }
    if config.fast_math and needs_casts():
        asked["both, dense convolutions in bfloat16"] = (True, True, True)
    steps = {
        name: training_step(*options)
        for name, options in asked.items()
        if name in (config.kinds or asked)
    }
    picture = tf.random.uniform([1, 416, 416, 3], 0, 255)
    plain = tf.function(lambda x: model(x, training=False), jit_compile=False)
    detect = tf.function(folded_detector(model), jit_compile=False)
    inference = {"plain": lambda: plain(picture), "folded": lambda: detect(picture)}
    if not config.inference:
        inference = {}
    for call in inference.values():
        call()
    result = {
        "backbone": config.backbone, "size": config.size, "fast_math": config.fast_math,
        "training": medians(steps, config.repeats), "inference": medians(inference, 25),
    }  # fmt: skip
    print(json.dumps(result, indent=1))
    if config.record:
        append_result("folding", result)


def medians(calls: dict[str, Callable], repeats: int) -> dict[str, float]:
    """Median processor seconds of each; all run alternately."""
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(repeats):
        for name, call in calls.items():
            began = time.process_time()
            call()
            seconds[name].append(time.process_time() - began)
    return {name: round(statistics.median(taken), 4) for name, taken in seconds.items()}


if __name__ == "__main__":
    sys.exit(run(main))
