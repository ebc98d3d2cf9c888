"""Where TensorFlow computes: ``--device``."""

from __future__ import annotations

import re

import tensorflow as tf

from utils.errors import UserError


def use_device(name: str) -> str:
    """Make only the device asked for visible; call before anything is computed.

    GPUs take memory as they need it rather than all at once, so that others can use the card.

    Args:
        name: ``auto`` (a GPU when there is one), ``cpu``, ``gpu`` or ``gpu:N``.

    Returns:
        The device in words.

    Raises:
        UserError: another name, or a GPU that is not there.
    """
    match = re.fullmatch(r"auto|cpu|gpu(?::(\d+))?", name)
    if not match:
        raise UserError(f"--device {name}: expected auto, cpu, gpu or gpu:N, such as gpu:0")
    gpus = tf.config.list_physical_devices("GPU")
    if name == "cpu" or (name == "auto" and not gpus):
        tf.config.set_visible_devices([], "GPU")
        return "CPU"
    number = int(match.group(1) or 0)
    if number >= len(gpus):
        there = f"TensorFlow sees {len(gpus)} GPU{'s' if len(gpus) != 1 else ''} here"
        raise UserError(f"--device {name}: {there}; use --device cpu, or install the GPU extra")
    tf.config.set_visible_devices(gpus[number], "GPU")
    tf.config.experimental.set_memory_growth(gpus[number], True)
    details = tf.config.experimental.get_device_details(gpus[number])
    return f"GPU {number} ({details.get('device_name', 'unknown model')})"
