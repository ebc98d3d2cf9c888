"""The options of ``train.py`` as one typed, frozen value, and how they depend on each other."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from utils.cli import given_options, option, option_name, to_mapping
from utils.errors import UserError
from utils.files import with_home
from utils.tiling import Tiling


def _input_size(text: str) -> int | str:
    if text == "auto":
        return text
    try:
        return int(text)
    except ValueError:
        raise ValueError(f"{text!r} is neither auto nor a number of pixels") from None


AUTO = "auto"  # the value of an option that a run chooses
MAIN, DATA, NETWORK, TRAINING, RESEARCH = (
    "main options", "data", "network", "training", "for research"
)  # fmt: skip


@dataclass(frozen=True)
class TrainConfig:
    """The options of a training run; saved as ``config.yaml`` in the run directory."""

    data: Path = option(
        help="folder with the labelled photos", metavar="DIR", unless="--resume", group=MAIN
    )
    out: Path | None = option(
        None, help="run directory (default: runs/train/NAME, after the data folder)",
        metavar="DIR", group=MAIN,
    )  # fmt: skip
    minutes: float | None = option(
        None, help="end after this many minutes of wall time, start-up included; the schedule is "
        "completed in that time (default: no limit)", metavar="M", low=0.1, group=MAIN,
    )  # fmt: skip
    epochs: int | None = option(
        None, help="passes over the training photos (default: 20; 40 with random heads; 120 with "
        "a random backbone; recipe plain: 100, or 200 with a random backbone; more, up to 200, "
        "where a run would see fewer than 4,000 photos, or 16,000 with --minutes)", low=1,
        group=MAIN,
    )  # fmt: skip
    backbone: str = option(
        "auto", help="the network below the heads; auto takes EfficientNet-Lite2; "
        "`--backbone help` lists all with size, speed and accuracy",
        metavar="auto|NAME", group=MAIN,
    )  # fmt: skip
    weights: Path | None = option(
        None, help="start from this checkpoint: its backbone, boxes and the classes that the data "
        "has too; with no new class the run is half as long, at half the learning rate",
        metavar="FILE.keras", group=MAIN,
    )  # fmt: skip
    rename: tuple[str, ...] = option(
        (), help="with --weights: classes that have another name in the data; case and white "
        "space need not agree", metavar="OLD=NEW", group=MAIN,
    )  # fmt: skip
    keep_classes: bool = option(
        False, help="with --weights: also keep the checkpoint's classes that the photos do not "
        "label; the checkpoint labels them on the training photos first", group=MAIN,
    )  # fmt: skip
    input_size: int | str = option(
        "auto", help="side of the square network input in pixels, a multiple of 32; auto chooses "
        "by object sizes and --minutes, or takes the checkpoint's",
        metavar="auto|PIXELS", parse=_input_size, group=MAIN,
    )  # fmt: skip
    tile: str = option(
        "off", help="train on crops with sides of this many pixels of the photo, for small objects "
        "in large photos; auto takes crops if most objects would be smaller than 8 pixels in the "
        "network input (docs/training.md)",
        metavar="auto|off|PIXELS", parse=Tiling.parse, group=MAIN,
    )  # fmt: skip
    batch_size: int | None = option(
        None, help="photos in a training step, on all devices together (default: 8 on each device, "
        "4 with fewer than 400 training photos, or what fits into memory)", low=1, group=MAIN,
    )  # fmt: skip
    seed: int = option(0, help="seed of every random number", low=0, high=2**32 - 1, group=MAIN)
    device: str = option(
        "auto", help="auto takes one GPU for each 8 photos of a batch, two by default, or the CPU "
        "if there is no GPU; the environment variable TF_CONFIG describes several hosts",
        metavar="auto|cpu|gpu|gpu:0,1", group=MAIN,
    )  # fmt: skip
    resume: bool = option(
        False, help="continue the run in --out from its last saved state", group=MAIN
    )
    check: bool = option(False, help="only check photos and labels, and write a report", group=MAIN)
    preview: bool = option(
        False, help="only draw a page of augmented training photos with their boxes", group=MAIN
    )

    split: str = option(
        "train", help="list of photos to train on; 2007:trainval,2012:trainval joins years",
        metavar="NAME", group=DATA,
    )  # fmt: skip
    val_split: str | None = option(
        None, help="list of photos to validate on (default: val; a tenth of the training list "
        "if val shares photos with it)", metavar="NAME", group=DATA,
    )  # fmt: skip
    classes: Path | None = option(
        None, help="text file with one class name a line (default: all classes, in the "
        "order that the data declares, otherwise alphabetical; with --weights the checkpoint's "
        "come first)", metavar="FILE", group=DATA,
    )  # fmt: skip
    only_listed: bool = option(
        False, help="drop objects of classes that are not in the --classes file", group=DATA
    )
    anchors: str = option(
        "auto", help="auto clusters the training boxes; or a text file of nine width,height pairs "
        "in pixels of the network input", metavar="auto|FILE", group=DATA,
    )  # fmt: skip
    cache: str = option(
        "auto", help="keep decoded photos in memory, on disk (below $EFFICIENT_YOLO3_CACHE or "
        "~/.cache/efficient-yolo3, at most a quarter of the free space), or not at all; auto takes "
        "memory if they fit, otherwise the disk", choices=("auto", "memory", "disk", "off"),
        group=DATA,
    )  # fmt: skip
    fix: Path | None = option(
        None, help="with --check: write a repaired copy of the data there", metavar="DIR",
        group=DATA,
    )  # fmt: skip

    backbone_weights: str = option(
        "imagenet", help="weights that the backbone starts from; none: random",
        metavar="imagenet|none|FILE", group=NETWORK,
    )  # fmt: skip
    head_weights: str = option(
        "auto", help="weights that feature pyramid and heads start from; auto: pretrained on "
        "synthetic pictures and photos where the project has them, otherwise random; none: random",
        metavar="auto|none|FILE.npz", group=NETWORK,
    )  # fmt: skip
    neck: str = option(
        "auto", help="the feature pyramid between backbone and heads: yolov3 is the published one, "
        "pan a lighter one with a bottom-up path (PANet); auto takes pan, with recipe "
        "plain yolov3, and with --weights the checkpoint's",
        choices=("auto", "yolov3", "pan"), group=NETWORK,
    )  # fmt: skip

    augmentation: str | None = option(
        None, help="random scale, aspect, position and colour of the training photos, and "
        "mirroring with full; light suits short runs and objects with lettering (default: full, "
        "weaker at start and end)", choices=("full", "light", "none"), group=TRAINING,
    )  # fmt: skip
    augment: tuple[str, ...] = option(
        (), help="strengths of the augmentation by name, such as mosaic=0.5 rotation=5 "
        "scale=0.5,2; docs/augmentation.md lists them", metavar="NAME=VALUE", group=TRAINING,
    )  # fmt: skip
    learning_rate: float | None = option(
        None, help="highest learning rate of pyramid and heads (default for batches of 8: 0.004 "
        "with adamw, 0.01 with sgd; 0.001 and 0.01 over a random backbone and in recipe plain; in "
        "proportion for other batches, up to 16)", metavar="X",
        low=1e-8, group=TRAINING,
    )  # fmt: skip
    patience: int | None = option(
        None, help="stop after this many evaluations without a higher validation AP (default: "
        "never, as the last epochs are usually the best)", low=1, group=TRAINING,
    )  # fmt: skip
    accumulate: int | None = option(
        None, help="gradient accumulation steps: compute a batch in this many parts, which takes "
        "less memory (default: 1, more when memory runs out)", low=1, group=TRAINING,
    )  # fmt: skip
    precision: str = option(
        "float32", help="floating-point type of the layers; weights stay float32",
        choices=("float32", "mixed_float16", "mixed_bfloat16"), group=TRAINING,
    )  # fmt: skip
    fast_math: bool | None = option(
        None, help="let convolutions on the CPU round their inputs to bfloat16 (default: where it "
        "has the instructions; --no-fast-math: never)", group=TRAINING,
    )  # fmt: skip
    exact: bool = option(
        False, help="the same weights bit for bit for the same seed on the same machine, also when "
        "the run is killed and resumed; steps are slower", group=TRAINING,
    )  # fmt: skip
    save_every: float = option(
        30.0, help="least number of seconds between two saves of the state; saves take at most one "
        "per cent of the time, unless this is 0", metavar="SECONDS", low=0, group=TRAINING,
    )  # fmt: skip

    recipe: str = option(
        "default", help="plain is YOLOv3 as tutorials train it, for comparison",
        choices=("default", "plain"), group=RESEARCH,
    )  # fmt: skip
    width: float | None = option(
        None, help="factor on the backbone's filters, for example with --backbone efficientnet "
        "(default: the backbone's own)", low=0.1,
        high=4, group=RESEARCH,
    )  # fmt: skip
    depth: float | None = option(
        None, help="factor on the repeats of the backbone's blocks (default: the backbone's own)",
        low=0.1, high=6, group=RESEARCH,
    )  # fmt: skip
    stochastic_depth: float | None = option(
        None, help="highest rate at which blocks of the backbone are dropped in training (default: "
        "0 with pretrained weights, otherwise 0.2)", low=0, high=0.9, group=RESEARCH,
    )  # fmt: skip
    freeze_epochs: int | None = option(
        None, help="epochs at the start in which a pretrained backbone is frozen (default: a tenth "
        "of the run; recipe plain: half)", low=0, group=RESEARCH,
    )  # fmt: skip
    frozen_stages: int | None = option(
        None, help="stages of a pretrained backbone that never learn, from the input on; the stem "
        "belongs to the first. 0 lets depthwise kernels learn too (default: 2; recipe plain: 0)",
        low=0, high=9, group=RESEARCH,
    )  # fmt: skip
    optimizer: str = option(
        "adamw", help="optimizer of all weights", choices=("adamw", "sgd"), group=RESEARCH
    )
    backbone_rate: float | None = option(
        None, help="factor on the learning rate for a pretrained backbone (default: 0.25 with "
        "adamw, 0.5 with sgd; recipe plain: 1)", low=0, high=10,
        group=RESEARCH,
    )  # fmt: skip
    weight_decay: float = option(
        0.0005, help="decoupled weight decay of convolution kernels, times the learning rate",
        low=0, group=RESEARCH,
    )  # fmt: skip
    schedule: str = option(
        "cosine", help="how the learning rate falls after warm-up; step: to a tenth at 70 and at "
        "90 per cent of the run", choices=("cosine", "step", "constant"), group=RESEARCH,
    )  # fmt: skip
    multi_scale: bool = option(
        False,
        help="vary the input size from batch to batch, by up to a quarter or 32 pixels",
        group=RESEARCH,
    )
    progressive: bool = option(
        False, help="let input size and augmentation grow over the run, so that early steps are "
        "cheap", group=RESEARCH,
    )  # fmt: skip
    sync_batch_norm: bool = option(
        False, help="let batch norms see the photos of all devices", group=RESEARCH
    )
    histograms: bool = option(
        False, help="write histograms of the weights for TensorBoard after each evaluation",
        group=RESEARCH,
    )  # fmt: skip


# Options that may differ when a run is resumed, or among hosts. For --data the photos are compared
# instead, for --weights the network, classes and anchors. The weights in that checkpoint may have
# changed: a resumed run continues from its own.
MAY_CHANGE = (
    "data", "weights", "out", "resume", "check", "fix", "preview", "device", "fast-math", "cache",
    "minutes", "patience", "save-every", "histograms",
)  # fmt: skip
# Options without a meaning for a run that starts from a checkpoint, or from a random backbone.
NEW_ONLY = (
    "backbone_weights", "head_weights", "width", "depth", "stochastic_depth",
)  # fmt: skip
PRETRAINED_ONLY = ("freeze_epochs", "frozen_stages", "backbone_rate")
# The only options with a meaning for --check.
OF_CHECK = ("data", "out", "check", "fix", "split", "input_size")


def with_options_of_run(argv: list[str]) -> list[str]:
    """The arguments; for ``--resume`` with the run's own ``config.yaml`` before them.

    So ``--out DIR --resume`` is enough, and options that differ from the run's were asked for.

    Raises:
        UserError: there is no run that could say what ``--data`` was.
    """
    early = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    early.add_argument("--out", type=Path)
    early.add_argument("--data")
    early.add_argument("--config")
    early.add_argument("--resume", action=argparse.BooleanOptionalAction)
    try:
        given, others = early.parse_known_args(argv)
    except argparse.ArgumentError:  # the parser that knows all options reports it
        return argv
    if not given.resume or given.config or not {"-h", "--help"}.isdisjoint(others):
        return argv
    own = config_of_run(given.out) if given.out else None
    if not own and given.data is None:
        raise no_run_to_resume(given.out)
    return ["--config", str(own), *argv] if own else argv


def config_of_run(out: Path) -> Path | None:
    """The options with which a run was started last, as a file; None where there is none."""
    path = with_home(out) / "config.yaml"
    return path if path.is_file() else None


def no_run_to_resume(out: Path | None) -> UserError:
    """The error for ``--resume`` that names no run."""
    if out is None:
        return UserError("--resume needs --out, the run directory to continue")
    return UserError(
        f"--out {out}: there is no run to resume; give the folder of a run, or --data for a new "
        "run there"
    )


def refuse_contradictions(config: TrainConfig) -> None:
    """
    Raises:
        UserError: options that exclude each other.
    """
    if config.resume and config.out is None:
        raise no_run_to_resume(None)
    if config.resume and config.weights and not config.weights.is_file():
        raise UserError(
            f"--weights {config.weights}: there is no such file; a run that began with a "
            "checkpoint needs it again to be resumed: give its new place with --weights"
        )
    if config.only_listed and config.classes is None:
        raise UserError("--only-listed needs --classes, the list")
    if config.fix and not config.check:
        raise UserError("--fix needs --check, which finds what there is to repair")
    for other in ("resume", "preview"):
        if config.check and getattr(config, other):
            raise UserError(f"--check and --{other} are two tasks; give one of them")
    if config.rename and config.weights is None:
        raise UserError("--rename needs --weights, the checkpoint whose classes have other names")
    if config.keep_classes and config.weights is None:
        raise UserError("--keep-classes needs --weights, the checkpoint whose classes are kept")
    if config.sync_batch_norm and (config.accumulate or 1) > 1:
        raise UserError("--sync-batch-norm cannot see a whole batch that --accumulate divides")
    if config.exact and config.minutes:
        raise UserError("--exact excludes --minutes, as a clock is never exact; give --epochs")


def lasting_options(config: TrainConfig) -> dict[str, Any]:
    """The options that a resumed run must have in common with the run it continues."""
    mapping = to_mapping(config)
    return {name: value for name, value in mapping.items() if name not in MAY_CHANGE}


def unused_options(config: TrainConfig) -> str:
    """A sentence on options that were given and have no effect here; "" without any."""
    changed = given_options(config)
    if config.check:
        names = sorted(set(changed).difference(OF_CHECK))
        why = "--check looks at photos and labels only"
    elif config.weights:
        names, why = NEW_ONLY, "--weights brings its own network"
    elif config.backbone_weights == "none":
        names, why = PRETRAINED_ONLY, "nothing is pretrained"
    else:
        return ""
    given = [option_name(name) for name in names if name in changed]
    if not given:
        return ""
    return f"{', '.join(given)}: not used, because {why}"
