"""Converts EfficientNet-Lite weights from PyTorch's layout to the form that this project reads.

    python -m bench.pretraining.convert_lite SOURCE [--name efficientnet_lite0] [--out FILE.npz]

SOURCE is a state dictionary of the Python package efficientnet_lite_pytorch, as its ``.pth`` (needs
PyTorch) or as an ``.npz`` of the same arrays. Convolutions become (k, k, in, out), depthwise ones
(k, k, in, 1), the dense kernel (in, out); all is rounded to float16.
"""

import argparse
import sys
from pathlib import Path

import numpy as np

from nets.backbones import BACKBONES

_NORM = {
    "weight": "gamma",
    "bias": "beta",
    "running_mean": "moving_mean",
    "running_var": "moving_variance",
}


def layer_names(name: str) -> dict[str, str]:
    """The reference's module names and our layer names, in network order."""
    names = {"_conv_stem": "stem_conv", "_bn0": "stem_bn"}
    for i, block in enumerate(BACKBONES[name].blocks()):
        if block.expanded != block.inputs:
            names[f"_blocks.{i}._expand_conv"] = f"{block.name}_expand_conv"
            names[f"_blocks.{i}._bn0"] = f"{block.name}_expand_bn"
        names[f"_blocks.{i}._depthwise_conv"] = f"{block.name}_depthwise_conv"
        names[f"_blocks.{i}._bn1"] = f"{block.name}_depthwise_bn"
        names[f"_blocks.{i}._project_conv"] = f"{block.name}_project_conv"
        names[f"_blocks.{i}._bn2"] = f"{block.name}_project_bn"
    return names | {"_conv_head": "top_conv", "_bn1": "top_bn", "_fc": "top_logits"}


def convert(state: dict[str, np.ndarray], name: str) -> dict[str, np.ndarray]:
    """PyTorch's arrays by their names -> ours by ``layer/weight``, float16."""
    names, arrays = layer_names(name), {}
    for key, value in state.items():
        module, kind = key.rsplit(".", 1)
        if kind == "num_batches_tracked":
            continue
        layer = names[module]
        if layer.endswith("_bn"):
            kind = _NORM[kind]
        elif kind == "weight":
            kind = "kernel"
            axes = (1, 0) if value.ndim == 2 else (2, 3, 1, 0)
            value = value.transpose((2, 3, 0, 1) if "depthwise" in layer else axes)
        arrays[f"{layer}/{kind}"] = value.astype(np.float16)
    return arrays


def read_state(source: Path) -> dict[str, np.ndarray]:
    """The arrays of a ``.pth`` or ``.npz`` file by their PyTorch names."""
    if source.suffix == ".npz":
        with np.load(source, allow_pickle=False) as file:
            return dict(file)
    import torch

    state = torch.load(source, map_location="cpu", weights_only=True)
    return {key: value.numpy() for key, value in state.items()}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source", type=Path, help="state dictionary, .pth or .npz")
    parser.add_argument("--name", default="efficientnet_lite0", help="the member (%(default)s)")
    parser.add_argument("--out", type=Path, help="file to write (model_data/NAME_imagenet.npz)")
    args = parser.parse_args()
    arrays = convert(read_state(args.source), args.name)
    if not all(np.isfinite(value).all() for value in arrays.values()):
        print("A weight is not finite in float16.", file=sys.stderr)
        return 2
    out = args.out or Path("model_data") / f"{args.name}_imagenet.npz"
    np.savez_compressed(out, **arrays)
    print(f"{out}: {len(arrays)} arrays, {out.stat().st_size / 1e6:.2f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
