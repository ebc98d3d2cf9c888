"""The parts of a training run that the loop moves, and the questions that it asks of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from utils.runtime.distribution import Cluster
from utils.signals import StopRequest
from utils.training.choices.phases import Phase
from utils.training.config import TrainConfig
from utils.training.history import History
from utils.training.loader import TrainingLoader
from utils.training.run_directory import RunDirectory
from utils.training.schedule import Schedule
from utils.training.trainer import Trainer

ASK_EVERY = 8  # steps between two checks among hosts whether one was asked to stop


@dataclass
class TrainingRun:
    """The parts of a run that the loop moves.

    Attributes:
        choices: what a resumed run must have in common with this one.
        notes: sentences for the log on what was chosen.
        threads: of each operation, where the run is exact.
        validation_photos: of which a run with a time limit may score a sample only.
        leaked_val_photos: how many of those scored the checkpoint of ``--weights`` was trained on.
        old_classes: that checkpoint's, where there are new classes beside them.
        stop: tells whether a signal came, once training has begun.
        on_epoch: called with a copy of the row of each epoch that ends.
    """

    config: TrainConfig
    trainer: Trainer
    loader: TrainingLoader
    phases: tuple[Phase, ...]
    schedule: Schedule
    history: History
    directory: RunDirectory
    cluster: Cluster
    choices: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    threads: int | None = None
    validation_photos: int = 0
    leaked_val_photos: int = 0
    old_classes: tuple[str, ...] = ()
    stop: StopRequest | None = None
    on_epoch: Callable[[dict[str, Any]], None] | None = None

    def progress(self) -> float:
        """Share of the run that is done, the same on all hosts."""
        progress = self.schedule.progress(self.history.step)
        return (
            progress if self.schedule.seconds is None else self.cluster.broadcast_number(progress)
        )

    def out_of_patience(self) -> bool:
        """Whether the AP has not risen for as many evaluations as ``--patience`` allows."""
        patience, without = self.config.patience, self.history.evaluations_without_improvement
        return patience is not None and without >= patience

    def finished(self) -> bool:
        """Whether training is over."""
        return self.progress() >= 1 or self.out_of_patience()

    def asked_to_stop(self) -> bool:
        """Whether any host got a signal; several hosts ask each other only now and then."""
        if self.cluster.hosts > 1 and self.history.step % ASK_EVERY:
            return False
        return self.cluster.reduce_any(self.stop.asked)

    def chief_decides(self, decision: bool) -> bool:
        """The decision of the first host, the chief, on all hosts."""
        return bool(self.cluster.broadcast_number(decision))
