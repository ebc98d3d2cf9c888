"""What ``--device`` asks for, read without TensorFlow."""

from __future__ import annotations

import re
from typing import Literal

from utils.errors import UserError


def parse_device(name: str) -> tuple[Literal["auto", "cpu", "gpu"], list[int]]:
    """The kind of device, and the numbers of its GPUs.

    Args:
        name: ``auto``, ``cpu``, ``gpu`` (the first), ``gpu:N`` or ``gpu:N,M``.

    Returns:
        The kind; and for ``gpu`` the numbers, ascending, each once. The others have none.

    Raises:
        UserError: another name.
    """
    match = re.fullmatch(r"auto|cpu|gpu(?::(\d+(?:,\d+)*))?", name)
    if not match:
        raise UserError(
            f"--device {name}: expected auto, cpu, gpu or gpu:N, such as gpu:0 or gpu:0,1"
        )
    if name in ("auto", "cpu"):
        return name, []
    return "gpu", sorted({int(number) for number in (match[1] or "0").split(",")})


def gpu_number(device: object) -> int | None:
    """The number of the GPU in ``gpu`` or ``gpu:N``, of several the lowest; None for another
    device.

    Raises:
        UserError: a text that names no device.
    """
    numbers = _gpus(device)
    return numbers[0] if numbers else None


def gpu_names(device: object) -> list[str]:
    """The GPUs in ``gpu``, ``gpu:N`` or ``gpu:N,M`` as ``gpu:N``; none for another device.

    Raises:
        UserError: a text that names no device.
    """
    return [f"gpu:{number}" for number in _gpus(device)]


def _gpus(device: object) -> list[int]:
    # A Cluster, or None, leaves the devices to TensorFlow.
    return parse_device(device)[1] if isinstance(device, str) else []
