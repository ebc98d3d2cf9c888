"""What the loop of train.py does when a step goes wrong; the devices are stood in for."""

from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf

from utils.data.augment import NO_AUGMENTATION
from utils.errors import UserError
from utils.training.epoch import MAX_BAD_STEPS, note_losses, step_within_memory
from utils.training.history import History
from utils.training.phases import Phase
from utils.training.run import finish
from utils.training.run_directory import RunDirectory

BATCH = (np.zeros((2, 4, 4, 3), np.uint8), np.zeros((2, 1, 4)), np.zeros((2, 1)))
NAN = (float("nan"),) * 4


class SmallDevice:
    """Has room for two photos at a time."""

    def __init__(self):
        self.turns, self.calls = 1, 0

    def step(self, batch, number, rate, drop_strength, *, settled):
        self.calls += 1
        assert settled
        if 8 // self.turns > 2:
            raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor")
        return (1.0, 0.5, 0.25, 0.25)

    def halve_memory(self):
        self.turns *= 2
        return self.turns


def make_run(tmp_path, trainer):
    return SimpleNamespace(
        trainer=trainer, history=History(), choices={},
        directory=RunDirectory.open(tmp_path / "run", resume=False),
    )  # fmt: skip


def test_out_of_memory_halves_until_it_fits_and_says_so(tmp_path, capsys):
    run = make_run(tmp_path, SmallDevice())
    assert step_within_memory(run, BATCH, 1.0, 1.0, True)[0] == 1.0
    assert (run.trainer.turns, run.trainer.calls) == (4, 3)
    assert run.choices["turns"] == 4
    errors = capsys.readouterr().err
    assert "out of memory; from now on a batch is computed in 2 parts" in errors
    assert "in 4 parts" in errors


def test_a_loss_that_is_not_finite_keeps_its_batch_and_twenty_stop_the_run(tmp_path, capsys):
    trainer = SimpleNamespace(optimizers=SimpleNamespace(rates={"head": 0.5}))
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


class LastLook:
    """A trainer that notes what it is asked for, in order."""

    def __init__(self, *, averaging=True, renewed=True):
        self.averaging, self.renewed, self.asked = averaging, renewed, []
        self.model = SimpleNamespace(input_size=64)

    def renew_statistics(self, batches):
        self.asked += ["renew", *batches]
        return self.renewed

    def evaluate(self, val, **_):
        self.asked.append("evaluate")
        raise StopIteration


def finish_run(tmp_path, trainer, steps):
    run = make_run(tmp_path, trainer)
    run.history.step = steps
    run.feed = SimpleNamespace(batch_size=8, next=lambda step, phase: (step, phase.sizes))
    run.phases = tuple(Phase(begins, (96,), NO_AUGMENTATION) for begins in (0.0, 0.8))
    with pytest.raises(StopIteration):
        finish(run, val=None)


@pytest.mark.parametrize(("steps", "batches"), [(3, 8), (100, 13), (9000, 32)])
def test_new_statistics_come_from_the_batches_after_the_run_before_it_is_scored(
    tmp_path, steps, batches
):
    trainer = LastLook()
    finish_run(tmp_path, trainer, steps)
    assert trainer.asked == ["renew", *((steps + i, (64,)) for i in range(batches)), "evaluate"]


def test_what_is_not_averaged_needs_no_new_statistics(tmp_path):
    trainer = LastLook(averaging=False)
    finish_run(tmp_path, trainer, 100)
    assert trainer.asked == ["evaluate"]


def test_statistics_that_could_not_be_had_are_no_failure_and_are_said(tmp_path, capsys):
    finish_run(tmp_path, LastLook(renewed=False), 100)
    assert "keeps the batch-norm statistics of training" in capsys.readouterr().err
