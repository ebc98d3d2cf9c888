"""What a resumed run takes from the one that it continues, and what it writes down itself."""

import errno
import json
import shutil
from contextlib import ExitStack
from dataclasses import asdict, replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from utils.checkpoint import update_metadata
from utils.cli import parse
from utils.data.synthetic import write_dataset
from utils.errors import UserError
from utils.training.assembly import BatchAndRates, StartingDetector, lasting_choices
from utils.training.choices.recipes import RECIPES
from utils.training.config import TrainConfig, refuse_contradictions, with_options_of_run
from utils.training.history import History
from utils.training.inputs import choose_inputs
from utils.training.legacy import UNKNOWN
from utils.training.resume import changed_weights_text, restore
from utils.training.run_directory import RunDirectory
from utils.training.schedule import Schedule
from utils.training.setup import set_up
from utils.training.state import check_choices

ROOT = Path(__file__).resolve().parent.parent


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


def choices_of(weights):
    """What a run that starts from this checkpoint, or its resumption, must have in common."""
    inputs = SimpleNamespace(
        config=TrainConfig(data=Path("photos"), weights=weights), recipe=RECIPES["default"],
        tile=None, input_size=64, epochs=3, phases=(), split=SimpleNamespace(splits={}), kept=None,
    )  # fmt: skip
    detector = StartingDetector(SimpleNamespace(classes=["a"], anchors=[]), "from a checkpoint", ())
    return lasting_choices(inputs, detector, BatchAndRates(4, 1, 4, 0.1, 0.1, ()))


def test_the_checkpoint_that_a_run_began_with_may_move(tmp_path):
    signs = ROOT / "model_data" / "signs.keras"
    shutil.copy(signs, tmp_path / "moved.keras")
    update_metadata(tmp_path / "moved.keras", {"operating_point": {}})  # as tuning it does
    saved = json.loads(json.dumps(choices_of(signs)))
    check_choices(saved, choices_of(tmp_path / "moved.keras"))
    assert not changed_weights_text(signs, *(saved["starting weights"],) * 2)
    for before, now in ((saved, choices_of(None)), ({**saved, "starting weights": None}, saved)):
        with pytest.raises(UserError, match="--resume: starting weights differ"):
            check_choices(before, now)


def test_a_checkpoint_that_has_changed_since_the_run_began_is_a_warning():
    """It may have been trained on; the run has weights of its own by then."""
    weights = ROOT / "model_data" / "signs.keras"
    now = choices_of(weights)
    for before, warned in (("others", True), (UNKNOWN, False)):
        check_choices({**json.loads(json.dumps(now)), "starting weights": before}, now)
        warning = changed_weights_text(weights, before, now["starting weights"])
        assert ("signs.keras: these are not the weights" in warning) == warned


def test_a_checkpoint_that_is_gone_is_asked_for(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "best.keras").write_bytes(b"")
    run = ("--out", tmp_path / "run")
    start(options_of(*run, "--data", "photos", "--weights", "best.keras"))
    resumed = options_of(*run, "--resume")
    refuse_contradictions(resumed)
    (tmp_path / "best.keras").unlink()
    with pytest.raises(UserError, match=r"best\.keras: .*no such file.* new place with --weights"):
        refuse_contradictions(resumed)


def test_a_project_folder_with_data_checkpoint_and_run_may_move(tmp_path, monkeypatch):
    """Places are kept as they were given, so relative ones hold wherever the folder is."""
    (tmp_path / "old").mkdir()
    monkeypatch.chdir(tmp_path / "old")
    Path("best.keras").write_bytes(b"")
    start(options_of("--out", "run", "--data", "photos", "--weights", "best.keras"))
    (tmp_path / "old").rename(tmp_path / "new")
    monkeypatch.chdir(tmp_path / "new")
    resumed = options_of("--out", "run", "--resume")
    refuse_contradictions(resumed)
    assert (resumed.data, resumed.weights) == (Path("photos"), Path("best.keras"))
    monkeypatch.chdir(tmp_path)  # from another folder, both places can be given
    places = ("--data", "new/photos", "--weights", "new/best.keras")
    refuse_contradictions(options_of("--out", "new/run", "--resume", *places))


def test_a_run_of_an_older_version_keeps_the_sizes_of_its_batches(tmp_path):
    """With ``--multi-scale`` small inputs were not varied."""
    write_dataset(tmp_path / "data", train=4, val=2, test=2, seed=3, workers=1)
    config = TrainConfig(
        data=tmp_path / "data", multi_scale=True, epochs=2, input_size=64, device="cpu"
    )
    with ExitStack() as at_end:
        setup = set_up(config, at_end)
        new = choose_inputs(setup).phases
        saved = json.loads(json.dumps([{**asdict(phase), "sizes": [64]} for phase in new]))
        resumed = replace(setup, saved={"choices": {"phases": saved}})
        kept = choose_inputs(resumed).phases
    assert {phase.sizes for phase in new} == {(32, 64, 96)}
    check_choices({"phases": saved}, {"phases": [asdict(phase) for phase in kept]})
