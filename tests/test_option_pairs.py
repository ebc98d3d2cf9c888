"""Each option of predict.py has an effect beside each other one, or is refused or commented on."""

from __future__ import annotations

import re

import numpy as np
import pytest
from PIL import Image

import predict
from tests.media_files import write_video
from utils.cli import run
from utils.runtime.runtime import Runtime

SIDE = 96
# Without those that need a network of TensorFlow, a screen or a browser. OUT is the folder.
OPTIONS = (
    "--conf 0.58", "--classes dog", "--iou 0.9", "--max-det 1", "--json OUT/a.json",
    "--csv OUT/a.csv", "--save-voc", "--save-txt", "--save-txt --save-conf", "--save-coco",
    "--save-frames", "--save-frames --save-every 2", "--save-frames --save-label-studio", "--crops",
    "--no-pictures", "--track", "--count-line 0,30,96,30", "--count-zone 0,0 0,60 60,60 60,0",
    "--start 0.15", "--end 0.45", "--stride 2", "--fps 5", "--overlay", "--tile 64",
    "--tile 64 --overlap 0.5", "--shard 2/2", "--benchmark 1",
)  # fmt: skip


def find_four(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A cat, found twice, a dog and a sign, in places that depend on a pixel."""
    boxes = np.float32([[10, 10, 40, 40], [14, 10, 44, 40], [50, 50, 90, 90], [5, 60, 30, 90]])
    scores = np.float32([[0.9, 0, 0], [0.55, 0, 0], [0, 0.6, 0], [0, 0, 0.5]])
    shifts = np.float32(images[:, 0, 0, 0] % 7)[:, None, None]
    agreeing = np.tile(np.repeat(boxes, 12, axis=0), (len(images), 1, 1)) + shifts
    return agreeing, np.tile(np.repeat(scores, 12, axis=0), (len(images), 1, 1))


@pytest.fixture
def result_of(tmp_path, monkeypatch, capsys):
    """Runs predict.py; all that can be seen of it but times."""
    runtime = Runtime(find_four, ("cat", "dog", "sign"), (SIDE, SIDE))
    monkeypatch.setattr("utils.detector.open_runtime", lambda *args, **options: runtime)
    monkeypatch.setattr("utils.media.drawn_videos.find_ffmpeg", lambda: None)
    (tmp_path / "w.keras").write_bytes(b"opened by nobody")
    (tmp_path / "in").mkdir()
    pixels = np.random.default_rng(0).integers(0, 256, (10, SIDE, SIDE, 3), np.uint8)
    for name, picture in zip("ab", pixels, strict=False):
        Image.fromarray(picture).save(tmp_path / "in" / f"{name}.png")
    write_video(tmp_path / "in" / "film.mp4", [*pixels[2:]], fps=10.0)
    seen: dict[frozenset[str], tuple] = {}

    def result(*options: str) -> tuple:
        key = frozenset(options)
        if key not in seen:
            out = tmp_path / str(len(seen))
            words = " ".join(sorted(key)).replace("OUT", str(out)).split()
            arguments = ["--weights", tmp_path / "w.keras", tmp_path / "in", "--out", out, *words]
            status = run(predict.main, [str(one) for one in arguments])
            printed = capsys.readouterr()
            files = {path.relative_to(out): path for path in out.rglob("*") if path.is_file()}
            seen[key] = (
                status,
                {name: name.stem == "benchmark" or p.read_bytes() for name, p in files.items()},
                re.sub(r"\d+\.\d+", "#", printed.out).replace(str(out), "OUT"),
                printed.err,
            )
        return seen[key]

    return result


@pytest.mark.slow
def test_no_option_is_without_effect_beside_another(result_of):
    for first in OPTIONS:
        assert result_of(first)[0] == 0
        for second in OPTIONS:
            status, *_, error = both = result_of(first, second)
            if status:
                assert status == 2
                assert error.startswith("error: --")
                assert error.count("\n") == 1
            elif not set(second.split()) <= set(first.split()):
                assert both != result_of(first), f"beside {first}, {second} has no effect"
