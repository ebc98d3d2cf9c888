"""Train feature pyramid and heads: the weights that training starts from.

    python -m bench.pretraining --out runs/synthetic --train 12000 --val 200
    python -m bench.pretraining.mix --out runs/mixed runs/synthetic photos/instances.json:3
    python -m bench.pretraining.pretrain --data runs/mixed --backbone efficientnet_lite2

The backbone keeps ImageNet's weights: freezing features of photographs works better on synthetic
pictures (Hinterstoisser et al., "On Pre-Trained Image Features and Synthetic Images for Deep
Learning", 2018). An interrupted run continues when the command is given again.
"""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from nets.head_weights import BUNDLED, BUNDLED_NECK
from utils.cli import option, parse, run
from utils.data.anchors import coco_anchors
from utils.files import atomic_write

ALL_STAGES = 7
INPUT_SIZE = 256  # batches differ from it by up to a quarter


@dataclass(frozen=True)
class PretrainConfig:
    """The options of the pretraining."""

    data: Path = option(Path("runs/mixed"), help="pictures and photos", metavar="DIR")
    out: Path = option(Path("runs/pretrained"), help="folder for the runs", metavar="DIR")
    backbone: str = option("efficientnet_lite0", help="backbone", choices=tuple(BUNDLED))
    epochs: int = option(3, help="passes over the pictures, at most", low=1)
    minutes: float | None = option(None, help="end after this time (default: no limit)", low=1)
    target: Path | None = option(
        None, help="file for the weights (default: the one in model_data)", metavar="FILE.npz"
    )


def main(argv: list[str]) -> int:
    config = parse(PretrainConfig, argv, __doc__.split("\n\n")[0])
    anchors = config.out / "anchors.txt"
    pairs = "\n".join(f"{width:.4f},{height:.4f}" for width, height in coco_anchors(INPUT_SIZE))
    with atomic_write(anchors) as file:
        file.write(pairs + "\n")
    out = config.out / config.backbone
    code = subprocess.run(
        [
            sys.executable, "train.py", "--data", config.data, "--out", out, "--resume",
            "--backbone", config.backbone, "--neck", BUNDLED_NECK, "--head-weights", "none",
            "--anchors", anchors, "--frozen-stages", str(ALL_STAGES), "--freeze-epochs", "0",
            "--input-size", str(INPUT_SIZE), "--multi-scale", "--batch-size", "8",
            "--augmentation", "light", "--epochs", str(config.epochs),
            *(["--minutes", str(config.minutes)] if config.minutes else []),
        ],
        check=False,
    ).returncode  # fmt: skip
    if code:
        return code
    write_weights(out / "last.keras", config.target or BUNDLED[config.backbone])
    return 0


def write_weights(checkpoint: Path, target: Path) -> None:
    """Write pyramid and heads of a checkpoint, without its classes, atomically."""
    from nets.head_weights import save_head_weights
    from utils.checkpoint import load_checkpoint

    with atomic_write(target, "wb") as file:
        save_head_weights(load_checkpoint(checkpoint), file)
    print(f"{target}: {target.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    sys.exit(run(main))
