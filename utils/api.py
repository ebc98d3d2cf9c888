"""The commands as functions that return: ``train``, ``evaluate``, ``export``; and ``Detector``.

    from utils.api import Detector, evaluate, export, train

    result = train("photos", minutes=20, out="runs/mine")
    print(evaluate(result.best, "photos").ap50)
    detections = Detector(result.best)("photo.jpg")
    fast = Detector(export(result.best, "openvino").path)

Options are keyword arguments with the names of the command's options. Nothing here ends the
process: what a user can put right is raised as ``utils.errors.UserError``. docs/python.md tells
more.
"""

from __future__ import annotations

import gc
import os
import random
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from dataclasses import MISSING, fields, replace
from inspect import Parameter, signature
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import numpy as np

from utils.cli import from_keywords
from utils.cpu import CPUINFO, FAST_MATH_VARIABLE
from utils.deployment.config import ExportConfig
from utils.detector import Detector
from utils.errors import UserError
from utils.evaluation.config import MapConfig
from utils.evaluation.config import refuse_contradictions as refuse_contradictions_in_scoring
from utils.quiet import import_tensorflow
from utils.training.config import (
    TrainConfig,
    config_of_run,
    no_run_to_resume,
    refuse_contradictions,
)
from utils.training.legacy import RENAMED_OPTIONS
from utils.training.numerics import one_dnn_rounds, set_fast_math

if TYPE_CHECKING:
    from utils.deployment.run import ExportResult
    from utils.evaluation.evaluate import Evaluation
    from utils.training.run import TrainResult

__all__ = ["Detector", "evaluate", "export", "train"]

COMMAND_ONLY = ("check", "fix", "preview")  # other tasks that train.py has besides training


def with_options_of(config_class: type, *, without: tuple[str, ...] = ()) -> Callable:
    """Decorator: ``help()`` and completion show the options of a dataclass as keywords."""

    def decorate(function: Callable) -> Callable:
        own = signature(function)
        named = [p for p in own.parameters.values() if p.kind is not Parameter.VAR_KEYWORD]
        taken = {p.name for p in named} | set(without)
        options = [option for option in fields(config_class) if option.name not in taken]
        named += [
            Parameter(
                option.name,
                Parameter.KEYWORD_ONLY,
                default=Parameter.empty if option.default is MISSING else option.default,
                annotation=option.type,
            )
            for option in options
        ]
        function.__signature__ = own.replace(parameters=named)
        lines = [f"        {option.name}: {option.metadata['help']}." for option in options]
        function.__doc__ += "\n    Options:\n" + "\n".join(lines) + "\n"
        return function

    return decorate


@with_options_of(TrainConfig, without=COMMAND_ONLY)
def train(
    data: str | Path | None = None,
    *,
    on_epoch: Callable[[dict[str, Any]], None] | None = None,
    quiet: bool = False,
    **options: Any,
) -> TrainResult:
    """Train a detector, as ``train.py`` does.

    Ctrl-C ends the run after its step, with everything saved (``result.interrupted``); it is
    continued with ``resume=True``. ``minutes`` count from the call. The process gets back its
    random state, OpenCV's threads and Keras' precision. After ``exact=True`` TensorFlow stays
    deterministic, which cannot be undone.

    Args:
        data: folder with the labelled photos; None for a run that is resumed.
        on_epoch: called with the row of each epoch, a dictionary as in ``metrics.csv``. What it
            raises ends the run; ``resume=True`` continues it from its last saved state.
        quiet: print nothing. The run's ``log.txt`` has it all.

    Returns:
        Paths (``path``, ``best``, ``last``), ``history`` (a dictionary an epoch), ``metrics`` of
        the best checkpoint, and whether the run was interrupted.

    Raises:
        UserError: what is wrong with options or data; a full disk; a loss that is not finite.
    """
    started = time.monotonic()
    for name in COMMAND_ONLY:
        if name in options:
            raise UserError(f"{name} is an option of the command train.py only")
    file = options.pop("config", None)
    if options.get("resume") and not file:
        out = Path(options["out"]) if options.get("out") else None
        file = config_of_run(out) if out else None
        if file is None and data is None:
            raise no_run_to_resume(out)
    given = options if data is None else {"data": data, **options}
    config = from_keywords(TrainConfig, given, file=file, renamed=RENAMED_OPTIONS)
    refuse_contradictions(config)
    fast_math = _fast_math(config.fast_math)
    if on_epoch and quiet:
        on_epoch = _printing_to(sys.stdout, sys.stderr, on_epoch)
    with _silence(quiet), _restored_process_state():
        import_tensorflow()
        from utils.training import run

        result = run.train(replace(config, fast_math=fast_math), started, on_epoch)
        result = replace(result, run=None)
    gc.collect()  # the network is part of reference cycles
    return result


@with_options_of(MapConfig)
def evaluate(
    weights: str | Path | None,
    data: str | Path,
    *,
    quiet: bool = False,
    **options: Any,
) -> Evaluation:
    """Score a detector on labelled photos, as ``get_map.py`` does.

    Files are written only where ``out`` names a folder. With ``tune`` the thresholds are stored in
    the checkpoint.

    Args:
        weights: the detector's file; None to score the file ``detections`` instead.
        data: folder with the labelled photos.
        quiet: print nothing. Warnings are in ``evaluation.warnings``.

    Returns:
        ``metrics`` (as in ``metrics.json``), ``ap`` and ``ap50`` with their 95 % intervals,
        ``analysis``, ``errors`` (a dictionary an error), ``warnings`` and ``to_pandas()``.

    Raises:
        UserError: what is wrong with options, data, detector or detections.
    """
    file = options.pop("config", None)
    given = {"weights": weights, "data": data, **options}
    config = from_keywords(MapConfig, given, file=file)
    refuse_contradictions_in_scoring(config)
    with _silence(quiet), _restored_process_state():
        from utils.evaluation.evaluate import evaluate as score
        from utils.evaluation.tuning import store_operating_point

        evaluation = score(config)
        if config.out:
            evaluation.write(config.out, report=config.report)
        if evaluation.analysis.tuning:
            store_operating_point(config.weights, evaluation.analysis.tuning)
    return evaluation


@with_options_of(ExportConfig)
def export(
    weights: str | Path,
    format: str,
    *,
    quiet: bool = False,
    **options: Any,
) -> ExportResult:
    """Write a checkpoint for another runtime and check it, as ``export.py`` does.

    Args:
        weights: the checkpoint, a ``.keras`` file.
        format: ``onnx``, ``openvino``, ``litert`` or ``saved_model``.
        quiet: print nothing.

    Returns:
        ``path`` of the file or folder; the largest differences from the checkpoint,
        ``box_difference`` in pixels and ``score_difference``; and with ``data``, except with
        ``nms``, a ``comparison`` of AP.

    Raises:
        UserError: what is wrong with options, checkpoint or data; or the export differs
            too much
            from the checkpoint's, and it was removed.
    """
    file = options.pop("config", None)
    config = from_keywords(
        ExportConfig, {"weights": weights, "format": format, **options}, file=file
    )
    with _silence(quiet):
        from utils.deployment.run import run_export

        return run_export(config)


def _fast_math(
    asked: bool | None,
    environment: Mapping[str, str] = os.environ,
    cpuinfo: Path = CPUINFO,
) -> bool:
    """The value of ``fast_math`` for a run.

    oneDNN reads its setting once, when TensorFlow is loaded. If another value is requested later,
    warn and keep the loaded one. On CPUs where oneDNN does not round, only casts of the network do,
    and each run can choose.
    """
    if "tensorflow" not in sys.modules:
        return set_fast_math(asked)
    now = environment.get(FAST_MATH_VARIABLE, "").upper() in ("BF16", "ANY")
    if asked is None or asked == now:
        return now
    if not one_dnn_rounds(cpuinfo):
        return asked
    warnings.warn(
        f"fast_math={asked}: not possible, because TensorFlow was loaded with fast_math={now} in "
        "this process; start another one",
        RuntimeWarning,
        stacklevel=3,
    )
    return now


@contextmanager
def _restored_process_state() -> Iterator[None]:
    """Restore random states, OpenCV's threads, Keras' dtype policy and the TF32 switch when the
    block ends."""
    import cv2

    keras = sys.modules.get("keras")
    policy = keras.config.dtype_policy() if keras else "float32"  # Keras' default
    tensorflow = sys.modules.get("tensorflow")
    tf32 = (  # whether GPUs round float32 to TensorFloat-32; TensorFlow's default is that they do
        tensorflow.config.experimental.tensor_float_32_execution_enabled() if tensorflow else True
    )
    python_state, threads = random.getstate(), cv2.getNumThreads()
    numpy_state = np.random.get_state()  # noqa: NPY002  Keras seeds this one
    try:
        yield
    finally:
        random.setstate(python_state)
        np.random.set_state(numpy_state)  # noqa: NPY002
        cv2.setNumThreads(threads)
        if keras := sys.modules.get("keras"):
            keras.config.set_dtype_policy(policy)
        if tensorflow := sys.modules.get("tensorflow"):
            tensorflow.config.experimental.enable_tensor_float_32_execution(tf32)


@contextmanager
def _silence(quiet: bool) -> Iterator[None]:
    with ExitStack() as stack:
        if quiet:
            nowhere = stack.enter_context(open(os.devnull, "w", encoding="utf-8"))
            stack.enter_context(redirect_stdout(nowhere))
            stack.enter_context(redirect_stderr(nowhere))
        yield


def _printing_to(stdout: TextIO, stderr: TextIO, call: Callable) -> Callable:
    """``call`` with its own output on these streams, whatever is silenced around it."""

    def printing(*values: Any) -> None:
        with redirect_stdout(stdout), redirect_stderr(stderr):
            call(*values)

    return printing
