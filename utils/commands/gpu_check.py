"""``make gpu-check``: check training, scoring and prediction on this machine's GPUs."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from utils.cli import MISSED, OK, option, parse, run

DESCRIPTION = """\
Check on this machine's NVIDIA GPUs that training, scoring and prediction give what the CPU gives,
and measure how fast they are and where the time goes.

No photos are needed, and it takes up to ten minutes. The report is Markdown, to be pasted into a
bug report. Without a GPU the CPU stands in for it, with --quick; that shows only that the checks
themselves work."""


@dataclass(frozen=True)
class GpuCheckConfig:
    out: Path = option(Path("runs/gpu-check.md"), help="the report", metavar="FILE.md")
    quick: bool = option(False, help="small pictures and few steps: a first look")
    devices: str = option(
        "auto", help="auto takes the GPUs; cpu lets the CPU stand in for them",
        choices=("auto", "cpu"),
    )  # fmt: skip


def main(argv: list[str]) -> int:
    config = parse(
        GpuCheckConfig, argv, DESCRIPTION,
        "The status is 1 when a check failed. docs/gpu.md explains the checks.",
    )  # fmt: skip
    from utils.gpu_check.result import FAILED
    from utils.gpu_check.run import check_gpus

    results = check_gpus(config.out, quick=config.quick, on_cpu=config.devices == "cpu")
    print(f"written to {config.out}")
    return MISSED if any(result.outcome == FAILED for result in results) else OK


if __name__ == "__main__":
    sys.exit(run(main))
