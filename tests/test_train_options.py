"""What ``train.py`` makes of its arguments before it starts: a run to resume, a list to print."""

from pathlib import Path

import pytest

import train
from utils import api
from utils.cli import USAGE_ERROR, parse, run
from utils.errors import UserError
from utils.training.config import TrainConfig, with_options_of_run


def test_a_run_that_does_not_exist_cannot_be_resumed(tmp_path, capsys):
    missing = tmp_path / "no_such"
    assert run(train.main, ["--out", str(missing), "--resume"]) == USAGE_ERROR
    assert f"--out {missing}: there is no run to resume" in capsys.readouterr().err
    with pytest.raises(UserError, match="there is no run to resume"):
        api.train(out=missing, resume=True)
    with pytest.raises(UserError, match="--resume needs --out"):
        api.train(resume=True)
    assert not missing.exists()
    assert run(train.main, ["--resume"]) == USAGE_ERROR
    assert "--resume needs --out" in capsys.readouterr().err


@pytest.mark.parametrize("data", [["--data", "photos"], ["--data=photos"]])
def test_with_data_a_new_run_starts_where_there_is_none(tmp_path, data):
    argv = ["--out", str(tmp_path), "--resume", *data]
    assert parse(TrainConfig, with_options_of_run(argv)).data == Path("photos")


def test_what_is_not_resumed_needs_its_data_as_before(tmp_path, capsys):
    for options in (["--out", str(tmp_path)], ["--resume", "--no-resume"]):
        assert run(train.main, options) == USAGE_ERROR
        assert "required: --data" in capsys.readouterr().err


def test_the_help_says_when_data_need_not_be_given(tmp_path, capsys):
    with pytest.raises(SystemExit):  # also beside a run that does not exist
        train.main(["--out", str(tmp_path / "no_such"), "--resume", "--help"])
    words = " ".join(capsys.readouterr().out.split())
    assert "folder with the labelled photos (required without --resume)" in words


@pytest.mark.parametrize(("argv", "printed"), [
    (["--backbone", "help"], True),
    (["--data", "photos", "--backbone=help"], True),
    (["--backbone", "helpful"], False),
    (["--backbone=helpful"], False),
    (["--out=--backbone help"], False),
])  # fmt: skip
def test_only_the_word_help_prints_the_backbones(argv, printed, monkeypatch):
    calls = []
    monkeypatch.setattr(train, "print_backbones", lambda: calls.append(1))
    status = run(train.main, argv)  # without --data nothing else is done
    assert (status, len(calls)) == ((0, 1) if printed else (USAGE_ERROR, 0))
