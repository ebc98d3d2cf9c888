"""predict.py --track on a film of a moving square, with a detector that finds green."""

from __future__ import annotations

import csv
import json

import cv2
import numpy as np
import pytest

import predict
from tests.media_files import write_picture, write_video
from utils.cli import run
from utils.media.sources import find_sources, read_frames
from utils.runtime.runtime import Runtime

SIDE = 96


def find_green(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Each picture's green: its extent as one box, its brightness as the score."""
    boxes, scores = [], []
    for image in images:
        green = cv2.subtract(image[..., 1], image[..., 0])
        rows, columns = (np.flatnonzero((green > 20).sum(axis=axis) > 4) for axis in (1, 0))
        found = len(rows) and len(columns)
        box = [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1] if found else [0, 0, 1, 1]
        boxes.append([box] * 12)  # many agree, so that the score is not lowered
        scores.append([[green.max() / 255 if found else 0.0]] * 12)
    return np.array(boxes, np.float32), np.array(scores, np.float32)


@pytest.fixture
def call(monkeypatch, tmp_path):
    runtime = Runtime(find_green, ("square",), (SIDE, SIDE))
    monkeypatch.setattr("utils.detector.open_runtime", lambda *args, **options: runtime)
    (tmp_path / "w.keras").write_bytes(b"opened by nobody")
    weights = str(tmp_path / "w.keras")
    return lambda *argv: run(predict.main, ["--weights", weights, *map(str, argv)])


@pytest.fixture
def film(tmp_path):
    """A square goes to the right; in five of twenty frames it is dark, so its score is low."""
    frames = np.zeros((20, SIDE, SIDE, 3), np.uint8)
    for i, image in enumerate(frames):
        image[40:64, 4 + 3 * i : 28 + 3 * i, 1] = 50 if 8 <= i < 13 else 220
    return write_video(tmp_path / "film.mp4", list(frames), fps=10.0)


def test_ids_counts_and_trails_of_a_film(call, film, tmp_path, capsys):
    out = tmp_path / "out"
    status = call(
        film, "--count-line", "48,96,48,0", "--count-zone", "60,30", "96,30", "96,70", "60,70",
        "--json", tmp_path / "all.json", "--csv", tmp_path / "all.csv", "--out", out,
    )  # fmt: skip
    printed = capsys.readouterr().out
    assert status == 0
    assert "tracked: 1 object (square 1)" in printed
    assert "line 1: 1 forward (square 1), 0 backward" in printed
    assert "zone 1: 1 visit (square 1), 0." in printed
    assert "counts.csv" in printed

    entries = json.loads((tmp_path / "all.json").read_text())
    assert [[one["track_id"] for one in entry["detections"]] for entry in entries] == [[1]] * 20
    with open(tmp_path / "all.csv") as file:
        rows = list(csv.DictReader(file))
    assert [row["track_id"] for row in rows] == ["1"] * 20
    assert min(float(row["score"]) for row in rows) < 0.25
    with open(out / "counts.csv") as file:
        events = [row for row in csv.DictReader(file) if row["row"] == "event"]
    assert [(row["counter"], row["event"]) for row in events] == [
        ("line 1", "forward"),
        ("zone 1", "enter"),
        ("zone 1", "vanish"),
    ]
    drawn = list(read_frames(find_sources([str(next(out.glob("film.*")))]), pytest.fail))[-1].image
    trail = drawn[52, 30:70].astype(int)
    assert (trail.max(axis=1) > 60).sum() > 20  # behind the square, the background is black


def test_without_track_nothing_changes(call, film, tmp_path):
    assert call(film, "--json", tmp_path / "all.json", "--no-pictures") == 0
    entries = json.loads((tmp_path / "all.json").read_text())
    assert [len(entry["detections"]) for entry in entries] == [1] * 8 + [0] * 5 + [1] * 7
    assert "track_id" not in entries[0]["detections"][0]


@pytest.mark.parametrize(
    "arguments", [["--track"], ["--count-line", "1,1,9,9"], ["--count-zone", "1,1", "9,9", "1,9"]]
)
def test_pictures_alone_are_not_tracked(call, tmp_path, capsys, arguments):
    photo = write_picture(tmp_path / "a.jpg")
    assert call(photo, *arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"error: {arguments[0]}: ")
    assert error.count("\n") == 1


def test_counts_are_not_overwritten(call, film, tmp_path, capsys):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "counts.csv").write_text("mine")
    assert call(film, "--count-line", "0,0,9,9", "--out", tmp_path / "out") == 2
    assert "counts.csv: would be overwritten" in capsys.readouterr().err


def test_a_film_in_tiles_is_followed_over_their_borders(call, tmp_path, capsys):
    """Squares of 24 pixels; the tiles of 96 pixels share 28, and one begins at pixel 104."""
    frames = np.zeros((30, SIDE, 200, 3), np.uint8)
    for i, image in enumerate(frames):
        image[40:64, 4 + 5 * i : 28 + 5 * i, 1] = 220
    film = write_video(tmp_path / "wide.mp4", list(frames), fps=10.0)
    found = tmp_path / "all.json"
    options = ("--tile", 96, "--overlap", 0.3, "--track", "--json", found)
    assert call(film, *options, "--out", tmp_path / "out") == 0
    assert "tracked: 1 object (square 1)" in capsys.readouterr().out
    entries = json.loads(found.read_text())
    assert [[one["track_id"] for one in entry["detections"]] for entry in entries] == [[1]] * 30
    boxes = np.array([entry["detections"][0]["box"] for entry in entries])
    true = np.array([[4 + 5 * i, 40, 28 + 5 * i, 64] for i in range(30)])
    assert np.abs(boxes - true).max() <= 3  # a film is compressed
