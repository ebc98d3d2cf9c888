"""Train feature pyramid and heads on synthetic pictures: the weights that training starts from.

    python -m bench.pretraining --out runs/synthetic
    python -m bench.pretraining.pretrain --data runs/synthetic --out runs/pretrained

The backbone keeps ImageNet's weights: freezing features of photographs works better on synthetic
pictures (Hinterstoisser et al., "On Pre-Trained Image Features and Synthetic Images for Deep
Learning", 2018). An interrupted run continues when the command is given again.
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
ALL_STAGES = 7
# (epochs, batch, input size) of runs; each starts from the weights of the one before, with a
# learning-rate schedule of its own. Batches differ in input size by up to a quarter.
ROUNDS = ((1, 16, 320), (2, 8, 320), (2, 8, 256))
RATE_AT_8 = 1e-3  # highest learning rate for batches of 8, in proportion for others


@dataclass(frozen=True)
class PretrainConfig:
    """The options of the pretraining."""

    data: Path = option(Path("runs/synthetic"), help="synthetic pictures", metavar="DIR")
    out: Path = option(Path("runs/pretrained"), help="folder for the runs", metavar="DIR")
    target: Path | None = option(
        None, help="file for the weights (default: the one in model_data)", metavar="FILE.npz"
    )


def main(argv: list[str]) -> int:
    config = parse(PretrainConfig, argv, __doc__.split("\n\n")[0])
    anchors = config.out / "anchors.txt"
    pairs = "\n".join(f"{width:.4f},{height:.4f}" for width, height in coco_anchors(ROUNDS[0][2]))
    with atomic_write(anchors) as file:
        file.write(pairs + "\n")
    start = ["--anchors", str(anchors), "--head-weights", "none"]
    for i, (epochs, batch, size) in enumerate(ROUNDS, 1):
        out = config.out / f"round{i}"
        subprocess.run(
            [
                sys.executable, "train.py", "--data", str(config.data), "--backbone", BACKBONE,
                *start, "--frozen-stages", str(ALL_STAGES), "--freeze-epochs", "0",
                "--input-size", str(size), "--multi-scale", "--batch-size", str(batch),
                "--learning-rate", f"{RATE_AT_8 * batch / 8:g}",
                "--augmentation", "light", "--epochs", str(epochs),
                "--out", str(out), "--resume",
            ],
            check=True,
        )  # fmt: skip
        start = ["--weights", str(out / "last.keras")]
    write_weights(out / "last.keras", config.target)
    return 0


def write_weights(checkpoint: Path, target: Path | None) -> None:
    """Write pyramid and heads of a checkpoint, without its classes, atomically."""
    from nets.head_weights import BUNDLED, save_head_weights
    from utils.checkpoint import load_checkpoint

    target = target or BUNDLED[BACKBONE]
    with atomic_write(target, "wb") as file:
        save_head_weights(load_checkpoint(checkpoint), file)
    print(f"{target}: {target.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    sys.exit(run(main))
