"""A few training steps as ``train.py`` makes them, with their losses and where their time goes."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import keras
import tensorflow as tf

from nets.loss import Losses
from utils.runtime.distribution import Cluster
from utils.training.assembly import assemble, make_detector
from utils.training.config import TrainConfig
from utils.training.inputs import Inputs, choose_inputs
from utils.training.loop import step_within_memory
from utils.training.numerics import set_precision
from utils.training.run_parts import TrainingRun
from utils.training.schedule import learning_rate_factor
from utils.training.setup import Setup

LONG_RUN = 30_000  # steps; the first of them have tiny learning rates


@dataclass(frozen=True)
class AskedSteps:
    """Which steps.

    Attributes:
        backbone, backbone_weights, input_size, batch, precision: as the options of ``train.py``;
            the batch is that of all devices together.
        steps: how many.
        timed: the last so many of them are timed.
        comparable: steps whose losses two devices can have in common. The learning rate is that of
            the beginning of a long run, because training multiplies differences in the last bits;
            the loss has no jumps where a score passes a threshold; batch norms see the photos of
            all devices; and GPUs do not round float32 to TensorFloat-32.
        short_of_memory: let the first step fail as if memory had run out, where the device has no
            limit that it could run into.
    """

    backbone: str
    backbone_weights: str
    input_size: int
    batch: int
    steps: int
    precision: str = "float32"
    timed: int = 0
    comparable: bool = False
    short_of_memory: bool = False


def train_steps(asked: AskedSteps, data: Path, folder: Path, cluster: Cluster) -> dict[str, Any]:
    """Make the steps.

    Args:
        asked: which.
        data: the labelled photos.
        folder: for the run's files; must not exist.
        cluster: the devices.

    Returns:
        ``losses`` of each step, ``accumulation steps``; ``peak MiB`` of the first GPU; and of the
        timed steps ``photos a second``, the shares of the time in which the loop ``waits for
        data`` and ``is in the step``, and ``step alone``: photos a second of the same batch again
        and again.
    """
    with ExitStack() as at_end:
        run = prepare(asked, data, folder, cluster, at_end)
        reset_peak(cluster)
        found = go_through(run, asked)
        return {
            "losses": found.losses,
            "accumulation steps": run.trainer.config.accumulation_steps,
            "peak MiB": peak(cluster),
            **found.times,
        }


def prepare(
    asked: AskedSteps, data: Path, folder: Path, cluster: Cluster, at_end: ExitStack
) -> TrainingRun:
    """The parts of a run, as ``train.py`` puts them together."""
    config = TrainConfig(
        data=data, out=folder, backbone=asked.backbone, backbone_weights=asked.backbone_weights,
        input_size=asked.input_size, batch_size=asked.batch, epochs=1, precision=asked.precision,
        stochastic_depth=0.0, cache="memory", fast_math=False,
        sync_batch_norm=asked.comparable and cluster.replicas > 1,
    )  # fmt: skip
    cv2.setNumThreads(1)
    keras.utils.set_random_seed(config.seed)
    set_precision(config.precision)
    tf.config.experimental.enable_tensor_float_32_execution(not asked.comparable)
    setup = Setup(config, cluster, None, None, {}, {}, at_end)
    inputs = choose_inputs(setup)
    if asked.comparable:
        inputs = without_jumps(inputs)
    run = assemble(setup, inputs, make_detector(setup, inputs), time.monotonic())
    run.trainer.set_backbone_frozen(False)
    if asked.short_of_memory:
        run.trainer.step = failing_once(run.trainer.step)
    return run


def without_jumps(inputs: Inputs) -> Inputs:
    """Which predictions are positive, and which ignored, does not depend on what is predicted."""
    loss = replace(inputs.recipe.loss, ignore_iou=1.0)
    return replace(inputs, recipe=replace(inputs.recipe, simota=False, loss=loss))


def failing_once(step: Callable[..., Losses]) -> Callable[..., Losses]:
    """``step``, whose first call fails as if memory had run out."""
    calls = []

    def failing(*arguments: Any, **options: Any) -> Losses:
        calls.append(None)
        if len(calls) == 1:
            raise tf.errors.ResourceExhaustedError(None, None, "OOM, raised by the check")
        return step(*arguments, **options)

    return failing


@dataclass(frozen=True)
class Steps:
    """The losses of the steps, and where the time of the timed ones went."""

    losses: list[float]
    times: dict[str, float]


def go_through(run: TrainingRun, asked: AskedSteps) -> Steps:
    """The steps in the order of ``utils.training.loop``: a loss is read when the next step has
    begun."""
    losses: list[float] = []
    pending = None
    stepping, began = 0.0, 0.0
    for number in range(asked.steps):
        if asked.timed and number == asked.steps - asked.timed:
            if pending is not None:
                losses.append(float(pending))
                pending = None
            run.loader.waited, stepping, began = 0.0, 0.0, time.perf_counter()
        batch = run.loader.next(number, run.phases[0])
        progress = (number + 1) / (LONG_RUN if asked.comparable else asked.steps)
        called = time.perf_counter()
        total = step_within_memory(run, batch, learning_rate_factor(progress), 1.0, False).total
        stepping += time.perf_counter() - called
        run.history.step += 1
        if pending is not None:
            losses.append(float(pending))
        pending = total
    losses.append(float(pending))
    if not asked.timed:
        return Steps(losses, {})
    seconds = time.perf_counter() - began
    return Steps(
        losses,
        {
            "photos a second": asked.timed * asked.batch / seconds,
            "waits for data": run.loader.waited / seconds,
            "is in the step": stepping / seconds,
            "step alone": step_alone(run, batch, asked),
        },
    )


def step_alone(run: TrainingRun, batch: tuple, asked: AskedSteps) -> float:
    """Photos a second of one batch again and again."""
    began = time.perf_counter()
    for _ in range(asked.timed):
        run.history.step += 1
        losses = step_within_memory(run, batch, 1e-3, 1.0, False)
    float(losses.total)
    return asked.timed * asked.batch / (time.perf_counter() - began)


def reset_peak(cluster: Cluster) -> None:
    """Forget the largest use of memory so far."""
    if cluster.on_gpu:
        tf.config.experimental.reset_memory_stats("GPU:0")


def peak(cluster: Cluster) -> float | None:
    """MiB that TensorFlow has used of the first GPU at most; None on the CPU."""
    if not cluster.on_gpu:
        return None
    return tf.config.experimental.get_memory_info("GPU:0")["peak"] / 2**20
