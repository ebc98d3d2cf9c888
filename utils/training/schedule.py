"""How far a run is, and what belongs there: learning rate, frozen backbone, evaluations.

Everything that changes over a run is a function of one number, its progress from 0 to 1: the
share of its epochs or, with a time limit, of its minutes, whichever is further.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from utils.training.history import History

WARM_UP = 0.03  # share of the run over which the learning rate rises
FINAL_RATE = 0.01  # share of the highest learning rate that is left at the end
STEPS = (0.7, 0.9)  # of the run: where the schedule "step" falls
SCHEDULES = ("cosine", "step", "constant")
EVALUATIONS = 50  # at most, in a run of known length
EVALUATION_SHARE = 0.06  # of the time, in a run limited by minutes
SAVING_SHARE = 0.01  # of the time, that saves may take
LOOKING_SHARE = 0.05  # of the time, for the photos of new statistics at the end
CLOSING_SECONDS = 6.0  # kept for saving and drawing at the end, beside the last evaluation


def learning_rate(progress: float, kind: str = "cosine") -> float:
    """Factor on the highest learning rate: a linear rise, then what the schedule says.

    Warm-up as Goyal et al. (2017) motivate it; ``cosine`` is half a cosine down (Loshchilov &
    Hutter, SGDR, 2017), ``step`` a tenth after each of ``STEPS``, ``constant`` stays.
    """
    if progress < WARM_UP:
        return max(progress / WARM_UP, FINAL_RATE)
    if kind == "constant":
        return 1.0
    if kind == "step":
        return 0.1 ** sum(progress >= step for step in STEPS)
    along = min((progress - WARM_UP) / (1 - WARM_UP), 1.0)
    return FINAL_RATE + (1 - FINAL_RATE) * 0.5 * (1 + math.cos(math.pi * along))


@dataclass
class Plan:
    """The course of a run that ends after so many epochs, or minutes if those are over sooner.

    Attributes:
        steps_per_epoch: steps that together see each photo about once.
        epochs: after which it ends.
        seconds: wall time of the whole run, None without a limit.
        freeze_epochs: epochs in which the backbone does not learn; None for ``frozen_share`` of
            the run. 0 for a backbone that starts from nothing: it has nothing to keep.
        frozen_share: of the run, in which a pretrained backbone does not learn.
        settled_epochs, settled_share: epochs and share of the run after which it has settled; see
            ``settled``.
        started: clock reading when the process started.
        save_every: seconds between saves of what a resume needs, at least.
        closing: seconds to keep for saving and drawing at the end, beside the last evaluation.
        spent: seconds that earlier processes of a resumed run used up.
        reached: progress that they made.
        clock: readings in seconds; replaced in tests.
    """

    steps_per_epoch: int
    epochs: int
    seconds: float | None
    freeze_epochs: int | None
    started: float
    frozen_share: float
    settled_epochs: int
    settled_share: float
    save_every: float = 30.0
    closing: float = CLOSING_SECONDS
    spent: float = 0.0
    reached: float = 0.0
    clock: Callable[[], float] = time.monotonic
    _first: float = field(default=0.0, init=False)
    _first_step: int = field(default=0, init=False)
    _began: float = field(default=0.0, init=False)
    _saved: float = field(default=0.0, init=False)
    _saving_took: float = field(default=0.0, init=False)
    _evaluated: float = field(default=0.0, init=False)
    _evaluation_took: float = field(default=0.0, init=False)

    def begin(self, step: int) -> None:
        """Training starts now, after ``step`` steps of earlier processes.

        What start-up took is no part of the schedule: a resumed run stretches what is left of it
        over the time that is left.
        """
        self._first = self.elapsed()
        self._first_step, self._began, self._evaluated = step, self.clock(), self.elapsed()
        self._saved = self.clock()

    def elapsed(self) -> float:
        """Seconds used so far, by this process and those it resumes."""
        return self.spent + self.clock() - self.started

    def progress(self, step: int) -> float:
        """Share of the run that lies behind after ``step`` steps; 1 when it is over."""
        shares = [self._epochs_past(step)]
        if self.seconds is not None:
            available = self.seconds - self.closing - self._evaluation_took - self._first
            past = (self.elapsed() - self._first) / available if available > 0 else 1.0
            shares.append(self.reached + (1 - self.reached) * past)
        return min(max(shares), 1.0)

    def _epochs_past(self, step: int) -> float:
        total, first = self.epochs * self.steps_per_epoch, self._first_step
        if self.reached <= first / total + 1e-9 or first >= total:
            return step / total
        # Earlier processes were ahead of their epochs, for lack of minutes: the rest is stretched.
        return self.reached + (1 - self.reached) * (step - first) / (total - first)

    def seconds_left(self, step: int) -> float | None:
        """Estimate of the seconds to the end; None before there is anything to go by."""
        estimates = []
        if self.seconds is not None:
            estimates.append(self.seconds - self.elapsed())
        if step > self._first_step:
            pace = (self.clock() - self._began) / (step - self._first_step)
            estimates.append(pace * (self.epochs * self.steps_per_epoch - step))
        return max(min(estimates), 0.0) if estimates else None

    def backbone_frozen(self, step: int, progress: float) -> bool:
        """Whether a pretrained backbone still waits for the heads to settle."""
        if self.freeze_epochs is None:
            return progress < self.frozen_share
        return step < self.freeze_epochs * self.steps_per_epoch

    def settled(self, step: int, progress: float) -> bool:
        """Whether the moving average takes all steps from here on alike.

        Not before the backbone has learnt for as long as it was frozen: by then the average has
        forgotten the time before.
        """
        epochs = max(self.settled_epochs, 2 * (self.freeze_epochs or 0))
        return progress >= self.settled_share and step >= epochs * self.steps_per_epoch

    def evaluation_due(self, history: History) -> bool:
        """Whether to evaluate after this epoch.

        The last epoch always is. Before that, a run of known length spreads ``EVALUATIONS`` over
        its epochs; one limited by minutes spends ``EVALUATION_SHARE`` of its time on them.
        """
        if self.progress(history.step) >= 1:
            return True
        if self.seconds is None:
            return history.epoch % math.ceil(self.epochs / EVALUATIONS) == 0
        since = self.elapsed() - self._evaluated
        return since * EVALUATION_SHARE >= max(self._evaluation_took, 1.0)

    def expect(self, evaluation: float, compiling: float, looking: float = 0.0) -> None:
        """About how many seconds an evaluation takes, compiling the network, and looking at the
        photos of new statistics; before ``begin``.

        At the end the best checkpoint is opened, and compiled, once more for its pictures; and
        once more the network, where it looks at photos.
        """
        self._evaluation_took = evaluation
        self.closing += 2 * compiling
        if looking and self.seconds is not None:  # fewer photos in a run that sees few
            self.closing += compiling + min(looking, LOOKING_SHARE * self.seconds)

    def saving_due(self) -> bool:
        """Whether it is time to save: every ``save_every`` seconds, or less often where that
        would take more than ``SAVING_SHARE`` of the time; always where that is 0."""
        rarely = self._saving_took / SAVING_SHARE if self.save_every else 0.0
        return self.clock() - self._saved >= max(self.save_every, rarely)

    def note_saving(self, seconds: float) -> None:
        """The state has just been saved, which took ``seconds``."""
        self._saved, self._saving_took = self.clock(), seconds

    def note_evaluation(self, seconds: float) -> None:
        """An evaluation that took ``seconds`` has just ended."""
        self._evaluation_took = max(self._evaluation_took, seconds)  # the safe guess
        self._evaluated = self.elapsed()
