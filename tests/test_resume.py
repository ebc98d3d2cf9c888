"""What a resumed run takes from the one that it continues, and what it writes down itself."""

import errno
from dataclasses import asdict
from types import SimpleNamespace

from utils.cli import parse
from utils.training.config import TrainConfig, with_options_of_run
from utils.training.history import History
from utils.training.resume import restore
from utils.training.run_directory import RunDirectory
from utils.training.schedule import Schedule


def options_of(*argv):
    return parse(TrainConfig, with_options_of_run([str(word) for word in argv]))


def start(config, saved=None):
    """The stage ``restore`` of a run whose network has no variables."""
    with_state = saved is not None
    directory = RunDirectory.open(config.out, resume=config.resume)
    setup = SimpleNamespace(
        saved=saved or {}, arrays={}, threads=None, config=config,
        cluster=SimpleNamespace(chief=True),
    )  # fmt: skip
    run = SimpleNamespace(
        directory=directory, trainer=SimpleNamespace(variables=dict), history=History(),
        schedule=Schedule(10, 3, None, 0, 0.0, 0.1, 10, 0.3),
    )  # fmt: skip
    try:
        restore(setup, SimpleNamespace(config=config, pseudo_labels=None), run)
    finally:
        directory.close()
    assert (run.history.step == 5) == with_state


SAVED = {"history": asdict(History(step=5)), "seconds": 60.0, "progress": 0.2}


def test_options_that_a_resumed_run_changes_hold_for_the_next_one_too(tmp_path):
    run = ("--out", tmp_path / "run")
    start(options_of(*run, "--data", "photos", "--minutes", 20))
    start(options_of(*run, "--resume", "--minutes", 60, "--patience", 4), SAVED)
    again = options_of(*run, "--resume")
    assert (again.minutes, again.patience) == (60, 4)


def test_a_full_disk_does_not_keep_a_run_from_being_resumed(tmp_path, monkeypatch, capsys):
    run = ("--out", tmp_path / "run")
    start(options_of(*run, "--data", "photos", "--minutes", 20))
    before = (tmp_path / "run" / "config.yaml").read_text()

    def full(*_):
        raise OSError(errno.ENOSPC, "full")

    with monkeypatch.context() as patch:
        patch.setattr(RunDirectory, "write_config", full)
        start(options_of(*run, "--resume", "--minutes", 60), SAVED)
    assert "nothing could be saved" in capsys.readouterr().err
    assert (tmp_path / "run" / "config.yaml").read_text() == before
