"""The schedule of a run: progress, learning rate, freezing, averaging, evaluations and saves.

Everything that changes over a run is a function of its progress from 0 to 1: the share of its
epochs done or, with a time limit, of its minutes, whichever is larger.
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
EVALUATIONS = 50  # at most, in a run without a time limit
EVALUATION_SHARE = 0.04  # of the time, in a run with one
SAVING_SHARE = 0.01  # of the time, at most
UPDATE_BN_SHARE = 0.05  # of the time, at most, for batch-norm statistics at the end
LAST_EVALUATION = 1.3  # time reserved for the last evaluation, in times of the one before it
RESERVED_SECONDS = 6.0  # for saving and drawing at the end, beside the last evaluation


def learning_rate_factor(progress: float, kind: str = "cosine") -> float:
    """Factor on the highest learning rate: a linear warm-up (Goyal et al., 2017), then ``kind``.

    ``cosine`` falls along half a cosine (Loshchilov & Hutter, SGDR, 2017), ``step`` to a tenth at
    each of ``STEPS``, ``constant`` does not fall.
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
class Schedule:
    """The schedule of a run that ends after its epochs, or after its minutes if those end sooner.

    Attributes:
        steps_per_epoch: steps that see as many photos, or crops, as the dataset has.
        epochs: of the run.
        seconds: wall time of the whole run, None without a limit.
        freeze_epochs: epochs in which the backbone does not learn; None for ``frozen_share`` of
            the run; 0 for a backbone that starts from random weights.
        frozen_share: share of the run in which a pretrained backbone does not learn.
        average_start_epoch, average_start: epochs and share of the run after which the moving
            average is uniform; see ``uniform_average``.
        started: clock reading when the process started.
        save_every: seconds between saves of the state, at least.
        reserved: seconds for saving and drawing at the end, beside the last evaluation.
        seconds_before: that earlier processes of a resumed run took.
        progress_before: progress that they made.
        base_step: step at which the schedule starts, in a finished run that was made longer. There
            it completes its course once more over what was added, with a backbone that learns.
        clock: readings in seconds; replaced in tests.
    """

    steps_per_epoch: int
    epochs: int
    seconds: float | None
    freeze_epochs: int | None
    started: float
    frozen_share: float
    average_start_epoch: int
    average_start: float
    save_every: float = 30.0
    reserved: float = RESERVED_SECONDS
    seconds_before: float = 0.0
    progress_before: float = 0.0
    base_step: int = 0
    clock: Callable[[], float] = time.monotonic
    _elapsed_at_begin: float = field(default=0.0, init=False)
    _step_at_begin: int = field(default=0, init=False)
    _clock_at_begin: float = field(default=0.0, init=False)
    _clock_at_last_save: float = field(default=0.0, init=False)
    _saving_took: float = field(default=0.0, init=False)
    _elapsed_at_last_evaluation: float = field(default=0.0, init=False)
    _expected_evaluation: float = field(default=0.0, init=False)
    _evaluations_took: list[float] = field(default_factory=list, init=False)  # the last three
    _time_share: float = field(default=0.0, init=False)  # the highest so far

    def begin(self, step: int) -> None:
        """Training starts now, after ``step`` steps of earlier processes.

        The time of start-up is no part of the schedule. A resumed run stretches the rest of its
        schedule over the rest of its time.
        """
        self._step_at_begin = step
        self._clock_at_begin = self._clock_at_last_save = self.clock()
        self._elapsed_at_begin = self._elapsed_at_last_evaluation = self.elapsed()
        self._time_share = 0.0

    def elapsed(self) -> float:
        """Seconds used so far, by this process and those it resumes."""
        return self.seconds_before + self.clock() - self.started

    def progress(self, step: int) -> float:
        """Share of the run that is done after ``step`` steps; 1 when it is over.

        Never decreases: with a time limit, the highest share of the time so far is kept.
        """
        shares = [self._epochs_done(step)]
        if self.seconds is not None:
            end = self.seconds - self.reserved - self._for_last_evaluation()
            available = end - self._elapsed_at_begin
            done = (self.elapsed() - self._elapsed_at_begin) / available if available > 0 else 1.0
            # An evaluation that is faster than the one before sets time free. Progress waits then.
            self._time_share = max(self._time_share, done)
            shares.append(self.progress_before + (1 - self.progress_before) * self._time_share)
        return min(max(shares), 1.0)

    def _for_last_evaluation(self) -> float:
        """Seconds to reserve. The newest measurement counts: where a machine has become slow, it
        may stay so, and where one evaluation was held up, the next one sets the time free."""
        took = self._evaluations_took
        return LAST_EVALUATION * took[-1] if took else self._expected_evaluation

    def _epochs_done(self, step: int) -> float:
        total = self.epochs * self.steps_per_epoch - self.base_step
        step, first = step - self.base_step, self._step_at_begin - self.base_step
        if self.progress_before <= first / total + 1e-9 or first >= total:
            return step / total
        # With fewer minutes earlier processes were ahead of their epochs: the rest is stretched.
        return self.progress_before + (1 - self.progress_before) * (step - first) / (total - first)

    def seconds_left(self, step: int) -> float | None:
        """Estimate of the seconds to the end; None before there is a basis for one."""
        estimates = []
        if self.seconds is not None:
            estimates.append(self.seconds - self.elapsed())
        if step > self._step_at_begin:
            each = (self.clock() - self._clock_at_begin) / (step - self._step_at_begin)
            estimates.append(each * (self.epochs * self.steps_per_epoch - step))
        return max(min(estimates), 0.0) if estimates else None

    def backbone_frozen(self, step: int, progress: float) -> bool:
        """Whether the backbone is frozen at this time."""
        if self.base_step:
            return False
        if self.freeze_epochs is None:
            return progress < self.frozen_share
        return step < self.freeze_epochs * self.steps_per_epoch

    def uniform_average(self, step: int, progress: float) -> bool:
        """Whether the moving average weights all steps from here on equally.

        Not before the backbone has learned for as many epochs as it was frozen: by then the
        average has little left of the time before.
        """
        epochs = max(self.average_start_epoch, 2 * (self.freeze_epochs or 0))
        return progress >= self.average_start and step >= epochs * self.steps_per_epoch

    def evaluation_due(self, history: History) -> bool:
        """Whether to evaluate after this epoch.

        The last epoch is always evaluated. Before it, a run without a time limit has at most
        ``EVALUATIONS``; a run with one spends ``EVALUATION_SHARE`` of its time on them.
        """
        if self.progress(history.step) >= 1:
            return True
        if self.seconds is None:
            return history.epoch % math.ceil(self.epochs / EVALUATIONS) == 0
        since = self.elapsed() - self._elapsed_at_last_evaluation
        # The (lower) median: one that was held up does not put off the next one.
        took = sorted(self._evaluations_took) or [self._expected_evaluation]
        return since * EVALUATION_SHARE >= max(took[(len(took) - 1) // 2], 1.0)

    def expect(self, evaluation: float, compiling: float, update_bn: float = 0.0) -> None:
        """Reserve time at the end, from estimates in seconds; before ``begin``.

        Args:
            evaluation: of an evaluation.
            compiling: of compiling the network, which re-estimating does once more.
            update_bn: of re-estimating batch-norm statistics.
        """
        self._expected_evaluation = evaluation
        if update_bn and self.seconds is not None:  # short runs take fewer photos for it
            self.reserved += compiling + min(update_bn, UPDATE_BN_SHARE * self.seconds)

    def saving_due(self) -> bool:
        """Whether to save now: every ``save_every`` seconds, or less often where saving would take
        more than ``SAVING_SHARE`` of the time; with ``save_every`` 0 always."""
        least = self._saving_took / SAVING_SHARE if self.save_every else 0.0
        return self.clock() - self._clock_at_last_save >= max(self.save_every, least)

    def note_saving(self, seconds: float) -> None:
        """The state has just been saved, which took ``seconds``."""
        self._clock_at_last_save, self._saving_took = self.clock(), seconds

    def note_evaluation(self, seconds: float) -> None:
        """An evaluation that took ``seconds`` has just ended."""
        self._evaluations_took = [*self._evaluations_took[-2:], seconds]
        self._elapsed_at_last_evaluation = self.elapsed()
