"""The recipes that are compared, by name, as options of train.py.

What an experiment needed in code and did not pay was deleted with the experiment; its row stays in
the table. ``--code DIR`` runs another checkout of the project under a name of one's own.
"""

from __future__ import annotations

# Options of train.py, beside data, backbone, size, length and seed.
VARIANTS: dict[str, tuple[str, ...]] = {
    "default": (),
    "plain": ("--recipe", "plain"),
}
