"""What a resumed run must have in common with the one that it continues, and its saved state."""

from __future__ import annotations

from typing import Any

from utils.cli import to_mapping
from utils.training.history import History
from utils.training.inputs import Inputs
from utils.training.loop import Run
from utils.training.numerics import changed_cores
from utils.training.reporting import length_text
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


def restore(setup: Setup, inputs: Inputs, run: Run) -> None:
    """Continue from the saved state, or save the pseudo labels of a new run; write its options."""
    saved, directory = setup.saved, run.directory
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
        directory.survives_full_disk(lambda: directory.write_config(options_of_run(inputs, run)))
        if setup.threads and (change := changed_cores(setup.threads)):
            directory.warn(change)
        return
    if setup.config.resume:
        directory.log(f"nothing to resume in {directory.path}; starting a new run")
    if inputs.pseudo_labels and directory.writes:
        inputs.pseudo_labels.save(directory.pseudo_labels)
    directory.write_config(options_of_run(inputs, run))


def options_of_run(inputs: Inputs, run: Run) -> dict[str, Any]:
    """What ``config.yaml`` says: the options with which ``--resume`` goes on."""
    options = to_mapping(inputs.config)
    if inputs.config.weights:  # a run may be resumed from another folder
        options["weights"] = str(inputs.config.weights.absolute())
    return {**options, "out": str(run.directory.path), "resume": False}
