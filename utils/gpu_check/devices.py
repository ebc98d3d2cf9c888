"""The devices of a process, made of a ``Place`` before anything is computed."""

from __future__ import annotations

import tensorflow as tf

from utils.gpu_check.processes import Place
from utils.runtime.device import gpu_numbers
from utils.runtime.distribution import Cluster, make_cluster


def cluster_at(place: Place) -> Cluster:
    """The devices of a place.

    Raises:
        UserError: a GPU that is not there.
    """
    if place.logical_cpus > 1:
        divide_cpu(place.logical_cpus)
    numbers = gpu_numbers(place.device)
    if place.memory_mib and numbers:
        return limited(numbers[0], place.memory_mib)
    return make_cluster(place.device)


def divide_cpu(count: int) -> None:
    """Let the CPU be several devices."""
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(
        cpu, [tf.config.LogicalDeviceConfiguration()] * count
    )


def limited(number: int, memory_mib: int) -> Cluster:
    """One GPU of which TensorFlow takes no more memory than that."""
    gpu = tf.config.list_physical_devices("GPU")[number]
    tf.config.set_visible_devices([gpu], "GPU")
    tf.config.set_logical_device_configuration(
        gpu, [tf.config.LogicalDeviceConfiguration(memory_limit=memory_mib)]
    )
    return Cluster(tf.distribute.get_strategy(), f"GPU {number}, {memory_mib} MiB")
