"""--device and --precision: which GPUs are asked for, and how the loss scale moves."""

import pytest
import tensorflow as tf

from utils.errors import UserError
from utils.runtime.device import gpu_numbers
from utils.training.precision import FIRST_SCALE, GROW_EVERY, LARGEST_SCALE, LossScale


@pytest.fixture
def three_gpus(monkeypatch):
    found = {"GPU": ["a", "b", "c"], "CPU": ["p"]}
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: found[kind])


@pytest.mark.parametrize(
    ("name", "numbers"),
    [("auto", [0, 1, 2]), ("cpu", []), ("gpu", [0]), ("gpu:2", [2]), ("gpu:2,0,2", [0, 2])],
)
def test_the_gpus_asked_for(three_gpus, name, numbers):
    assert gpu_numbers(name) == numbers


@pytest.mark.parametrize("name", ["gpu:3", "gpu:0,3"])
def test_a_gpu_that_is_not_there_is_refused(three_gpus, name):
    with pytest.raises(UserError, match=f"{name}: TensorFlow sees 3 GPUs here"):
        gpu_numbers(name)


@pytest.mark.parametrize("name", ["gpus", "gpu:", "gpu:0,", "gpu:-1", "GPU", "tpu"])
def test_a_device_that_is_none_is_refused(three_gpus, name):
    with pytest.raises(UserError, match="expected auto, cpu"):
        gpu_numbers(name)


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
    scale.value.assign(LARGEST_SCALE)
    scale.good_steps.assign(GROW_EVERY - 1)
    scale.note_good()
    assert float(scale.value) == LARGEST_SCALE


@pytest.mark.parametrize("precision", ["float32", "mixed_bfloat16"])
def test_other_precisions_need_no_scale(precision):
    scale = LossScale(precision)
    assert not bool(scale.note_bad())
    scale.note_good()
    assert float(scale.value) == 1.0
    assert scale.variables == []
