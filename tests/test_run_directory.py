"""The run directory: one process at a time, a full disk, bad batches."""

import errno
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from utils.data.doctor.doctor import PAGE
from utils.errors import UserError
from utils.files import atomic_write
from utils.training.reporting import TensorBoardWriter
from utils.training.run_directory import MAX_BAD_BATCHES, PREVIEW, RunDirectory

ROOT = Path(__file__).resolve().parent.parent


def test_a_second_process_is_refused_and_a_dead_one_holds_nothing(tmp_path):
    holder = subprocess.Popen(
        [sys.executable, "-c",
         "import sys, time; from pathlib import Path\n"
         "from utils.training.run_directory import RunDirectory\n"
         f"d = RunDirectory.open(Path({str(tmp_path / 'run')!r}), resume=True)\n"
         "print('ready', flush=True); time.sleep(60)"],
        stdout=subprocess.PIPE, text=True, cwd=ROOT,
    )  # fmt: skip
    assert holder.stdout.readline().strip() == "ready"
    with pytest.raises(UserError, match="another process is training there"):
        RunDirectory.open(tmp_path / "run", resume=True)
    holder.kill()
    holder.wait()
    RunDirectory.open(tmp_path / "run", resume=True).close()


def test_a_folder_with_files_needs_resume(tmp_path):
    RunDirectory.open(tmp_path, resume=False).close()
    RunDirectory.open(tmp_path, resume=False).close()  # its own lock is no content
    (tmp_path / "best.keras").write_text("x")
    with pytest.raises(UserError, match="not empty; give another folder"):
        RunDirectory.open(tmp_path, resume=False)
    (tmp_path / "config.yaml").write_text("epochs: 3")
    with pytest.raises(UserError, match="not empty; give --resume"):
        RunDirectory.open(tmp_path, resume=False)
    with pytest.raises(UserError, match="is a file"):
        RunDirectory.open(tmp_path / "best.keras", resume=True)


def test_what_was_looked_at_before_a_run_is_not_in_its_way(tmp_path):
    for name in (PREVIEW, PAGE):
        (tmp_path / name).write_text("x")
    RunDirectory.open(tmp_path, resume=False).close()


def test_a_full_disk_is_a_warning(tmp_path, capsys):
    directory = RunDirectory.open(tmp_path, resume=False)

    def write(path):
        raise OSError(errno.ENOSPC, "No space left on device")

    assert not directory.save("last.keras", write)
    assert "No space left on device" in capsys.readouterr().err
    assert directory.save("last.keras", lambda path: path.write_text("x"))

    def refuse():
        raise PermissionError(errno.EACCES, "no")

    with pytest.raises(PermissionError):
        directory.write_or_warn(refuse)


def test_what_a_killed_process_was_writing_is_cleared_away(tmp_path):
    (tmp_path / "state").mkdir()
    for name in (".part-best.keras", "state/.part-abc"):
        (tmp_path / name).write_text("half")
    (tmp_path / "best.keras").write_text("whole")
    (tmp_path / ".part-export").mkdir()  # another command's, which may be at work
    RunDirectory.open(tmp_path, resume=True).close()
    assert sorted(p.name for p in tmp_path.rglob("*") if p.is_file()) == [".lock", "best.keras"]
    assert (tmp_path / ".part-export").is_dir()


def test_what_another_command_is_writing_there_stays(tmp_path):
    """As ``get_map.py --tune``, which writes ``best.keras`` anew."""
    with atomic_write(tmp_path / "best.keras") as file:
        (part,) = tmp_path.glob(".part-*")
        RunDirectory.open(tmp_path, resume=True).close()
        assert part.exists()
        file.write("tuned")
    assert (tmp_path / "best.keras").read_text() == "tuned"


def test_a_run_goes_on_when_nobody_reads_what_it_prints(tmp_path):
    """As in ``python train.py 2>&1 | head -1``."""
    code = (
        "import sys; from pathlib import Path\n"
        "from utils.training.run_directory import RunDirectory\n"
        f"d = RunDirectory.open(Path({str(tmp_path / 'run')!r}), resume=False)\n"
        "sys.stdin.read()\n"
        "for epoch in range(3): d.log(f'epoch {epoch}'); d.warn('slow'); print('more')"
    )
    run = subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    run.stdout.close()
    run.stderr.close()
    run.stdin.close()
    assert run.wait() == 0
    written = (tmp_path / "run" / "log.txt").read_text().splitlines()
    assert written == [line for i in range(3) for line in (f"epoch {i}", "warning: slow")]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no /dev/full")
def test_what_is_printed_may_go_to_the_full_disk_too(tmp_path):
    """As in ``nohup python train.py > run.log 2>&1``."""
    code = (
        "from pathlib import Path; from utils.cli import leave\n"
        "from utils.training.run_directory import RunDirectory\n"
        f"d = RunDirectory.open(Path({str(tmp_path / 'run')!r}), resume=False)\n"
        "d.log('epoch 1'); d.warn('nothing could be saved'); leave(7)"
    )
    with open("/dev/full", "w") as full:
        done = subprocess.run([sys.executable, "-c", code], stdout=full, stderr=full, cwd=ROOT)
    assert done.returncode == 7
    written = (tmp_path / "run" / "log.txt").read_text()
    assert written == "epoch 1\nwarning: nothing could be saved\n"


def test_a_full_disk_does_not_stop_the_log(tmp_path, capsys, monkeypatch):
    directory = RunDirectory.open(tmp_path, resume=False)
    if not Path("/dev/full").exists():
        pytest.skip("the system has no /dev/full")
    (tmp_path / "log.txt").symlink_to("/dev/full")
    directory.log("epoch 1")
    captured = capsys.readouterr()
    assert "epoch 1" in captured.out
    assert "No space left" in captured.err


def test_bad_batches_are_kept_and_not_too_many(tmp_path):
    directory = RunDirectory.open(tmp_path, resume=False)
    batch = [np.ones((2, 4, 4, 3), np.uint8), np.ones((2, 1, 4)), np.zeros((2, 1))]
    kept = [directory.save_bad_batch(step, batch) for step in range(MAX_BAD_BATCHES + 2)]
    assert sum(path is not None for path in kept) == MAX_BAD_BATCHES
    with np.load(kept[0]) as archive:
        assert set(archive.files) == {"images", "boxes", "class_ids"}


def test_other_hosts_write_nothing(tmp_path, capsys):
    directory = RunDirectory.open(tmp_path / "run", resume=False, writes=False)
    directory.log("hello")
    directory.write_config({"a": 1})
    directory.write_metrics([{"epoch": 1}])
    directory.write_events(TensorBoardWriter.row, {"epoch": 1})
    directory.save("x", lambda path: path.write_text("x"))
    assert directory.save_bad_batch(1, []) is None
    assert capsys.readouterr().out == ""
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_epochs_and_pictures_go_into_one_events_file_in_order(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    directory = RunDirectory.open(tmp_path / "run", resume=False)
    black = np.zeros((8, 8, 3), np.uint8)
    for epoch in range(1, 13):
        row = {"epoch": epoch, "loss": 1 / epoch, "AP": None}
        directory.write_events(TensorBoardWriter.row, row)
        directory.write_events(TensorBoardWriter.picture, black, epoch)
    assert len(list(directory.events.iterdir())) == 1
    read = EventAccumulator(str(directory.events), size_guidance={"tensors": 0})
    read.Reload()
    assert read.Tags()["tensors"] == ["loss", "validation"]
    assert [event.step for event in read.Tensors("loss")] == list(range(1, 13))


def test_a_folder_that_is_removed_is_made_anew_and_locked(tmp_path, capsys):
    path = tmp_path / "run"
    directory = RunDirectory.open(path, resume=False)
    directory.write_config({"epochs": 3})
    shutil.rmtree(path)
    directory.log("epoch 2")
    assert "was removed while the run was at work" in capsys.readouterr().err
    assert (path / "log.txt").read_text().endswith("epoch 2\n")
    assert "epochs: 3" in (path / "config.yaml").read_text()
    with pytest.raises(UserError, match="another process"):
        RunDirectory.open(path, resume=True)
    shutil.rmtree(path)
    assert directory.save("last.keras", lambda path: path.write_text("x"))
    assert (path / "last.keras").read_text() == "x"
    directory.close()


def test_a_folder_that_another_run_took_over_is_left_to_it(tmp_path):
    path = tmp_path / "run"
    first = RunDirectory.open(path, resume=False)
    shutil.rmtree(path)
    second = RunDirectory.open(path, resume=False)
    with pytest.raises(UserError, match="another process"):
        first.log("mine")
    assert not (path / "log.txt").exists()
    second.close()
