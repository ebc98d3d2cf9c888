"""A detector in TensorFlow, on one device or on several of this host."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

import numpy as np
import tensorflow as tf

from nets.folding import folded_detector
from nets.yolo import YOLOv3
from utils.checkpoint import load_checkpoint
from utils.runtime.device import use_device, visible_device
from utils.runtime.distribution import Cluster, spec_by_replica
from utils.runtime.runtime import Infer, Runtime, in_full_batches, padded


def open_tensorflow(
    weights: str | Path,
    *,
    device: str | Cluster | None = None,
    batch_size: int | None = None,
    option: str = "--weights",
) -> Runtime:
    """A ``.keras`` checkpoint, compiled; see ``utils.runtime.runtime.open_runtime``."""
    if isinstance(device, Cluster):
        cluster, where, devices = device, device.device_text, device.local_replicas
    else:
        cluster, where, devices = None, use_device(device) if device else visible_device(), 1
    with cluster.strategy.scope() if cluster else nullcontext():
        model = load_checkpoint(weights, option)
    on_gpu = "GPU" in where
    batch_size = (batch_size or (8 if on_gpu else 1)) * devices
    # A graph for several devices would hold the weights once for each. A GPU looks for the fastest
    # kernels anew for each shape, so it gets few; but a picture that comes alone does not wait for
    # seven black ones.
    infer = in_full_batches(
        compile_inference(model, cluster, any_shape=True, constant=devices == 1),
        batch_size,
        single=on_gpu,
    )
    for count in {1, batch_size}:  # compiles it, and lets a GPU look for kernels
        infer(np.zeros((count, model.input_size, model.input_size, 3), np.uint8))
    return Runtime(
        infer,
        tuple(model.classes),
        (model.input_size, model.input_size),
        batch_size,
        f"TensorFlow {tf.__version__}, {model.dtype_policy.compute_dtype}, {where}",
        model.metadata,
        any_shape=True,
        on_gpu=on_gpu,
    )


def compile_inference(
    model: YOLOv3,
    cluster: Cluster | None = None,
    *,
    any_shape: bool = False,
    constant: bool = False,
    least_score: float | None = None,
) -> Infer:
    """Compile a network, once for all sizes of batches.

    Args:
        model: made in the scope of the cluster's strategy.
        cluster: divides each batch among its devices on this host; None for one device.
        any_shape: compile it once for all shapes of input.
        constant: with the weights of now, which is faster; otherwise it reads them at each call.
        least_score: on one device, leave out boxes without a class that reaches it, before they
            are copied to main memory. The results are then lists of arrays, one a picture.
    """
    detect = folded_detector(model, constant=constant)
    devices = cluster.local_replicas if cluster else 1

    side = None if any_shape else model.input_size
    spec = tf.TensorSpec((None, side, side, 3), tf.uint8)
    signature = [spec if devices == 1 else spec_by_replica(spec, cluster.strategy)]

    @tf.function(jit_compile=False, input_signature=signature)
    def forward(images):
        if devices == 1:
            return detect(tf.cast(images, tf.float32))
        return cluster.strategy.run(lambda x: detect(tf.cast(x, tf.float32)), args=(images,))

    def infer(images: np.ndarray) -> tuple[np.ndarray, ...]:
        output = forward(tf.convert_to_tensor(images))
        return output["boxes"].numpy(), output["scores"].numpy()

    @tf.function(jit_compile=False, input_signature=signature)
    def forward_relevant(images):
        output = detect(tf.cast(images, tf.float32))
        boxes, scores = output["boxes"], output["scores"]
        relevant = tf.where(tf.reduce_any(scores >= least_score, axis=-1))  # (K, 2)
        return relevant[:, 0], tf.gather_nd(boxes, relevant), tf.gather_nd(scores, relevant)

    def infer_relevant(images: np.ndarray) -> tuple[list[np.ndarray], ...]:
        pictures, *parts = (x.numpy() for x in forward_relevant(tf.convert_to_tensor(images)))
        ends = np.searchsorted(pictures, np.arange(1, len(images)))
        return tuple(np.split(part, ends) for part in parts)

    def infer_on_all(images: np.ndarray) -> tuple[np.ndarray, ...]:
        full = padded(images, devices)
        rows = len(full) // devices
        output = forward(cluster.by_replica(lambda i: tf.constant(full[i * rows :][:rows])))
        boxes, scores = (
            np.concatenate([x.numpy() for x in cluster.strategy.experimental_local_results(part)])
            for part in (output["boxes"], output["scores"])
        )
        return boxes[: len(images)], scores[: len(images)]

    if devices > 1:
        return infer_on_all
    return infer if least_score is None else infer_relevant
