"""Train a detector on a folder of labelled photos. ``python train.py --help`` tells how."""

from __future__ import annotations

import time

STARTED = time.monotonic()  # --minutes counts from here

from dataclasses import replace  # noqa: E402
from itertools import pairwise  # noqa: E402

from utils.cli import INTERRUPTED, OK, leave, parse, run  # noqa: E402
from utils.quiet import import_tensorflow  # noqa: E402
from utils.training.config import (  # noqa: E402
    TrainConfig,
    refuse_contradictions,
    unused_options,
    with_options_of_run,
)
from utils.training.legacy import RENAMED_OPTIONS  # noqa: E402
from utils.training.numerics import set_fast_math  # noqa: E402

DESCRIPTION = """\
Train a detector on labelled photos.

The folder is taken as it is: Pascal VOC (Annotations/ and JPEGImages/ with or without
ImageSets/Main, a VOCdevkit, or photos and XML files side by side), COCO JSON, YOLO txt, or Label
Studio JSON. Without split lists, a tenth of the photos is held out for validation, and two tenths
for testing. Check the labels first: --check."""

EPILOG = """\
examples:
  python train.py --data photos --minutes 20
  python train.py --data photos --epochs 60 --out runs/mine
  python train.py --data VOCdevkit --split 2007:trainval,2012:trainval --epochs 40
  python train.py --out runs/mine --resume
  python train.py --data photos --check

then:
  python get_map.py --weights runs/mine/best.keras --data photos --split test
  python predict.py --weights runs/mine/best.keras new_photos/"""


def main(argv: list[str]) -> int:
    if "--backbone=help" in argv or ("--backbone", "help") in pairwise(argv):
        print_backbones()
        return OK
    config = parse(
        TrainConfig, with_options_of_run(argv), DESCRIPTION, EPILOG, renamed=RENAMED_OPTIONS
    )
    refuse_contradictions(config)
    if config.check:
        check(config)
        return OK

    config = replace(config, fast_math=set_fast_math(config.fast_math))
    if config.weights:
        from utils.runtime.facts import Facts

        Facts.of_checkpoint(config.weights)  # an error in the file comes before the long start
    # TensorFlow takes seconds to import: not before the options are known to be good.
    import_tensorflow()
    from utils.training.run import preview, train

    if config.preview:
        print(f"written to {preview(config)}")
        return OK
    result = train(config, STARTED)
    # Exit without freeing the network: that takes half a minute, outside --minutes.
    return leave(INTERRUPTED if result.interrupted else OK)


def check(config: TrainConfig) -> None:
    """Run ``--check`` on the ``--split`` list; without it, or with train or all, on the folder."""
    from utils.data.doctor import run_doctor

    if sentence := unused_options(config):
        print(sentence)
    run_doctor(
        config.data,
        split=None if config.split in (TrainConfig.split, "all") else config.split,
        input_size=None if config.input_size == "auto" else config.input_size,
        out=config.out,
        fix=config.fix,
    )


def print_backbones() -> None:
    """``--backbone help``."""
    import_tensorflow()
    from nets.backbones.catalogue import catalogue, legend

    print(catalogue())
    print(legend())


if __name__ == "__main__":
    leave(run(main))
