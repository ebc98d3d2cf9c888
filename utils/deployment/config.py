"""The options of ``export.py`` as one typed, frozen value, and how they depend on each other."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from utils.cli import option
from utils.errors import UserError
from utils.runtime.export.export import refuse_impossible, refuse_missing_packages
from utils.runtime.export.request import PRECISIONS


@dataclass(frozen=True)
class ExportConfig:
    """The options of ``export.py``."""

    weights: Path = option(help="checkpoint to export, as train.py wrote it", metavar="FILE.keras")
    format: str = option(help="what to write", choices=tuple(PRECISIONS))
    out: Path | None = option(
        None, help="file or folder to write (default: a name beside the checkpoint); an earlier "
        "export there is replaced", metavar="PATH",
    )  # fmt: skip
    precision: str = option(
        "float32", help="type of the stored weights; float16 halves the file (openvino, litert)",
        choices=("float32", "float16"),
    )  # fmt: skip
    int8: bool = option(
        False, help="compute in 8-bit integers: less than a third of the bytes, and faster; ranges "
        "are measured on training photos of --data (onnx, openvino, litert)",
    )  # fmt: skip
    nms: bool = option(
        False, help="put non-maximum suppression into the graph, for other programs (onnx, "
        "saved_model)", group="suppression",
    )  # fmt: skip
    conf: float | None = option(
        None, help="lowest score that --nms keeps, 0 to 1 (default: the value that "
        "get_map.py --tune stored in the checkpoint, otherwise 0.25)",
        low=0, high=1, group="suppression",
    )  # fmt: skip
    iou: float | None = option(
        None, help="IoU above which --nms drops the weaker of two boxes of a class, 0 to 1 "
        "(default: the value that get_map.py --tune stored in the checkpoint, otherwise 0.45)",
        low=0, high=1, group="suppression",
    )  # fmt: skip
    max_det: int | None = option(
        None, help="most objects a picture that --nms returns (default: 300)", low=1,
        group="suppression",
    )  # fmt: skip
    data: Path | None = option(
        None, help="folder with labelled photos: the export is compared with the checkpoint on "
        "them, and both are scored, except with --nms (default: generated photos, not scored); "
        "--int8 needs it", metavar="DIR", group="check",
    )  # fmt: skip
    split: str | None = option(
        None, help="list of photos of --data to compare and score on (default: test)",
        metavar="NAME", group="check",
    )  # fmt: skip

    @property
    def arithmetic(self) -> str:
        """One of ``PRECISIONS[format]``."""
        return "int8" if self.int8 else self.precision

    @property
    def compared(self) -> str:
        """The list of photos of ``data`` to compare and score on."""
        return self.split or "test"


def refuse_contradictions(config: ExportConfig) -> None:
    """
    Raises:
        UserError: options that exclude each other, or a package that is not installed.
    """
    refuse_impossible(config.format, config.arithmetic, "suppressed" if config.nms else "decoded")
    if config.int8 and config.precision != "float32":
        raise UserError(f"--int8 and --precision {config.precision} exclude each other")
    if config.int8 and config.data is None:
        raise UserError(
            "--int8: the range of every activation is measured on your photos; give --data with "
            "the folder that the checkpoint was trained on"
        )
    if config.int8 and config.nms:
        raise UserError(
            "--int8 and --nms exclude each other: what 8-bit integers cost is found by scoring "
            "boxes before suppression"
        )
    thresholds = (config.conf, config.iou, config.max_det)
    if not config.nms and any(value is not None for value in thresholds):
        raise UserError("--conf, --iou and --max-det are thresholds of --nms; give --nms, too")
    if config.split is not None and config.data is None:
        raise UserError(f"--split {config.split}: is a list of photos of --data; give --data, too")
    if config.weights.exists() and config.weights.suffix.lower() != ".keras":
        raise UserError(
            f"--weights {config.weights}: is no .keras checkpoint; only those can be exported"
        )
    refuse_missing_packages(config.format, config.arithmetic)
