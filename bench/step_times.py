"""Seconds of a training step by backbone and neck, which `utils/training/choices/expected.py` uses.

    python -m bench.step_times

The networks are measured in alternation, on one thread; the figures are medians of processor time.
The backbone is pretrained, and its later stages learn, as in most steps of a run.
"""

from __future__ import annotations

import statistics
import sys
import time
from dataclasses import dataclass

from bench.common import append_result
from utils.cli import OK, option, parse, run
from utils.quiet import import_tensorflow


@dataclass(frozen=True)
class StepTimesConfig:
    """The options of this measurement."""

    backbones: tuple[str, ...] = option(
        ("efficientnet_lite0", "efficientnet_lite2"), help="backbones whose weights are at hand"
    )
    size: int = option(256, help="side of the network input in pixels")
    batch: int = option(8, help="photos in a step")
    steps: int = option(7, help="timed steps of each network", low=1)
    casts: bool = option(True, help="multiply in bfloat16, as runs do on a CPU that has it")


def main(argv: list[str]) -> int:
    config = parse(StepTimesConfig, argv, __doc__.split("\n\n")[0])
    import_tensorflow()
    import tensorflow as tf

    from nets.necks import NECKS

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    names = [(backbone, neck) for backbone in config.backbones for neck in NECKS]
    steps = {name: _step(config, *name) for name in names}
    seconds: dict[tuple[str, str], list[float]] = {name: [] for name in names}
    for number in range(config.steps + 1):
        for name, step in steps.items():
            began = time.process_time()
            step(number)
            if number:  # the first compiles
                seconds[name].append(time.process_time() - began)
    for (backbone, neck), values in seconds.items():
        row = {
            "backbone": backbone, "neck": neck, "size": config.size, "batch": config.batch,
            "casts": config.casts, "seconds": round(statistics.median(values), 4),
            "photos_per_second": round(config.batch / statistics.median(values), 2),
        }  # fmt: skip
        append_result("step_times", row)
        print(row)
    return OK


def _step(config: StepTimesConfig, backbone: str, neck: str):
    """A function of the step's number that does one training step and waits for its result."""
    import numpy as np
    import tensorflow as tf

    from nets.yolo import YOLOv3
    from utils.runtime.distribution import Cluster
    from utils.training.choices.recipes import Recipe
    from utils.training.optimizers import Optimizers
    from utils.training.step import StepConfig
    from utils.training.trainer import Trainer

    model = YOLOv3(
        backbone, ["a", "b", "c"], config.size, backbone_options={"stochastic_depth": 0.0},
        neck=neck,
    )  # fmt: skip
    trainer = Trainer(
        model,
        Optimizers("adamw", rate=1e-3, backbone_rate_factor=0.25, decay=5e-4),
        Cluster(tf.distribute.get_strategy(), "CPU"),
        StepConfig(config.batch, bfloat16_convolutions=config.casts),
        pretrained=True,
        recipe=Recipe(),
    )
    trainer.set_backbone_frozen(False)
    rng = np.random.default_rng(0)
    shape = (config.batch, config.size, config.size, 3)
    corners = rng.uniform(0, config.size / 2, (config.batch, 3, 2))
    sides = rng.uniform(16, config.size / 2, (config.batch, 3, 2))
    batch = [
        tf.constant(rng.integers(0, 256, shape, np.uint8)),
        tf.constant(np.concatenate([corners, corners + sides], axis=-1).astype(np.float32)),
        tf.constant(np.tile(np.arange(3, dtype=np.int32), (config.batch, 1))),
    ]
    return lambda number: float(trainer.step(batch, number + 1, 1.0).total)


if __name__ == "__main__":
    sys.exit(run(main))
