"""``python -m bench.pretraining``: draw the pictures on which pyramid and heads are pretrained."""

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
    seed: int = option(0, help="another seed gives other pictures", low=0)
    workers: int = option(2, help="processes that draw; they do not change the files", low=1)
    cache: Path = option(
        Path("~/.cache/efficient-yolo3-pretraining"),
        help="folder for the packages that drawings are taken from, 3 GB",
        metavar="DIR",
    )


def main(argv: list[str]) -> int:
    config = parse(
        Config,
        argv,
        "Draw synthetic pictures of pictograms and shapes and write them as a COCO dataset.",
        "example: python -m bench.pretraining --out runs/synthetic --train 20000 --val 300",
    )
    from bench.pretraining import drawings, packages, textures
    from bench.pretraining.write import open_assets, write_set

    cache = config.cache.expanduser()
    packages.fetch_all(cache)
    drawings.prepare(cache)
    textures.prepare(cache)
    write_set(
        config.out,
        partial(open_assets, cache, config.seed),
        counts={"val": config.val, "train": config.train},
        seed=config.seed,
        workers=config.workers,
    )
    print(f"{config.out}: {config.train} + {config.val} pictures")
    return 0


if __name__ == "__main__":
    sys.exit(run(main))
