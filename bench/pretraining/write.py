"""Writing the set as COCO: ``annotations/instances_{train,val}.json`` and ``images/{train,val}/``.

Each picture is a JPEG with its labels beside it until all are drawn, so an interrupted run draws
what is missing. The JSON files come last.
"""

from __future__ import annotations

import json
import multiprocessing
from collections.abc import Callable
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from bench.pretraining.class_table import CLASSES
from bench.pretraining.composition import Assets, SyntheticPicture, draw_picture
from bench.pretraining.drawings import open_pool
from bench.pretraining.textures import SPLIT_IDS, open_textures
from utils.errors import UserError
from utils.files import atomic_write

VERSION = 1  # raised when the same seed no longer gives the same pictures
JPEG_QUALITY = (40, 96)
REPORT_EVERY = 500  # pictures


@lru_cache(maxsize=2)
def open_assets(cache: Path, seed: int, split: str) -> Assets:
    """What pictures of the split are made from."""
    return Assets(open_pool(cache, split), open_textures(cache, seed, split))


def write_set(
    out: Path,
    assets_of: Callable[[str], Assets],
    *,
    counts: dict[str, int],
    seed: int,
    workers: int,
) -> None:
    """Draw and write the pictures that are missing, then the labels of all.

    Args:
        assets_of: split → its assets; called in each process for each picture, so it must be
            picklable and cached.
        counts: pictures by split.

    Raises:
        UserError: ``out`` holds something else, or pictures of another seed.
    """
    _check_folder(out, seed)
    work = partial(_write_picture, out, assets_of, seed)
    places = [(split, index) for split, count in counts.items() for index in range(count)]
    total = len(places)
    with multiprocessing.get_context("spawn").Pool(workers) as pool:
        for done, _ in enumerate(pool.imap(work, places, chunksize=20), 1):
            if done % REPORT_EVERY == 0:
                print(f"{done} of {total} pictures", flush=True)
    for split, count in counts.items():
        parts = [_label_file(out, split, index) for index in range(count)]
        _write_coco(out / "annotations" / f"instances_{split}.json", parts)


def _label_file(out: Path, split: str, index: int) -> Path:
    return out / ".parts" / split / f"{index:06d}.json"


def _write_picture(
    out: Path, assets_of: Callable[[str], Assets], seed: int, place: tuple[str, int]
) -> None:
    split, index = place
    labels = _label_file(out, split, index)
    if labels.exists():
        return
    cv2.setNumThreads(1)
    picture = draw_picture(assets_of(split), seed, split, index)
    name = f"{split}/{index:06d}.jpg"
    with atomic_write(out / "images" / name, "wb") as stream:
        stream.write(encode(picture, seed, split, index))
    with atomic_write(labels) as stream:
        json.dump(entry(picture, name), stream)


def encode(picture: SyntheticPicture, seed: int, split: str, index: int) -> bytes:
    """A picture as a JPEG of random quality."""
    rng = np.random.default_rng([seed, SPLIT_IDS[split], index, 1])
    quality = int(rng.integers(*JPEG_QUALITY))
    return cv2.imencode(".jpg", picture.image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()


def entry(picture: SyntheticPicture, name: str) -> dict[str, Any]:
    """Image and annotations of one picture, without ids."""
    height, width = picture.image.shape[:2]
    return {
        "image": {"file_name": name, "width": width, "height": height},
        "annotations": [
            {
                "bbox": [round(float(v), 3) for v in (x0, y0, x1 - x0, y1 - y0)],
                "area": round(float((x1 - x0) * (y1 - y0)), 3),
                "category_id": int(label) + 1,
                "iscrowd": int(difficult),
            }
            for (x0, y0, x1, y1), label, difficult in zip(
                picture.boxes, picture.labels, picture.difficult, strict=True
            )
        ],
    }


def _write_coco(path: Path, parts: list[Path]) -> None:
    images: list[dict] = []
    annotations: list[dict] = []
    for part in parts:
        listed = json.loads(part.read_text(encoding="utf-8"))
        images.append({"id": len(images) + 1, **listed["image"]})
        for annotation in listed["annotations"]:
            number = len(annotations) + 1
            annotations.append({"id": number, "image_id": len(images), **annotation})
    categories = [{"id": number, "name": name} for number, name in enumerate(CLASSES, 1)]
    with atomic_write(path) as stream:
        json.dump({"images": images, "annotations": annotations, "categories": categories}, stream)


def _check_folder(out: Path, seed: int) -> None:
    """Refuse to mix pictures of different seeds or versions in one folder."""
    marker, text = out / ".parts" / "seed", f"version {VERSION} seed {seed}\n"
    if marker.exists():
        if marker.read_text(encoding="utf-8") != text:
            raise UserError(f"{out} holds pictures of another seed: delete it or choose another")
        return
    if out.exists() and any(out.iterdir()):
        raise UserError(f"{out} is not empty and was not made by this command")
    with atomic_write(marker) as stream:
        stream.write(text)
