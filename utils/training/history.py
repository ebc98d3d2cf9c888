"""What has happened in a run so far: the numbers that survive a resume."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

PARTS = ("loss", "box", "objectness", "classes")


@dataclass
class History:
    """Progress and results of a run; every field is plain JSON.

    Attributes:
        step: training steps done.
        epoch: epochs finished.
        best_ap: highest validation AP so far, −1 before the first evaluation.
        best_epoch: the epoch it belongs to.
        bad_steps: how many of the last steps in a row had a loss that is not finite.
        rows: one for each finished epoch, as in ``metrics.csv``.
    """

    step: int = 0
    epoch: int = 0
    best_ap: float = -1.0
    best_epoch: int = 0
    bad_steps: int = 0
    rows: list[dict[str, Any]] = field(default_factory=list)

    def close_epoch(self, losses: Sequence[Sequence[float]], **facts: Any) -> dict[str, Any]:
        """Count an epoch and add its row.

        Args:
            losses: total, box, objectness and class loss of each step. Steps whose loss was not
                finite changed nothing; they are counted and left out of the means.
            facts: further columns.
        """
        self.epoch += 1
        table = np.asarray(losses, np.float64).reshape(-1, len(PARTS))
        finite = np.isfinite(table).all(axis=1)
        good = table[finite]
        last_good = np.flatnonzero(finite)
        self.bad_steps = (
            len(table) - 1 - int(last_good[-1]) if len(last_good) else self.bad_steps + len(table)
        )
        means = good.mean(axis=0) if len(good) else np.full(len(PARTS), np.nan)
        row = {"epoch": self.epoch, **facts, **dict(zip(PARTS, means.tolist(), strict=True))}
        row["skipped_steps"] = len(table) - len(good)
        self.rows.append(row)
        return row

    def is_best(self, ap: float) -> bool:
        """Take note of a validation AP; whether it is at least as good as any before.

        A later epoch wins a tie: it has learnt for longer.
        """
        if ap < self.best_ap:
            return False
        self.best_ap, self.best_epoch = ap, self.epoch
        return True
