"""Run by test_distribution.py: a few training steps on some devices, their result in a file.

A process of its own: TensorFlow divides the processor into devices before it computes anything.
With ``TF_CONFIG`` it is one of several hosts, and takes its rows of each batch.

    python -m tests.replicas OUT.npz [--devices 2] [--accumulate 1] [--steps 3]
                             [--norms live|synchronized|frozen] [--precision float32]
                             [--weights FILE.keras] [--size 64] [--smooth]
"""

import argparse

import numpy as np

from utils.quiet import import_tensorflow

import_tensorflow()
import keras  # noqa: E402
import tensorflow as tf  # noqa: E402

from nets.loss import LossConfig  # noqa: E402
from nets.yolo import YOLOv3  # noqa: E402
from utils.checkpoint import load_checkpoint  # noqa: E402
from utils.runtime.distribution import make_cluster  # noqa: E402
from utils.training.batch_norm import synchronize  # noqa: E402
from utils.training.choices.recipes import Recipe  # noqa: E402
from utils.training.choices.start import copy_detector  # noqa: E402
from utils.training.numerics import set_precision  # noqa: E402
from utils.training.optimizers import Optimizers  # noqa: E402
from utils.training.schedule import learning_rate_factor  # noqa: E402
from utils.training.step import StepConfig  # noqa: E402
from utils.training.trainer import Trainer  # noqa: E402

BATCH, SIZE = 4, 64


def make_batch(seed: int = 0, size: int = SIZE) -> list[np.ndarray]:
    """Images with very different numbers of objects, so that shares of a batch differ."""
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 256, (BATCH, size, size, 3), np.uint8)
    corners = rng.uniform(0, 40, (BATCH, 3, 2))
    boxes = np.concatenate([corners, corners + rng.uniform(8, 24, (BATCH, 3, 2))], -1)
    class_ids = np.array([[0, 1, 1], [-1, -1, -1], [0, -1, -1], [1, 0, -1]], np.int32)
    return [images, boxes.astype(np.float32), class_ids]


def make_detector(size: int) -> YOLOv3:
    return YOLOv3(
        "efficientnet_lite0", ["a", "b"], input_size=size, backbone_weights="imagenet",
        backbone_options={"stochastic_depth": 0.5},
    )  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("out")
    parser.add_argument("--devices", type=int, default=1)
    parser.add_argument("--accumulate", type=int, default=1)
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--norms", default="frozen")
    parser.add_argument("--run", type=int, help="steps of the run that these begin")
    parser.add_argument("--rate", type=float, default=1e-2)
    parser.add_argument("--optimizer", default="sgd")
    parser.add_argument("--precision", default="float32")
    parser.add_argument("--weights")
    parser.add_argument("--size", type=int, default=SIZE)
    parser.add_argument(
        "--smooth", action="store_true",
        help="a loss without jumps: which predictions are positive, and which ignored, does not "
        "depend on what is predicted",
    )  # fmt: skip
    given = parser.parse_args()

    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(
        cpu, [tf.config.LogicalDeviceConfiguration()] * given.devices
    )
    cluster = make_cluster("cpu")
    assert cluster.replicas == given.devices * cluster.hosts
    keras.utils.set_random_seed(0)
    set_precision(given.precision)
    checkpoint = load_checkpoint(given.weights) if given.weights else None
    with cluster.strategy.scope():
        model = copy_detector(checkpoint, given.size) if checkpoint else make_detector(given.size)
    assert model.compute_dtype == keras.config.dtype_policy().compute_dtype
    if given.norms == "synchronized":
        synchronize(model)
    if given.norms == "frozen":
        for layer in model.head.layers:
            if isinstance(layer, keras.layers.BatchNormalization):
                layer.trainable = False
    loss = LossConfig(ignore_iou=1.0) if given.smooth else LossConfig()
    trainer = Trainer(
        model,
        Optimizers(given.optimizer, rate=given.rate, backbone_rate_factor=1.0, decay=5e-4),
        cluster,
        StepConfig(BATCH, given.accumulate, seed=5, loss=loss, simota=not given.smooth),
        precision=given.precision,
        pretrained=True,
        recipe=Recipe(frozen_stages=5),
        sync_batch_norm=given.norms == "synchronized",
    )
    first = model.head.get_layer("p5_1_conv").kernel.numpy()
    trainer.set_backbone_frozen(False)

    def rate(step: int) -> float:
        return learning_rate_factor(step / given.run) if given.run else 1.0

    rows = BATCH // cluster.hosts
    mine = slice(cluster.host * rows, (cluster.host + 1) * rows)

    def share(i: int) -> list[tf.Tensor]:
        """Every other batch has more padding."""
        images, boxes, class_ids = (part[mine] for part in make_batch(i, given.size))
        spare = 20 * (i % 2)
        boxes = np.pad(boxes, [(0, 0), (0, spare), (0, 0)])
        class_ids = np.pad(class_ids, [(0, 0), (0, spare)], constant_values=-1)
        return [tf.constant(part) for part in (images, boxes, class_ids)]

    for part in cluster.split(share(0)) if cluster.local_replicas > 1 else []:
        parts = cluster.strategy.experimental_local_results(part)
        devices = cluster.strategy.extended.worker_devices
        for own, device in zip(parts, devices, strict=True):
            assert own.device.endswith(device[-len("/device:CPU:0") :]), (own.device, device)

    losses = [
        [float(x) for x in trainer.step(share(i), i + 1, rate(i), uniform_average=i > 1)]
        for i in range(given.steps)
    ]
    assert trainer._step.experimental_get_tracing_count() == 1
    found = trainer.infer(make_batch(size=given.size)[0][:3])
    arrays = {v.path: v.value.numpy() for v in model.variables if "seed" not in v.path}
    averages = {f"average/{i}": v.numpy() for i, v in enumerate(trainer.average.averages)}
    trainer.update_bn(share(i) for i in range(2))
    renewed = [v.numpy() for v in trainer.average.averages[-len(trainer.statistics) :]]
    np.savez(
        given.out, first=first, losses=losses, boxes=found[0], scores=found[1],
        renewed=np.concatenate(renewed), **arrays, **averages,
    )  # fmt: skip


if __name__ == "__main__":
    main()
