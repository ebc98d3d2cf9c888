"""What the openers of exported files share: libraries, facts, and refusing other networks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from importlib import import_module
from types import ModuleType

from utils.decoding import ANCHORS_PER_LEVEL, STRIDES
from utils.errors import UnreadableFileError, UserError, last_line
from utils.runtime.facts import Facts
from utils.runtime.telemetry import no_telemetry


def import_library(module: str, package: str, where: str) -> ModuleType:
    """The library of a runtime.

    Args:
        module: what is imported.
        package: what is installed for it.
        where: begins the message, such as ``--weights FILE``.

    Raises:
        UserError: it is not installed, or cannot be loaded.
    """
    no_telemetry()
    try:
        return import_module(module)
    except ImportError as error:
        missing = isinstance(error, ModuleNotFoundError) and error.name in module
        reason = "is not installed" if missing else f"cannot be loaded ({error})"
        raise UserError(
            f"{where}: needs {package}, which {reason}; install it with: pip install {package}"
        ) from None


def unreadable(where: str, kind: str, error: Exception) -> UnreadableFileError:
    """The error for a file that its runtime refuses; ``kind`` such as "an ONNX file"."""
    return UnreadableFileError(f"{where}: not {kind} that can be opened ({last_line(error)})")


def output_names(facts: Facts) -> tuple[str, ...]:
    """The outputs of a file, in the order in which ``Runtime.infer`` gives them."""
    return {
        "decoded": ("boxes", "scores"),
        "heads": ("head8", "head16", "head32"),
        "suppressed": ("best_boxes", "best_scores", "best_class_ids"),
    }[facts.outputs]


def refuse_other_network(
    where: str, facts: Facts, inputs: Iterable[str], outputs: Mapping[str, Sequence[object]]
) -> None:
    """Compare a file's network with its facts.

    Args:
        where: begins the message.
        facts: of the file.
        inputs: names of its inputs.
        outputs: the shape of each output by its name; what is no number fits everything.

    Raises:
        UnreadableFileError: it is not the network that the facts describe.
    """
    classes = len(facts.class_names)
    columns = {"boxes": 4, "scores": classes, "best_boxes": 4}
    columns |= {f"head{stride}": ANCHORS_PER_LEVEL * (5 + classes) for stride in STRIDES}
    fits = "images" in inputs and all(
        name in outputs and (name not in columns or _last(outputs[name]) in (columns[name], None))
        for name in output_names(facts)
    )
    if not fits:
        raise UnreadableFileError(
            f"{where}: its network is not the detector that its description tells of; export the "
            "checkpoint again"
        )


def refuse_built_in_nms(where: str, facts: Facts) -> None:
    """
    Raises:
        UserError: NMS is in the graph (``--nms``).
    """
    if facts.outputs == "suppressed":
        raise UserError(
            f"{where}: was exported with --nms, for other programs; export the checkpoint without "
            "--nms to use it here"
        )


def _last(shape: Sequence[object]) -> int | None:
    """The last dimension; None where it is open, 0 without dimensions."""
    if not shape:
        return 0
    return shape[-1] if isinstance(shape[-1], int) and shape[-1] >= 0 else None
