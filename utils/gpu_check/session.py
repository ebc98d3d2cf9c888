"""``Session``: what the checks have in common, and the measurements that several of them use."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from utils.gpu_check.plan import Plan
from utils.gpu_check.processes import Place, run_task
from utils.gpu_check.result import CheckFailed

PRECISIONS = ("float32", "mixed_float16", "mixed_bfloat16")


@dataclass
class Session:
    """What the checks have in common.

    Attributes:
        plan: how much is checked.
        folder: for files, deleted at the end.
        stand_in: whether the CPU takes the place of a GPU.
    """

    plan: Plan
    folder: Path
    stand_in: bool = True

    @property
    def data(self) -> Path:
        """The generated road scenes."""
        return self.folder / "scenes"

    @property
    def one(self) -> Place:
        """The device that is checked."""
        return Place("cpu" if self.stand_in else "gpu:0")

    @property
    def two(self) -> Place | None:
        """Two devices; None where there is one GPU."""
        if self.stand_in:
            return Place("cpu", logical_cpus=2)
        return Place("gpu:0,1") if len(self.machine["gpus"]) > 1 else None

    @property
    def name(self) -> str:
        """The device that is checked, in tables."""
        return "CPU in its place" if self.stand_in else "GPU"

    def task(self, task: str, place: Place, name: str, /, **arguments: Any) -> dict[str, Any]:
        """Run a task of ``utils.gpu_check.tasks`` with a folder of that name."""
        return run_task(task, place, self.folder / name, self.plan.timeout, **arguments)

    def train(
        self, place: Place, name: str, runs: list[dict[str, Any]], seconds: float = 1e9
    ) -> list[dict[str, Any]]:
        """Train on a place; see ``tasks.train``. What a run does not say is as in the plan."""
        plan = self.plan
        usual = {
            "backbone": plan.backbone,
            "backbone_weights": plan.backbone_weights,
            "input_size": plan.input_size,
            "batch": plan.batch,
            "steps": plan.equal_steps,
        }
        found = self.task(
            "train", place, name, runs=[usual | run for run in runs], data=str(self.data),
            folder=str(self.folder / name / "runs"), seconds=seconds,
        )  # fmt: skip
        return found["runs"]

    @cached_property
    def machine(self) -> dict[str, Any]:
        """What TensorFlow says of the devices; see ``tasks.describe``."""
        return self.task("describe", Place("auto"), "machine")

    @cached_property
    def cpu_run(self) -> dict[str, Any]:
        """The steps on the CPU that others are compared with, and their speed."""
        equal = {"comparable": True, "timed": self.plan.speed_steps}
        return self.train(Place("cpu"), "cpu", [equal])[0]

    @cached_property
    def device_runs(self) -> dict[str, dict[str, Any]]:
        """The same steps on the device (``equal``), and a run in each precision; that of float32
        is ``equal`` where the plan says so."""
        plan = self.plan
        runs = {"equal": {"comparable": True, "timed": plan.speed_steps}}
        for precision in PRECISIONS if plan.mixed_learns else PRECISIONS[1:]:
            runs[precision] = {
                "precision": precision, "steps": plan.mixed_steps, "timed": plan.speed_steps,
                "comparable": not plan.mixed_learns,
            }  # fmt: skip
        found = self.train(self.one, "device", list(runs.values()))
        by_name = dict(zip(runs, found, strict=True))
        return {"float32": by_name["equal"], **by_name}


def losses_of(run: dict[str, Any], what: str) -> list[float]:
    """The losses of a run.

    Raises:
        CheckFailed: it failed; ``what`` says which run.
    """
    if "error" in run:
        raise CheckFailed(f"{what}: {run['error']}")
    return run["losses"]
