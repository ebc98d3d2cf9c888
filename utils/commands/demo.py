"""``make demo``: draw a dataset of road scenes, train on it, score, predict.

Shows and runs the commands that a person would type. All files go to ``runs/demo``. The dataset is
drawn once; each call trains a new detector.
"""

from __future__ import annotations

import shlex
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from utils.cli import option, parse, run
from utils.files import next_free
from utils.text import minutes_text

ROOT = Path("runs/demo")


@dataclass(frozen=True)
class DemoConfig:
    """The options of the demo."""

    minutes: float = option(5.8, help="minutes of training", low=0.5)
    scenes: int = option(1000, help="scenes to train on", low=20)


def main(argv: list[str]) -> int:
    config = parse(DemoConfig, argv, "Draw a dataset of road scenes, train on it, score, predict.")
    began = time.monotonic()
    data, scenes = ROOT / "data", ROOT / "new_scenes"
    training = next_free(ROOT, "training")
    results = training.with_name(training.name.replace("training", "results"))
    scores = training.with_name(training.name.replace("training", "scores"))
    weights = training / "best.keras"

    step(1, "Drawing road scenes with signs, labelled in VOC format")
    draw = ["python", "-m", "utils.commands.synthetic"]
    call(
        *draw, "--out", data, "--train", config.scenes, "--val", 40, "--test", 100,
        "--video", ROOT / "drive.mp4",
    )  # fmt: skip
    call(*draw, "--out", scenes, "--train", 1, "--val", 1, "--test", 12, "--seed", 2026)

    step(2, f"Training a detector for {minutes_text(config.minutes)}")
    call("python", "train.py", "--data", data, "--minutes", config.minutes, "--out", training)

    step(3, "Scoring it on 100 scenes with backgrounds that training never saw")
    call("python", "get_map.py", "--weights", weights, "--data", data, "--out", scores)

    step(4, "Finding signs in new scenes and in a video")
    new = [scenes / "JPEGImages" / f"{name}.jpg" for name in _test_image_ids(scenes)]
    call("python", "predict.py", "--weights", weights, *new, ROOT / "drive.mp4", "--out", results)

    minutes = (time.monotonic() - began) / 60
    print(
        f"""
Finished in {minutes:.1f} minutes. The results:

  pictures with boxes   {results}
  video with boxes      {results / "drive.mp4"}
  curves of training    {training / "curves.png"}
  labels and detections {training / "val_predictions.jpg"}
  scores and errors     {scores / "report.html"}
  the trained detector  {weights}

For your own photos, with labels in VOC XML, COCO JSON, YOLO txt or Label Studio's JSON:

  .venv/bin/python train.py --data path/to/photos --minutes 20 --out runs/mine
  .venv/bin/python get_map.py --weights runs/mine/best.keras --data path/to/photos
  .venv/bin/python predict.py --weights runs/mine/best.keras new_photo.jpg
"""
    )
    return 0


def step(number: int, what: str) -> None:
    print(f"\n== {number}. {what}", flush=True)


def call(*arguments: object) -> None:
    """Print a command and run it with this interpreter.

    Raises:
        SystemExit: the command failed; with its exit status, after its own message.
    """
    words = [str(a) for a in arguments]
    shown = words if len(words) < 25 else [*words[:5], "…", *words[-3:]]
    print(f"$ {shlex.join(shown)}", flush=True)
    done = subprocess.run([sys.executable, *words[1:]], check=False)
    if done.returncode:
        raise SystemExit(done.returncode)


def _test_image_ids(folder: Path) -> list[str]:
    return (folder / "ImageSets" / "Main" / "test.txt").read_text().split()


if __name__ == "__main__":
    sys.exit(run(main))
