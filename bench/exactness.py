"""Is --exact exact? Kill a run at random moments, resume it each time, and compare the weights.

    python -m bench.exactness --kills 20

trains on generated scenes twice: without interruption, and killed (SIGKILL) at random moments,
inside epochs too. Both runs must end with the same bits in every variable. Where they do not, a
second run without interruption tells whether killing is to blame. ``--speed`` also measures what
exactness costs.
"""

from __future__ import annotations

import csv
import json
import random
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench.common import ROOT, append_result, write_scenes
from utils.cli import MISSED, OK, option, parse, run
from utils.errors import UserError


@dataclass(frozen=True)
class ExactnessConfig:
    """The options of this measurement."""

    kills: int = option(20, help="number of kills at random moments", low=1)
    epochs: int = option(50, help="epochs of the run", low=1)
    photos: int = option(40, help="training photos", low=4)
    seed: int = option(0, help="seed of the moments")
    record: bool = option(True, help="append the result to bench/results")
    speed: bool = option(False, help="also measure the cost of --exact in speed")


def main(argv: list[str]) -> int:
    config = parse(ExactnessConfig, argv, __doc__.split("\n\n")[0])
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        write_scenes(work / "data", config.photos)
        command = [
            sys.executable, str(ROOT / "train.py"), "--data", str(work / "data"), "--exact",
            "--epochs", str(config.epochs), "--backbone", "efficientnet_lite0",
            "--input-size", "64", "--batch-size", "4", "--save-every", "0", "--seed", "7",
            "--augment", "mosaic=0.5", "mixup=0.3", "--stochastic-depth", "0.2",
        ]  # fmt: skip
        whole = uninterrupted(command, work / "whole")
        killed, times, within = killed_run(command, work / "killed", config.kills, config.seed)
        result = {
            "kills": times,
            "kills_within_an_epoch": within,
            "resumed_equals_whole": same(whole, killed),
        }
        if not result["resumed_equals_whole"]:
            again = uninterrupted(command, work / "again")
            result["second_run_equals_first"] = same(whole, again)
        if config.speed:
            result["exact_over_ordinary_step_time"] = cost(work, work / "data")
    print(json.dumps(result))
    if config.record:
        append_result("exactness", result)
    return OK if result["resumed_equals_whole"] else MISSED


def uninterrupted(command: list[str], out: Path) -> dict[str, np.ndarray]:
    """Train without interruption; returns every array of the final state."""
    subprocess.run([*command, "--out", str(out)], check=True, cwd=ROOT, capture_output=True)
    return final_arrays(out)


def killed_run(
    command: list[str], out: Path, kills: int, seed: int
) -> tuple[dict[str, np.ndarray], int, int]:
    """Train with SIGKILL at random moments.

    A kill comes a random number of steps and a random time after a start, so that every start
    makes some progress. The last start runs to the end.

    Returns:
        The final arrays, how often the run was killed, and how many kills fell inside an epoch.
    """
    rng = random.Random(seed)
    state, within, done = out / "state" / "state.npz", 0, 0
    while done < kills:
        goal = (progress(state)[0] if state.exists() else 0) + rng.randint(1, 6)
        process = subprocess.Popen(
            [*command, "--out", str(out), "--resume"], cwd=ROOT,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        while process.poll() is None and not (state.exists() and progress(state)[0] >= goal):
            time.sleep(0.01)
        try:
            process.wait(rng.uniform(0, 0.5))
            break  # the run is complete
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        done += 1
        within += progress(state)[1]
    if done < kills:
        raise UserError(f"the run ended after {done} kills: raise --epochs or --photos")
    subprocess.run(
        [*command, "--out", str(out), "--resume"], check=True, cwd=ROOT, capture_output=True
    )
    return final_arrays(out), done, within


def progress(state: Path) -> tuple[int, bool]:
    """The step of a saved state, and whether it lies inside an epoch."""
    with np.load(state) as archive:
        history = json.loads(archive["facts"].tobytes())["history"]
    return history["step"], bool(history["losses"])


def final_arrays(out: Path) -> dict[str, np.ndarray]:
    """Every variable of a run and its losses, by name."""
    with np.load(out / "state" / "state.npz") as archive:
        arrays = {name: archive[name] for name in archive.files}
    facts = json.loads(arrays.pop("facts").tobytes())
    rows = facts["history"]["rows"]
    arrays["losses"] = np.array([row["loss"] for row in rows])
    arrays["AP"] = np.array([row.get("AP", -2) for row in rows])
    return arrays


def same(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> bool:
    """Whether all arrays are equal, bit for bit."""
    return one.keys() == other.keys() and all(
        one[name].tobytes() == other[name].tobytes() for name in one
    )


def cost(work: Path, data: Path) -> float:
    """Step time with --exact over that without: the median of epochs of alternating runs."""
    speeds: dict[str, list[float]] = {"exact": [], "ordinary": []}
    for repeat in range(3):
        for kind in speeds:
            out = work / f"{kind}{repeat}"
            extra = ["--exact"] if kind == "exact" else []
            subprocess.run(
                [sys.executable, str(ROOT / "train.py"), "--data", str(data), "--epochs", "7",
                 "--backbone", "efficientnet_lite0", "--input-size", "416", "--batch-size", "8",
                 "--freeze-epochs", "1", "--out", str(out), *extra],
                check=True, cwd=ROOT, capture_output=True,
            )  # fmt: skip
            with open(out / "metrics.csv") as file:
                rows = list(csv.DictReader(file))
            # The first epoch and the first of an unfrozen backbone hold compilations. In the sixth
            # the final phase begins, and reading starts again.
            speeds[kind] += [float(row["photos_per_second"]) for row in rows[2:5] + rows[6:]]
    return round(statistics.median(speeds["ordinary"]) / statistics.median(speeds["exact"]), 3)


if __name__ == "__main__":
    sys.exit(run(main))
