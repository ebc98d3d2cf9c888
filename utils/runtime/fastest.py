"""``--runtime auto`` for a checkpoint: the runtime and precision that are fastest here.

The candidates are timed once, on a single picture or, beside a GPU and for many pictures, on full
batches. The choice is kept in the cache folder, with what it depends on: weights, versions,
processor, GPU, device. On a busy machine it is made anew each time. A precision below float32 is
used only where its detections agree with those of float32; see ``utils.runtime.precision_trial``.

Not every installed runtime is timed, because converting a network takes half a minute. On CPUs
OpenVINO was the fastest for all networks measured (docs/performance.md), so the first installed
runtime of ``CPU_RUNTIMES`` stands for the CPU. A GPU counts beside it.
"""

from __future__ import annotations

import hashlib
import os
import platform
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from utils.cores import available_cores
from utils.cpu import describe_cpu, has_bfloat16
from utils.errors import UserError
from utils.letterbox import Letterbox
from utils.runtime.export.process import ModuleFailedError, NoRoomError
from utils.runtime.exported import ExportedNetwork
from utils.runtime.facts import Facts
from utils.runtime.gpu_driver import gpu_likely, warn_of_unused_gpu
from utils.runtime.names import CONVERTED, DISPLAY_NAMES
from utils.runtime.parallel_copies import cpu_copies, open_copies
from utils.runtime.precision_trial import Agreement, PrecisionTrial
from utils.runtime.runtime import Runtime

CPU_RUNTIMES = ("openvino", "litert", "onnx")  # the fastest first
WORTHWHILE = 0.95  # of float32's time: less than that for another precision
_MODULES = {"openvino": "openvino", "litert": "ai_edge_litert", "onnx": "onnxruntime"}
_PACKAGES = (
    "openvino", "ai-edge-litert", "onnxruntime", "onnxruntime-gpu", "tensorflow",
    "nvidia-cudnn-cu12",  # with it TensorFlow may have a GPU
)  # fmt: skip
_CONVERTING = ("efficient-yolo3", "keras", "onnx", "numpy", "protobuf", "ml-dtypes")
_CONVERTER = Path(__file__).parent / "export"
_REPEATS, _WARM_UP = 15, 2  # rounds


@dataclass(frozen=True)
class Candidate:
    """A way to run the network: runtime, precision of the arithmetic, device."""

    runtime: str
    precision: str = "float32"
    device: str = "cpu"

    def __str__(self) -> str:
        return f"{DISPLAY_NAMES[self.runtime]} {self.precision} on {self.device}"


def open_fastest(
    weights: Path,
    *,
    device: str | None = None,
    batch_size: int | None = None,
    option: str = "--weights",
    throughput: bool = False,
) -> Runtime:
    """The fastest runtime for a checkpoint; TensorFlow where there is no other.

    Args:
        weights: a ``.keras`` file.
        device: ``auto``, ``cpu``, ``gpu`` or ``gpu:N``; None for auto.
        batch_size, option: as for ``utils.runtime.runtime.open_runtime``.
        throughput: for many pictures: the most a second, not the first one soonest.

    Raises:
        UserError: no such file, or no detector.
    """
    options = {"device": device, "batch_size": batch_size, "option": option}
    tensorflow = partial(_open_tensorflow, weights, **options)
    candidates = candidates_here(device)
    if not candidates:
        if device in (None, "auto", "cpu"):
            _say(
                "OpenVINO would run this network several times as fast as TensorFlow; install it "
                "with: pip install openvino"
            )
        return tensorflow()
    facts = Facts.of_checkpoint(weights, option)  # what is no detector, is none in TensorFlow
    in_batches = throughput and any(one.device != "cpu" for one in candidates)
    key = machine_key(device, in_batches=in_batches)
    failure_key = f"{key}; conversion failed; {converter_key()}"
    try:
        network = ExportedNetwork(weights, option, facts)
        notes = network.read_notes()
        if failure_key in notes:
            raise UserError(f"{notes[failure_key]}; to try that again, remove {network.folder}")
        notes = notes.get(key)
        opener = partial(_open, network, tensorflow, batch_size)
        if not notes_are_valid(notes, candidates):
            was_busy = busy()  # before the measurement itself makes it so
            notes = time_candidates(candidates, opener, in_batches)
            if not was_busy:  # otherwise measured again next time
                network.write_notes({key: notes})
        return _open_noted(network, key, notes, opener, throughput)
    except (UserError, RuntimeError) as error:
        reason = _in_one_line(error)
        if isinstance(error, ModuleFailedError):  # not half a minute of it at each start
            network.write_notes({failure_key: reason})
    _say(f"TensorFlow runs the network, as the fastest runtime here cannot: {reason}")
    return tensorflow()


def candidates_here(device: str | None) -> list[Candidate]:
    """What to time on this machine, GPUs first; empty where there is only TensorFlow."""
    asked = device or "auto"
    found = []
    if asked != "cpu" and gpu_likely():
        gpu = "gpu" if asked == "auto" else asked
        if onnx_runtime_has_cuda():
            found.append(Candidate("onnx", device=gpu))
        if tensorflow_has_gpu():
            found.append(Candidate("tensorflow", device=gpu))
        if asked == "auto" and not found:
            warn_of_unused_gpu()
    if asked in ("auto", "cpu"):
        installed = [name for name in CPU_RUNTIMES if find_spec(_MODULES[name])]
        for name in installed[:1]:
            found.append(Candidate(name))
            if name == "openvino" and has_bfloat16():
                found.append(Candidate(name, "bfloat16"))
    return found


def time_candidates(
    candidates: list[Candidate],
    opener: Callable[[Candidate], Runtime],
    in_batches: bool = False,
) -> dict:
    """Time all candidates in turn on one 4:3 image.

    They are compared within a round, so that other work on the machine slows all of them.

    Args:
        candidates: what to time.
        opener: opens them.
        in_batches: time full batches, and divide by their pictures.

    Returns:
        Notes for the cache folder: the fastest candidate, the fallback (in float32 if one of these
        opened), and the median milliseconds of each.

    Raises:
        UserError, ModuleFailedError: none of them can be opened.
    """
    opened: dict[Candidate, Runtime] = {}
    failed: dict[str, Exception] = {}  # by runtime, as another precision would fail, too
    for candidate in candidates:
        if candidate.runtime not in failed:
            try:
                opened[candidate] = opener(candidate)
            except (UserError, ModuleFailedError) as error:
                failed[candidate.runtime] = error
    if not opened:
        raise next(iter(failed.values()))
    for runtime, error in failed.items():
        _say(f"{DISPLAY_NAMES[runtime]} cannot be used: {_in_one_line(error)}")
    rounds = np.array([_time_once(opened, in_batches) for _ in range(_WARM_UP + _REPEATS)])
    rounds = rounds[_WARM_UP:]  # (repeats, candidates)
    baseline = next((i for i, one in enumerate(opened) if one.precision == "float32"), 0)
    ratios = dict(
        zip(opened, np.median(rounds / rounds[:, [baseline]], axis=0).tolist(), strict=True)
    )
    in_float32 = [one for one in ratios if one.precision == "float32"]
    fallback = min(in_float32 or ratios, key=ratios.get)
    faster = [one for one in ratios if ratios[one] < WORTHWHILE * ratios[fallback]]
    medians = np.median(rounds, axis=0).round(2).tolist()
    return {
        "chosen": asdict(min([fallback, *faster], key=ratios.get)),
        "instead": asdict(fallback),  # where the precision of the first is not good enough
        "milliseconds": {str(one): ms for one, ms in zip(opened, medians, strict=True)},
        "try again": any(isinstance(error, NoRoomError) for error in failed.values()),
    }


def notes_are_valid(notes: object, candidates: list[Candidate]) -> bool:
    """Whether notes are what ``time_candidates`` returns, of candidates that are still there.

    They are not where a candidate was left out for want of memory or disk space.
    """
    try:
        if notes.get("try again"):
            return False
        choices = Candidate(**notes["chosen"]), Candidate(**notes["instead"])
        times = notes["milliseconds"]
        return all(one in candidates and str(one) in times for one in choices) and all(
            isinstance(ms, int | float) for ms in times.values()
        )
    except (AttributeError, KeyError, TypeError):  # none, or damaged
        return False


def _time_once(opened: dict[Candidate, Runtime], in_batches: bool) -> list[float]:
    """Milliseconds of each runtime for a picture, one runtime after the other."""
    times = []
    for runtime in opened.values():
        pictures = runtime.batch_size if in_batches else 1
        images = np.repeat(picture_for(runtime), pictures, axis=0)
        started = time.perf_counter()
        runtime.infer(images)
        times.append(1000 * (time.perf_counter() - started) / pictures)
    return times


def busy() -> bool:
    """Whether other programs use the cores, so that times say little."""
    return hasattr(os, "getloadavg") and os.getloadavg()[0] > available_cores() + 1


def picture_for(runtime: Runtime) -> np.ndarray:
    """A network input of noise for timing, uint8 (1, H, W, 3)."""
    height, width = runtime.input_size
    if runtime.any_shape:
        fitted = Letterbox.fitted(640, 480, max(height, width))
        height, width = fitted.input_height, fitted.input_width
    return np.random.default_rng(0).integers(0, 256, (1, height, width, 3), np.uint8)


def machine_key(device: str | None, *, in_batches: bool = False) -> str:
    """What a choice depends on beside the network: versions, processor, cores, GPUs, device, and
    whether full batches are timed."""
    hardware = [describe_cpu(), f"{available_cores()} cores"]
    if gpu_likely():
        hardware.append(", ".join(["GPU", *(gpu_models() if device != "cpu" else ())]))
    what = ["full batches"] if in_batches else []
    return "; ".join([*_versions(_PACKAGES), *hardware, device or "auto", *what])


def converter_key() -> str:
    """What else decides whether a conversion succeeds: versions, and the code that converts."""
    code = hashlib.sha256()
    for path in sorted(_CONVERTER.glob("*.py")):
        code.update(path.read_bytes())
    python = f"Python {platform.python_version()}"
    return "; ".join([python, *_versions(_CONVERTING), f"code {code.hexdigest()[:12]}"])


def _versions(packages: Sequence[str]) -> Iterator[str]:
    """The installed ones of these packages with their versions."""
    for package in packages:
        with suppress(PackageNotFoundError):
            yield f"{package} {version(package)}"


def onnx_runtime_has_cuda() -> bool:
    if not find_spec("onnxruntime"):
        return False
    import onnxruntime

    return "CUDAExecutionProvider" in onnxruntime.get_available_providers()


def tensorflow_has_gpu() -> bool:
    from utils.quiet import import_tensorflow

    import_tensorflow()
    import tensorflow as tf

    return bool(tf.config.list_physical_devices("GPU"))


def gpu_models() -> list[str]:
    """The models of the GPUs that TensorFlow sees."""
    if not tensorflow_has_gpu():
        return []
    import tensorflow as tf

    details = map(tf.config.experimental.get_device_details, tf.config.list_physical_devices("GPU"))
    return [one.get("device_name", "unknown model") for one in details]


@dataclass(frozen=True)
class TrialNotes:
    """A precision trial in the notes of a network: its decision, or the agreement until then.

    Attributes:
        network: keeps the notes.
        key: of the trial in them.
    """

    network: ExportedNetwork
    key: str

    def read(self) -> tuple[bool | None, Agreement]:
        """Whether the precisions agree, None if that is not decided; and the agreement so far."""
        note = self.network.read_notes().get(self.key)
        try:
            numbers = (int(note[name]) for name in ("photos", "detections", "agreeing"))
            agreement = Agreement(*numbers, [str(name) for name in note["inputs"]])
            return note["agrees"], agreement
        except (KeyError, TypeError, ValueError):
            # No note, a damaged one, or one from when photos counted twice.
            return None, Agreement()

    def write_progress(self, agreement: Agreement) -> None:
        self.network.write_notes({self.key: {"agrees": None, **asdict(agreement)}})

    def write_decision(self, agreement: Agreement) -> None:
        if agreement.has_enough_data:
            note = {"agrees": agreement.passed, **asdict(agreement)}
            self.network.write_notes({self.key: note})
        else:  # tried again on other photos
            self.write_progress(Agreement())


def _open_noted(
    network: ExportedNetwork,
    key: str,
    notes: dict,
    opener: Callable[..., Runtime],
    throughput: bool,
) -> Runtime:
    """Open what the notes say; on trial where its precision is not decided yet."""
    fastest, fallback = Candidate(**notes["chosen"]), Candidate(**notes["instead"])
    trial_notes = TrialNotes(network, f"{key}; {fastest.precision}")
    agrees, so_far = trial_notes.read()  # decided on a busy machine as well
    if agrees is False:
        fastest = fallback
    copies = throughput and fastest.runtime in CONVERTED
    by_time = sorted(notes["milliseconds"].items(), key=lambda item: item[1])
    words = "timed here: " + ", ".join(f"{name} {ms:.1f} ms" for name, ms in by_time)
    if fastest == fallback or agrees:
        runtime = _open_decided(opener, fastest, copies)
    else:
        runtime = _open_on_trial(opener, fallback, fastest, copies, trial_notes, so_far)
        words = f"{fastest.precision} once its detections are seen to agree; {words}"
    return replace(runtime, description=f"{runtime.description} ({words})")


def _open_decided(opener: Callable[..., Runtime], candidate: Candidate, copies: bool) -> Runtime:
    """Open one candidate; with ``copies`` several times, for the highest throughput."""
    if copies:
        return open_copies(partial(opener, candidate), candidate.device)
    return opener(candidate)


def _open_on_trial(
    opener: Callable[..., Runtime],
    fallback: Candidate,
    fastest: Candidate,
    copies: bool,
    notes: TrialNotes,
    so_far: Agreement,
) -> Runtime:
    """Open both candidates; the first pictures decide which of them runs the later ones."""
    # With their threads given, both take as many pictures at a time as the copies will afterwards.
    threads = available_cores() if copies else None
    reference, fast = (opener(one, threads=threads) for one in (fallback, fastest))

    def on_decision(agreement: Agreement) -> Runtime:
        notes.write_decision(agreement)
        return _open_decided(opener, fastest if agreement.passed else fallback, copies)

    trial = PrecisionTrial(reference, fast, on_decision, so_far, notes.write_progress)
    return replace(reference, infer=trial, parallel=cpu_copies() if copies else 1)


def _open(
    network: ExportedNetwork,
    tensorflow: Callable[..., Runtime],
    batch_size: int | None,
    candidate: Candidate,
    threads: int | None = None,
    device: str | None = None,
) -> Runtime:
    """Open a candidate, on ``device`` instead of its own where that is given."""
    if candidate.runtime == "tensorflow":
        return tensorflow(device=candidate.device)
    return network.open(
        candidate.runtime,
        device=device or candidate.device,
        batch_size=batch_size,
        precision=candidate.precision,
        threads=threads,
    )


def _open_tensorflow(weights: Path, **options: object) -> Runtime:
    from utils.quiet import import_tensorflow

    import_tensorflow()
    from utils.runtime.tensorflow_runtime import open_tensorflow

    return open_tensorflow(weights, **options)


def _in_one_line(error: Exception) -> str:
    """What it says first and last: a crash quotes all that the process printed."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0] if len(lines) == 1 else f"{lines[0]} {lines[-1]}"


def _say(sentence: str) -> None:
    print(f"note: {sentence}", file=sys.stderr)
