"""What the measured bytes would cost over links of published speed, as tables of Markdown."""

from __future__ import annotations

import math
from dataclasses import dataclass

from bench.common import RESULTS, read_results
from utils.errors import UserError

THAWED = "stages 3-7 learn"
BATCH_PER_GPU = 8
GPUS = (1, 8, 16, 32, 64)
COLLECTIVES = 3  # a step: gradients, losses with their counts, running statistics
# Of a synchronised batch norm in Keras 3.15: three sums forward, two of them with a gradient.
NORM_COLLECTIVES = 5


@dataclass(frozen=True)
class Link:
    """A published link.

    Attributes:
        name: in words.
        rate: bytes a second in one direction, as published.
        latency: seconds from one member of a ring to the next; assumed, not published.
    """

    name: str
    rate: float
    latency: float


LINKS = (
    Link("NVLink 4", 450e9, 3e-6),
    Link("PCIe 5.0 ×16", 32e9 / 8 * 16 * 128 / 130, 5e-6),
    Link("InfiniBand NDR 400 Gb/s", 400e9 / 8, 5e-6),
    Link("Ethernet 100 Gb/s", 100e9 / 8, 30e-6),
    Link("Ethernet 10 Gb/s", 10e9 / 8, 30e-6),
)


def ring_seconds(n: int, size: float, link: Link, achieved: float = 1.0) -> float:
    """Seconds of a ring all-reduce: 2(n − 1)/n · size/rate + 2(n − 1) · latency.

    Patarasuk & Yuan (2009): each of n members sends a n-th of the data 2(n − 1) times.

    Args:
        n: members.
        size: bytes.
        link: between neighbours.
        achieved: share of its rate.
    """
    return 2 * (n - 1) / n * size / (link.rate * achieved) + 2 * (n - 1) * link.latency


def efficiency(n: int, kind: dict, link: Link, *, step: float, achieved: float) -> float:
    """Share of n times one GPU's speed, at the same number of photos a GPU.

    The gradients are summed together, after the last is computed: nothing overlaps with the
    backward pass.

    Args:
        n: GPUs.
        kind: bytes that they sum, from a measurement.
        link: between neighbours of the ring.
        step: seconds of a step on one GPU.
        achieved: share of the link's rate.
    """
    size = kind["gradient_bytes"] + kind["statistics_bytes"]
    waiting = ring_seconds(n, size, link, achieved)
    waiting += (COLLECTIVES - 1) * ring_seconds(n, 0, link)
    return step / (step + waiting)


def newest_results() -> dict[str, dict]:
    """The last measurement of each backbone.

    Raises:
        UserError: there is none.
    """
    rows = read_results("allreduce")
    if not rows:
        raise UserError(f"no measurement in {RESULTS}; measure first: python -m bench.allreduce")
    return {row["backbone"]: row for row in rows}


def projection(step_ms: tuple[float, ...], achieved: float) -> str:
    """What was measured, efficiency by link and number of GPUs, and the photos that a host must
    load, as Markdown.

    Args:
        step_ms: assumed milliseconds of a step on one GPU.
        achieved: assumed share of a link's published rate.
    """
    results = newest_results()
    parts = [measured_table(results)]
    backbone, kind = most_bytes(results)
    size = (kind["gradient_bytes"] + kind["statistics_bytes"]) / 1e6
    for step in step_ms:
        parts.append(
            f"{backbone}, {THAWED}, {size:.1f} MB a step; assumed: {step:g} ms a step of "
            f"{BATCH_PER_GPU} photos on one GPU, {achieved:.0%} of the published rate.\n"
        )
        parts.append(efficiency_table(kind, step / 1000, achieved))
    parts.append(reduction_table(results, achieved))
    parts.append(norms_table(results))
    parts.append(feeding_table(step_ms))
    return "\n".join(parts)


def most_bytes(results: dict[str, dict]) -> tuple[str, dict]:
    """The backbone that sends most with stages 3 to 7 learning, and its measurement."""
    kinds = {backbone: result["kinds"][THAWED] for backbone, result in results.items()}
    backbone = max(kinds, key=lambda name: kinds[name]["gradient_bytes"])
    return backbone, kinds[backbone]


def measured_table(results: dict[str, dict]) -> str:
    rows = [
        [
            backbone,
            name,
            f"{kind['gradient_bytes'] / 1e6:.1f}",
            str(kind["gradient_tensors"]),
            f"{kind['reduction_seconds']:.3f}",
            f"{kind['megabytes_a_second']:.0f}",
            f"{kind['step_seconds']:.2f}",
            f"{kind['share_of_step']:.0%}",
        ]
        for backbone, result in results.items()
        for name, kind in result["kinds"].items()
    ]
    head = ["backbone", "learning", "MB", "tensors", "all-reduce s", "MB/s", "step s", "share"]
    return table(head, rows)


def efficiency_table(kind: dict, step: float, achieved: float) -> str:
    rows = [
        [link.name]
        + [f"{efficiency(n, kind, link, step=step, achieved=achieved):.0%}" for n in GPUS]
        for link in LINKS
    ]
    return table(["link", *(f"{n} GPU{'s' if n > 1 else ''}" for n in GPUS)], rows)


def reduction_table(results: dict[str, dict], achieved: float) -> str:
    """Milliseconds of the ring over 64 GPUs."""
    names = [f"{b}, {k}" for b, result in results.items() for k in result["kinds"]]
    kinds = [kind for result in results.values() for kind in result["kinds"].values()]
    rows = [
        [name, f"{kind['gradient_bytes'] / 1e6:.1f}"]
        + [f"{1000 * ring_seconds(64, kind['gradient_bytes'], ln, achieved):.2f}" for ln in LINKS]
        for name, kind in zip(names, kinds, strict=True)
    ]
    return table(["milliseconds over 64 GPUs", "MB", *(link.name for link in LINKS)], rows)


def norms_table(results: dict[str, dict]) -> str:
    """Milliseconds that synchronised batch norms of the head add at 64 GPUs: latency alone."""
    rows = []
    for backbone, result in results.items():
        count = NORM_COLLECTIVES * result["live_norms"]
        times = [f"{1000 * count * ring_seconds(64, 0, link):.0f}" for link in LINKS]
        rows.append([backbone, str(result["live_norms"]), *times])
    return table(["--sync-batch-norm, ms", "norms", *(link.name for link in LINKS)], rows)


def feeding_table(step_ms: tuple[float, ...]) -> str:
    """Photos a second that a host of eight GPUs needs, and the cores that this takes."""
    rate, size = loader_rate()
    rows = []
    for step in step_ms:
        needed = 8 * BATCH_PER_GPU / step * 1000
        rows.append([f"{step:g} ms", f"{needed:.0f}", f"{math.ceil(needed / rate)}"])
    source = f" (measured: {rate:.0f} photos/s a core at {size} pixels)"
    return table(["step", "photos/s for a host of 8 GPUs", f"cores for the loader{source}"], rows)


def loader_rate() -> tuple[float, int]:
    """Photos a second of one core, full augmentation, and their size in pixels."""
    row = read_results("loader")[-1]
    return row["samples_per_second"]["ours"]["cpu"], row["size"]


def table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"
