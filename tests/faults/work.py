"""``Work``: a small data folder, a video and a tiny checkpoint, which all faults share."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from utils.cli import run

from .process import Process

FRAMES = 60
SIDE = 64


@dataclass(frozen=True)
class Work:
    """Paths; ``cache`` is the cache folder of all commands."""

    root: Path

    @property
    def data(self) -> Path:
        return self.root / "data"

    @property
    def weights(self) -> Path:
        return self.root / "tiny" / "best.keras"

    @property
    def video(self) -> Path:
        return self.root / "film.avi"

    @property
    def cache(self) -> Path:
        return self.root / "cache"

    def prepare(self) -> None:
        """Make them. The checkpoint is made in a process of its own: after TensorFlow has
        computed, forks would hang."""
        os.environ["EFFICIENT_YOLO3_CACHE"] = str(self.cache)
        self.root.mkdir(parents=True, exist_ok=True)
        process = Process(lambda: _write(self), self.root / "printed" / "prepare.txt")
        if process.wait():
            raise RuntimeError(process.text())


def import_all() -> None:
    """Import what the commands need, before the first fork."""
    from utils.quiet import import_tensorflow

    import_tensorflow()
    for name in (
        "keras", "onnx", "openvino", "onnxruntime", "uvicorn", "starlette", "train", "get_map",
        "predict", "export", "utils.training.run", "utils.evaluation.evaluate",
        "utils.evaluation.report", "utils.deployment.run", "utils.detector", "utils.serving.app",
        "utils.media.detecting", "utils.media.drawn_videos", "utils.runtime.openvino_runtime",
        "matplotlib.pyplot", "PIL.Image", "cv2",
    ):  # fmt: skip
        import_module(name)


def command(module: str, words: Sequence[object]) -> int:
    """Run a command in this process; returns its exit status."""
    return run(import_module(module).main, [str(word) for word in words])


def _write(work: Work) -> int:
    from nets.yolo import YOLOv3
    from tests.media_files import coded, write_video
    from utils.data.synthetic import write_dataset

    write_dataset(work.data, train=8, val=3, test=3, seed=3, workers=1)
    labels = [path.read_text() for path in (work.data / "Annotations").glob("*.xml")]
    names = sorted({part.split("<")[0] for text in labels for part in text.split("<name>")[1:]})
    options = {"width": 0.1, "depth": 0.1}
    model = YOLOv3("mobilenet_v3_small", names, input_size=SIDE, backbone_options=options)
    work.weights.parent.mkdir()
    model.save(work.weights)
    write_video(work.video, [coded(i) for i in range(FRAMES)])
    (work.root / "classes.json").write_text(json.dumps(names))
    return 0
