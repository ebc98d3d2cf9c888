"""What heat maps need of a weights file; importing this imports nothing heavy."""

from __future__ import annotations

from pathlib import Path

from utils.errors import UserError


def check_checkpoint(weights: Path, where: str) -> None:
    """
    Args:
        weights: the file.
        where: begins the message.

    Raises:
        UserError: not a ``.keras`` checkpoint.
    """
    if weights.suffix.lower() != ".keras":
        raise UserError(
            f"{where}: needs the gradients of the network, which the exported file {weights} does "
            "not give; use the .keras checkpoint that it was exported from"
        )
