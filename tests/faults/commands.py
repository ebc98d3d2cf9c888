"""The commands that faults befall: how they are called, and what must be there when they have ended
well."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cv2

from .work import FRAMES, SIDE, Work, command

EPOCHS = 2


@dataclass(frozen=True)
class Command:
    """One of the commands.

    Attributes:
        name: for the table.
        words: from the work and the output folder, the options.
        again: further options of a run that follows one that was killed.
        lacks: from the output folder, a sentence on what a run that ended well must have left and
            did not; "" for nothing.
    """

    name: str
    module: str
    words: Callable[[Work, Path], list[object]]
    lacks: Callable[[Path], str]
    again: tuple[object, ...] = ()

    def call(self, work: Work, out: Path, *more: object) -> Callable[[], int]:
        return partial(_run, self.module, [*self.words(work, out), *more])


def _run(module: str, words: list[object]) -> int:
    if module == "train":
        import tensorflow as tf

        tf.config.run_functions_eagerly(True)  # graphs of so few steps take longer to make
    return command(module, words)


def _train(work: Work, out: Path) -> list[object]:
    return [
        "--data", work.data, "--weights", work.checkpoint, "--epochs", EPOCHS, "--batch-size", 4,
        "--freeze-epochs", 0, "--input-size", SIDE, "--out", out, "--save-every", 0,
        "--cache", "disk",
    ]  # fmt: skip


def _train_lacks(out: Path) -> str:
    rows = list(csv.DictReader((out / "metrics.csv").open()))
    if [row["epoch"] for row in rows] != [str(i + 1) for i in range(EPOCHS)]:
        return f"metrics.csv has {len(rows)} epochs"
    for name in ("best.keras", "last.keras", "config.yaml", "curves.png"):
        if not (out / name).exists():
            return f"{name} is missing"
    from utils.training.state import read_state  # imports TensorFlow

    return "" if read_state(out)[0]["history"]["finished"] else "the state is not finished"


def _get_map(work: Work, out: Path) -> list[object]:
    return ["--data", work.data, "--weights", work.network, "--out", out]


def _get_map_lacks(out: Path) -> str:
    if json.loads((out / "metrics.json").read_text())["images"] != 3:
        return "metrics.json is of other photos"
    names = ("ground_truth.json", "detections.json", "report.html")
    return next((f"{name} is missing" for name in names if not (out / name).exists()), "")


def _predict(work: Work, out: Path) -> list[object]:
    return [
        work.video, "--weights", work.network, "--out", out, "--json", out / "found.json",
        "--csv", out / "found.csv",
    ]  # fmt: skip


def _predict_lacks(out: Path) -> str:
    entries = json.loads((out / "found.json").read_text())
    if [one["frame"] for one in entries] != list(range(FRAMES)):
        return f"found.json has {len(entries)} frames"
    (film,) = [path for path in out.glob("film.*") if path.suffix in (".mp4", ".webm")]
    video, count = cv2.VideoCapture(str(film)), 0
    while video.read()[0]:
        count += 1
    return "" if count >= FRAMES else f"{film.name} has {count} frames"


def export_to(format: str, name: str) -> Command:
    return Command(
        f"export ({format})",
        "export",
        lambda work, out: [
            "--weights", work.checkpoint, "--format", format, "--out", out / name
        ],
        lambda out: "" if (out / name).exists() else f"{name} is missing",
    )  # fmt: skip


def made_up_export(format: str, name: str) -> Command:
    return Command(
        "export, made-up conversion",
        "tests.faults.made_up_export",
        lambda work, out: [work.network, format, out / name],
        lambda out: "" if (out / name).exists() else f"{name} is missing",
    )


TRAIN = Command("train", "train", _train, _train_lacks, ("--resume",))
GET_MAP = Command("get_map", "get_map", _get_map, _get_map_lacks)
PREDICT = Command("predict on video", "predict", _predict, _predict_lacks)
EXPORTS = (
    export_to("onnx", "tiny.onnx"),
    export_to("openvino", "tiny_openvino"),
    export_to("litert", "tiny.tflite"),
    export_to("saved_model", "tiny_saved_model"),
)
MADE_UP_EXPORTS = (
    made_up_export("onnx", "tiny.onnx"),
    made_up_export("openvino", "tiny_openvino"),
)
