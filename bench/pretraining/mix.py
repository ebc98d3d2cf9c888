"""Join COCO folders into one, to pretrain on synthetic pictures and on real photos together.

    python -m bench.pretraining.mix --out runs/mixed runs/synthetic photos/annotations.json:3

Each source is a folder that ``bench.pretraining`` wrote, or a COCO file whose pictures lie below
its folder; ``:3`` lets each of its training pictures occur three times in an epoch. Classes keep
their own names, with the source's number before them, so that the same word in two sources stays
two classes. Of a source without a validation list, one picture in 25 is held out.
"""

from __future__ import annotations

import json
import os
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from utils.cli import OK, option, parse, run
from utils.errors import UserError
from utils.files import atomic_write

VALIDATION_ONE_IN = 25
SPLITS = ("train", "val")


@dataclass(frozen=True)
class MixConfig:
    """The options of this command."""

    sources: tuple[str, ...] = option(help="folders or COCO files, FILE:TIMES", positional=True)
    out: Path = option(help="folder for the joined set", metavar="DIR")


@dataclass(frozen=True)
class Source:
    """A COCO set.

    Attributes:
        root: folder that its file names are relative to.
        splits: split → parsed COCO file.
        times: that a training picture occurs in an epoch.
    """

    root: Path
    splits: dict[str, dict]
    times: int


def main(argv: list[str]) -> int:
    config = parse(MixConfig, argv, __doc__.split("\n\n")[0])
    if config.out.exists():
        raise UserError(f"--out {config.out}: it exists already")
    sources = [read_source(text) for text in config.sources]
    for split in SPLITS:
        joined = join(sources, split, config.out)
        with atomic_write(config.out / "annotations" / f"instances_{split}.json") as file:
            json.dump(joined, file)
        print(f"{split}: {len(joined['images'])} pictures, {len(joined['annotations'])} objects")
    return OK


def read_source(text: str) -> Source:
    """Open ``PATH`` or ``PATH:TIMES``.

    Raises:
        UserError: there is no such file or folder.
    """
    name, _, times = text.rpartition(":")
    path, count = (Path(name), int(times)) if name and times.isdigit() else (Path(text), 1)
    if path.is_dir():
        files = {split: path / "annotations" / f"instances_{split}.json" for split in SPLITS}
        return Source(path / "images", {s: _read(file) for s, file in files.items()}, count)
    return Source(path.parent, _divided(_read(path)), count)


def _read(path: Path) -> dict:
    if not path.is_file():
        raise UserError(f"{path}: there is no such file")
    return json.loads(path.read_text(encoding="utf-8"))


def _divided(coco: dict) -> dict[str, dict]:
    """Hold out one picture in 25, the same ones in every call."""
    images = sorted(coco["images"], key=lambda image: image["file_name"])
    random.Random(0).shuffle(images)
    held_out = {image["id"] for image in images[::VALIDATION_ONE_IN]}
    return {
        split: {
            "images": [i for i in coco["images"] if (i["id"] in held_out) == (split == "val")],
            "annotations": coco["annotations"],
            "categories": coco["categories"],
        }
        for split in SPLITS
    }


def join(sources: list[Source], split: str, out: Path) -> dict:
    """One COCO file; its pictures are hard links below ``out``, one for each occurrence."""
    joined: dict[str, list] = {"images": [], "annotations": [], "categories": []}
    for number, source in enumerate(sources):
        coco = source.splits[split]
        categories = {}
        for category in coco["categories"]:
            categories[category["id"]] = len(joined["categories"]) + 1
            name = f"{number}/{category['name']}"
            joined["categories"].append({"id": categories[category["id"]], "name": name})
        of_image: dict[int, list[dict]] = {}
        for annotation in coco["annotations"]:
            of_image.setdefault(annotation["image_id"], []).append(annotation)
        for image, name in _occurrences(coco["images"], number, source.times, split):
            target = out / "images" / name
            target.parent.mkdir(parents=True, exist_ok=True)
            os.link(source.root / image["file_name"], target)
            image_id = len(joined["images"]) + 1
            joined["images"].append({**image, "id": image_id, "file_name": name})
            for annotation in of_image.get(image["id"], ()):
                joined["annotations"].append(
                    {
                        **annotation,
                        "id": len(joined["annotations"]) + 1,
                        "image_id": image_id,
                        "category_id": categories[annotation["category_id"]],
                    }
                )
    return joined


def _occurrences(
    images: list[dict], number: int, times: int, split: str
) -> Iterator[tuple[dict, str]]:
    """Each picture as often as it is to occur, and its name in the joined set."""
    for occurrence in range(times if split == "train" else 1):
        for image in images:
            path = Path(image["file_name"])
            yield image, f"{number}/{occurrence}/{path.as_posix().removeprefix('images/')}"


if __name__ == "__main__":
    raise SystemExit(run(main))
