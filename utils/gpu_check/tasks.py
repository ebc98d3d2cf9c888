"""What the processes of the checks compute: ``task(cluster, …)`` → JSON values."""

from __future__ import annotations

import gc
import time
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from utils.data.augment import augmentation
from utils.data.batches.pipeline import next_batch, training_batches
from utils.data.batches.samples import TrainingSamples
from utils.data.datasets import load_split
from utils.errors import UserError
from utils.gpu_check.machine import cuda_pci_ids, driver_gpus
from utils.gpu_check.steps import AskedSteps, train_steps
from utils.runtime.distribution import Cluster

_MAX_ERROR_LENGTH = 500  # characters of an error


def describe(cluster: Cluster) -> dict[str, Any]:
    """The GPUs that TensorFlow sees and what it was built for; whether their memory grows.

    ``reserved`` has the MiB that the driver counts more after a first computation, by GPU.
    """
    before = {gpu.number: gpu.used for gpu in driver_gpus()}
    kind = "GPU" if cluster.on_gpu else "CPU"
    for device in tf.config.list_logical_devices(kind):
        with tf.device(device.name):
            tf.nn.conv2d(tf.ones([1, 64, 64, 8]), tf.ones([3, 3, 8, 8]), 1, "SAME").numpy()
    after = {gpu.number: gpu.used for gpu in driver_gpus()}
    built = tf.sysconfig.get_build_info()
    gpus, there, pci_ids = [], tf.config.list_physical_devices("GPU"), cuda_pci_ids()
    for place, gpu in enumerate(there):
        details = tf.config.experimental.get_device_details(gpu)
        capability = details.get("compute_capability", ())
        gpus.append(
            {
                "name": details.get("device_name", "unknown model"),
                "compute capability": ".".join(map(str, capability)) or "unknown",
                # TensorFlow leaves out GPUs that are too old for it.
                "pci": pci_ids[place] if len(pci_ids) == len(there) else "",
            }
        )
    visible = tf.config.get_visible_devices("GPU")
    return {
        "gpus": gpus,
        "built for": {k: built[k] for k in ("cuda_version", "cudnn_version") if k in built},
        "growth": all(tf.config.experimental.get_memory_growth(gpu) for gpu in visible),
        "reserved": {str(number): used - before[number] for number, used in after.items()},
    }


def train(
    cluster: Cluster, runs: list[dict[str, Any]], data: str, folder: str, seconds: float = 1e9
) -> dict[str, Any]:
    """Train a few steps for each of ``runs``; what each found, in order, or its ``error``.

    After ``seconds`` no further one is begun, so the answer may be shorter.
    """
    began, found = time.monotonic(), []
    for number, asked in enumerate(runs):
        if number and time.monotonic() - began > seconds:
            break
        try:
            steps = AskedSteps(**asked)
            found.append(train_steps(steps, Path(data), Path(folder, str(number)), cluster))
        except (UserError, tf.errors.OpError) as error:
            found.append({"error": f"{type(error).__name__}: {error}"[:_MAX_ERROR_LENGTH]})
        keras.backend.clear_session()
        gc.collect()
    return {"runs": found, "devices": cluster.device_text, "replicas": cluster.replicas}


def prefetch(
    cluster: Cluster, data: str, device: str, batch: int, input_size: int, steps: int
) -> dict[str, Any]:
    """Load batches into main memory, and the same ones to a device ahead of time.

    Returns:
        Whether they are equal bit for bit; the device they lie on; photos a second of the loader
        with one thread and with all of its threads.
    """
    samples = TrainingSamples(load_split(data, "train"), input_size, 0, augmentation("full", ()))
    stream = iter(training_batches(samples, batch, 0, device=device))
    there = [next_batch(stream, samples) for _ in range(3)]
    stream = iter(training_batches(samples, batch, 0))
    here = [next_batch(stream, samples) for _ in range(3)]
    equal = all(
        np.array_equal(a.numpy(), b.numpy())
        for one, other in zip(here, there, strict=True)
        for a, b in zip(one, other, strict=True)
    )
    return {
        "equal": equal,
        "device": there[0][0].device.rpartition("device:")[2],
        "one thread": _photos_per_second(samples, batch, steps, 1),
        "all threads": _photos_per_second(samples, batch, steps, None),
    }


def _photos_per_second(
    samples: TrainingSamples, batch: int, steps: int, workers: int | None
) -> float:
    stream = iter(training_batches(samples, batch, 0, workers=workers))
    next_batch(stream, samples)
    began = time.perf_counter()
    for _ in range(steps):
        next_batch(stream, samples)
    return steps * batch / (time.perf_counter() - began)
