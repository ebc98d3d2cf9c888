"""``python -m utils.commands.synthetic``: draw a dataset of road scenes and, if asked, a video."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from utils.cli import option, parse, run


@dataclass(frozen=True)
class SyntheticConfig:
    out: Path = option(help="folder for the dataset, made if missing", metavar="DIR")
    train: int = option(400, help="number of training scenes", low=0, high=99_999)
    val: int = option(50, help="number of validation scenes", low=0, high=99_999)
    test: int = option(
        100,
        help="number of test scenes, with backgrounds that training never sees",
        low=0,
        high=99_999,
    )
    seed: int = option(0, help="seed of all random numbers", low=0)
    workers: int | None = option(
        None,
        help="processes that draw; the files are the same for any number (default: all cores)",
        low=1,
    )
    video: Path | None = option(
        None, help="also write a video of a drive, 4 seconds of 640 x 360", metavar="FILE.mp4"
    )


def main(argv: list[str]) -> int:
    config = parse(
        SyntheticConfig,
        argv,
        "Draw road scenes with traffic signs and write them as a VOC dataset.",
        "example: python -m utils.commands.synthetic --out data/signs",
    )
    from utils.data.synthetic import write_dataset, write_video

    new = write_dataset(
        config.out,
        train=config.train,
        val=config.val,
        test=config.test,
        seed=config.seed,
        workers=config.workers,
    )
    total = config.train + config.val + config.test
    print(f"{config.out}: {total} scenes" + ("" if new else ", exists already; nothing to do"))
    if config.video is not None:
        new = not config.video.exists()
        if new:
            write_video(config.video, seed=config.seed)
        print(f"{config.video}: video of a drive" + ("" if new else ", exists already"))
    return 0


if __name__ == "__main__":
    sys.exit(run(main))
