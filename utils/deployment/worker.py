"""The checking process: ``python -m utils.deployment.worker FOLDER``; see ``run``.

TensorFlow is fast but not exact in a process that has trained with bfloat16 convolutions, and that
cannot be undone. So the comparison has a process of its own.
"""

from __future__ import annotations

import pickle
import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from utils.cli import run
from utils.detector import Detector
from utils.evaluation.leaks import load_evaluation_split
from utils.evaluation.schema import Comparison
from utils.quiet import import_tensorflow
from utils.runtime.export.process import run_module
from utils.runtime.facts import Facts
from utils.runtime.runtime import open_runtime
from utils.thresholds import Thresholds


@dataclass(frozen=True)
class CheckRequest:
    """What is to be compared.

    Attributes:
        path: the exported file or folder.
        weights: its checkpoint.
        format: as of ``--format``.
        nms: thresholds of the NMS in the graph; None without.
        data, split: labelled photos; None for generated ones.
    """

    path: Path
    weights: Path
    format: str
    nms: Thresholds | None
    data: Path | None
    split: str


@dataclass(frozen=True)
class CheckResult:
    """How an export compares with its checkpoint in float32; the fields of ``ExportResult``."""

    runtime: str
    photos: int
    box_difference: float
    score_difference: float
    comparison: Comparison | None


def check_in_process(request: CheckRequest) -> CheckResult:
    """``check``, in a process of its own.

    Raises:
        UserError: the data or the export cannot be read, or there is no memory.
    """
    with TemporaryDirectory() as folder:
        (Path(folder) / "request").write_bytes(pickle.dumps(request))
        run_module("utils.deployment.worker", folder, f"the check of {request.path.name}")
        return pickle.loads((Path(folder) / "result").read_bytes())


def check(request: CheckRequest) -> CheckResult:
    """Compare outputs on photos, and AP where there are labels."""
    import_tensorflow()
    from utils.deployment.check import (
        compare_ap,
        compare_outputs,
        compare_with_nms,
        float32_reference,
        load_with_nms,
        network_inputs,
    )

    facts = Facts.of_checkpoint(request.weights)
    dataset = request.data and load_evaluation_split(
        request.data, request.split, facts.metadata, classes=facts.class_names
    )
    reference = float32_reference(request.weights)
    inputs = network_inputs(facts.input_size, dataset)
    comparison = None
    if request.nms:
        name = f"{request.format} with suppression"
        infer = load_with_nms(request.path, request.format)
        agreement = compare_with_nms(infer, reference.infer, inputs, request.nms)
    else:
        runtime = open_runtime(request.path, device="cpu", option="--out")
        name = runtime.description
        agreement = compare_outputs(
            runtime.infer, reference.infer, inputs, any_shape=runtime.any_shape
        )
        if dataset:
            comparison = compare_ap(Detector(runtime), Detector(reference), dataset)
    return CheckResult(name, agreement.photos, agreement.box, agreement.score, comparison)


def main(argv: list[str]) -> None:
    folder = Path(argv[0])
    result = check(pickle.loads((folder / "request").read_bytes()))
    (folder / "result").write_bytes(pickle.dumps(result))


if __name__ == "__main__":
    # Under its importable name, so that the other process can read what is pickled here.
    from utils.deployment.worker import main as imported_main

    sys.exit(run(imported_main))
