"""The options of ``train.py`` as one typed, frozen value."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from utils.cli import option


def _input_size(text: str) -> int | str:
    if text == "auto":
        return text
    try:
        return int(text)
    except ValueError:
        raise ValueError(f"{text!r} is neither auto nor a number of pixels") from None


@dataclass(frozen=True)
class TrainConfig:
    """What a training run is made of; saved as ``config.yaml`` in the run directory."""

    data: Path = option(help="folder with the labelled photos", metavar="DIR", group="data")
    split: str = option(
        "train", help="list of photos to train on; 2007:trainval,2012:trainval joins years",
        metavar="NAME", group="data",
    )  # fmt: skip
    val_split: str | None = option(
        None, help="list of photos to validate on; by itself the list named val, or a tenth of "
        "the training list where val is part of it", metavar="NAME", group="data",
    )  # fmt: skip
    classes: Path | None = option(
        None, help="text file with one class name a line; by itself all classes found, in "
        "alphabetical order", metavar="FILE", group="data",
    )  # fmt: skip
    only_listed: bool = option(
        False, help="drop objects of classes that the --classes file does not list", group="data"
    )
    anchors: str = option(
        "auto", help="auto clusters the training boxes; or a text file of nine width,height pairs "
        "in pixels of the network input", metavar="auto|FILE", group="data",
    )  # fmt: skip

    backbone: str = option(
        "efficientnet_b0", help="the network that reads the pixels; help lists all, with their "
        "size, speed and accuracy", metavar="NAME", group="network",
    )  # fmt: skip
    width: float | None = option(
        None, help="factor on the backbone's filters instead of its own, for example with "
        "--backbone efficientnet", low=0.1, high=4, group="network",
    )  # fmt: skip
    depth: float | None = option(
        None, help="factor on the repeats of the backbone's stages instead of its own", low=0.1,
        high=6, group="network",
    )  # fmt: skip
    stochastic_depth: float | None = option(
        None, help="highest rate at which blocks of the backbone are dropped in training; by "
        "itself 0 with pretrained weights, the paper's 0.2 without", low=0, high=0.9,
        group="network",
    )  # fmt: skip
    backbone_weights: str = option(
        "imagenet", help="what the backbone starts from", metavar="imagenet|none|FILE",
        group="network",
    )  # fmt: skip
    head_weights: str = option(
        "auto", help="what feature pyramid and heads start from: auto takes weights that learned "
        "on synthetic pictures, where the project has them and the backbone starts from ImageNet",
        metavar="auto|none|FILE.npz", group="network",
    )  # fmt: skip
    weights: Path | None = option(
        None, help="start from this checkpoint instead; its classes, anchors and backbone hold",
        metavar="FILE.keras", group="network",
    )  # fmt: skip
    input_size: int | str = option(
        "auto", help="side of the square network input in pixels, a multiple of 32; auto chooses "
        "by the sizes of the objects and the --minutes there are, or takes the checkpoint's with "
        "--weights",
        metavar="auto|PIXELS", parse=_input_size, group="network",
    )  # fmt: skip

    recipe: str = option(
        "default", help="default, or plain: YOLOv3 as tutorials train it, for comparison",
        choices=("default", "plain"), group="training",
    )  # fmt: skip
    epochs: int | None = option(
        None, help="passes over the training photos; by itself 40 over a pretrained backbone, 20 "
        "where the heads are pretrained too (efficientnet_lite0, or --weights), 120 from random "
        "weights (recipe plain: 100, 200), and more where that would be fewer than 4,000 photos, "
        "but 200 at most; --minutes may end them sooner", low=1, group="training",
    )  # fmt: skip
    minutes: float | None = option(
        None, help="end after this many minutes of wall time at most, start-up included, with the "
        "schedule completed", metavar="M", low=0.1, group="training",
    )  # fmt: skip
    batch_size: int | None = option(
        None, help="photos in a training step, on all devices together; by itself 8 on each, or 4 "
        "with fewer than 400 training photos, which need steps more than smooth ones, or what "
        "fits into the memory", low=1, group="training",
    )  # fmt: skip
    accumulate: int | None = option(
        None, help="compute a batch in this many parts, one after the other, which takes less "
        "memory; by itself 1, and more when memory runs out", low=1, group="training",
    )  # fmt: skip
    freeze_epochs: int | None = option(
        None, help="epochs at the start in which a pretrained backbone does not learn; by itself "
        "a tenth of the run (recipe plain: half)", low=0, group="training",
    )  # fmt: skip
    frozen_stages: int | None = option(
        None, help="stages of a pretrained backbone that never learn, counted from the pixels; the "
        "stem is one of them; by itself 2 (recipe plain: 0). In the default recipe depthwise "
        "kernels of the others do not either, unless this is 0", low=0, high=9, group="training",
    )  # fmt: skip
    optimizer: str = option(
        "adamw", help="how weights are changed", choices=("adamw", "sgd"), group="training"
    )
    learning_rate: float | None = option(
        None, help="highest learning rate, that of pyramid and heads; the backbone has its share "
        "of it; by itself 0.004 for adamw, 0.002 with fewer than 400 photos, and 0.01 for sgd "
        "(recipe plain and backbones from random weights: 0.001 and 0.01) with batches of 8, and "
        "in proportion for others up to 16",
        metavar="X", low=1e-8, group="training",
    )  # fmt: skip
    schedule: str = option(
        "cosine", help="how the learning rate falls over the run, after warming up; step: to a "
        "tenth at 70 and at 90 per cent", choices=("cosine", "step", "constant"),
        group="training",
    )  # fmt: skip
    patience: int | None = option(
        None, help="stop when this many evaluations in a row have not raised the validation AP; by "
        "itself never: the schedule's end is usually its best", low=1, group="training",
    )  # fmt: skip
    backbone_rate: float | None = option(
        None, help="a pretrained backbone's share of the learning rate; by itself a quarter "
        "for adamw, a half with fewer than 400 photos and for sgd (recipe plain: 1)", low=0,
        high=10, group="training",
    )  # fmt: skip
    weight_decay: float = option(
        0.0005, help="decoupled decay of convolution kernels, a share of each weight times the "
        "learning rate", low=0, group="training",
    )  # fmt: skip
    augmentation: str | None = option(
        None, help="random scale, aspect, place and colour of the training photos, and mirroring "
        "with full; light suits runs of few epochs and objects with lettering; by itself full, "
        "but little of it at the start and end (recipe plain has its own)",
        choices=("full", "light", "none"), group="training",
    )  # fmt: skip
    augment: tuple[str, ...] = option(
        (), help="strengths of the augmentation by name, such as mosaic=0.5 rotation=5 "
        "scale=0.5,2; docs/augmentation.md lists them", metavar="NAME=VALUE", group="training",
    )  # fmt: skip
    multi_scale: bool = option(
        False, help="let the size of the network input differ from batch to batch, by up to a "
        "quarter", group="training",
    )  # fmt: skip
    progressive: bool = option(
        False, help="let size and strength of augmentation grow over the run, all but its last "
        "fifth, so that its early steps are cheap", group="training",
    )  # fmt: skip
    cache: str = option(
        "auto", help="keep decoded photos in memory, on disk (below $EFFICIENT_YOLO3_CACHE or "
        "~/.cache/efficient-yolo3, at most a quarter of the free space), or not at all; auto takes "
        "memory when they fit, else the disk", choices=("auto", "memory", "disk", "off"),
        group="training",
    )  # fmt: skip
    seed: int = option(0, help="of every random number", low=0, high=2**32 - 1, group="training")
    exact: bool = option(
        False, help="the same weights bit for bit for the same seed on the same machine, also "
        "when the run is killed and resumed; a step takes longer", group="training",
    )  # fmt: skip
    device: str = option(
        "auto", help="auto takes all GPUs, or the processor when there is none; several hosts are "
        "described in the environment variable TF_CONFIG", metavar="auto|cpu|gpu|gpu:0,1",
        group="training",
    )  # fmt: skip
    precision: str = option(
        "float32", help="of the computation; weights are always kept in float32",
        choices=("float32", "mixed_float16", "mixed_bfloat16"), group="training",
    )  # fmt: skip
    synchronized_norms: bool = option(
        False, help="let batch norms see the photos of all devices", group="training"
    )
    fast_math: bool | None = option(
        None, help="let convolutions on the processor round their inputs to bfloat16 (oneDNN's own "
        "switch); by itself where it has instructions for that; --no-fast-math never",
        group="training",
    )  # fmt: skip

    out: Path | None = option(
        None, help="run directory; by itself runs/train/NAME with the name of the data folder and "
        "a number", metavar="DIR", group="output",
    )  # fmt: skip
    resume: bool = option(
        False, help="go on with the run in --out where its state was last saved", group="output"
    )
    save_every: float = option(
        30.0, help="seconds between two saves of what --resume needs, at least; they take one "
        "per cent of the time at most, unless this is 0", metavar="SECONDS", low=0,
        group="output",
    )  # fmt: skip
    check: bool = option(
        False, help="only examine the labels and photos, and write a report", group="output"
    )
    fix: Path | None = option(
        None, help="with --check: write a cleaned copy of the data there", metavar="DIR",
        group="output",
    )  # fmt: skip
    preview: bool = option(
        False, help="only draw a page of augmented training photos with their boxes",
        group="output",
    )  # fmt: skip
    histograms: bool = option(
        False, help="write histograms of the weights for TensorBoard after each evaluation",
        group="output",
    )  # fmt: skip
