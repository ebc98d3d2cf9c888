"""Does memory grow during a long run? Train 200 epochs of a tiny dataset and watch the process.

    python -m bench.memory

trains in a process of its own on a few generated scenes, so that hundreds of epochs, evaluations,
pictures, saves and events take minutes. The resident memory of that process is read after each
epoch. The backbone is unfrozen after a tenth of the run, which compiles a second step. From a fifth
of the run to its end, memory must not grow by more than 5 %.
"""

from __future__ import annotations

import json
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil

from bench.common import ROOT, append_result, write_scenes
from utils.cli import MISSED, OK, option, parse, run
from utils.errors import UserError

MAX_GROWTH = 0.05  # from a fifth of the run to its end
WINDOW = 10  # epochs whose median is one point
MIB = 2**20


@dataclass(frozen=True)
class MemoryConfig:
    """The options of this measurement."""

    epochs: int = option(200, help="epochs of the run", low=50)
    photos: int = option(8, help="training photos", low=4)
    size: int = option(64, help="side of the network input in pixels")
    record: bool = option(True, help="append the result to bench/results")


def main(argv: list[str]) -> int:
    config = parse(MemoryConfig, argv, __doc__.split("\n\n")[0])
    with tempfile.TemporaryDirectory() as folder:
        write_scenes(Path(folder) / "data", config.photos)
        began = time.monotonic()
        memory = watch(
            [
                sys.executable, str(ROOT / "train.py"), "--data", str(Path(folder) / "data"),
                "--epochs", str(config.epochs), "--backbone", "efficientnet_lite0",
                "--input-size", str(config.size), "--batch-size", "4", "--cache", "off",
                "--out", str(Path(folder) / "run"),
            ]
        )  # fmt: skip
    result = {
        "photos": config.photos,
        "size": config.size,
        "minutes": round((time.monotonic() - began) / 60, 1),
        **summarise(memory, config.epochs),
    }
    print(json.dumps(result))
    if config.record:
        append_result("memory", result)
    return OK if result["kept"] else MISSED


def watch(command: list[str]) -> dict[int, int]:
    """Run a training and read its resident memory after each epoch.

    Returns:
        Bytes by epoch, from 1.

    Raises:
        UserError: the training failed; the message holds the end of its output.
    """
    memory: dict[int, int] = {}
    with tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(
            command, cwd=ROOT, stdout=subprocess.PIPE, stderr=errors, text=True
        )
        watched = psutil.Process(process.pid)
        assert process.stdout is not None
        for line in process.stdout:
            match = re.match(r"epoch (\d+)[/:]", line)
            if match:
                memory[int(match.group(1))] = watched.memory_info().rss
        if process.wait() != 0:
            errors.seek(0)
            raise UserError(f"the training failed:\n{errors.read()[-2000:]}")
    return memory


def summarise(memory: Mapping[int, int], epochs: int) -> dict:
    """How the memory of a run changed.

    Args:
        memory: bytes by epoch.
        epochs: the last one.

    Returns:
        MiB at a tenth, a fifth, a half and the end of the run; growth from a fifth to the end, as
        a share, between medians of ``WINDOW`` epochs; slope of the least-squares line over the
        same epochs, in KiB an epoch; ``kept``: whether growth was within the limit.
    """
    start = epochs // 5
    early = statistics.median(memory[e] for e in range(start, start + WINDOW))
    late = statistics.median(memory[e] for e in range(epochs - WINDOW + 1, epochs + 1))
    line = np.array([(e, memory[e]) for e in range(start, epochs + 1)], np.float64)
    slope = float(np.polyfit(line[:, 0], line[:, 1], 1)[0])
    points = (epochs // 10, start, epochs // 2, epochs)
    return {
        "mib_at_epoch": {str(e): round(memory[e] / MIB, 1) for e in points},
        "growth": round(late / early - 1, 4),
        "kib_an_epoch": round(slope / 1024, 1),
        "highest_mib": round(max(memory.values()) / MIB, 1),
        "kept": late <= early * (1 + MAX_GROWTH),
    }


if __name__ == "__main__":
    sys.exit(run(main))
