"""What a run says of itself, in words."""

from __future__ import annotations

from utils.training.history import History
from utils.training.progress import time_text
from utils.training.schedule import Plan


def epoch_text(row: dict, plan: Plan, history: History) -> str:
    """The epoch as one line of the log."""
    of = "" if plan.seconds else f"/{plan.epochs}"  # the clock may end it sooner
    loss = "not finite" if row["loss"] is None else f"{row['loss']:.3f}"
    text = f"epoch {row['epoch']}{of}: loss {loss}"
    if row["skipped_steps"]:
        text += f" ({row['skipped_steps']} steps skipped: loss not finite)"
    if "AP" in row:
        text += f", AP50 {score_text(row['AP50'])}, AP {score_text(row['AP'])}"
        if history.best_epoch == row["epoch"]:  # a later one that is as good, luck aside, is kept
            text += " (best so far)" if history.kept_ap >= history.best_ap else " (kept)"
    text += f", {row['photos_per_second']:.1f} photos/s"
    return f"{text}, {time_text(plan.seconds_left(history.step))} left"


def score_text(value: float) -> str:
    return f"{value:.3f}" if value >= 0 else "–"


def learning_text(plan: Plan, rate: float, backbone_rate: float, pretrained: bool) -> str:
    """What learns, and how fast at most."""
    text = f"learning rate up to {rate:g}"
    if not pretrained:
        return text
    text += f", {backbone_rate:g} times that for the backbone"
    if plan.freeze_epochs is None:
        return f"{text}, which is frozen for the first {plan.frozen_share:.0%} of the run"
    return (
        f"{text}, which is frozen for {plan.freeze_epochs} epochs" if plan.freeze_epochs else text
    )


def length_text(plan: Plan) -> str:
    minutes = f" or {plan.seconds / 60:g} minutes" if plan.seconds else ""
    return f"{plan.epochs} epochs{minutes}"
