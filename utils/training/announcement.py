"""What a run says before its first step: its photos, what was chosen, and where its files go."""

from __future__ import annotations

from utils.text import counted
from utils.training import curves
from utils.training.config import unused_options
from utils.training.data import leak_warnings
from utils.training.forgetting import not_measured_text, not_trained_text
from utils.training.inputs import Inputs
from utils.training.numerics import rounds_convolutions
from utils.training.reporting import length_text
from utils.training.run_parts import TrainingRun


def announce(inputs: Inputs, run: TrainingRun) -> None:
    """Log what was chosen and why, and draw the labels."""
    config, directory, model = run.config, run.directory, run.trainer.model
    train, val, split = inputs.train, inputs.val, inputs.split
    directory.log(
        f"{len(train)} training and {len(val)} validation photos ({split.train}; {split.val}), "
        f"{counted(len(train.classes), 'class', 'classes')}: {', '.join(train.classes)}"
    )
    for warning in leak_warnings(inputs.checkpoint, split, len(val)):
        directory.warn(warning)
    if warning := not_trained_text(train, val):
        directory.warn(warning)
    directory.log_remarks([*split.notes, *train.notes, *val.notes])
    notes = [*run.notes, train.pixel_ranges.sentence(), unused_options(config)]
    if run.old_classes or inputs.kept:
        notes.append(not_measured_text(val, inputs.checkpoint_ids))
    if rounds_convolutions(config.fast_math, on_gpu=run.cluster.on_gpu):
        notes.append("convolutions round their inputs to bfloat16 (--no-fast-math: float32)")
    for note in filter(None, notes):
        directory.log(note)
    if run.cluster.chief:
        curves.draw_labels(
            directory.labels, inputs.train_at_crop_size, model.anchors, inputs.input_size
        )
    directory.log(
        f"training {model.backbone_name} at {inputs.input_size}×{inputs.input_size} on "
        f"{run.cluster.device_text} for {length_text(run.schedule)}; files go to {directory.path}"
    )
