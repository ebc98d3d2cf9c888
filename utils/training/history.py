"""What has happened in a run so far: the numbers that survive a resume."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

# A later checkpoint replaces an earlier one unless its AP on n photos is lower by more than this
# over √n. A score on a dozen photos differs by that much from one epoch to the next, and its
# highest is luck more than merit; what has learnt for longer is better on other photos.
LUCK = 0.1
PARTS = ("loss", "box", "objectness", "classes")


@dataclass
class History:
    """Progress and results of a run; every field is plain JSON.

    Attributes:
        step: training steps done.
        epoch: epochs finished.
        best_ap: highest validation AP so far, −1 before the first evaluation.
        kept_ap: that of ``best.keras``, which may be an equally good one of a later epoch.
        best_epoch: the epoch of ``best.keras``.
        bad_steps: how many of the last steps in a row had a loss that is not finite.
        stale: evaluations in a row that have not raised the best AP.
        losses: total, box, objectness and class loss of each step of the unfinished epoch.
        seconds, waited: that its steps took, and that they waited for data.
        rows: one for each finished epoch, as in ``metrics.csv``.
        finished: whether the final weights have been scored.
    """

    step: int = 0
    epoch: int = 0
    best_ap: float = -1.0
    kept_ap: float = -1.0
    best_epoch: int = 0
    bad_steps: int = 0
    stale: int = 0
    losses: list[list[float]] = field(default_factory=list)
    seconds: float = 0.0
    waited: float = 0.0
    rows: list[dict[str, Any]] = field(default_factory=list)
    finished: bool = False

    @classmethod
    def from_saved(cls, fields: Mapping[str, Any]) -> History:
        """As it was saved, also by a version that did not know ``kept_ap``."""
        return cls(**{"kept_ap": fields["best_ap"], **fields})

    def note_step(self, losses: Sequence[float]) -> bool:
        """Take in a step's losses, in the order of ``PARTS``; whether they are finite."""
        self.losses.append([float(value) for value in losses])
        finite = bool(np.isfinite(losses).all())
        self.bad_steps = 0 if finite else self.bad_steps + 1
        return finite

    def close_epoch(self, **facts: Any) -> dict[str, Any]:
        """Count an epoch and add its row.

        Steps whose loss was not finite changed nothing; they are counted and left out of the
        means.

        Args:
            facts: further columns.
        """
        self.epoch += 1
        table = np.asarray(self.losses, np.float64).reshape(-1, len(PARTS))
        finite = np.isfinite(table).all(axis=1)
        good = table[finite]
        means = good.mean(axis=0).tolist() if len(good) else [None] * len(PARTS)
        row = {"epoch": self.epoch, **facts, **dict(zip(PARTS, means, strict=True))}
        row["skipped_steps"] = len(table) - len(good)
        self.rows.append(row)
        self.losses, self.seconds, self.waited = [], 0.0, 0.0
        return row

    def is_best(self, ap: float, photos: int) -> bool:
        """Whether an AP on so many photos with objects is as good as any before, luck aside.

        A later epoch wins a tie: it has learnt for longer. Luck is never more than a tenth of the
        AP, so nothing that works gives way to what does not.
        """
        luck = min(LUCK / math.sqrt(max(photos, 1)), 0.1 * max(self.best_ap, 0.0))
        return ap >= self.best_ap - luck

    def note_best(self, ap: float) -> None:
        """The checkpoint with this AP has been saved as the best."""
        self.best_ap, self.kept_ap = max(self.best_ap, ap), ap
        self.best_epoch = self.epoch

    def note_score(self, ap: float) -> None:
        """Count evaluations that have not raised the AP; before ``note_best``.

        An AP of −1, of photos that show nothing, says nothing.
        """
        if ap >= 0:
            self.stale = 0 if ap > self.best_ap else self.stale + 1
