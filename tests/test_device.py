"""--device: which GPUs are asked for."""

import pytest
import tensorflow as tf

from utils.errors import UserError
from utils.runtime.device import gpu_numbers


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
