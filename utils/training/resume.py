"""What a resumed run must have in common with the one that it continues, and its saved state."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from utils.cli import to_mapping
from utils.training.history import History
from utils.training.inputs import Inputs
from utils.training.legacy import UNKNOWN
from utils.training.numerics import changed_cores
from utils.training.reporting import length_text
from utils.training.run_parts import TrainingRun
from utils.training.setup import Setup
from utils.training.state import assign_state


def pseudo_labels_facts(inputs: Inputs) -> dict[str, Any] | None:
    """What the pseudo labels of a resumed run must have in common with those it began with."""
    if not inputs.kept or not inputs.kept.unlabelled:
        return None
    return {
        "classes": [inputs.kept.classes[i] for i in inputs.kept.unlabelled],
        "digest": inputs.pseudo_labels.digest() if inputs.pseudo_labels else None,
    }


def changed_weights_text(weights: Path | None, before: str | None, now: str | None) -> str:
    """A warning where ``--weights`` holds other weights than when the run began; mostly "".

    Args:
        weights: the checkpoint.
        before, now: hashes of its weights; ``UNKNOWN`` before in runs of older versions.
    """
    if before in (UNKNOWN, now):
        return ""
    return (
        f"--weights {weights}: these are not the weights that the run began with; it goes on from "
        "its own, which are in state/"
    )


def restore(setup: Setup, inputs: Inputs, run: TrainingRun) -> None:
    """Continue from the saved state, or save the pseudo labels of a new run; write its options."""
    saved, directory = setup.saved, run.directory
    options = {**to_mapping(inputs.config), "out": str(directory.path), "resume": False}
    if saved:
        assign_state(directory.state, setup.arrays, run.trainer.variables(), setup.cluster)
        setup.arrays.clear()  # as large as the model and its optimizers
        run.history = History(**saved["history"])
        run.schedule.seconds_before = saved["seconds"]
        run.schedule.progress_before = saved["progress"]
        run.schedule.base_step = run.history.base_step
        directory.log(f"resuming after step {run.history.step}, epoch {run.history.epoch + 1}")
        if 0 < run.history.step == run.history.base_step:  # it has just been made longer
            directory.log(f"the finished run goes on for {length_text(run.schedule)} in all")
        # What was changed now holds for the next --resume, too.
        directory.write_or_warn(lambda: directory.write_config(options))
        if setup.threads and (change := changed_cores(setup.threads)):
            directory.warn(change)
        return
    if setup.config.resume:
        directory.log(f"nothing to resume in {directory.path}; starting a new run")
    if inputs.pseudo_labels and directory.writes:
        inputs.pseudo_labels.save(directory.pseudo_labels)
    directory.write_config(options)
