"""Train feature pyramid and heads on drawn pictures, and make the weights that runs start from.

    python -m bench.drawn --out runs/drawn
    python -m bench.drawn.pretrain --data runs/drawn --out runs/pretrained

The backbone keeps ImageNet's weights: features of photographs are worth more than what drawings
would make of them (Hinterstoisser et al., "On Pre-Trained Image Features and Synthetic Images for
Deep Learning", 2018). A run that was cut off goes on when the command is given again.
"""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from utils.cli import option, parse, run
from utils.data.anchors import coco_anchors
from utils.files import atomic_write

BACKBONE = "efficientnet_lite0"
SIZE = 320  # of the network input; batches differ by up to a quarter
ALL_STAGES = 7


@dataclass(frozen=True)
class PretrainConfig:
    """The options of the pretraining."""

    data: Path = option(Path("runs/drawn"), help="drawn pictures", metavar="DIR")
    out: Path = option(Path("runs/pretrained"), help="run directory", metavar="DIR")
    epochs: int = option(3, help="passes over the pictures", low=1)
    target: Path | None = option(
        None, help="file for the weights; by itself the one in model_data", metavar="FILE.npz"
    )


def main(argv: list[str]) -> int:
    config = parse(PretrainConfig, argv, __doc__.split("\n\n")[0])
    config.out.parent.mkdir(parents=True, exist_ok=True)
    anchors = config.out.with_name(config.out.name + "-anchors.txt")
    pairs = "\n".join(f"{width:.4f},{height:.4f}" for width, height in coco_anchors(SIZE))
    with atomic_write(anchors) as file:
        file.write(pairs + "\n")
    subprocess.run(
        [
            sys.executable, "train.py", "--data", str(config.data), "--backbone", BACKBONE,
            "--backbone-weights", "imagenet", "--frozen-stages", str(ALL_STAGES),
            "--input-size", str(SIZE), "--multi-scale", "--anchors", str(anchors),
            "--batch-size", "16", "--augmentation", "light", "--fast-math",
            "--epochs", str(config.epochs), "--out", str(config.out), "--resume",
        ],
        check=True,
    )  # fmt: skip
    write_weights(config.out / "best.keras", config.target)
    return 0


def write_weights(checkpoint: Path, target: Path | None) -> None:
    """Pyramid and heads of a checkpoint without its classes, whole or not at all."""
    from nets.head_weights import BUNDLED, save_head_weights
    from utils.checkpoint import load_checkpoint

    target = target or BUNDLED[BACKBONE]
    with atomic_write(target, "wb") as file:
        save_head_weights(load_checkpoint(checkpoint), file)
    print(f"{target}: {target.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    sys.exit(run(main))
