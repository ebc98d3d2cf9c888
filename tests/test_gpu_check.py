"""``make gpu-check``: what each check makes of what it finds, and all of them with the CPU."""

import csv
import ctypes
import math
import sys
from pathlib import Path
from unittest.mock import Mock

import pytest

from utils.commands import gpu_check
from utils.gpu_check import device_checks, machine, run
from utils.gpu_check.detection_checks import agreement
from utils.gpu_check.plan import FULL, QUICK
from utils.gpu_check.processes import run_python, run_until_killed
from utils.gpu_check.report import STAND_IN, report, table
from utils.gpu_check.result import FAILED, PASSED, SKIPPED, CheckFailed, judged
from utils.gpu_check.session import PRECISIONS, Session
from utils.gpu_check.speed_checks import speed
from utils.gpu_check.training_checks import (
    compared,
    end_of,
    mixed_precision,
    out_of_memory,
    resumed_result,
    saved_step,
    two_devices,
    worst_difference,
)

SMI = """\
0, NVIDIA H100 80GB HBM3, 550.54.15, 81559, 4, 00000000:0A:00.0
1, NVIDIA H100 80GB HBM3, 550.54.15, 81559, [N/A], 00000000:0B:00.0
Unable to determine the device handle
"""
H100 = {"name": "NVIDIA H100", "compute capability": "9.0", "pci": "0000:0a:00.0"}
TWO = """\
0, NVIDIA T4, 550.54.15, 15360, 4, 00000000:0A:00.0
1, NVIDIA H100, 550.54.15, 81559, 4, 00000001:0B:00.0
"""


def session_with(tmp_path, *, stand_in=False, gpus=(H100,), **known):
    """A session whose measurements are given instead of made."""
    session = Session(QUICK, tmp_path, stand_in=stand_in)
    session.__dict__.update(machine={"gpus": list(gpus), "growth": True, "reserved": {}}, **known)
    return session


def test_the_driver_s_gpus_are_read_and_odd_lines_left_out():
    gpus = machine.read_driver_gpus(SMI)
    assert [(g.number, g.driver, g.memory, g.used) for g in gpus] == [(0, "550.54.15", 81559, 4)]
    assert gpus[0].pci == "0000:0a:00.0"
    assert machine.read_driver_gpus("") == []


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        # CUDA puts the fastest first.
        ([("NVIDIA H100", "0001:0b:00.0"), ("NVIDIA T4", "0000:0a:00.0")], [1, 0]),
        ([("NVIDIA H100", ""), ("NVIDIA T4", "")], [1, 0]),
        ([("NVIDIA H100", "")], [None, 0]),
        ([("another name", "0000:0a:00.0")], [0, None]),
        ([("NVIDIA T4", "0002:0a:00.0")], [None, None]),  # another one of that name
        ([], [None, None]),
    ],
)
def test_a_gpu_of_the_driver_is_the_one_of_the_same_pci_id_or_name(seen, expected):
    gpus = machine.read_driver_gpus(TWO)
    seen = [{"name": name, "pci": pci} for name, pci in seen]
    found = machine.paired(gpus, seen)
    assert [gpu for gpu, _ in found] == gpus
    assert [there and seen.index(there) for _, there in found] == expected


def test_gpus_of_one_name_are_those_of_the_driver_in_order():
    gpus = machine.read_driver_gpus(SMI + SMI.replace("0,", "7,", 1))
    seen = [{"name": gpus[0].name, "pci": "", "place": place} for place in range(3)]
    assert [there["place"] for _, there in machine.paired(gpus, seen)] == [0, 1]


class Cuda:
    """The driver's library, with two GPUs."""

    def __init__(self, broken=""):
        self.broken = broken

    def __getattr__(self, name):
        def call(*arguments):
            if name == "cuDeviceGetCount":
                arguments[0]._obj.value = 2
            elif name == "cuDeviceGet":
                arguments[0]._obj.value = arguments[1] + 10
            elif name == "cuDeviceGetPCIBusId":
                arguments[0].value = b"0000:%02x:00.0" % arguments[2].value
            return int(name == self.broken)

        return call


def test_cuda_says_in_which_order_it_has_the_gpus(monkeypatch):
    monkeypatch.setattr(ctypes, "CDLL", lambda name: Cuda())
    assert machine.cuda_pci_ids() == ["0000:0a:00.0", "0000:0b:00.0"]
    for broken in ("cuInit", "cuDeviceGetCount", "cuDeviceGet", "cuDeviceGetPCIBusId"):
        monkeypatch.setattr(ctypes, "CDLL", lambda name, broken=broken: Cuda(broken))
        assert machine.cuda_pci_ids() == []
    monkeypatch.setattr(ctypes, "CDLL", Mock(side_effect=OSError))
    assert machine.cuda_pci_ids() == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [("00000000:3B:00.0", "0000:3b:00.0"), ("00010000:3B:00.0", "10000:3b:00.0"), ("[N/A]", "")],
)
def test_pci_ids_are_written_in_one_way(text, expected):
    assert machine.pci_id(text) == expected


@pytest.mark.parametrize(
    ("driver", "seen", "outcome"),
    [(SMI, [H100], PASSED), (SMI, [], FAILED), ("", [], SKIPPED), ("", [H100], PASSED)],
)
def test_a_gpu_that_only_the_driver_sees_fails(tmp_path, monkeypatch, driver, seen, outcome):
    gpus = machine.read_driver_gpus(driver)
    monkeypatch.setattr(device_checks, "driver_gpus", lambda: gpus)
    result = device_checks.devices_seen(session_with(tmp_path, gpus=seen))
    assert result.outcome == outcome
    assert ("pip install" in result.summary) == (outcome == FAILED)


@pytest.mark.parametrize(("taken", "outcome"), [(900, PASSED), (70_000, FAILED)])
def test_memory_that_is_taken_at_once_fails(tmp_path, monkeypatch, taken, outcome):
    gpus = machine.read_driver_gpus(SMI)
    monkeypatch.setattr(device_checks, "driver_gpus", lambda: gpus)
    session = session_with(tmp_path)
    session.machine["reserved"] = {"0": taken}
    assert device_checks.memory_growth(session).outcome == outcome
    session.stand_in = True
    assert device_checks.memory_growth(session).outcome == SKIPPED


@pytest.mark.parametrize(
    ("others", "worst"),
    [([2.0, 4.0], 0.0), ([2.001, 4.0], 5e-4), ([2.0], math.inf), ([2.0, math.nan], math.inf)],
)
def test_the_worst_difference_of_two_runs(others, worst):
    assert worst_difference([2.0, 4.0], others) == pytest.approx(worst, rel=1e-6)


def test_losses_are_the_same_within_a_thousandth():
    assert compared("x", "CPU", [1.0, 2.0], "GPU", [1.0005, 2.0]).outcome == PASSED
    failed = compared("x", "CPU", [1.0, 2.0], "GPU", [1.0, 2.01])
    assert failed.outcome == FAILED
    assert "5.0e-03" in failed.summary
    assert [row["step"] for row in failed.table] == [1, 2]


@pytest.mark.parametrize(
    ("losses", "outcome"),
    [([5.0] * 9 + [2.1], PASSED), ([5.0] * 9 + [2.3], FAILED), ([math.nan] + [2.0] * 9, FAILED)],
)
def test_mixed_precision_must_be_finite_and_end_near_float32(tmp_path, losses, outcome):
    runs = {name: {"losses": [5.0] * 9 + [2.0]} for name in PRECISIONS}
    runs["mixed_float16"] = {"losses": losses}
    result = mixed_precision(session_with(tmp_path, device_runs=runs))
    assert result.outcome == outcome
    assert end_of(list(range(30))) == 28


def test_a_precision_that_cannot_run_fails_and_says_why(tmp_path):
    runs = {name: {"losses": [2.0]} for name in PRECISIONS}
    runs["mixed_bfloat16"] = {"error": "InvalidArgumentError: no such kernel"}
    result = mixed_precision(session_with(tmp_path, device_runs=runs))
    assert result.outcome == FAILED
    assert "no such kernel" in str(result.table)


@pytest.mark.parametrize(
    ("parts", "loss", "outcome"), [(4, 1.0, PASSED), (1, 1.0, FAILED), (4, math.inf, FAILED)]
)
def test_memory_must_run_out_and_the_batch_be_divided(tmp_path, monkeypatch, parts, loss, outcome):
    found = {"losses": [1.0, loss], "accumulation steps": parts}
    monkeypatch.setattr(Session, "train", lambda *_, **__: [found])
    assert out_of_memory(session_with(tmp_path)).outcome == outcome


@pytest.mark.parametrize("plan", [FULL, QUICK])
def test_each_precision_has_a_run_that_float32_is_compared_with(tmp_path, monkeypatch, plan):
    monkeypatch.setattr(Session, "train", lambda _, place, name, runs: runs)
    found = Session(plan, tmp_path).device_runs
    assert set(found) == {"equal", *PRECISIONS}
    assert found["mixed_float16"]["precision"] == "mixed_float16"
    steps = {found[name].get("steps", plan.equal_steps) for name in PRECISIONS}
    assert steps == {plan.mixed_steps}
    assert {found[name].get("comparable", False) for name in PRECISIONS} == {not plan.mixed_learns}


def test_one_gpu_leaves_out_the_check_of_two(tmp_path):
    assert two_devices(session_with(tmp_path)).outcome == SKIPPED
    assert session_with(tmp_path, gpus=(H100, H100)).two.device == "gpu:0,1"
    assert session_with(tmp_path, stand_in=True).two.logical_cpus == 2


def write_run(folder, losses):
    folder.mkdir()
    (folder / "best.keras").touch()
    with open(folder / "metrics.csv", "w", newline="") as file:
        csv.writer(file).writerows([("epoch", "loss"), *enumerate(losses, 1)])


@pytest.mark.parametrize(
    ("losses", "printed", "fault"),
    [
        ([3.0, 2.0], "resuming after step 5, epoch 2", None),
        ([3.0, 2.0], "nothing to resume", "said nothing of resuming"),
        ([3.0, 2.0], "resuming after step 4", "said nothing of resuming after step 5"),
        ([3.0], "resuming after step 5", "1 epochs instead of 2"),
        ([3.0, math.nan], "resuming after step 5", "not finite"),
    ],
)
def test_a_resumed_run_goes_on_where_it_was_killed(tmp_path, losses, printed, fault):
    write_run(tmp_path / "run", losses)
    result = resumed_result(tmp_path / "run", 5, printed, 2)
    assert result.outcome == (FAILED if fault else PASSED)
    assert (fault or "killed after step 5") in result.summary
    assert saved_step(tmp_path / "run") == 0


def test_detections_agree_where_class_place_and_score_do():
    def found(*objects):
        return [{"detections": [{"class": c, "score": s, "box": b} for c, s, b in objects]}]

    one = found(("stop", 0.9, [0, 0, 100, 100]), ("yield", 0.5, [0, 0, 50, 50]))
    assert agreement(one, one) == 1.0
    assert agreement(one, found(("stop", 0.88, [0, 0, 100, 98]))) == 2 / 3
    assert agreement(one, found(("stop", 0.9, [0, 0, 100, 80]))) == 0
    assert agreement(one, found(("yield", 0.9, [0, 0, 100, 100]))) == 0
    assert agreement(found(), found()) == 1.0


def test_speed_says_where_the_time_goes_and_what_was_left_out(tmp_path, monkeypatch):
    run = {
        "photos a second": 50.0, "step alone": 80.0, "waits for data": 0.25, "is in the step": 0.5,
        "peak MiB": 700.2, "accumulation steps": 2,
    }  # fmt: skip
    runs = dict.fromkeys(PRECISIONS, run) | {"mixed_bfloat16": {"error": "cannot"}}
    monkeypatch.setattr(Session, "train", lambda *_, **__: [])
    result = speed(session_with(tmp_path, cpu_run={**run, "peak MiB": None}, device_runs=runs))
    assert [row["precision"] for row in result.table] == ["float32", "float32", "mixed_float16"]
    assert result.table[0]["peak MiB"] == "–"
    assert result.table[1]["waits for the result"] == "25%"
    assert result.table[1]["in parts"] == 2
    assert "1 more were left out" in result.summary


def test_a_process_that_fails_or_hangs_fails_its_check(tmp_path):
    with pytest.raises(CheckFailed, match="status 3: no memory"):
        run_python(
            ["-c", "import sys; print('no memory', file=sys.stderr); sys.exit(3)"], tmp_path, 60
        )
    with pytest.raises(CheckFailed, match="took more than 0 s"):
        run_python(["-c", "import time; time.sleep(60)"], tmp_path, 0.2)
    sleep = ["-c", "import time; time.sleep(60)"]
    assert run_until_killed(sleep, tmp_path, 60, lambda: True)
    assert not run_until_killed(["-c", ""], tmp_path, 60, lambda: False)
    with pytest.raises(CheckFailed, match="took more than 0 s"):
        run_until_killed(sleep, tmp_path, 0.2, lambda: False)


def test_an_error_in_a_check_fails_that_check_only(tmp_path):
    def broken(session):
        raise KeyError("AP")

    result = run.run_check("get_map", broken, session_with(tmp_path))
    assert (result.name, result.outcome) == ("get_map", FAILED)
    assert "KeyError" in result.summary


def test_where_tensorflow_fails_the_cpu_stands_in_and_a_check_says_how(tmp_path, monkeypatch):
    def failing(*arguments, **options):
        raise CheckFailed("a process of the check ended with status 1: no cuDNN")

    monkeypatch.setattr(run, "driver_gpus", list)
    monkeypatch.setattr(device_checks, "driver_gpus", list)
    monkeypatch.setattr(Session, "task", failing)
    session = Session(QUICK, tmp_path)
    assert not run.has_gpus(session)
    result = run.run_check("devices", device_checks.devices_seen, session)
    assert result.outcome == FAILED
    assert result.summary.endswith("no cuDNN")


def test_the_report_names_what_failed_and_says_when_there_was_no_gpu(tmp_path):
    rows = [{"step": 1, "CPU": 2.5}, {"step": 20, "CPU": 1.25}]
    results = [judged("a", True, "it is so", rows), judged("b", False, "it is not so.")]
    text = report(session_with(tmp_path), results, 90.0)
    assert "2 checks in 1.5 minutes, 1 failed: b." in text
    assert "| b | **FAILED** |" in text
    assert "It is so.\n\n| step | CPU |\n|--:|--:|\n| 1 | 2.5 |\n| 20 | 1.25 |" in text
    assert STAND_IN not in text
    assert STAND_IN in report(session_with(tmp_path, stand_in=True), results, 90.0)
    assert table([{"a": "x|y\nz"}])[-1] == r"| x\|y z |"


def test_the_status_is_one_when_a_check_failed(tmp_path, monkeypatch):
    found = [judged("a", True, "")]
    monkeypatch.setattr(run, "check_gpus", lambda *_, **__: found)
    assert gpu_check.main([]) == 0
    found.append(judged("b", False, ""))
    assert gpu_check.main([]) == 1


@pytest.mark.slow
def test_all_checks_pass_with_the_cpu_in_the_place_of_a_gpu(tmp_path):
    out = tmp_path / "report.md"
    printed = run_python(
        ["-m", "utils.commands.gpu_check", "--quick", "--devices", "cpu", "--out", str(out)],
        tmp_path, 1500,
    )  # fmt: skip
    text = out.read_text()
    assert STAND_IN in text
    assert "No GPU was found" in printed
    assert f"{len(run.CHECKS)} checks" in text
    assert "FAILED" not in text
    assert "| memory growth | skipped |" in text
    assert str(Path(tmp_path)) not in text
    assert sys.executable not in text
