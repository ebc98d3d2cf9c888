"""The real commands on small generated data: train, score, resume, and every promised refusal."""

import csv
import json
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import keras
import numpy as np
import pytest
import yaml

import nets  # noqa: F401  registers the detector with Keras
from nets.backbones import build_backbone
from utils.data.synthetic import write_dataset
from utils.training.state import read_state

ROOT = Path(__file__).resolve().parent.parent
TINY = ["--backbone", "efficientnet_lite0", "--input-size", "64", "--batch-size", "4"]
UPDATE_BN = "batch norms: statistics of"
SMALL = [*TINY, "--freeze-epochs", "0"]  # one compilation instead of two


def command(script, *arguments, cwd=ROOT):
    return subprocess.run(
        [sys.executable, str(ROOT / script), *map(str, arguments)],
        capture_output=True, text=True, cwd=cwd, timeout=600,
    )  # fmt: skip


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("signs")
    write_dataset(folder / "data", train=10, val=5, test=5, seed=3, workers=1)
    return folder / "data"


@pytest.fixture(scope="module")
def trained(data, tmp_path_factory):
    out = tmp_path_factory.mktemp("run") / "run"
    done = command("train.py", "--data", data, "--epochs", 2, "--out", out, *SMALL)
    assert done.returncode == 0, done.stderr
    return out, done


def refused(done, *words):
    """Exit status 2, one message, no traceback."""
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("error: ")
    for word in words:
        assert word in lines[0]


def kill_and_resume(options, out):
    """A run of two epochs, killed within the first and resumed."""
    process = subprocess.Popen(
        [sys.executable, str(ROOT / "train.py"), *map(str, options), "--out", str(out)],
        stdout=subprocess.PIPE, text=True, cwd=ROOT,
    )  # fmt: skip
    for line in process.stdout:
        if line.startswith("epoch 1/2"):
            break
    process.kill()
    process.communicate()
    resumed = command("train.py", "--out", out, "--resume")
    assert resumed.returncode == 0, resumed.stderr


def assert_equal_states(one, other):
    (_, one), (_, other) = (read_state(run) for run in (one, other))
    assert one.keys() == other.keys()
    assert all(np.array_equal(one[name], other[name]) for name in one)


@pytest.mark.slow
def test_a_run_leaves_what_it_promises(trained):
    out, done = trained
    for name in (
        "best.keras", "last.keras", "config.yaml", "metrics.csv", "curves.png", "labels.png",
        "val_predictions.jpg", "log.txt", "split.json",
    ):  # fmt: skip
        assert (out / name).stat().st_size > 0, name
    assert not list(out.rglob(".part-*"))
    rows = list(csv.DictReader((out / "metrics.csv").open()))
    assert [row["epoch"] for row in rows] == ["1", "2"]
    assert all(float(row["loss"]) > 0 and 0 <= float(row["AP50"]) <= 1 for row in rows)
    assert [row["step"] for row in rows] == ["3", "6"]
    assert yaml.safe_load((out / "config.yaml").read_text())["epochs"] == 2
    (end,) = re.findall(
        r"AP (\S+) \((\S+)–(\S+), 95 % interval of (\d+) photos\) in epoch \d, checkpoint",
        done.stdout,
    )
    ap, low, high, photos = map(float, end)
    assert 0 <= low <= ap <= high <= 1
    assert photos == len(json.loads((out / "split.json").read_text())["val"])
    assert done.stdout.count(UPDATE_BN) == 1
    # TensorFlow's own chatter stays off the terminal.
    assert done.stderr == ""


@pytest.mark.slow
def test_the_checkpoint_knows_its_classes_split_and_photos(trained, data):
    model = keras.saving.load_model(trained[0] / "best.keras", safe_mode=True)
    assert model.classes == tuple(sorted(model.classes))
    assert model.input_size == 64
    facts = model.metadata
    assert facts["training"]["backbone"] == "efficientnet_lite0"
    assert len(facts["splits"]["train"]) == len(facts["hashes"]["train"]) == 10
    assert not set(facts["splits"]["train"]) & set(facts["splits"]["val"])


@pytest.mark.slow
def test_scores_are_written_and_can_be_reproduced_from_the_files(trained, data, tmp_path):
    out, _ = trained
    done = command("get_map.py", "--weights", out / "best.keras", "--data", data, "--out", tmp_path)
    assert done.returncode == 0, done.stderr
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    assert metrics["images"] == 5
    assert metrics["split"] == "test"
    assert set(metrics["coco"]) == {
        "AP", "AP50", "AP75", "APs", "APm", "APl",
        "AR1", "AR10", "AR100", "ARs", "ARm", "ARl",
    }  # fmt: skip
    assert metrics["classes"][0] in done.stdout
    again = command(
        "get_map.py", "--detections", tmp_path / "detections.json", "--data", data,
        "--out", tmp_path / "again", "--min-map50", 0.999,
    )  # fmt: skip
    assert again.returncode == 1
    assert "below --min-map50" in again.stderr
    rescored = json.loads((tmp_path / "again" / "metrics.json").read_text())
    for block in ("coco", "voc2007", "voc2010"):
        assert rescored[block] == metrics[block]


@pytest.mark.slow
def test_scoring_training_photos_warns(trained, data, tmp_path):
    done = command(
        "get_map.py", "--weights", trained[0] / "best.keras", "--data", data,
        "--split", "trainval", "--out", tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "10 of these photos were trained on" in done.stderr
    assert "5 of these photos were used to choose" in done.stderr


@pytest.mark.slow
def test_exact_runs_are_equal_bit_for_bit_killed_or_not():
    """Two SIGKILLs at random moments, inside epochs too.

    From the eleventh epoch on the moving average is uniform.
    """
    done = subprocess.run(
        [sys.executable, "-m", "bench.exactness", "--kills", "2", "--epochs", "13",
         "--photos", "12", "--no-record"],
        capture_output=True, text=True, cwd=ROOT, timeout=1200,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    result = json.loads(done.stdout)
    assert result["kills"] == 2
    assert result["resumed_equals_whole"]


@pytest.mark.slow
def test_progressive_accumulated_sgd_survives_a_kill_between_phases(data, tmp_path):
    """Six epochs in four phases; killed in the second, resumed in the third."""
    options = (
        "--data", data, "--epochs", 6, "--exact", "--progressive", "--optimizer", "sgd",
        "--schedule", "step", "--accumulate", 2, "--histograms", "--stochastic-depth", 0.2,
        "--augment", "mixup=0.5", "--save-every", 0, *SMALL,
    )  # fmt: skip
    whole = command("train.py", *options, "--out", tmp_path / "whole")
    assert whole.returncode == 0, whole.stderr
    assert list((tmp_path / "whole" / "events").iterdir())
    rates = [
        float(row["learning_rate"])
        for row in csv.DictReader((tmp_path / "whole" / "metrics.csv").open())
    ]
    assert rates[-1] == pytest.approx(0.01 * rates[1], rel=0.01)  # two falls to a tenth

    words = [sys.executable, str(ROOT / "train.py"), *map(str, options)]
    words += ["--out", str(tmp_path / "killed")]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    for line in process.stdout:
        if line.startswith("epoch 3/6"):
            break
    process.kill()
    process.communicate()
    resumed = command("train.py", *options, "--out", tmp_path / "killed", "--resume")
    assert resumed.returncode == 0, resumed.stderr
    assert "resuming after step" in resumed.stdout
    (_, one), (_, other) = (read_state(tmp_path / name) for name in ("whole", "killed"))
    assert one.keys() == other.keys()
    assert all(np.array_equal(one[name], other[name]) for name in one)


@pytest.mark.slow
def test_what_was_chosen_is_said_and_kept(trained):
    out, done = trained
    assert "learning rate up to 0.002, 0.25 times that for the backbone" in done.stdout
    chosen = keras.saving.load_model(out / "best.keras", safe_mode=True).metadata["chosen"]
    assert chosen == {
        "input size": 64, "batch size": 4, "epochs": 2, "learning rate": 0.002,
        "backbone rate": 0.25,
    }  # fmt: skip
    whole, final = read_state(out)[0]["choices"]["phases"]
    assert (whole["begins"], final["begins"]) == (0.0, 0.8)
    assert final["augment"]["hue"] == pytest.approx(0.3 * whole["augment"]["hue"])


@pytest.mark.slow
def test_a_preview_is_drawn_instead_of_training(data, tmp_path):
    done = command("train.py", "--data", data, "--preview", "--out", tmp_path / "run", *SMALL)
    assert done.returncode == 0, done.stderr
    assert str(tmp_path / "run" / "preview.jpg") in done.stdout
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["preview.jpg"]


@pytest.mark.slow
def test_sigterm_before_training_has_begun_is_an_interruption(data, tmp_path):
    process = subprocess.Popen(
        [sys.executable, str(ROOT / "train.py"), "--data", str(data), "--epochs", "2",
         "--out", str(tmp_path / "run"), *SMALL],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT,
    )  # fmt: skip
    time.sleep(2)  # TensorFlow is being imported
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=240)
    assert process.returncode == 130, errors
    assert "Traceback" not in errors


@pytest.mark.slow
def test_resume_without_a_state_starts_a_new_run_and_says_so(data, tmp_path):
    done = command(
        "train.py", "--data", data, "--epochs", 1, "--out", tmp_path / "new", "--resume", *SMALL
    )
    assert done.returncode == 0, done.stderr
    assert "starting a new run" in done.stdout


@pytest.mark.slow
def test_minutes_are_kept_and_the_schedule_completed(data, tmp_path):
    began = time.monotonic()
    done = command(
        "train.py",
        "--data",
        data,
        "--minutes",
        1.2,
        "--epochs",
        100_000,
        "--out",
        tmp_path / "run",
        *SMALL,
    )
    assert done.returncode == 0, done.stderr
    assert time.monotonic() - began < 1.2 * 60 + 10
    rows = list(csv.DictReader((tmp_path / "run" / "metrics.csv").open()))
    assert float(rows[-1]["learning_rate"]) < 1e-4
    assert rows[-1]["AP"] != ""


@pytest.mark.slow
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_a_signal_saves_everything_and_exits_130(data, tmp_path, name):
    out = tmp_path / "run"
    process = subprocess.Popen(
        [sys.executable, str(ROOT / "train.py"), "--data", str(data), "--epochs", "500",
         "--out", str(out), *SMALL],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT,
    )  # fmt: skip
    for line in process.stdout:
        if line.startswith("epoch 1"):
            break
    process.send_signal(getattr(signal, name))
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 130, errors
    assert "--resume" in errors
    assert (out / "last.keras").exists()
    facts, arrays = read_state(out)
    assert facts["history"]["step"] >= 3
    assert arrays


@pytest.mark.slow
def test_a_full_disk_is_said_and_is_no_success(data, tmp_path):
    """No file may grow beyond a megabyte: checkpoints and state cannot be written."""

    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))

    done = subprocess.run(
        [sys.executable, str(ROOT / "train.py"), "--data", str(data), "--epochs", "1",
         "--out", str(tmp_path / "run"), *SMALL],
        capture_output=True, text=True, cwd=ROOT, timeout=600, preexec_fn=limit,
    )  # fmt: skip
    assert done.returncode == 2, done.stderr
    assert "nothing could be saved" in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.strip().splitlines()[-1].startswith("error: ")
    assert not list((tmp_path / "run").rglob("*.keras"))
    assert not list((tmp_path / "run").rglob(".part-*"))


@pytest.mark.slow
def test_a_damaged_photo_is_replaced_and_named(data, tmp_path):
    broken = tmp_path / "data"
    shutil.copytree(data, broken)
    image_id = (broken / "ImageSets" / "Main" / "train.txt").read_text().split()[4]
    photo = next((broken / "JPEGImages").glob(f"{image_id}.*"))
    photo.write_bytes(photo.read_bytes()[:3000])  # its header is whole
    done = command("train.py", "--data", broken, "--epochs", 2, "--out", tmp_path / "run", *SMALL)
    assert done.returncode == 0, done.stderr
    assert photo.name in done.stderr
    assert "other photos took its place" in done.stderr
    assert (tmp_path / "run" / "best.keras").exists()


@pytest.mark.slow
def test_a_finished_run_stays_finished_and_other_options_are_refused(trained, tmp_path):
    out = tmp_path / "run"
    shutil.copytree(trained[0], out)
    before = (out / "metrics.csv").read_text()
    done = command("train.py", "--out", out, "--resume")  # the run knows the rest
    assert done.returncode == 0, done.stderr
    assert "done in" in done.stdout
    assert "this run is finished" in done.stdout
    epochs = len(before.splitlines()) - 1
    assert f"--out {out} --resume --epochs {2 * epochs}" in done.stdout
    assert f"--weights {out / 'best.keras'} --out" in done.stdout
    assert (out / "metrics.csv").read_text() == before
    refused(
        command("train.py", "--out", out, "--resume", "--learning-rate", 0.02),
        "--learning-rate", "differ",
    )  # fmt: skip


@pytest.mark.slow
def test_a_finished_run_can_be_made_longer(trained, tmp_path):
    out = tmp_path / "run"
    shutil.copytree(trained[0], out)
    before = list(csv.DictReader((out / "metrics.csv").open()))
    longer = len(before) + 2
    done = command("train.py", "--out", out, "--resume", "--epochs", longer)
    assert done.returncode == 0, done.stderr
    assert "this run is finished" not in done.stdout
    rows = list(csv.DictReader((out / "metrics.csv").open()))
    assert len(rows) == longer
    assert rows[: len(before)] == before
    # The schedule starts anew and is completed: the rate rises again, and falls to its end.
    assert float(rows[-2]["learning_rate"]) > float(before[-1]["learning_rate"])
    assert float(rows[-1]["learning_rate"]) < float(rows[-2]["learning_rate"])
    again = command("train.py", "--out", out, "--resume")  # config.yaml has the new number
    assert again.returncode == 0, again.stderr
    assert f"--epochs {2 * longer}" in again.stdout
    assert list(csv.DictReader((out / "metrics.csv").open())) == rows


@pytest.mark.slow
def test_patience_ends_a_run_and_a_resume_knows(data, tmp_path):
    options = ["--data", data, "--epochs", 40, "--patience", 1, "--learning-rate", 1e-8]
    done = command("train.py", *options, "--out", tmp_path / "run", *SMALL)
    assert done.returncode == 0, done.stderr
    assert "stopped early: no better AP in 1 evaluation" in done.stdout
    assert done.stdout.count(UPDATE_BN) == 1
    rows = list(csv.DictReader((tmp_path / "run" / "metrics.csv").open()))
    assert len(rows) < 40
    again = command("train.py", "--out", tmp_path / "run", "--resume")
    assert again.returncode == 0, again.stderr
    assert UPDATE_BN not in again.stdout
    assert list(csv.DictReader((tmp_path / "run" / "metrics.csv").open())) == rows


@pytest.mark.slow
def test_refusals_of_train(data, trained, tmp_path):
    run = ["train.py", "--out", tmp_path / "run"]
    refused(command(*run, "--data", tmp_path / "nowhere"), "nowhere")
    (tmp_path / "empty").mkdir()
    refused(command(*run, "--data", tmp_path / "empty"), "empty")
    (tmp_path / "classes.txt").write_text("stop\nyield\n")
    listed = ["--data", data, "--classes", tmp_path / "classes.txt"]
    refused(command(*run, *listed), "not in the class list", "--only-listed")
    refused(
        command(*run, "--data", data, "--input-size", 100), "--input-size 100", "multiple of 32"
    )
    refused(command(*run, "--data", data, "--split", "nonsense"), "nonsense", "train")
    refused(command(*run, "--data", data, "--backbone", "efficientnet_b9"), "efficientnet_b9")
    timed = ("train.py", "--data", data, "--minutes", 5, "--out", tmp_path / "run")
    refused(command(*timed, "--backbone", "efficientnet_b9"), "efficientnet_b9")
    refused(command(*run, "--data", data, "--device", "gpu:7"), "gpu:7")
    refused(command(*run, "--data", data, "--weights", data / "classes.txt"), "classes.txt")
    refused(command(*run, "--data", data, "--val-split", "train"), "train")
    full = ["train.py", "--data", tmp_path / "nowhere", *SMALL, "--out", trained[0]]
    refused(command(*full), "not empty", "--resume")
    refused(command("train.py", "--data", data, "--resume"), "--out")
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_a_detector_with_other_classes_is_trained_on_from_killed_or_not(trained, data, tmp_path):
    """One class in other case, one renamed, two that become a new one."""
    other = tmp_path / "other"
    shutil.copytree(data, other)
    changes = {"stop": "Halt", "yield": "YIELD", "warning": "sign", "no_entry": "sign"}
    for xml in (other / "Annotations").iterdir():
        text = xml.read_text()
        for name, new in changes.items():
            text = text.replace(f"<name>{name}</name>", f"<name>{new}</name>")
        xml.write_text(text)
    best = trained[0] / "best.keras"
    old = keras.saving.load_model(best)
    run = ("--data", other, "--weights", best)
    refused(command("get_map.py", *run, "--out", tmp_path / "m"), "sign")
    assert not (tmp_path / "m").exists()
    wrong = ("--out", tmp_path / "wrong")
    refused(
        command("train.py", *run, *wrong, "--backbone", "efficientnet_b0"),
        "efficientnet_b0", "efficientnet_lite0",
    )  # fmt: skip
    refused(command("train.py", *run, *wrong, "--rename", "halt=stop"), "halt", "stop")
    refused(command("train.py", "--data", other, *wrong, "--rename", "stop=Halt"), "--weights")
    assert not (tmp_path / "wrong").exists()

    options = [*run, "--rename", "stop=Halt", "--epochs", 2, "--exact", "--save-every", 0]
    options += ["--batch-size", 4, "--freeze-epochs", 0]
    whole = command("train.py", *options, "--out", tmp_path / "whole")
    assert whole.returncode == 0, whole.stderr
    new = keras.saving.load_model(tmp_path / "whole" / "best.keras")
    kept = [name for name in old.classes if name not in changes]
    renamed = {"stop": "Halt", "yield": "YIELD"}
    assert list(new.classes) == [
        *(renamed.get(name, name) for name in old.classes if name in kept or name in renamed),
        "sign",
    ]
    for words in ("Halt (was stop)", "YIELD (was yield)", "new: sign", "dropped: ", "anchors kept"):
        assert words in whole.stdout
    origins = new.metadata["class_origins"]
    assert origins["Halt"] == [{"checkpoint": str(best), "class": "stop"}]
    assert origins["sign"] == []

    kill_and_resume(options, tmp_path / "killed")
    assert_equal_states(tmp_path / "whole", tmp_path / "killed")


@pytest.mark.slow
def test_classes_without_labels_are_kept_killed_or_not(data, tmp_path):
    """The bundled detector learns one class more on photos that label only one of its own."""
    photos = tmp_path / "photos"
    shutil.copytree(data, photos)
    for xml in (photos / "Annotations").iterdir():
        xml.write_text(xml.read_text().replace("<name>yield<", "<name>give way<"))
    (tmp_path / "classes.txt").write_text("give way\nstop\n")
    bundled = ROOT / "model_data" / "signs.keras"
    run = ("--data", photos, "--classes", tmp_path / "classes.txt", "--keep-classes")
    refused(command("train.py", *run, "--out", tmp_path / "no"), "--keep-classes", "--weights")

    options = [*run, "--only-listed", "--weights", bundled, "--epochs", 2, "--exact"]
    options += ["--save-every", 0, "--batch-size", 4, "--freeze-epochs", 0, "--input-size", 64]
    whole = command("train.py", *options, "--out", tmp_path / "whole")
    assert whole.returncode == 0, whole.stderr
    for words in ("new: give way", "not labelled here: ", "labelled by the checkpoint on 10"):
        assert words in whole.stdout
    model = keras.saving.load_model(tmp_path / "whole" / "best.keras")
    old = keras.saving.load_model(bundled).classes
    assert list(model.classes) == ["give way", "stop", *(name for name in old if name != "stop")]
    assert model.metadata["pseudo_labelled"] == list(model.classes[2:])
    labels = json.loads((tmp_path / "whole" / "state" / "pseudo_labels.json").read_text())
    assert min(labels["class_ids"]) >= 2
    assert any(labels["sure"])

    kill_and_resume(options, tmp_path / "killed")
    assert_equal_states(tmp_path / "whole", tmp_path / "killed")


@pytest.mark.slow
def test_training_on_crops_is_the_same_killed_or_not_and_prediction_knows(data, tmp_path):
    options = ["--data", data, "--epochs", 2, "--exact", "--save-every", 0, "--tile", 240, *SMALL]
    whole = command("train.py", *options, "--out", tmp_path / "whole")
    assert whole.returncode == 0, whole.stderr
    assert "tiles of 240 pixels: an epoch has" in whole.stdout
    kill_and_resume(options, tmp_path / "killed")
    assert_equal_states(tmp_path / "whole", tmp_path / "killed")

    weights = tmp_path / "whole" / "best.keras"
    photo = next((data / "JPEGImages").iterdir())
    run = ("--weights", weights, photo, "--runtime", "tensorflow", "--out", tmp_path / "out")
    assert "trained on crops of 240 pixels" in command("predict.py", *run).stdout
    found = command("predict.py", *run, "--tile", "auto")
    assert found.returncode == 0, found.stderr
    assert "tiles of 240 pixels in larger pictures" in found.stdout


@pytest.mark.slow
def test_fine_tuning_from_a_checkpoint(trained, data, tmp_path):
    start = tmp_path / "start.keras"
    shutil.copy(trained[0] / "best.keras", start)
    done = command(
        "train.py", "--data", data, "--weights", start, "--epochs", 1,
        "--batch-size", 4, "--input-size", 96, "--out", tmp_path / "run",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    model = keras.saving.load_model(tmp_path / "run" / "last.keras")
    old = keras.saving.load_model(trained[0] / "best.keras")
    assert model.input_size == 96
    assert np.allclose(model.anchors, np.asarray(old.anchors) * 1.5, rtol=1e-4)
    assert "learning rate up to 0.001, 0.25 times that for the backbone" in done.stdout
    assert "frozen for" not in done.stdout  # nothing is new that the backbone would wait for
    start.rename(tmp_path / "moved.keras")
    again = ("train.py", "--out", tmp_path / "run", "--resume")
    refused(command(*again), "start.keras: there is no such file", "new place with --weights")
    moved = (*again, "--weights", tmp_path / "moved.keras")
    done = command(*moved)
    assert done.returncode == 0, done.stderr
    assert "this run is finished" in done.stdout
    assert "not the weights that the run began with" not in done.stderr
    weight = old.trainable_variables[-1]
    weight.assign(weight + 1)  # as if the run that made it had gone on
    old.save(tmp_path / "moved.keras")
    for _ in range(2):
        done = command(*moved)
        assert done.returncode == 0, done.stderr
        assert "not the weights that the run began with" in done.stderr


@pytest.mark.slow
def test_the_plain_recipe_trains_everything(data, trained, tmp_path):
    """Stem and statistics of the backbone change, which the default keeps as ImageNet's."""
    out = tmp_path / "run"
    done = command(
        "train.py", "--data", data, "--epochs", 2, "--out", out, "--recipe", "plain", *TINY
    )
    assert done.returncode == 0, done.stderr
    assert "heads: random weights" in done.stdout
    assert UPDATE_BN not in done.stdout
    plain, default = (
        keras.saving.load_model(run / "last.keras").backbone for run in (out, trained[0])
    )
    published = build_backbone("efficientnet_lite0", weights="imagenet")
    for layer in ("stem_conv", "stem_bn"):
        own, theirs, before = (
            np.concatenate([w.ravel() for w in net.get_layer(layer).get_weights()])
            for net in (plain, default, published)
        )
        assert (own != before).any()
        np.testing.assert_array_equal(theirs, before)


TWICE = """
import sys
from pathlib import Path
from utils.errors import UserError
from utils.training.config import TrainConfig
from utils.training.run import train

data, out = map(Path, sys.argv[1:])
small = {"data": data, "backbone": "efficientnet_lite0", "epochs": 1, "batch_size": 4,
         "exact": True}
try:
    train(TrainConfig(**small, input_size=100, out=out / "refused"))
except UserError as error:
    assert "multiple of 32" in str(error)
for name in ("one", "two"):
    result = train(TrainConfig(**small, input_size=64, freeze_epochs=0, out=out / name))
    assert result.best.exists() and result.last.exists() and result.path == out / name
    assert not result.interrupted
    assert list(result.run.loader._batches) == []  # dropped here, not by the garbage collector
again = train(TrainConfig(**small, input_size=64, freeze_epochs=0, out=out / "one",
                          resume=True))
assert (again.epoch, again.ap) == (1, result.ap)
"""


@pytest.mark.slow
def test_train_can_be_called_several_times_in_one_process(data, tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", TWICE, str(data), str(tmp_path)],
        capture_output=True, text=True, cwd=ROOT, timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "refused").exists()
