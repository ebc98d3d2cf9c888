"""The same step on one device, on several, in turns and over hosts gives the same weights."""

import csv
import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from utils.data.synthetic import write_dataset
from utils.errors import UserError
from utils.training import distribution

ROOT = Path(__file__).resolve().parent.parent


def steps(out, *arguments):
    done = subprocess.run(
        [sys.executable, "-m", "tests.replicas", str(out), *map(str, arguments)],
        capture_output=True, text=True, cwd=ROOT, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    with np.load(out) as archive:
        return {name: archive[name] for name in archive.files}


@pytest.fixture(scope="module")
def single(tmp_path_factory):
    return steps(tmp_path_factory.mktemp("one") / "one.npz")


def assert_same(one, other):
    assert one.keys() == other.keys()
    for name in one:
        tolerance = {"boxes": 2e-3, "losses": 2e-5}.get(name, 2e-6)
        assert np.allclose(one[name], other[name], atol=tolerance, rtol=1e-4), name


@pytest.mark.slow
@pytest.mark.parametrize("divided", [("--devices", 2), ("--devices", 4), ("--turns", 2)])
def test_a_divided_batch_makes_the_same_step(single, tmp_path, divided):
    """Loss by the positives of the whole batch, masks by sample, gradients summed once."""
    assert_same(single, steps(tmp_path / "divided.npz", *divided))


@pytest.mark.slow
def test_synchronized_norms_see_the_whole_batch(tmp_path):
    options = ("--norms", "synchronized", "--steps", 1)
    one = steps(tmp_path / "one.npz", *options)
    two = steps(tmp_path / "two.npz", *options, "--devices", 2)
    apart = steps(tmp_path / "apart.npz", "--norms", "live", "--steps", 1, "--devices", 2)
    assert np.allclose(one["losses"], two["losses"], rtol=1e-4)
    assert not np.allclose(one["losses"], apart["losses"], rtol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision_follows_float32(single, tmp_path, precision):
    mixed = steps(tmp_path / "mixed.npz", "--precision", precision)
    assert np.isfinite(mixed["losses"]).all()
    assert np.allclose(single["losses"], mixed["losses"], rtol=0.05)
    assert mixed["p5_1_conv/kernel"].dtype == np.float32
    assert not np.array_equal(mixed["p5_1_conv/kernel"], single["p5_1_conv/kernel"])


def free_ports(count):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


@pytest.fixture(scope="module")
def hosts(tmp_path_factory):
    """Two hosts on loopback that train two epochs, their output, and the run directory."""
    folder = tmp_path_factory.mktemp("hosts")
    write_dataset(folder / "data", train=8, val=3, test=2, seed=3, workers=1)
    workers = [f"127.0.0.1:{port}" for port in free_ports(2)]
    command = [
        sys.executable, str(ROOT / "train.py"), "--data", str(folder / "data"), "--epochs", "2",
        "--backbone", "efficientnet_lite0", "--input-size", "64", "--batch-size", "4",
        "--freeze-epochs", "0", "--out", str(folder / "run"),
    ]  # fmt: skip

    def start(more=()):
        processes = []
        for index in range(2):
            task = {"cluster": {"worker": workers}, "task": {"type": "worker", "index": index}}
            environment = {**os.environ, "TF_CONFIG": json.dumps(task)}
            process = subprocess.Popen(
                [*command, *more], cwd=folder, env=environment, text=True,
                stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            )  # fmt: skip
            processes.append(process)
        return [(*process.communicate(timeout=400), process.returncode) for process in processes]

    return folder, start


@pytest.mark.slow
def test_two_hosts_train_together_and_one_writes(hosts):
    folder, start = hosts
    (chief, error, status), (other, other_error, other_status) = start()
    assert (status, other_status) == (0, 0), error + other_error
    assert "host 1 of 2" in chief
    assert other == ""
    rows = list(csv.DictReader((folder / "run" / "metrics.csv").open()))
    assert [row["step"] for row in rows] == ["2", "4"]
    assert all(float(row["loss"]) > 0 and row["AP"] for row in rows)
    assert sorted(p.name for p in folder.iterdir()) == ["data", "run"]
    # The job started again goes on from what the chief saved.
    (chief, error, status), (_, other_error, other_status) = start(["--resume"])
    assert (status, other_status) == (0, 0), error + other_error
    assert "going on after step 4" in chief


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


def test_one_host_needs_no_strategy(monkeypatch):
    monkeypatch.setenv("TF_CONFIG", '{"cluster": {"worker": ["a:1"]}, "task": {"index": 0}}')
    assert distribution._tasks() is None
    monkeypatch.delenv("TF_CONFIG")
    assert distribution._tasks() is None
