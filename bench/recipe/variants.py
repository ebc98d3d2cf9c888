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
        pace: photos a second relative to the default recipe; a fixed number of photos is
            multiplied by it, so that all variants take the same time.
    """

    options: tuple[str, ...] = ()
    pace: float = 1.0


VARIANTS: dict[str, Variant] = {
    "default": Variant(),
    "plain": Variant(("--recipe", "plain")),
}
