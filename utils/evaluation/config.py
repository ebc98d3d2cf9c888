"""The options of ``get_map.py`` as one typed, frozen value, and how they depend on each other."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from utils.cli import given_options, option, option_name
from utils.errors import UserError
from utils.evaluation.id_mappings import CATEGORY_IDS, IMAGE_IDS
from utils.files import check_writable
from utils.runtime.names import RUNTIMES
from utils.tiling import MAX_OVERLAP, TILE_OVERLAP, Tiling

# Options that only a detector, and only a file of detections, listens to.
_OF_DETECTORS = ("conf", "iou", "max_det", "batch_size", "runtime", "device")
_OF_DETECTIONS = ("image_ids", "category_ids")


@dataclass(frozen=True)
class MapConfig:
    """The options of ``get_map.py``."""

    data: Path = option(help="folder with the labelled photos", metavar="DIR")
    weights: Path | None = option(None, help="detector to score", metavar="FILE")
    detections: Path | None = option(
        None, help="COCO results to score as they are, instead of a detector", metavar="FILE.json"
    )
    split: str = option("test", help="list of photos to score", metavar="NAME")
    classes: Path | None = option(
        None, help="text file with one class name a line (default: the detector's classes, or "
        "all classes in the data)", metavar="FILE",
    )  # fmt: skip
    only_listed: bool = option(False, help="ignore objects of classes that are not listed")
    out: Path | None = option(
        None, help="folder for the results (default: runs/map/NAME with a number)", metavar="DIR"
    )
    conf: float = option(0.001, help="lowest score that counts", low=0, high=1)
    iou: float = option(
        0.6, help="NMS removes the weaker of two boxes above this IoU", low=0, high=1
    )
    max_det: int = option(300, help="most detections a photo", low=1)
    batch_size: int | None = option(
        None, help="photos a batch on each device (default: 8 in TensorFlow, otherwise the "
        "runtime's own choice)", low=1,
    )  # fmt: skip
    runtime: str | None = option(
        None, help="what runs the network; auto takes the fastest here (default: the file's own, "
        "for a checkpoint TensorFlow in float32)", choices=("auto", *RUNTIMES),
    )  # fmt: skip
    device: str = option(
        "auto", help="auto takes all GPUs, or the CPU if there is none",
        metavar="auto|cpu|gpu|gpu:0,1",
    )  # fmt: skip
    tile: str = option(
        "off", help="also look at large photos in tiles of this side in pixels; auto takes the one "
        "that suits the detector's training (docs/tiles.md)", parse=Tiling.parse,
        metavar="auto|off|PIXELS", group="large photos",
    )  # fmt: skip
    overlap: float = option(
        TILE_OVERLAP, help="share of a tile's side that neighbouring tiles have in common",
        low=0, high=MAX_OVERLAP, group="large photos",
    )  # fmt: skip
    compare: Path | None = option(
        None, help="another detector, or its detections (.json), to compare with on the same "
        "photos", metavar="FILE", group="analysis",
    )  # fmt: skip
    image_ids: str = option(
        "auto", help="meaning of numbers in image_id of a detections file: the position in "
        "ground_truth.json, the number in the file name, or the id in the dataset's own JSON; auto "
        "takes the one that fits", choices=("auto", *IMAGE_IDS), group="detections of other tools",
    )  # fmt: skip
    category_ids: str = option(
        "auto", help="meaning of numbers in category_id of a detections file: the place in the "
        "class list, counted from 0 or 1, or the id in the dataset's own JSON; auto takes the one "
        "that fits", choices=("auto", *CATEGORY_IDS), group="detections of other tools",
    )  # fmt: skip
    resamples: int = option(
        1000, help="bootstrap resamples for the 95 % intervals, at least 100; 0 for none",
        low=0, high=100_000, group="analysis",
    )  # fmt: skip
    report: bool = option(True, help="write report.html", group="analysis")
    min_map50: float | None = option(
        None, help="exit with status 1 if COCO AP50 is lower", low=0, high=1, group="analysis",
    )  # fmt: skip
    tune: str | None = option(
        None, help="find the confidence and NMS thresholds with the best F1 on this split, and "
        "store them in the checkpoint for predict.py; take a split that is not reported, such as "
        "val", metavar="NAME", group="tuning",
    )  # fmt: skip
    tune_precision: float | None = option(
        None, help="tune for the highest recall at this precision or better, instead of F1",
        low=0, high=1, group="tuning",
    )  # fmt: skip

    @property
    def tiling(self) -> Tiling:
        """Whether large photos are searched in tiles."""
        return Tiling.of_option(self.tile, self.overlap)


def refuse_contradictions(config: MapConfig) -> None:
    """Refuse options that exclude each other or have no effect.

    Raises:
        UserError: options that exclude each other, or a folder that nothing can be written to.
    """
    if config.only_listed and config.classes is None:
        raise UserError("--only-listed needs --classes, the list")
    if config.out and config.out.exists() and not config.out.is_dir():
        raise UserError(f"--out {config.out}: is a file, not a folder")
    if config.out:
        check_writable(config.out / "any", f"--out {config.out}")
    if (config.weights is None) == (config.detections is None):
        raise UserError("give either --weights or --detections (see get_map.py --help)")
    if config.weights and is_detections_file(config.weights):
        raise UserError(
            f"--weights {config.weights}: these are detections; use --detections for them"
        )
    if config.tune and (config.weights is None or config.weights.suffix.lower() != ".keras"):
        raise UserError("--tune needs --weights with a .keras checkpoint to store the result in")
    if config.tune_precision is not None and not config.tune:
        raise UserError("--tune-precision needs --tune, the split to tune on")
    if config.tile != "off" and config.weights is None:
        raise UserError("--tile is for a detector (--weights); --detections are scored as they are")
    if config.tile == "off" and config.overlap != TILE_OVERLAP:
        raise UserError("--overlap is about the tiles of --tile; give that as well")
    _refuse_options_without_effect(config)
    if 0 < config.resamples < 100:
        raise UserError(
            f"--resamples {config.resamples}: too few for an interval; take 100 or more, or 0"
        )


def is_detections_file(path: Path) -> bool:
    """Whether a file holds detections; otherwise it is a detector."""
    return path.suffix.lower() == ".json"


def _refuse_options_without_effect(config: MapConfig) -> None:
    """An option that nothing listens to would let its user believe in another score."""
    sources = [path for path in (config.weights, config.compare) if path]
    all_given = given_options(config)

    def given(names: tuple[str, ...]) -> str | None:
        """The first of these options that is given."""
        return next((option_name(name) for name in names if name in all_given), None)

    if all(map(is_detections_file, sources)) and (name := given(_OF_DETECTORS)):
        raise UserError(
            f"{name} is for a detector (--weights or --compare); files of detections are scored as "
            "they are. Leave it out"
        )
    files = config.detections or any(map(is_detections_file, sources))
    if not files and (name := given(_OF_DETECTIONS)):
        raise UserError(
            f"{name} is for a file of detections (--detections, or --compare with a .json). "
            "Leave it out"
        )
