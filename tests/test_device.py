"""--device: which GPUs are asked for."""

from contextlib import nullcontext
from types import SimpleNamespace

import pytest
import tensorflow as tf

from utils.api import _restored_process_state
from utils.errors import UserError
from utils.quiet import import_tensorflow
from utils.runtime import gpu_driver
from utils.runtime.device import (
    gpu_numbers,
    logical_devices,
    make_visible,
    out_of_memory,
    use_device,
    use_full_float32,
)
from utils.runtime.distribution import Cluster
from utils.training.setup import choose_gpus, refuse_inexact


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


class InitialisedTensorFlow:
    """Three GPUs, of which some are visible; TensorFlow has computed something."""

    def __init__(self, monkeypatch, visible):
        self.visible = [f"gpu {number}" for number in visible]

        def refuse(*_):
            raise RuntimeError("cannot be modified after being initialized")

        def set_visible(devices, kind):
            if devices != self.visible:
                refuse()

        def logical(kind):
            return [SimpleNamespace(name=f"{kind}:{i}") for i in range(len(self.visible))]

        there = ["gpu 0", "gpu 1", "gpu 2"]
        monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind=None: there)
        monkeypatch.setattr(tf.config, "get_visible_devices", lambda kind: self.visible)
        monkeypatch.setattr(tf.config, "set_visible_devices", set_visible)
        monkeypatch.setattr(tf.config, "list_logical_devices", logical)
        monkeypatch.setattr(tf.config.experimental, "set_memory_growth", refuse)
        monkeypatch.setattr(
            tf.config.experimental, "get_device_details", lambda gpu: {"device_name": "H200"}
        )


@pytest.mark.parametrize(
    ("visible", "name", "single", "words", "logical"),
    [
        ([0, 1, 2], "auto", False, "GPU 0 (H200), GPU 1 (H200), GPU 2 (H200)", 3),
        ([0, 1, 2], "gpu", True, "GPU 0 (H200)", 1),  # a detector after training on all
        ([0, 1, 2], "gpu:0,1", False, "GPU 0 (H200), GPU 1 (H200)", 2),
        ([0], "auto", False, "GPU 0 (H200)", 1),  # training after a detector
        ([1], "auto", True, "GPU 1 (H200)", 1),
        ([], "auto", False, "CPU", 0),  # after a run with --device cpu
    ],
)
def test_after_the_first_computation_visible_devices_are_taken_where_they_suffice(
    monkeypatch, visible, name, single, words, logical
):
    InitialisedTensorFlow(monkeypatch, visible)
    numbers = gpu_numbers(name)
    found = use_device(name) if single else make_visible(numbers, name)
    assert found == words
    assert len(logical_devices(numbers[:1] if single else numbers)) == logical


@pytest.mark.parametrize(
    ("visible", "name"), [([0, 1], "gpu:1"), ([1], "gpu"), ([0], "cpu"), ([], "gpu")]
)
def test_after_the_first_computation_other_devices_are_refused(monkeypatch, visible, name):
    InitialisedTensorFlow(monkeypatch, visible)
    with pytest.raises(UserError, match=f"--device {name}: .* already computes on (GPU|CPU)"):
        use_device(name)


def test_a_gpu_gives_its_memory_as_needed_from_the_import_on(monkeypatch):
    grown = []
    gpus = [SimpleNamespace(device_type=kind) for kind in ("CPU", "GPU", "GPU")]
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind=None: gpus)
    monkeypatch.setattr(
        tf.config.experimental, "set_memory_growth", lambda gpu, grow: grown.append((gpu, grow))
    )
    import_tensorflow()
    assert grown == [(gpus[1], True), (gpus[2], True)]


@pytest.mark.parametrize(
    ("name", "driver", "hidden", "warns"),
    [
        ("auto", True, None, True), ("auto", False, None, False), ("cpu", True, None, False),
        ("auto", True, "", False), ("auto", True, "0", True),
    ],
)  # fmt: skip
def test_a_gpu_that_tensorflow_cannot_use_is_told_of_once(
    monkeypatch, capsys, name, driver, hidden, warns
):
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [])
    monkeypatch.setattr(gpu_driver, "gpu_likely", lambda: driver)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if hidden is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", hidden)
    gpu_driver.warn_of_unused_gpu.cache_clear()
    assert gpu_numbers(name) == gpu_numbers(name) == []
    assert capsys.readouterr().err.count('pip install -e ".[gpu]"') == warns


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
        (
            tf.errors.NotFoundError,
            "No algorithm worked!  Error messages:\n  Profiling failure on CUDNN engine 1#TC: "
            "RESOURCE_EXHAUSTED: Out of memory while trying to allocate 95420720 bytes.",
            True,
        ),
        (
            tf.errors.InternalError,
            "Failed to allocate request for 2.00GiB (2147483648B) on device ordinal 0",
            True,
        ),
        (
            tf.errors.InternalError,
            "failed to create cublas handle: CUBLAS_STATUS_NOT_INITIALIZED",
            True,
        ),
        (
            tf.errors.InternalError,
            "Could not create cudnn handle: CUDNN_STATUS_NOT_INITIALIZED",
            True,
        ),
        (
            tf.errors.FailedPreconditionError,
            "DNN library initialization failed. Look at the errors above for more details.",
            True,
        ),
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


@pytest.mark.parametrize(
    ("there", "batch_size", "device"),
    [
        (1, None, "auto"), (2, None, "auto"), (8, None, "gpu:0,1"), (8, 4, "gpu:0,1"),
        (8, 64, "auto"), (8, 32, "gpu:0,1,2,3"), (8, 28, "gpu:0,1"), (8, 17, "gpu:0"),
        (0, 8, "auto"),
    ],
)  # fmt: skip
def test_auto_takes_as_many_gpus_as_share_a_batch(monkeypatch, there, batch_size, device):
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: ["gpu"] * there)
    monkeypatch.delenv("TF_CONFIG", raising=False)
    chosen, why = choose_gpus("auto", batch_size)
    assert chosen == device
    assert (f"of {there} GPUs" in why) == (device != "auto")
    if there == 8:
        assert choose_gpus("gpu:0,1,2", batch_size) == ("gpu:0,1,2", "")
        hosts = '{"cluster": {"worker": ["a:1", "b:1"]}, "task": {"index": 0}}'
        monkeypatch.setenv("TF_CONFIG", hosts)
        assert choose_gpus("auto", batch_size) == ("auto", "")


@pytest.mark.parametrize(
    ("devices", "replicas", "refused"),
    [("CPU", 1, False), ("CPU", 2, True), ("GPU 0 (H100)", 1, True), ("GPU 0, GPU 1", 2, True)],
)
def test_exact_is_for_one_cpu(devices, replicas, refused):
    cluster = Cluster(SimpleNamespace(num_replicas_in_sync=replicas), devices)
    with pytest.raises(UserError, match="--device cpu") if refused else nullcontext():
        refuse_inexact(cluster)


def test_float32_is_rounded_again_after_scoring():
    rounds = tf.config.experimental.tensor_float_32_execution_enabled
    tf.config.experimental.enable_tensor_float_32_execution(True)  # as in a new process
    with _restored_process_state():
        use_full_float32()
        assert not rounds()
    assert rounds()
