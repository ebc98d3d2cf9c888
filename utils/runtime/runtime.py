"""``Runtime``: a network that is ready to run, whatever runs it, and how to open one.

To add a runtime, write an opener as in ``utils.runtime.onnx_runtime``, and name it in
``names.RUNTIMES`` and its files in ``runtime_of_file``. What happens to a photo before and to the
boxes after is the same for all of them; see ``utils.detector``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from utils.cores import available_cores
from utils.decoding import DecodingParams
from utils.errors import UserError
from utils.runtime.names import CONVERTED, RUNTIMES

# Threads beside a network on the processor; and at most so many beside one on a GPU, which is often
# faster than they are.
READERS, MAX_READERS, GPU_FINISHERS = 2, 16, 4

# uint8 RGB (B, H, W, 3), letterboxed → float32 boxes (B, N, 4) in pixels of that input, and scores
# (B, N, classes); or the three raw maps, see ``Runtime.decoding_params``.
Infer = Callable[[np.ndarray], tuple[np.ndarray, ...]]


@dataclass(frozen=True)
class Runtime:
    """A network that is ready to run.

    Attributes:
        infer: network inputs → boxes and scores, or the raw heads; takes any number of pictures up
            to ``batch_size``.
        class_names: names of the classes, by class id.
        input_size: (height, width) of the network input in pixels.
        batch_size: how many pictures it should get at once, on all its devices.
        description: runtime, precision and device in words.
        metadata: what the weights file says of its training, such as splits and thresholds.
        any_shape: ``infer`` takes any height and width that are multiples of 32, the same for all
            pictures of a batch; otherwise only ``input_size``.
        decoding_params: where set, ``infer`` gives the three raw maps
            (B, H/s, W/s, 3·(5 + classes)) for s = 8, 16, 32, float32 or narrower, and this decodes
            them.
        parallel: how many calls of ``infer`` may run at the same time, and should where there are
            many pictures.
        on_gpu: whether it leaves the processor's cores free meanwhile.
    """

    infer: Infer
    class_names: tuple[str, ...]
    input_size: tuple[int, int]
    batch_size: int = 1
    description: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    any_shape: bool = False
    decoding_params: DecodingParams | None = None
    parallel: int = 1
    on_gpu: bool = False

    @property
    def readers(self) -> int:
        """Threads that read pictures for it."""
        return min(max(available_cores(), READERS), MAX_READERS) if self.on_gpu else READERS

    @property
    def finishers(self) -> int:
        """Threads that suppress duplicates behind it."""
        return min(available_cores(), GPU_FINISHERS) if self.on_gpu else 1


def open_runtime(
    weights: str | Path,
    runtime: str = "auto",
    *,
    device: Any = None,
    batch_size: int | None = None,
    option: str = "--weights",
    throughput: bool = False,
) -> Runtime:
    """Open a weights file.

    Args:
        weights: a file that ``train.py`` or ``export.py`` wrote.
        runtime: one of ``RUNTIMES``; ``auto`` takes that of an exported file, and for a checkpoint
            the fastest here (``utils.runtime.fastest``). A checkpoint is converted for the others
            once, and the result kept in the cache folder.
        device: ``auto``, ``cpu``, ``gpu`` or ``gpu:N``; None leaves the choice to the runtime. Of
            ``gpu:N,M`` an exported network takes all for many pictures, otherwise the first. A
            ``Cluster`` runs a TensorFlow network on all its devices.
        batch_size: pictures that each device gets at once; None for what is fast there.
        option: the command-line option that named the file, for errors.
        throughput: for many pictures: the most a second, not the first one soonest.

    Raises:
        UserError: no such file or runtime, or the file is no detector.
    """
    path = Path(weights)
    if runtime != "auto" and runtime not in RUNTIMES:
        raise UserError(f"there is no runtime {runtime!r}; choose auto, {', '.join(RUNTIMES)}")
    if not path.exists():
        raise UserError(f"{option} {path}: there is no such file")
    if not path.is_dir() and not path.is_file():
        raise UserError(f"{option} {path}: neither a file nor a folder")
    of_file = runtime_of_file(path)
    if of_file is None:
        raise UserError(
            f"{option} {path}: not a .keras checkpoint, as train.py writes it, and no export"
        )
    options = {"device": device, "batch_size": batch_size, "option": option}
    if of_file == "tensorflow" and runtime == "auto":
        from utils.runtime.fastest import open_fastest

        return open_fastest(path, throughput=throughput, **options)
    if of_file == "tensorflow" and runtime in CONVERTED:
        from utils.runtime.exported import ExportedNetwork

        network = ExportedNetwork(path, option)
        opener = partial(network.open, runtime, device=device, batch_size=batch_size)
    elif runtime in ("auto", of_file):
        runtime = of_file
        opener = partial(_opener(of_file), path, **options)
    else:
        raise UserError(f"{option} {path}: is for the runtime {of_file}, not for {runtime}")
    if throughput and runtime in CONVERTED:
        from utils.runtime.parallel_copies import open_copies

        opened = open_copies(opener, device)
    else:
        opened = opener()
    if of_file == "tensorflow":
        return opened
    from utils.runtime.output_check import with_checked_outputs

    return with_checked_outputs(opened, f"{option} {path}")


def runtime_of_file(path: Path) -> str | None:
    """The runtime that a file or folder is for, by its name and by what lies in it."""
    if path.is_dir():
        inside = {"saved_model.pb": "saved_model", "model.xml": "openvino"}
        return next((name for file, name in inside.items() if (path / file).is_file()), None)
    suffixes = {
        ".keras": "tensorflow", ".onnx": "onnx", ".xml": "openvino", ".tflite": "litert",
    }  # fmt: skip
    return suffixes.get(path.suffix.lower())


def in_full_batches(infer: Infer, batch_size: int, *, single: bool = False) -> Infer:
    """``infer``, for a network that is compiled for one batch size: other batches are padded.

    Args:
        infer: the network.
        batch_size: that it is compiled for.
        single: give it single pictures as they are: it is compiled for them, too.
    """

    def run(images: np.ndarray) -> tuple[np.ndarray, ...]:
        if single and len(images) == 1:
            return infer(images)
        return tuple(part[: len(images)] for part in infer(padded(images, batch_size)))

    return run


def padded(images: np.ndarray, multiple: int) -> np.ndarray:
    """(B, H, W, 3) with black pictures added, until their number is a multiple."""
    missing = -len(images) % multiple
    if not missing:
        return images
    return np.concatenate([images, np.zeros((missing, *images.shape[1:]), images.dtype)])


def _opener(runtime: str) -> Callable[..., Runtime]:
    """The function that opens files for a runtime; its library is imported by then."""
    if runtime in ("tensorflow", "saved_model"):
        from utils.quiet import import_tensorflow

        import_tensorflow()
    return getattr(import_module(f"utils.runtime.{runtime}_runtime"), f"open_{runtime}")
