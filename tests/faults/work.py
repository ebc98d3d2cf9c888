"""``Work``: a small data folder, a video and tiny networks, which all faults share."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from utils.cli import run

from .process import Process

NAMES = ("get_map", "predict", "serve", "train", "export")
FRAMES = 60
SIDE = 64
_LIGHT = (
    "get_map", "predict", "onnxruntime", "uvicorn", "starlette", "utils.evaluation.evaluate",
    "utils.evaluation.report", "utils.detector", "utils.serving.app", "utils.media.detecting",
    "utils.media.drawn_videos", "utils.runtime.onnx_runtime", "matplotlib.pyplot",
    "tests.faults.network", "tests.media_files", "utils.data.synthetic",
)  # fmt: skip
_HEAVY = ("keras", "openvino", "train", "export", "utils.training.run", "utils.deployment.run")


@dataclass(frozen=True)
class Work:
    """Paths in ``root``.

    Attributes:
        heavy: whether train and export run, which need TensorFlow.
        only: names of the commands that faults befall.
    """

    root: Path
    heavy: bool = True
    only: tuple[str, ...] = NAMES

    @property
    def data(self) -> Path:
        return self.root / "data"

    @property
    def checkpoint(self) -> Path:
        return self.root / "tiny" / "best.keras"

    @property
    def network(self) -> Path:
        return self.root / "tiny" / "network.onnx"

    @property
    def video(self) -> Path:
        return self.root / "film.avi"

    @property
    def cache(self) -> Path:
        return self.root / "cache"

    @property
    def printed(self) -> Path:
        return self.root / "printed"

    def prepare(self) -> None:
        """Import what the commands need, and make the files. The files are made in processes of
        their own: after TensorFlow has computed, forks would hang."""
        os.environ["EFFICIENT_YOLO3_CACHE"] = str(self.cache)
        self.root.mkdir(parents=True, exist_ok=True)
        if self.heavy:
            from utils.quiet import import_tensorflow

            import_tensorflow()
        for name in (*_LIGHT, *(_HEAVY if self.heavy else ())):
            import_module(name)
        steps: list[Callable[[], int]] = [lambda: _write_data(self)]
        if self.heavy:
            steps.append(lambda: _write_checkpoint(self))
        for step in steps:
            process = Process(step, self.printed / "prepare.txt")
            if process.wait():
                raise RuntimeError(process.text())

    def classes(self) -> list[str]:
        """Class names of the data folder, in alphabetical order."""
        labels = [path.read_text() for path in (self.data / "Annotations").glob("*.xml")]
        return sorted({part.split("<")[0] for text in labels for part in text.split("<name>")[1:]})


def command(module: str, words: Iterable[object]) -> int:
    """Run a command in this process; returns its exit status."""
    return run(import_module(module).main, [str(word) for word in words])


def _write_data(work: Work) -> int:
    from tests.faults.network import write_network
    from tests.media_files import coded, write_video
    from utils.data.synthetic import write_dataset

    write_dataset(work.data, train=8, val=3, test=3, seed=3, workers=1)
    work.network.parent.mkdir()
    write_network(work.network, work.classes(), SIDE)
    write_video(work.video, [coded(i) for i in range(FRAMES)])
    return 0


def _write_checkpoint(work: Work) -> int:
    from nets.yolo import YOLOv3

    options = {"width": 0.1, "depth": 0.1}
    classes: Sequence[str] = work.classes()
    model = YOLOv3("mobilenet_v3_small", classes, input_size=SIDE, backbone_options=options)
    model.save(work.checkpoint)
    return 0
