"""The loss scale of float16: how it moves."""

import pytest
import tensorflow as tf

from utils.training.optimizers import FIRST_SCALE, GROW_EVERY, MAX_SCALE, LossScale


def test_the_loss_scale_halves_on_overflow_and_grows_again():
    scale = LossScale("mixed_float16")
    assert float(scale.value) == FIRST_SCALE
    assert bool(scale.note_bad())
    assert float(scale.value) == FIRST_SCALE / 2
    note_good = tf.function(scale.note_good)
    for _ in range(GROW_EVERY - 1):
        note_good()
    assert float(scale.value) == FIRST_SCALE / 2
    assert bool(scale.note_bad())  # the good steps before it do not count any more
    for _ in range(GROW_EVERY):
        note_good()
    assert float(scale.value) == FIRST_SCALE / 2


def test_the_loss_scale_has_bounds():
    scale = LossScale("mixed_float16")
    scale.value.assign(1.0)
    assert not bool(scale.note_bad())  # it was not the scale's fault
    assert float(scale.value) == 1.0
    scale.value.assign(MAX_SCALE)
    scale.good_steps.assign(GROW_EVERY - 1)
    scale.note_good()
    assert float(scale.value) == MAX_SCALE


@pytest.mark.parametrize("precision", ["float32", "mixed_bfloat16"])
def test_other_precisions_need_no_scale(precision):
    scale = LossScale(precision)
    assert not bool(scale.note_bad())
    scale.note_good()
    assert float(scale.value) == 1.0
    assert scale.variables == []
