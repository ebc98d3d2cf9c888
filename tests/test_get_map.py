"""``get_map.py`` on a detections file: every file it writes, and its exit statuses."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import get_map
from utils.api import evaluate
from utils.cli import from_keywords, run
from utils.data.synthetic.generate import write_dataset
from utils.detector import Detector
from utils.errors import UserError
from utils.evaluation.config import MapConfig, refuse_contradictions
from utils.evaluation.leaks import (
    load_evaluation_split,
)
from utils.files import content_hash
from utils.runtime.runtime import Runtime


@pytest.fixture
def data(tmp_path):
    """Six photos in VOC form with two objects each."""
    from PIL import Image

    folder = tmp_path / "data"
    folder.mkdir()
    for n in range(6):
        Image.new("RGB", (100, 80), (40 * n, 90, 10)).save(folder / f"p{n}.png")
        objects = "".join(
            f"<object><name>{name}</name><difficult>0</difficult><bndbox><xmin>{x}</xmin>"
            f"<ymin>11</ymin><xmax>{x + 19}</xmax><ymax>30</ymax></bndbox></object>"
            for name, x in (("cat", 6), ("dog", 51))
        )
        (folder / f"p{n}.xml").write_text(
            f"<annotation><filename>p{n}.png</filename><size><width>100</width>"
            f"<height>80</height><depth>3</depth></size>{objects}</annotation>"
        )
    (folder / "ImageSets" / "Main").mkdir(parents=True)
    (folder / "ImageSets" / "Main" / "test.txt").write_text("".join(f"p{n}\n" for n in range(6)))
    return folder


def detections(path, names=("cat", "dog"), photos=6):
    boxes = {"cat": [5, 10, 20, 20], "dog": [50, 10, 20, 20]}
    path.write_text(json.dumps([
        {"image_id": f"p{n}", "category": name, "bbox": boxes[name], "score": 0.9 - 0.01 * n}
        for n in range(photos) for name in names
    ]))  # fmt: skip
    return path


def command(*argv):
    return run(get_map.main, [str(a) for a in argv])


def test_files_and_statuses(data, tmp_path, capsys):
    found = detections(tmp_path / "found.json", photos=5)
    other = detections(tmp_path / "other.json", names=["cat"])
    out = tmp_path / "out"
    options = ["--detections", found, "--data", data, "--no-report"]
    assert command(*options, "--out", out, "--compare", other, "--min-map50", 0.8) == 0
    printed = capsys.readouterr().out
    assert f"against {other}: AP50" in printed
    metrics = json.loads((out / "metrics.json").read_text())
    assert metrics["classes"] == ["cat", "dog"]
    for block, key in (("coco", "AP50"), ("voc2007", "mAP"), ("voc2010", "mAP")):
        assert 0.8 < metrics[block][key] < 0.92
    assert (metrics["images"], metrics["boxes"], metrics["split"]) == (6, 12, "test")
    analysis = metrics["analysis"]
    assert analysis["overall"]["ap50"]["value"] == pytest.approx(metrics["coco"]["AP50"])
    assert analysis["overall"]["errors"]["missed"] == 2
    assert analysis["comparison"]["ap50"]["value"] > 0.3
    difference = analysis["comparison"]["ap50"]
    assert difference["low"] < difference["value"] < difference["high"]
    assert {p.name for p in out.iterdir()} == {
        "metrics.json", "ground_truth.json", "detections.json", "classes.csv", "summary.md",
    }  # fmt: skip
    assert command(*options, "--out", out, "--min-map50", 0.95) == 1
    assert "is below --min-map50 0.95" in capsys.readouterr().err


@pytest.mark.parametrize(
    "argv",
    [
        ("--tune", "val"),
        ("--tune-precision", "0.9"),
        ("--weights", "x.keras"),
        ("--compare", "nothing.json"),
        ("--resamples", "-1"),
        ("--resamples", "2"),
        ("--compare", "nothing.keras"),
        ("--conf", "0.3"),
        ("--iou", "0.5"),
        ("--max-det", "100"),
        ("--batch-size", "2"),
        ("--runtime", "onnx"),
        ("--device", "cpu"),
    ],
)
def test_usage_errors(data, tmp_path, capsys, argv):
    found = detections(tmp_path / "found.json")
    assert command("--detections", found, "--data", data, "--out", tmp_path / "o", *argv) == 2
    assert capsys.readouterr().err.startswith(("error:", "usage:"))
    assert not (tmp_path / "o").exists()


def test_detections_given_as_weights_are_refused(data, tmp_path, capsys):
    found = detections(tmp_path / "found.json")
    assert command("--weights", found, "--data", data) == 2
    assert "these are detections; use --detections" in capsys.readouterr().err
    with pytest.raises(UserError, match="use --detections"):
        evaluate(found, data)


@pytest.mark.parametrize(
    ("options", "refused"),
    [
        ("detections=a.json conf=0.2", "--conf is for a detector"),
        ("detections=a.json compare=b.json max_det=7", "--max-det is for a detector"),
        ("detections=a.json compare=b.keras max_det=7", None),
        ("weights=a.keras image_ids=name", "--image-ids is for a file of detections"),
        ("weights=a.keras compare=b.onnx category_ids=1", "--category-ids is for a file"),
        ("weights=a.keras compare=b.json category_ids=1 conf=0.2", None),
        ("detections=a.json image_ids=auto conf=0.001 device=auto", None),
    ],
)
def test_options_without_effect_are_refused(tmp_path, options, refused):
    given = dict(part.split("=") for part in options.split())
    (tmp_path / "options.yaml").write_text("".join(f"{k}: {v}\n" for k, v in given.items()))
    for config in (
        from_keywords(MapConfig, {**given, "data": tmp_path}),
        from_keywords(MapConfig, {"data": tmp_path}, file=tmp_path / "options.yaml"),
    ):
        if refused is None:
            refuse_contradictions(config)
            continue
        with pytest.raises(UserError, match=refused):
            refuse_contradictions(config)


def detector_of(metadata, calls=None):
    """A detector that finds the cat everywhere."""

    def infer(images):
        if calls is not None:
            calls.append(len(images))
        box = np.array([[[3.2, 14.4, 16.0, 27.2]]] * len(images), np.float32)
        return box, np.array([[[0.9, 0.0]]] * len(images), np.float32)

    return Detector(Runtime(infer, ("cat", "dog"), (64, 64), 4, metadata=metadata))


def test_without_objects_that_count_there_is_no_ap50_to_compare(data, tmp_path, capsys):
    for path in data.glob("*.xml"):
        path.write_text(path.read_text().replace("<difficult>0", "<difficult>1"))
    options = ["--detections", detections(tmp_path / "found.json"), "--data", data, "--no-report"]
    assert command(*options, "--out", tmp_path / "out", "--min-map50", 0) == 1
    assert capsys.readouterr().err == "no object counts, so there is no AP50 for --min-map50 0\n"


def test_classes_that_only_the_detector_to_compare_with_knows_are_named(
    data, tmp_path, monkeypatch, capsys
):
    def detector(*names):
        return Detector(Runtime(lambda images: (), names, (64, 64)))

    pair = [detector("cat", "dog"), detector("cat", "cow", "dog")]
    monkeypatch.setattr("utils.evaluation.evaluate.open_detectors", lambda *args: pair)
    options = ["--weights", "new.keras", "--compare", "old.keras", "--data", data]
    assert command(*options, "--out", tmp_path / "out") == 2
    error = capsys.readouterr().err
    assert "old.keras knows cow, which new.keras does not know" in error
    assert "--classes a file with these and cat, dog" in error
    (tmp_path / "classes.txt").write_text("cat\ndog\n")
    assert command(*options, "--classes", tmp_path / "classes.txt") == 2
    assert "add the rest to --classes" in capsys.readouterr().err


@pytest.fixture
def lists(data):
    main = data / "ImageSets" / "Main"
    main.joinpath("val.txt").write_text("p0\np1\np2\n")
    main.joinpath("test.txt").write_text("p3\np4\np5\n")
    return data


def files_of(monkeypatch, tmp_path, data, metadata, *argv):
    """``metrics.json`` and ``summary.md`` of a detector with this metadata, without its file."""

    def open_detectors(config):
        return detector_of(metadata), None

    monkeypatch.setattr("utils.evaluation.evaluate.open_detectors", open_detectors)
    monkeypatch.setattr("utils.evaluation.tuning.store_operating_point", lambda *a: None)
    out = tmp_path / "out"
    options = ["--weights", "x.keras", "--data", data, "--out", out, "--no-report", *argv]
    assert command(*options, "--resamples", 0) == 0
    return json.loads((out / "metrics.json").read_text()), (out / "summary.md").read_text()


def test_leaks_are_warned_of_in_every_file(lists, tmp_path, monkeypatch, capsys):
    metadata = {"hashes": {
        "train": {"p1": content_hash(lists / "p1.png"), "p3": content_hash(lists / "p3.png")},
        "val": {"p4": content_hash(lists / "p4.png")},
    }}  # fmt: skip
    shutil.copy(lists / "p5.png", lists / "p2.png")  # in val now what is in test
    metrics, summary = files_of(monkeypatch, tmp_path, lists, metadata, "--tune", "val")
    assert metrics["leaks"] == {"train": 1, "val": 1, "tune_train": 1, "tune_reported": 1}
    printed = capsys.readouterr().err
    for words in (
        "1 of these photos were trained on (p3)",
        "1 of these photos were used to choose this checkpoint (p4)",
        "1 of the 3 photos of --tune val were trained on (p1)",
        "1 of the 3 photos of --tune val are reported on as well (p2)",
    ):
        assert words in printed
        assert words in summary
        assert sum(words in warning for warning in metrics["warnings"]) == 1
    assert (metrics["conf"], metrics["iou"], metrics["max_det"]) == (0.001, 0.6, 300)


def test_photos_that_cannot_be_read_are_in_the_files(lists, tmp_path, monkeypatch):
    whole = (lists / "p4.png").read_bytes()
    (lists / "p4.png").write_bytes(whole[: len(whole) // 2])
    metrics, summary = files_of(monkeypatch, tmp_path, lists, {})
    assert any("p4.png" in warning for warning in metrics["warnings"])
    assert "p4.png" in summary


def test_held_out_validation_photos_come_from_the_checkpoint(lists, tmp_path, monkeypatch):
    """After --split trainval the list val was trained on."""
    hashes = {s: content_hash(lists / f"{s}.png") for s in ("p0", "p1", "p2")}
    metadata = {
        "split": {"train": "trainval", "val": "held out of trainval", "generated": False},
        "splits": {"train": ["p0", "p2"], "val": ["p1"]},
        "hashes": {"train": {s: hashes[s] for s in ("p0", "p2")}, "val": {"p1": hashes["p1"]}},
    }
    metrics, _ = files_of(monkeypatch, tmp_path, lists, metadata, "--tune", "val")
    assert metrics["leaks"]["tune_train"] == 0
    held_out = load_evaluation_split(lists, "val", metadata, classes=("cat", "dog"))
    assert held_out.records.image_ids() == ["p1"]


def test_the_split_of_a_run_is_not_taken_from_other_photos(data, tmp_path):
    shutil.rmtree(data / "ImageSets")
    metadata = {
        "split": {"generated": True},
        "splits": {"test": ["p0", "p1", "p2"]},
        "hashes": {"train": {s: content_hash(data / f"{s}.png") for s in ("p3", "p4")}},
    }
    own = load_evaluation_split(data, "test", metadata, classes=("cat", "dog"))
    assert list(own.records.image_ids()) == ["p0", "p1", "p2"]
    for path in data.glob("*.png"):  # another folder: the same names, other photos
        path.write_bytes(path.read_bytes() + b"other")
    others = load_evaluation_split(data, "test", metadata, classes=("cat", "dog"))
    assert list(others.records.image_ids()) != ["p0", "p1", "p2"]


@pytest.mark.parametrize("argv", [("--compare", "gone.json"), ("--tune", "nowhere")])
def test_errors_are_reported_before_the_detector_runs(lists, tmp_path, monkeypatch, capsys, argv):
    calls = []
    monkeypatch.setattr(
        "utils.evaluation.evaluate.open_detectors",
        lambda config: (detector_of({}, calls), None),
    )
    options = ["--weights", "x.keras", "--data", lists, "--out", tmp_path / "o", *argv]
    assert command(*options) == 2
    assert argv[1] in capsys.readouterr().err
    assert not calls


def test_a_missing_file_to_compare_is_named_with_its_option(data, tmp_path, capsys):
    found = detections(tmp_path / "found.json")
    assert command("--detections", found, "--data", data, "--compare", "gone.keras") == 2
    assert "--compare gone.keras: there is no such file" in capsys.readouterr().err


@pytest.mark.slow
def test_bundled_detector_is_scored_compared_and_tuned(tmp_path):
    data, weights, out = tmp_path / "data", tmp_path / "signs.keras", tmp_path / "out"
    write_dataset(data, train=1, val=8, test=10, seed=11, workers=1)
    shutil.copy(Path(get_map.__file__).parent / "model_data" / "signs.keras", weights)

    def score(*argv):
        return subprocess.run(
            [sys.executable, get_map.__file__, "--weights", weights, "--data", data, *argv],
            capture_output=True, text=True, check=False,
        )  # fmt: skip

    done = score("--out", out, "--tune", "val", "--min-map50", "0.5")
    assert done.returncode == 0, done.stderr
    metrics = json.loads((out / "metrics.json").read_text())
    tuning = metrics["analysis"]["tuning"]
    assert metrics["analysis"]["seconds"]["network"] > 0
    assert metrics["coco"]["AP50"] > 0.5
    assert tuning["split"] == "val"
    assert 0.01 < tuning["confidence"] < 1
    assert (out / "report.html").stat().st_size < 15e6
    from utils.checkpoint import load_checkpoint

    noted = load_checkpoint(weights).metadata["operating_point"]
    assert (noted["conf"], noted["iou"]) == (tuning["confidence"], tuning["iou"])

    # The file it wrote scores the same; the detector is not better than its own detections.
    again = score("--out", tmp_path / "again", "--compare", out / "detections.json", "--no-report")
    assert again.returncode == 0, again.stderr
    compared = json.loads((tmp_path / "again" / "metrics.json").read_text())
    assert compared["coco"] == pytest.approx(metrics["coco"], abs=1e-3)
    assert compared["analysis"]["comparison"]["ap50"]["more_than_luck"] is False
    assert not (tmp_path / "again" / "report.html").exists()
