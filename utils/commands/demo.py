"""``make demo``: the whole path once, on road scenes that the project draws itself.

Runs the same commands that a person would type, and shows them: draw a dataset, train, score,
predict. Everything goes to ``runs/demo``; the dataset is drawn once, each call trains anew.
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

ROOT = Path("runs/demo")


@dataclass(frozen=True)
class DemoConfig:
    """The options of the demo."""

    minutes: float = option(5.8, help="minutes of training", low=0.5)
    scenes: int = option(1000, help="scenes to train on", low=20)


def main(argv: list[str]) -> int:
    config = parse(DemoConfig, argv, "Draw a dataset of road signs, train on it, score, predict.")
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

    step(2, f"Training a detector for {config.minutes:g} minutes")
    call(
        "python", "train.py", "--data", data, "--backbone", "efficientnet_lite0",
        "--minutes", config.minutes, "--out", training,
    )  # fmt: skip

    step(3, "Scoring it on 100 scenes whose backgrounds it has never seen")
    call("python", "get_map.py", "--weights", weights, "--data", data, "--out", scores)

    step(4, "Finding signs in new scenes and in a video")
    new = [scenes / "JPEGImages" / f"{s}.jpg" for s in _test_stems(scenes)]
    call("python", "predict.py", "--weights", weights, *new, ROOT / "drive.mp4", "--out", results)

    minutes = (time.monotonic() - began) / 60
    print(
        f"""
That was the whole path, in {minutes:.1f} minutes. What there is to look at:

  pictures with boxes   {results}
  video with boxes      {results / "drive.mp4"}
  curves of training    {training / "curves.png"}
  labels and detections {training / "val_predictions.jpg"}
  scores                {scores / "metrics.json"}
  the trained detector  {weights}

For your own photos, labelled in VOC XML (with labelImg, CVAT, Label Studio and others):

  .venv/bin/python train.py --data path/to/photos --backbone efficientnet_lite0 \\
      --minutes 20 --out runs/mine
  .venv/bin/python get_map.py --weights runs/mine/best.keras --data path/to/photos
  .venv/bin/python predict.py --weights runs/mine/best.keras new_photo.jpg
"""
    )
    return 0


def step(number: int, what: str) -> None:
    print(f"\n== {number}. {what}", flush=True)


def call(*arguments: object) -> None:
    """Show a command and run it with this interpreter.

    Raises:
        SystemExit: with its status, when it fails; its own message says why.
    """
    words = [str(a) for a in arguments]
    shown = words if len(words) < 25 else [*words[:5], "…", *words[-3:]]
    print(f"$ {shlex.join(shown)}", flush=True)
    done = subprocess.run([sys.executable, *words[1:]], check=False)
    if done.returncode:
        raise SystemExit(done.returncode)


def _test_stems(folder: Path) -> list[str]:
    return (folder / "ImageSets" / "Main" / "test.txt").read_text().split()


if __name__ == "__main__":
    sys.exit(run(main))
