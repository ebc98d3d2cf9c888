"""What has happened in a run so far: the numbers that a resumed run continues with."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

# The smallest change of AP on n photos that counts is this over √n: on a dozen photos it varies
# that much from epoch to epoch. Its highest value is mostly chance, and a network that was trained
# for longer is better on other photos. So best.keras is replaced unless AP has fallen by more.
MIN_DELTA = 0.1
PARTS = ("loss", "box", "objectness", "classes")


@dataclass
class History:
    """Progress and results of a run; every field is plain JSON.

    Attributes:
        step: training steps done.
        epoch: epochs finished.
        highest_ap: highest validation AP so far, −1 before the first evaluation.
        saved_ap: that of ``best.keras``, which may be slightly lower than ``highest_ap``.
        saved_ap_low, saved_ap_high: its 95 % interval; None where too few photos have objects.
        saved_epoch: the epoch of ``best.keras``.
        bad_steps: how many of the last steps in a row had a loss that is not finite.
        evaluations_without_improvement: in a row, since the highest AP rose.
        losses: total, box, objectness and class loss of each step of the unfinished epoch.
        seconds, waited: of its steps, in total and waiting for data.
        rows: one for each finished epoch, as in ``metrics.csv``.
        finished: whether the final weights have been scored.
        base_step: step at which the finished run was made longer; the schedule starts anew there.
        old_ap_at_start: validation AP of the old classes before the first step; None if unknown.
    """

    step: int = 0
    epoch: int = 0
    highest_ap: float = -1.0
    saved_ap: float = -1.0
    saved_ap_low: float | None = None
    saved_ap_high: float | None = None
    saved_epoch: int = 0
    bad_steps: int = 0
    evaluations_without_improvement: int = 0
    losses: list[list[float]] = field(default_factory=list)
    seconds: float = 0.0
    waited: float = 0.0
    rows: list[dict[str, Any]] = field(default_factory=list)
    finished: bool = False
    base_step: int = 0
    old_ap_at_start: float | None = None

    def note_step(self, losses: Sequence[float]) -> bool:
        """Add a step's losses, in the order of ``PARTS``. Returns whether they are finite."""
        self.losses.append([float(value) for value in losses])
        finite = bool(np.isfinite(losses).all())
        self.bad_steps = 0 if finite else self.bad_steps + 1
        return finite

    def close_epoch(self, **facts: Any) -> dict[str, Any]:
        """End an epoch and add its row.

        Steps whose loss was not finite changed nothing. They are counted, but not in the means.

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

    def should_replace_best(self, ap: float, photos: int) -> bool:
        """Whether the checkpoint with this AP, on so many photos with objects, replaces the best.

        Its AP may be lower than the highest by ``MIN_DELTA`` / √photos, at most a tenth of it.
        """
        tolerance = min(MIN_DELTA / math.sqrt(max(photos, 1)), 0.1 * max(self.highest_ap, 0.0))
        return ap >= self.highest_ap - tolerance

    def note_best(self, ap: float, low: float | None = None, high: float | None = None) -> None:
        """The checkpoint with this AP, in this interval, has been saved as the best."""
        self.highest_ap, self.saved_ap = max(self.highest_ap, ap), ap
        self.saved_ap_low, self.saved_ap_high = low, high
        self.saved_epoch = self.epoch

    def note_score(self, ap: float) -> None:
        """Count evaluations without improvement; call before ``note_best``.

        An AP of −1, of photos without objects, does not count.
        """
        if ap > self.highest_ap:
            self.evaluations_without_improvement = 0
        elif ap >= 0:
            self.evaluations_without_improvement += 1
