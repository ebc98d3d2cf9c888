"""--device: which GPUs are asked for."""

from types import SimpleNamespace

import pytest
import tensorflow as tf

from utils.api import _process_state_kept
from utils.errors import UserError
from utils.runtime.device import gpu_numbers, out_of_memory, use_full_float32
from utils.runtime.distribution import Cluster


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


@pytest.mark.parametrize(
    ("kind", "message", "memory"),
    [
        (tf.errors.ResourceExhaustedError, "OOM when allocating tensor", True),
        (tf.errors.NotFoundError, "No algorithm worked! UNKNOWN: CUDNN_STATUS_ALLOC_FAILED", True),
        (tf.errors.InternalError, "CUDA_ERROR_OUT_OF_MEMORY: out of memory", True),
        (tf.errors.NotFoundError, "No algorithm worked! CUDNN_STATUS_BAD_PARAM", False),
        (tf.errors.InvalidArgumentError, "shapes differ", False),
    ],
)
def test_what_the_driver_says_of_its_memory_is_out_of_memory_too(kind, message, memory):
    assert out_of_memory(kind(None, None, message)) is memory


@pytest.mark.parametrize(
    ("devices", "replicas", "expected"),
    [("GPU 2 (H100)", 1, "/GPU:0"), ("GPU 0, GPU 1", 2, None), ("CPU", 1, None)],
)
def test_batches_go_ahead_to_a_single_gpu(devices, replicas, expected):
    strategy = SimpleNamespace(num_replicas_in_sync=replicas)
    assert Cluster(strategy, devices).input_device == expected


def test_float32_is_rounded_again_after_scoring():
    rounds = tf.config.experimental.tensor_float_32_execution_enabled
    tf.config.experimental.enable_tensor_float_32_execution(True)  # as in a new process
    with _process_state_kept():
        use_full_float32()
        assert not rounds()
    assert rounds()
