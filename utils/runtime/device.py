"""The devices that TensorFlow uses: ``--device``."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress

import tensorflow as tf

from utils.errors import UserError
from utils.runtime.device_option import parse_device
from utils.runtime.gpu_driver import warn_of_unused_gpu
from utils.text import counted

# What cuDNN, cuBLAS and the driver say when there is no memory for them. They say the last two of a
# version that does not fit, too; a caller that gives up should quote them.
_NO_MEMORY = re.compile(
    r"out[ _]of[ _]memory|_ALLOC_FAILED|failed to allocate|CU(DNN|BLAS)_STATUS_NOT_INITIALIZED|"
    r"DNN library initialization failed",
    re.IGNORECASE,
)


def use_device(name: str) -> str:
    """Make the one device asked for visible, before anything is computed; see ``make_visible``.

    Args:
        name: ``auto`` (a GPU when there is one), ``cpu``, ``gpu`` or ``gpu:N``.

    Returns:
        The device in words.

    Raises:
        UserError: another name, a GPU that is not there, or one that is no longer free to choose.
    """
    return make_visible(gpu_numbers(name)[:1], name)


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
    kind, numbers = parse_device(name)
    there = len(tf.config.list_physical_devices("GPU"))
    if kind == "cpu":
        return []
    if kind == "auto":
        if not there:
            warn_of_unused_gpu()
        return list(range(there))
    if numbers[-1] >= there:
        seen = f"TensorFlow sees {counted(there, 'GPU')} here"
        raise UserError(
            f"--device {name}: {seen}; use --device cpu, or install CUDA's libraries with: "
            'pip install -e ".[gpu]"'
        )
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
    return bool(_NO_MEMORY.search(str(error)))


def make_visible(numbers: Sequence[int], name: str = "auto") -> str:
    """Hide all GPUs but these; returns the devices in words.

    GPU memory is allocated as needed, so that other programs can use the card, too.

    Once TensorFlow has computed something in this process, they cannot be changed. ``auto`` then
    takes what is visible. GPUs that are asked for by name must be the first that are visible, on
    which TensorFlow computes.

    Args:
        numbers: of the GPUs; none for the CPU.
        name: the ``--device`` that asked for them.

    Raises:
        UserError: TensorFlow already computes on other devices.
    """
    gpus = tf.config.list_physical_devices("GPU")
    chosen = [gpus[number] for number in numbers]
    try:
        tf.config.set_visible_devices(chosen, "GPU")
    except RuntimeError:  # TensorFlow has computed something
        chosen = _first_visible(chosen, name)
    for gpu in gpus:
        with suppress(RuntimeError, ValueError):  # likewise, or the program has divided the memory
            tf.config.experimental.set_memory_growth(gpu, True)
    return _in_words(chosen)


def _first_visible(chosen: list, name: str) -> list:
    """The GPUs to take, once those that are visible cannot be changed."""
    visible = tf.config.get_visible_devices("GPU")
    if name == "auto" or (chosen and visible[: len(chosen)] == chosen):
        return visible[: len(chosen)]
    raise UserError(
        f"--device {name}: in this process TensorFlow already computes on {_in_words(visible)}, "
        "which cannot be changed any more; take the device auto, or start a new process"
    )


def logical_devices(numbers: Sequence[int]) -> list:
    """TensorFlow's devices to compute on, of the GPUs that ``make_visible`` got; of the CPU where
    it got none."""
    logical = tf.config.list_logical_devices("GPU" if numbers else "CPU")
    more = numbers and len(tf.config.get_visible_devices("GPU")) > len(numbers)
    return logical[: len(numbers)] if more else logical


def _in_words(gpus: list) -> str:
    if not gpus:
        return "CPU"
    numbers = map(tf.config.list_physical_devices("GPU").index, gpus)
    names = [
        tf.config.experimental.get_device_details(gpu).get("device_name", "unknown model")
        for gpu in gpus
    ]
    return ", ".join(f"GPU {n} ({name})" for n, name in zip(numbers, names, strict=True))
