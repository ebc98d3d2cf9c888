"""What the openers of exported files share: libraries, facts, and refusing other networks."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from importlib import import_module
from types import ModuleType

from utils.errors import UserError
from utils.runtime.facts import Facts


def import_library(module: str, package: str, where: str) -> ModuleType:
    """The library of a runtime.

    Args:
        module: what is imported.
        package: what is installed for it.
        where: begins the message, such as ``--weights FILE``.

    Raises:
        UserError: it is not installed, or cannot be loaded.
    """
    try:
        return import_module(module)
    except ImportError as error:
        missing = isinstance(error, ModuleNotFoundError) and error.name in module
        reason = "is not installed" if missing else f"cannot be loaded ({error})"
        raise UserError(
            f"{where}: needs {package}, which {reason}; install it with: pip install {package}"
        ) from None


def unreadable(where: str, kind: str, error: Exception) -> UserError:
    """The error for a file that its runtime refuses; ``kind`` such as "an ONNX file"."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    # The last line says what is wrong; those before, where in the library.
    return UserError(f"{where}: not {kind} that can be opened ({lines[-1].strip()[:200]})")


def refuse_other_network(
    where: str, facts: Facts, inputs: Sequence[str], outputs: Mapping[str, Sequence[object]]
) -> None:
    """Compare a file's network with its facts.

    Args:
        where: begins the message.
        facts: of the file.
        inputs: names of the inputs that a caller must give.
        outputs: the shape of each output by its name; what is no number fits everything.

    Raises:
        UserError: it is not the network that the facts describe.
    """
    classes = len(facts.class_names)
    wanted: dict[str, tuple[int | None, ...]] = {
        "decoded": {"boxes": (None, None, 4), "scores": (None, None, classes)},
        "heads": {f"head{s}": (None, None, None, 3 * (5 + classes)) for s in (8, 16, 32)},
        "suppressed": {},
    }[facts.outputs]
    if facts.outputs == "suppressed":
        raise UserError(
            f"{where}: suppression is part of this file (--nms), which is for other programs; "
            "export the checkpoint without --nms to use it here"
        )
    fits = list(inputs) == ["images"] and all(
        name in outputs and _fits(outputs[name], shape) for name, shape in wanted.items()
    )
    if not fits:
        raise UserError(
            f"{where}: its network is not the detector that its description tells of; export the "
            "checkpoint again"
        )


def _fits(shape: Sequence[object], wanted: Sequence[int | None]) -> bool:
    return len(shape) == len(wanted) and all(
        number is None or not isinstance(found, int) or found in (number, -1)
        for found, number in zip(shape, wanted, strict=True)
    )


def gpu_number(device: object, option: str = "--device") -> int | None:
    """The number of the GPU in ``gpu`` or ``gpu:N``; None for everything else.

    Raises:
        UserError: a text that names no device.
    """
    if not isinstance(device, str):  # a Cluster, or None
        return None
    match = re.fullmatch(r"auto|cpu|gpu(?::(\d+)(?:,\d+)*)?", device)
    if not match:
        raise UserError(f"{option} {device}: expected auto, cpu, gpu or gpu:N, such as gpu:0")
    return int(match.group(1) or 0) if device.startswith("gpu") else None
