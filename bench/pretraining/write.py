"""Writing the set as COCO: ``annotations/instances_{train,val}.json`` and ``images/{train,val}/``.

Pictures are drawn in blocks. A block's labels are written to ``.parts/`` once all its pictures
are there, so an interrupted run goes on with the blocks that lack; the JSON files come last.
"""

from __future__ import annotations

import json
import multiprocessing
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from bench.pretraining.classes import CLASSES
from bench.pretraining.drawings import open_pool
from bench.pretraining.scenes import Scene, World, draw_scene
from bench.pretraining.textures import SPLIT_IDS, open_textures
from utils.errors import UserError
from utils.files import atomic_write

BLOCK = 50  # pictures
VERSION = 1  # raised when the same numbers no longer give the same pictures
JPEG_QUALITY = (40, 96)


@dataclass(frozen=True)
class Block:
    """Pictures ``first`` … ``first + count − 1`` of a split."""

    split: str
    first: int
    count: int

    @property
    def part(self) -> str:
        """Where below the output folder its labels are kept until the end."""
        return f".parts/{self.split}-{self.first:06d}-{self.count}.part"


def open_world(cache: Path, seed: int, split: str) -> World:
    """What pictures of the split are made from."""
    return World(open_pool(cache, split), open_textures(cache, seed, split))


def write_set(
    out: Path, open_: Callable[[str], World], *, counts: dict[str, int], seed: int, workers: int
) -> Iterator[int]:
    """Draw what lacks and write it; yields the number of pictures after each block.

    Args:
        open_: split → its world; called in each process, so it must be picklable.
        counts: pictures by split.
    """
    _check_folder(out, seed)
    blocks = [
        Block(split, first, min(BLOCK, count - first))
        for split, count in sorted(counts.items(), reverse=True)  # val, being short, first
        for first in range(0, count, BLOCK)
    ]
    missing = [block for block in blocks if not (out / block.part).exists()]
    done = sum(block.count for block in blocks) - sum(block.count for block in missing)
    for block in _run(_Drawer(out, open_, seed), missing, workers):
        done += block.count
        yield done
    for split in counts:
        parts = [out / block.part for block in blocks if block.split == split]
        _write_coco(out / "annotations" / f"instances_{split}.json", parts)


class _Drawer:
    """Draws blocks; opens a split's world at its first block and keeps it."""

    def __init__(self, out: Path, open_: Callable[[str], World], seed: int):
        self.out, self.open, self.seed = out, open_, seed
        self.worlds: dict[str, World] = {}

    def __call__(self, block: Block) -> Block:
        cv2.setNumThreads(1)
        if block.split not in self.worlds:
            self.worlds[block.split] = self.open(block.split)
        world = self.worlds[block.split]
        listed = []
        for index in range(block.first, block.first + block.count):
            scene = draw_scene(world, self.seed, block.split, index)
            name = f"{block.split}/{index:06d}.jpg"
            with atomic_write(self.out / "images" / name, "wb") as stream:
                stream.write(encode(scene, self.seed, block.split, index))
            listed.append(entry(scene, name))
        with atomic_write(self.out / block.part) as stream:
            json.dump(listed, stream)
        return block


def encode(scene: Scene, seed: int, split: str, index: int) -> bytes:
    """The scene as a JPEG of some quality."""
    rng = np.random.default_rng([seed, SPLIT_IDS[split], index, 1])
    quality = int(rng.integers(*JPEG_QUALITY))
    return cv2.imencode(".jpg", scene.image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()


def entry(scene: Scene, name: str) -> dict[str, Any]:
    """What the labels say of one picture; ids are given when all are known."""
    height, width = scene.image.shape[:2]
    return {
        "image": {"file_name": name, "width": width, "height": height},
        "annotations": [
            {
                "bbox": [round(float(v), 3) for v in (x0, y0, x1 - x0, y1 - y0)],
                "area": round(float((x1 - x0) * (y1 - y0)), 3),
                "category_id": int(label) + 1,
                "iscrowd": int(hard),
            }
            for (x0, y0, x1, y1), label, hard in zip(
                scene.boxes, scene.labels, scene.difficult, strict=True
            )
        ],
    }


def _write_coco(path: Path, parts: list[Path]) -> None:
    images: list[dict] = []
    annotations: list[dict] = []
    for part in parts:
        for listed in json.loads(part.read_text(encoding="utf-8")):
            images.append({"id": len(images) + 1, **listed["image"]})
            for annotation in listed["annotations"]:
                number = len(annotations) + 1
                annotations.append({"id": number, "image_id": len(images), **annotation})
    categories = [{"id": number + 1, "name": name} for number, name in enumerate(CLASSES)]
    with atomic_write(path) as stream:
        json.dump({"images": images, "annotations": annotations, "categories": categories}, stream)


def _check_folder(out: Path, seed: int) -> None:
    """Refuse to mix pictures of different seeds or generators in one folder."""
    marker, numbers = out / ".parts" / "numbers", f"version {VERSION} seed {seed}\n"
    if marker.exists():
        if marker.read_text(encoding="utf-8") != numbers:
            raise UserError(f"{out} was drawn with other numbers; remove it or choose another")
        return
    if out.exists() and any(file.name != "preview.png" for file in out.iterdir()):
        raise UserError(f"{out} is not empty and was not made by this command")
    with atomic_write(marker) as stream:
        stream.write(numbers)


def _run(work: _Drawer, blocks: list[Block], workers: int) -> Iterator[Block]:
    if workers <= 1:
        yield from map(work, blocks)
        return
    with multiprocessing.get_context("spawn").Pool(workers, _start, (work,)) as pool:
        yield from pool.imap_unordered(_work, blocks)


class _Process:
    """The one thing a worker process keeps between blocks: its open worlds."""

    work: _Drawer


def _start(work: _Drawer) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _Process.work = work


def _work(block: Block) -> Block:
    return _Process.work(block)


def report(counts: Iterator[int], total: int) -> None:
    """A line every half minute: pictures so far and pictures a second."""
    start = last = time.monotonic()
    first: int | None = None
    for done in counts:
        first = done if first is None else first
        now = time.monotonic()
        if now - last > 30:
            rate = (done - first) / max(now - start, 1e-6)
            print(f"{done} of {total} pictures, {rate:.1f} a second", flush=True)
            last = now
