"""What the loop does when a step goes wrong, and at the end. The devices are stand-ins."""

from dataclasses import asdict, replace
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf

from utils.data.augment import NO_AUGMENTATION
from utils.errors import UserError
from utils.training.choices.phases import Phase
from utils.training.config import TrainConfig
from utils.training.history import History
from utils.training.loop import (
    MAX_BAD_STEPS,
    evaluate_last,
    note_losses,
    step_within_memory,
    what_next,
)
from utils.training.run_directory import RunDirectory
from utils.training.run_parts import TrainingRun
from utils.training.schedule import Schedule
from utils.training.state import extended_run

BATCH = (np.zeros((2, 4, 4, 3), np.uint8), np.zeros((2, 1, 4)), np.zeros((2, 1)))
NAN = (float("nan"),) * 4


class SmallDevice:
    """Has memory for two photos at a time."""

    def __init__(self):
        self.accumulation_steps, self.calls = 1, 0

    def step(self, batch, number, rate, drop_strength, *, uniform_average):
        self.calls += 1
        assert uniform_average
        if 8 // self.accumulation_steps > 2:
            raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor")
        return (1.0, 0.5, 0.25, 0.25)

    def accumulate_more(self):
        self.accumulation_steps *= 2
        return self.accumulation_steps


def make_run(tmp_path, trainer):
    return SimpleNamespace(
        trainer=trainer, history=History(), choices={},
        directory=RunDirectory.open(tmp_path / "run", resume=False),
        loader=SimpleNamespace(batch_size=8), cluster=SimpleNamespace(replicas=1),
    )  # fmt: skip


def test_out_of_memory_takes_more_accumulation_steps_and_warns(tmp_path, capsys):
    run = make_run(tmp_path, SmallDevice())
    assert step_within_memory(run, BATCH, 1.0, 1.0, True)[0] == 1.0
    assert (run.trainer.accumulation_steps, run.trainer.calls) == (4, 3)
    assert run.choices["micro-batch"] == 2
    errors = capsys.readouterr().err
    assert "out of memory" in errors
    assert "in 2 parts" in errors
    assert "in 4 parts" in errors


def test_a_photo_that_does_not_fit_ends_the_run_with_what_tensorflow_says(tmp_path):
    trainer = SmallDevice()
    trainer.accumulate_more = lambda: refuse("out of memory; take a smaller --input-size")
    with pytest.raises(UserError, match=r"smaller --input-size \(TensorFlow says: OOM when alloc"):
        step_within_memory(make_run(tmp_path, trainer), BATCH, 1.0, 1.0, True)


def refuse(words):
    raise UserError(words)


def test_a_loss_that_is_not_finite_keeps_its_batch_and_twenty_stop_the_run(tmp_path, capsys):
    trainer = SimpleNamespace(optimizers=SimpleNamespace(rates={"heads": 0.5}))
    run = make_run(tmp_path, trainer)
    note_losses(run, 1, BATCH, (1.0, 1.0, 1.0, 1.0))
    for step in range(2, 1 + MAX_BAD_STEPS):
        note_losses(run, step, BATCH, NAN)
    assert (tmp_path / "run" / "bad_batches" / "step_2.npz").exists()
    assert "the loss of step 2 is not finite" in capsys.readouterr().err
    with pytest.raises(UserError, match=r"below 0\.5"):
        note_losses(run, 1 + MAX_BAD_STEPS, BATCH, NAN)
    note_losses(run, 99, BATCH, (1.0, 1.0, 1.0, 1.0))
    assert run.history.bad_steps == 0


class NotingTrainer:
    """A trainer that notes what it is asked for, in order."""

    def __init__(self, *, averaging=True, updated=True):
        self.averaging, self.updated, self.asked = averaging, updated, []
        self.model = SimpleNamespace(input_size=64)

    def update_bn(self, batches):
        self.asked += ["update_bn", *batches]
        return self.updated

    def evaluate(self, val, **_):
        self.asked.append("evaluate")
        raise StopIteration


def finish_run(tmp_path, trainer, steps):
    run = make_run(tmp_path, trainer)
    run.history.step = steps
    run.loader = SimpleNamespace(batch_size=8, next=lambda step, phase: (step, phase.sizes))
    run.phases = tuple(Phase(begins, (96,), NO_AUGMENTATION) for begins in (0.0, 0.8))
    with pytest.raises(StopIteration):
        evaluate_last(run, val=None)


@pytest.mark.parametrize(("steps", "batches"), [(3, 8), (100, 13), (9000, 32)])
def test_statistics_are_reestimated_from_the_next_batches_before_the_last_evaluation(
    tmp_path, steps, batches
):
    trainer = NotingTrainer()
    finish_run(tmp_path, trainer, steps)
    assert trainer.asked == ["update_bn", *((steps + i, (64,)) for i in range(batches)), "evaluate"]


def test_without_averaging_statistics_stay(tmp_path):
    trainer = NotingTrainer(averaging=False)
    finish_run(tmp_path, trainer, 100)
    assert trainer.asked == ["evaluate"]


def test_a_failed_reestimation_is_a_warning(tmp_path, capsys):
    finish_run(tmp_path, NotingTrainer(updated=False), 100)
    warning = capsys.readouterr().err
    assert "batch norms keep" in warning
    assert "memory" in warning


@pytest.mark.parametrize(
    ("options", "step", "without", "seconds", "advice"),
    [
        ({"epochs": 10}, 100, 0, 119, "--epochs 20"),
        ({"epochs": 10, "minutes": 2.0}, 45, 0, 119, "--minutes 4"),
        ({"epochs": 10, "minutes": 2.0}, 100, 0, 119, "--epochs 20"),  # before they were over
        ({"epochs": 10, "patience": 5}, 50, 5, 119, "--patience 10"),
        ({"epochs": 10, "patience": 5}, 100, 3, 119, "--epochs 20"),
        ({"epochs": 10, "patience": 5}, 100, 5, 119, "--epochs 20"),
        ({"epochs": 10, "patience": 5}, 50, 15, 119, "--patience 30"),  # asked for afterwards
        ({"epochs": 10, "patience": 5, "minutes": 2.0}, 45, 5, 119, "--minutes 4"),
        ({"epochs": 10, "patience": 5, "minutes": 2.0}, 45, 5, 112, "--minutes 4"),  # nearly over
        ({"epochs": 10, "patience": 5, "minutes": 2.0}, 45, 5, 60, "--patience 10"),
    ],
)
def test_the_advice_for_a_finished_run_makes_it_longer(
    tmp_path, options, step, without, seconds, advice
):
    """What is advised is more than what has ended the run: the loop goes on with it, and without
    it ends at once."""

    def resumed(**more):
        config = TrainConfig(data=tmp_path, **{**options, **more})
        facts = {
            "history": asdict(History(
                step=step, epoch=-(-step // 10), finished=True,
                evaluations_without_improvement=without,
            )),
            "choices": {"epochs": 10, "options": {"epochs": 10}}, "steps per epoch": 10,
            "minutes": options.get("minutes"), "seconds": seconds, "progress": step / 100,
        }  # fmt: skip
        facts, minutes = extended_run(facts, config.epochs, config.minutes)
        schedule = Schedule(
            10, facts["choices"]["epochs"], minutes and 60 * minutes, 0, 0.0, 0.1, 10, 0.3,
            seconds_before=seconds, progress_before=facts["progress"],
            base_step=facts["history"]["base_step"], clock=lambda: 0.0,
        )  # fmt: skip
        schedule.begin(step)
        return TrainingRun(
            replace(config, minutes=minutes), None, None, (), schedule,
            History(**facts["history"]), SimpleNamespace(path=tmp_path, best=tmp_path / "best"),
            SimpleNamespace(broadcast_number=float),
        )  # fmt: skip

    run = resumed()
    assert run.finished()
    assert f"--resume {advice}\n" in what_next(run)
    name, value = advice.removeprefix("--").split()
    assert not resumed(**{name: int(value)}).finished()
