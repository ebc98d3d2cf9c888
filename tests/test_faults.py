"""The faults of ``python -m tests.faults``, fewer of each."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

import tests.faults.__main__ as main_module
from bench import common
from tests.faults.outcome import Outcome, markdown, summed
from tests.faults.whole import broken

ROOT = Path(__file__).resolve().parent.parent


def provoke(out, *options):
    done = subprocess.run(
        [sys.executable, "-m", "tests.faults", "--out", str(out), *options],
        capture_output=True, text=True, cwd=ROOT, timeout=900,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]


@pytest.mark.slow
def test_nothing_is_lost_by_predict_get_map_and_the_server(tmp_path):
    provoke(tmp_path / "work", "--times", "2", "--light")


@pytest.mark.slow
def test_nothing_is_lost_by_killing_train_and_export(tmp_path):
    provoke(tmp_path / "work", "--times", "1", "--kind", "kills")


def test_files_that_are_not_whole_are_seen(tmp_path):
    (tmp_path / "a.json").write_text("[1, 2")
    (tmp_path / "b.csv").write_text("x,y\n1")
    (tmp_path / "c.npz").write_bytes(b"PK")
    (tmp_path / "d.html").write_text("<html>")
    (tmp_path / "e.jpg").write_bytes(b"\xff\xd8")
    (tmp_path / ".part-f.json").write_text("[")
    (tmp_path / "good.json").write_text("[1]")
    assert [text.split()[0] for text in broken(tmp_path)] == [
        "a.json", "b.csv", "c.npz", "d.html", "e.jpg"
    ]  # fmt: skip


def test_the_table_counts_losses():
    outcomes = [
        Outcome("kill -9", "train"),
        Outcome("kill -9", "train", ["best.keras"], 1.0, False),
    ]
    (row,) = summed(outcomes)
    assert (row["times"], row["while_at_work"], row["losses"]) == (2, 1, 1)
    assert list(markdown([row]))[-1] == "| kill -9 | train | 2 | 1 | 1 |"


def test_no_process_outlives_the_one_that_started_it(tmp_path):
    words = (
        "import sys, time; from pathlib import Path; from tests.faults.process import Process; "
        "print(Process(lambda: time.sleep(600), Path(sys.argv[1])).id, flush=True); "
        "time.sleep(0.5); raise KeyboardInterrupt"  # outside of ``wait``
    )
    done = subprocess.run(
        [sys.executable, "-c", words, tmp_path / "printed.txt"],
        cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    status = Path(f"/proc/{int(done.stdout)}/stat")
    until = time.monotonic() + 60
    while status.exists() and status.read_text().rsplit(")")[1].split()[0] != "Z":
        assert time.monotonic() < until
        time.sleep(0.05)


def test_ctrl_c_keeps_what_was_done(tmp_path, monkeypatch, capsys):
    def stopped(work, times, seed):
        yield Outcome("kill -9", "export", moment_s=1.0)
        raise KeyboardInterrupt

    monkeypatch.chdir(tmp_path)  # restores where we are
    monkeypatch.setattr(main_module.Work, "prepare", lambda work: work.root.mkdir())
    monkeypatch.setattr(main_module, "provoker", lambda kind: stopped)
    monkeypatch.setattr(common, "RESULTS", tmp_path)
    words = ["tests.faults", "--out", str(tmp_path / "work"), "--record"]
    monkeypatch.setattr(sys, "argv", words)
    assert main_module.main() == 130
    assert "| kill -9 | export | 1 | 1 | none |" in capsys.readouterr().out
    assert json.loads((tmp_path / "faults.jsonl").read_text())["times"] == 1
