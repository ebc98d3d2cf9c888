"""The same step on one device, on several devices or hosts and in parts gives the same weights."""

import csv
import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from nets.yolo import YOLOv3
from utils.data.synthetic import write_dataset
from utils.errors import UserError
from utils.runtime import distribution

ROOT = Path(__file__).resolve().parent.parent


def steps(out, *arguments):
    done = subprocess.run(
        [sys.executable, "-m", "tests.replicas", str(out), *map(str, arguments)],
        capture_output=True, text=True, cwd=ROOT, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    with np.load(out) as archive:
        return {name: archive[name] for name in archive.files}


def steps_on_hosts(folder, *arguments):
    """The same steps by two processes on loopback, each with its rows; what either ended with."""
    workers = [f"127.0.0.1:{port}" for port in free_ports(2)]
    processes = []
    for index in range(2):
        task = {"cluster": {"worker": workers}, "task": {"type": "worker", "index": index}}
        command = [
            sys.executable, "-m", "tests.replicas", str(folder / f"host{index}.npz"),
            *map(str, arguments),
        ]  # fmt: skip
        environment = {**os.environ, "TF_CONFIG": json.dumps(task)}
        processes.append(
            subprocess.Popen(
                command, cwd=ROOT, env=environment, text=True,
                stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
            )
        )  # fmt: skip
    found = []
    for index, process in enumerate(processes):
        _, error = process.communicate(timeout=300)
        assert process.returncode == 0, error[-2000:]
        with np.load(folder / f"host{index}.npz") as archive:
            found.append({name: archive[name] for name in archive.files})
    return found


@pytest.fixture(scope="module")
def single(tmp_path_factory):
    return steps(tmp_path_factory.mktemp("one") / "one.npz")


def assert_same(one, other):
    assert one.keys() == other.keys()
    for name in one:
        tolerance = {"boxes": 2e-3, "losses": 2e-5}.get(name, 2e-6)
        assert np.allclose(one[name], other[name], atol=tolerance, rtol=1e-4), name


@pytest.mark.slow
@pytest.mark.parametrize("divided", [("--devices", 2), ("--devices", 2, "--accumulate", 2)])
def test_a_divided_batch_makes_the_same_step(single, tmp_path, divided):
    """Loss by the positives of the whole batch, masks by sample, gradients summed once."""
    assert_same(single, steps(tmp_path / "divided.npz", *divided))


@pytest.mark.slow
def test_steps_on_two_devices_are_those_of_one(tmp_path):
    """The first steps of a long run, warm-up included, with all that a step has."""
    options = ("--steps", 20, "--run", 30_000, "--optimizer", "adamw", "--rate", 5e-4)
    one = steps(tmp_path / "one.npz", *options)
    two = steps(tmp_path / "two.npz", *options, "--devices", 2)
    assert np.allclose(one["losses"][:, 0], two["losses"][:, 0], rtol=1e-5)


@pytest.mark.slow
def test_two_hosts_make_the_step_of_one(single, tmp_path):
    one, other = steps_on_hosts(tmp_path)
    assert_same(single, one)
    assert_same(single, other)


@pytest.mark.slow
@pytest.mark.parametrize("norms", ["frozen", "synchronized"])
def test_twenty_steps_on_two_hosts_are_those_of_one(tmp_path, norms):
    """Sums of floats depend on their order, and training multiplies the difference: with the rates
    of a short run tenfold a step once AdamW moves these four pictures of noise, whatever is
    computed where. So the rate is that of the beginning of a very long run, and the loss has no
    jumps; three steps at a high rate are compared to the last weight above."""
    options = (
        "--norms", norms, "--steps", 20, "--run", 60_000, "--optimizer", "adamw", "--rate", 1e-4,
        "--smooth", "--size", 128,
    )  # fmt: skip
    one = steps(tmp_path / "one.npz", *options)
    several = steps_on_hosts(tmp_path, *options)
    if norms == "synchronized":  # test_steps_on_two_devices_are_those_of_one has frozen ones
        several.append(steps(tmp_path / "two.npz", *options, "--devices", 2))
    for two in several:
        assert np.allclose(one["losses"][:, 0], two["losses"][:, 0], rtol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("other", [("--devices", 2), ("--precision", "mixed_bfloat16")])
def test_a_checkpoint_learns_on_on_several_devices_and_in_other_precisions(tmp_path, other):
    keras.utils.set_random_seed(0)
    path = tmp_path / "start.keras"
    YOLOv3("efficientnet_lite0", ["a", "b"], input_size=64).save(path)
    one = steps(tmp_path / "one.npz", "--weights", path)
    again = steps(tmp_path / "other.npz", "--weights", path, *other)
    if other[0] == "--devices":
        assert_same(one, again)
    else:
        assert np.allclose(one["losses"], again["losses"], rtol=0.05)
        assert not np.allclose(one["losses"], again["losses"], rtol=1e-6)


@pytest.mark.slow
def test_norms_that_are_not_synchronized_see_their_share(tmp_path):
    options = ("--steps", 1)
    whole = steps(tmp_path / "whole.npz", *options, "--norms", "synchronized")
    apart = steps(tmp_path / "apart.npz", *options, "--norms", "live", "--devices", 2)
    assert not np.allclose(whole["losses"], apart["losses"], rtol=1e-4)
    assert not np.allclose(whole["renewed"], apart["renewed"], rtol=1e-2, atol=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision_follows_float32(single, tmp_path, precision):
    mixed = steps(tmp_path / "mixed.npz", "--precision", precision)
    assert np.isfinite(mixed["losses"]).all()
    assert np.allclose(single["losses"], mixed["losses"], rtol=0.05)
    assert mixed["p5_1_conv/kernel"].dtype == np.float32
    assert not np.array_equal(mixed["p5_1_conv/kernel"], mixed["first"])  # no step was skipped


def free_ports(count):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


class Hosts:
    """Two hosts on loopback that run the same command."""

    def __init__(self, folder):
        self.folder = folder
        write_dataset(folder / "data", train=8, val=3, test=2, seed=3, workers=1)
        self.workers = [f"127.0.0.1:{port}" for port in free_ports(2)]

    def start(self, index, *more):
        task = {"cluster": {"worker": self.workers}, "task": {"type": "worker", "index": index}}
        command = [
            sys.executable, str(ROOT / "train.py"), "--data", str(self.folder / "data"),
            "--backbone", "efficientnet_lite0", "--input-size", "64", "--batch-size", "4",
            "--freeze-epochs", "0", "--out", str(self.folder / "run"), *more,
        ]  # fmt: skip
        return subprocess.Popen(
            command, cwd=self.folder, env={**os.environ, "TF_CONFIG": json.dumps(task)}, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def rows(self):
        return list(csv.DictReader((self.folder / "run" / "metrics.csv").open()))


def steps_saved(run):
    with np.load(run / "state" / "state.npz") as archive:
        return json.loads(archive["facts"].tobytes())["history"]["step"]


@pytest.mark.slow
def test_two_hosts_train_together_and_go_on_after_one_was_killed(tmp_path):
    hosts = Hosts(tmp_path)
    options = ("--epochs", "10", "--save-every", "0")
    chief, other = (hosts.start(i, *options) for i in range(2))
    state = tmp_path / "run" / "state" / "state.npz"
    while chief.poll() is None and not (state.exists() and steps_saved(tmp_path / "run") > 0):
        time.sleep(0.1)
    other.kill()
    output, error = chief.communicate(timeout=240)
    assert chief.returncode == 2, error
    assert "another host has gone" in error
    assert "Traceback" not in error
    assert "host 1 of 2" in output
    other.communicate()
    saved = steps_saved(tmp_path / "run")
    assert 0 < saved < 20

    chief, other = (hosts.start(i, *options, "--resume") for i in range(2))
    output, error = chief.communicate(timeout=400)
    other_output, other_error = other.communicate(timeout=60)
    assert (chief.returncode, other.returncode) == (0, 0), error + other_error
    assert f"resuming after step {saved}" in output  # nothing but the steps since is lost
    assert other_output == ""
    rows = hosts.rows()
    assert [int(row["step"]) for row in rows] == list(range(2, 21, 2))
    assert all(float(row["loss"]) > 0 for row in rows)
    assert rows[-1]["AP"]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["data", "run"]  # one wrote


@pytest.mark.slow
def test_a_host_that_does_not_answer_is_named_within_a_minute(tmp_path):
    hosts = Hosts(tmp_path)
    began = time.monotonic()
    chief = hosts.start(0, "--epochs", "1")
    _, error = chief.communicate(timeout=120)
    assert chief.returncode == 2, error
    assert f"no answer from {hosts.workers[1]}" in error
    assert time.monotonic() - began < 60 + 15  # and some for starting up
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "not understood"),
        (
            '{"cluster": {"worker": ["a:1", "b:1"]}, "task": {"type": "worker", "index": 2}}',
            "hosts",
        ),
        ('{"cluster": {"ps": ["a:1"], "worker": ["b:1"]}, "task": {"index": 0}}', "as workers"),
    ],
)
def test_a_wrong_tf_config_is_explained(monkeypatch, text, words):
    monkeypatch.setenv("TF_CONFIG", text)
    with pytest.raises(UserError, match=words):
        distribution._tasks()


@pytest.mark.parametrize(
    ("kind", "message", "lost"),
    [
        (tf.errors.UnavailableError, "Connection reset by peer", True),
        (tf.errors.InternalError, "Collective ops is aborted by: failed to connect", True),
        (tf.errors.InternalError, "NCCL: unhandled system error. Last error: socket closed", True),
        (tf.errors.InternalError, "NCCL: unhandled cuda error", False),
        (tf.errors.InternalError, "cuDNN launch failure : input shape ([8,13,13,256])", False),
        (tf.errors.InternalError, "Blas GEMM launch failed: CUBLAS_STATUS_EXECUTION_FAILED", False),
        (tf.errors.InternalError, "Failed to allocate request for 2.00GiB", False),
        (tf.errors.ResourceExhaustedError, "OOM when allocating tensor", False),
    ],
)
def test_an_error_of_this_hosts_gpu_is_no_lost_host(monkeypatch, kind, message, lost):
    monkeypatch.setenv("TF_CONFIG", '{"cluster": {"worker": ["a:1", "b:1"]}, "task": {"index": 0}}')
    assert distribution.host_was_lost(kind(None, None, message)) is lost
    monkeypatch.delenv("TF_CONFIG")
    assert not distribution.host_was_lost(kind(None, None, message))


def test_one_host_needs_no_strategy(monkeypatch):
    monkeypatch.setenv("TF_CONFIG", '{"cluster": {"worker": ["a:1"]}, "task": {"index": 0}}')
    assert distribution._tasks() is None
    monkeypatch.delenv("TF_CONFIG")
    assert distribution._tasks() is None
