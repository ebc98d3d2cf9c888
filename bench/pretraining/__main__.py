"""``python -m bench.pretraining``: draw the set on which the neck and heads are pretrained."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from utils.cli import option, parse, run


@dataclass(frozen=True)
class Config:
    out: Path = option(help="folder for the set, made if missing", metavar="DIR")
    train: int = option(20_000, help="number of training pictures", low=0, high=999_999)
    val: int = option(300, help="number of validation pictures", low=0, high=999_999)
    seed: int = option(0, help="other seeds draw other pictures", low=0)
    workers: int = option(2, help="processes that draw (the files are the same)", low=1)
    cache: Path = option(
        Path("~/.cache/efficient-yolo3-drawn"),
        help="folder for the packages that drawings are taken from, 3 GB",
        metavar="DIR",
    )
    preview: bool = option(
        False, help="only write preview.png, 24 training pictures with boxes, to --out"
    )
    first: int = option(0, help="first picture of the preview", low=0)


def main(argv: list[str]) -> int:
    config = parse(
        Config,
        argv,
        "Draw many scenes of pictograms and shapes and write them as a COCO dataset.",
        "example: python -m bench.pretraining --out runs/drawn --train 20000 --val 300",
        prog="python -m bench.pretraining",
    )
    import cv2

    from bench.pretraining import drawings, sources, textures
    from bench.pretraining.preview import contact_sheet
    from bench.pretraining.scenes import draw_scene
    from bench.pretraining.write import open_world, report, write_set
    from utils.files import atomic_write

    cv2.setNumThreads(1)
    cache = config.cache.expanduser()
    sources.fetch_all(cache)
    drawings.prepare(cache)
    textures.prepare(cache)
    if config.preview:
        world = open_world(cache, config.seed, "train")
        indices = range(config.first, config.first + 24)
        sheet = contact_sheet([draw_scene(world, config.seed, "train", i) for i in indices])
        with atomic_write(config.out / "preview.png", "wb") as stream:
            stream.write(cv2.imencode(".png", sheet)[1].tobytes())
        print(config.out / "preview.png")
        return 0
    counts = {"train": config.train, "val": config.val}
    progress = write_set(
        config.out,
        partial(open_world, cache, config.seed),
        counts=counts,
        seed=config.seed,
        workers=config.workers,
    )
    report(progress, sum(counts.values()))
    print(f"{config.out}: {config.train} + {config.val} pictures")
    return 0


if __name__ == "__main__":
    sys.exit(run(main))
