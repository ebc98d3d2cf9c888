"""The devices that TensorFlow uses: ``--device``."""

from __future__ import annotations

import re
from collections.abc import Sequence

import tensorflow as tf

from utils.errors import UserError
from utils.text import counted


def use_device(name: str) -> str:
    """Make the one device asked for visible; call before anything is computed.

    Args:
        name: ``auto`` (a GPU when there is one), ``cpu``, ``gpu`` or ``gpu:N``.

    Returns:
        The device in words.

    Raises:
        UserError: another name, or a GPU that is not there.
    """
    return make_visible(gpu_numbers(name)[:1])


def visible_device() -> str:
    """In words, what a program that has set up its devices itself made visible."""
    gpus = tf.config.get_visible_devices("GPU")
    return f"GPU ({len(gpus)} visible)" if gpus else "CPU"


def gpu_numbers(name: str) -> list[int]:
    """The GPUs that ``--device`` asks for; none for the CPU.

    Args:
        name: ``auto`` (all GPUs), ``cpu``, ``gpu`` (the first), ``gpu:N`` or ``gpu:N,M``.

    Raises:
        UserError: another name, or a GPU that is not there.
    """
    match = re.fullmatch(r"auto|cpu|gpu(?::(\d+(?:,\d+)*))?", name)
    if not match:
        raise UserError(
            f"--device {name}: expected auto, cpu, gpu or gpu:N, such as gpu:0 or gpu:0,1"
        )
    there = len(tf.config.list_physical_devices("GPU"))
    if name == "cpu":
        return []
    if name == "auto":
        return list(range(there))
    numbers = sorted({int(number) for number in (match.group(1) or "0").split(",")})
    if numbers[-1] >= there:
        seen = f"TensorFlow sees {counted(there, 'GPU')} here"
        raise UserError(f"--device {name}: {seen}; use --device cpu, or install the GPU extra")
    return numbers


def use_full_float32() -> None:
    """Let GPUs multiply float32 as it is, so that scores do not depend on the machine.

    Since NVIDIA's Ampere, TensorFlow rounds the factors in convolutions to TensorFloat-32, which
    has the 10 bits of precision that float16 has. That is faster, and stays on in training.
    """
    tf.config.experimental.enable_tensor_float_32_execution(False)


def out_of_memory(error: tf.errors.OpError) -> bool:
    """Whether TensorFlow failed because the memory of a device ran out.

    Most operations say so by the type of the error. cuDNN and the CUDA driver, which allocate for
    themselves, are quoted in errors of other types.
    """
    if isinstance(error, tf.errors.ResourceExhaustedError):
        return True
    return bool(re.search(r"out of memory|OUT_OF_MEMORY|_ALLOC_FAILED", str(error)))


def make_visible(numbers: Sequence[int]) -> str:
    """Hide all GPUs but these; returns the devices in words.

    GPU memory is allocated as needed, so that other programs can use the card, too.
    """
    gpus = tf.config.list_physical_devices("GPU")
    chosen = [gpus[number] for number in numbers]
    tf.config.set_visible_devices(chosen, "GPU")
    if not chosen:
        return "CPU"
    for gpu in chosen:
        tf.config.experimental.set_memory_growth(gpu, True)
    names = [
        tf.config.experimental.get_device_details(gpu).get("device_name", "unknown model")
        for gpu in chosen
    ]
    return ", ".join(f"GPU {n} ({name})" for n, name in zip(numbers, names, strict=True))
