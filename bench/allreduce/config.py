"""The options of the measurement and of the projection, and where results are kept."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from utils.cli import option

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "bench" / "results" / "allreduce.jsonl"
LOADER = ROOT / "bench" / "results" / "loader.jsonl"
HEADS, THAWED, ALL = "frozen backbone", "stages 3-7 learn", "everything learns"


@dataclass(frozen=True)
class AllReduceConfig:
    """The options of this measurement."""

    backbones: tuple[str, ...] = option(
        ("efficientnet_lite0", "efficientnet_b0"), help="backbones to measure"
    )
    size: int = option(128, help="side of the network input in pixels")
    batch: int = option(4, help="photos in a step of one process", low=1)
    reductions: int = option(20, help="all-reduces of each kind; the median counts", low=1)
    steps: int = option(8, help="training steps of each kind; the median counts", low=1)
    record: bool = option(True, help="append the results to bench/results")
    project: bool = option(False, help="print the projection from the newest results instead")
    step_ms: tuple[float, ...] = option(
        (20.0, 80.0), help="projection: assumed milliseconds of a step on one GPU"
    )
    achieved: float = option(
        0.8, help="projection: assumed share of a link's published rate", low=0.01, high=1
    )
