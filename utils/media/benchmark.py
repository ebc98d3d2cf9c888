"""``predict.py --benchmark``: how long each step takes on one picture, and how many a second.

Pictures are timed one at a time, step by step. Then the same picture is run many times as in a
folder: decoding, network and suppression at the same time, on as many copies as the runtime likes.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from functools import partial
from itertools import pairwise, repeat
from pathlib import Path

import numpy as np

from utils.detections import Detections
from utils.detector import Detector
from utils.drawing.boxes import draw_detections
from utils.files import atomic_write
from utils.media.frames import Source
from utils.media.sources import read_frames
from utils.postprocess import refine, suppress
from utils.prefetch import map_ahead
from utils.runtime.precision_trial import PrecisionTrial
from utils.streaming import detect_stream
from utils.thresholds import Thresholds

TOGETHER = "together, without drawing"
PERCENTILES = {"median": 50, "90 %": 90, "99 %": 99}
WARM_UP_RUNS = 3
_READERS = 2  # threads that decode
_FLOAT32_ONLY = (
    "float32 was timed: one picture does not decide whether the faster precision agrees with it; "
    "detect on some photos with objects, and time again"
)


@dataclass(frozen=True)
class Benchmark:
    """The times of one picture.

    Attributes:
        picture: its name.
        size: (width, height) in pixels.
        input_size: (width, height) of the network input.
        runtime: what ran the network, in words.
        milliseconds: (runs,) times by step; ``decode`` is missing for a frame of a video.
        pictures_a_second: of many pictures.
        note: what the times do not show; empty where there is nothing to say.
    """

    picture: str
    size: tuple[int, int]
    input_size: tuple[int, int]
    runtime: str
    milliseconds: dict[str, np.ndarray]
    pictures_a_second: float
    note: str = ""

    def percentiles(self) -> dict[str, dict[str, float]]:
        """Milliseconds by step and percentile."""
        return {
            step: {name: float(np.percentile(times, q)) for name, q in PERCENTILES.items()}
            for step, times in self.milliseconds.items()
        }

    def lines(self) -> Iterator[str]:
        """A table for people."""
        width, height = self.size
        runs = len(next(iter(self.milliseconds.values())))
        shape = "×".join(map(str, self.input_size))
        yield (
            f"benchmark: {self.picture} ({width}×{height} pixels, network input {shape}), "
            f"{runs} runs, {self.runtime}"
        )
        yield f"  {'milliseconds':{len(TOGETHER)}}" + "".join(f"{name:>9}" for name in PERCENTILES)
        for step, row in self.percentiles().items():
            yield f"  {step:{len(TOGETHER)}}" + "".join(f"{ms:9.2f}" for ms in row.values())
        alone = 1000 / self.percentiles()[TOGETHER]["median"]
        yield f"  one at a time {alone:.1f} pictures a second, many {self.pictures_a_second:.1f}"
        if self.note:
            yield f"  {self.note}"

    def write(self, path: Path) -> None:
        """As JSON."""
        content = {
            "picture": self.picture,
            "width": self.size[0],
            "height": self.size[1],
            "input": list(self.input_size),
            "runtime": self.runtime,
            "milliseconds": self.percentiles(),
            "runs": {step: times.round(4).tolist() for step, times in self.milliseconds.items()},
            "pictures_a_second": self.pictures_a_second,
        }
        with atomic_write(path) as file:
            json.dump(content, file, indent=1, ensure_ascii=False)


def benchmark_first_frame(
    single: Detector,
    batched: Detector,
    sources: Sequence[Source],
    *,
    runs: int,
    thresholds: Thresholds,
) -> Benchmark | None:
    """Time a detector on the first frame that can be read; None if there is none.

    The arguments are those of ``run_benchmark``.
    """
    # Problems are reported when all sources are read.
    with closing(read_frames(sources, lambda problem: None, single.read)) as frames:
        frame = next(frames, None)
    if frame is None:
        return None
    source = frame.source
    read = None if frame.index is not None else partial(single.read, source.path)
    return run_benchmark(
        single, batched, source.name, frame.image, read, runs=runs, thresholds=thresholds
    )


def run_benchmark(
    single: Detector,
    batched: Detector,
    name: str,
    image: np.ndarray,
    read: Callable[[], np.ndarray] | None,
    *,
    runs: int,
    thresholds: Thresholds,
) -> Benchmark:
    """Time a detector on one picture.

    Args:
        single: opened for one picture at a time.
        batched: opened for throughput.
        name: of the picture.
        image: uint8 (H, W, 3) RGB.
        read: decodes it; None for a frame of a video.
        runs: of each step, and pictures for the throughput.
        thresholds: of the detections.
    """
    rounds = [_steps(single, image, read, thresholds) for _ in range(WARM_UP_RUNS + runs)]
    times = rounds[WARM_UP_RUNS:]
    columns = {step: np.array([one[step] for one in times]) for step in times[0]}
    shape = single.preprocess(image).pixels.shape
    throughput = _throughput(batched, read or (lambda: image), runs, thresholds)
    on_trial = [isinstance(one.infer, PrecisionTrial) and one.infer.undecided
                for one in (single.runtime, batched.runtime)]  # fmt: skip
    return Benchmark(
        picture=name,
        size=(image.shape[1], image.shape[0]),
        input_size=(shape[1], shape[0]),
        runtime=single.runtime.description,
        milliseconds=columns,
        pictures_a_second=throughput,
        note=_FLOAT32_ONLY if any(on_trial) else "",
    )


def _steps(
    detector: Detector,
    image: np.ndarray,
    read: Callable[[], np.ndarray] | None,
    thresholds: Thresholds,
) -> dict[str, float]:
    """Milliseconds of each step of one run."""
    options = asdict(thresholds)
    stamps = {"start": time.perf_counter()}
    if read:
        image = read()
        stamps["decode"] = time.perf_counter()
    network_input = detector.preprocess(image)
    stamps["letterbox"] = time.perf_counter()
    (output,) = detector.infer([network_input])
    stamps["network"] = time.perf_counter()
    boxes, scores = detector.decode_output(output, thresholds.conf)
    result = suppress(boxes, scores, output.letterbox, **options)
    stamps["suppression"] = time.perf_counter()
    found: Detections = refine(result, output.letterbox, detector.class_names, **options)
    stamps["voting"] = time.perf_counter()
    draw_detections(image, found)
    stamps["drawing"] = time.perf_counter()
    names = list(stamps)
    steps = {name: 1000 * (stamps[name] - stamps[before]) for before, name in pairwise(names)}
    return {**steps, TOGETHER: 1000 * (stamps["voting"] - stamps["start"])}


def _throughput(
    detector: Detector, read: Callable[[], np.ndarray], runs: int, thresholds: Thresholds
) -> float:
    """Pictures a second, without those that warm it up."""
    warm_up = WARM_UP_RUNS * detector.runtime.parallel * detector.batch_size
    pictures = max(runs, warm_up)
    jobs = repeat(None, warm_up + pictures)
    prepared = map_ahead(
        lambda _: (None, detector.preprocess(read())), jobs, threads=_READERS, depth=2 * _READERS
    )
    results = detect_stream(detector, prepared, partial(detector.postprocess, **asdict(thresholds)))
    for _ in range(warm_up):
        next(results)
    started = time.perf_counter()
    for _ in results:
        pass
    return pictures / (time.perf_counter() - started)
