"""The recipes that are compared, by name, as options of train.py.

What an experiment needed in code and did not pay was deleted with the experiment; its row stays in
the table. ``--code DIR`` runs another checkout of the project under a name of one's own.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Variant:
    """A recipe.

    Attributes:
        options: of train.py, beside data, backbone, size, length and seed.
    """

    options: tuple[str, ...] = ()


VARIANTS: dict[str, Variant] = {
    "default": Variant(),
    "plain": Variant(("--recipe", "plain")),
}
