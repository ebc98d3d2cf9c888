"""Find objects in pictures, videos and camera streams. See ``python predict.py --help``."""

from __future__ import annotations

import sys
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from utils.cli import INTERRUPTED, OK, parse, run
from utils.errors import UserError
from utils.media.count_shapes import Line, Zone
from utils.media.frame_selection import FrameSelection
from utils.media.predict_config import PredictConfig, refuse_contradictions
from utils.media.shards import Shard

if TYPE_CHECKING:  # for types only: heavy modules are imported after the options are checked
    from collections.abc import Callable, Generator, Iterator, Sequence

    from utils.detections import Detections
    from utils.detector import Detector
    from utils.media.class_filter import ClassFilter
    from utils.media.drawing_frames import FrameDrawer
    from utils.media.frame_photos import FramePhotos
    from utils.media.frames import Frame, Source
    from utils.media.outputs import Outputs
    from utils.media.picture_reader import PictureReader
    from utils.media.summary import Summary
    from utils.media.video_tracking import VideoTracking
    from utils.media.window import Window
    from utils.signals import StopRequest
    from utils.thresholds import Thresholds

DESCRIPTION = """\
Find objects in pictures, videos and camera streams.

SOURCE is a picture, a video, a folder of both (one level deep), a glob in quotes ('**' stands for
any folders), a stream address (rtsp://…, http://…) or a camera number. Animated pictures are read
as videos. Files with an unknown suffix are recognised by their content. The command reports files
that it leaves out.

Pictures and videos with the objects drawn in are written to --out. Drawn videos keep the times of
their frames. They are H.264 in MP4 with sound where ffmpeg is installed, otherwise VP8 in WebM."""

EPILOG = """\
examples:
  python predict.py --weights runs/train/mine/best.keras photo.jpg
  python predict.py --weights best.keras photos/ 'more/**/*.png' film.mp4 --json found.json
  python predict.py --weights best.keras photos/ --conf 0.5 --save-voc     (labels to correct)
  python predict.py --weights best.keras photos/ --suggest 50              (photos to label next)
  python predict.py --weights best.keras film.mp4 --save-frames --save-coco --out new/
  python predict.py --weights best.keras film.mp4 --start 1:30 --end 2:00 --fps 5
  python predict.py --weights best.keras 0 --show --overlay                (camera; q ends)
  python predict.py --weights best.keras city.tif --tile auto               (small objects)
  python predict.py --weights best.keras photo.jpg --heatmap               (where it saw evidence)
  python predict.py --weights best.keras photo.jpg --benchmark 50
  python predict.py --weights best.keras --serve                           (a page in a browser)"""

FEW_PICTURES = 8  # for so few, opening the network several times takes longer than it saves
BUNDLED_WEIGHTS = Path(__file__).parent / "model_data" / "signs.keras"


def main(argv: list[str]) -> int:
    config = parse(PredictConfig, argv, DESCRIPTION, EPILOG)
    refuse_contradictions(config)
    # Slow imports: not before the options are known to be good.
    from utils.media.sources import quiet_opencv

    quiet_opencv()
    weights = choose_weights(config)
    return serve(config, weights) if config.serve else predict(config, weights)


def choose_weights(config: PredictConfig) -> Path:
    """``--weights``; without it the bundled detector, which is printed."""
    if config.weights:
        if not config.weights.exists():
            raise UserError(f"--weights {config.weights}: there is no such file")
        return config.weights
    if not BUNDLED_WEIGHTS.is_file():
        raise UserError(
            "no detector is bundled with this copy of the project; pass one with --weights FILE, "
            "such as the best.keras of a training run"
        )
    print("no --weights given: using the bundled detector for traffic signs")
    return BUNDLED_WEIGHTS


def serve(config: PredictConfig, weights: Path) -> int:
    """A page and an endpoint, until Ctrl-C or SIGTERM."""
    from utils.serving import serve as serving

    serving.check_installed()
    listener = serving.listen(config.host, config.port)
    with closing(listener):
        token = serving.token_for(listener, config.token)
        from utils.serving.limits import Limits

        detector = open_detector(config, weights, throughput=False)  # each answers soon
        body_bytes = round(1e6 * config.max_upload)
        limits = Limits(
            body_bytes=body_bytes,
            all_bytes=max(Limits.all_bytes, body_bytes),  # the largest request must fit in
            pixels=round(1e6 * config.max_pixels),
            rate=config.rate,
            queue=config.queue,
        )
        print(f"open {serving.page_address(listener, token)}  (Ctrl-C stops)", flush=True)
        interrupted = serving.serve(
            detector,
            listener,
            name=weights.name,
            token=token,
            thresholds=choose_thresholds(config, detector, config.max_det),
            limits=limits,
        )
    return INTERRUPTED if interrupted else OK


def predict(config: PredictConfig, weights: Path) -> int:
    """Everything but ``--serve``: from the sources to the results, and what is printed on them."""
    from utils.media.class_filter import ClassFilter
    from utils.media.drawing_frames import FrameDrawer
    from utils.media.output_kinds import OutputSetting, outputs_for, result_lines
    from utils.media.outputs import Outputs, draw_frame
    from utils.media.window import Window
    from utils.signals import StopRequest

    # Errors in the sources and folders come before the network is loaded.
    sources, out, frame_photos = checked_sources(config, weights)
    window = Window("predict.py") if config.show else None
    throughput = throughput_matters(sources) or config.tile != "off"
    detector = open_detector(config, weights, throughput=throughput)
    class_filter = ClassFilter(config.classes, detector.class_names, config.max_det)
    thresholds = choose_thresholds(config, detector, class_filter.detector_max_det)

    if config.benchmark:
        for line in benchmark(config, weights, detector, sources, out, thresholds):
            print(line)
    if config.suggest:
        for line in suggest(config, detector, weights, sources, out, thresholds):
            print(line)
        return OK

    tracking = tracking_for(config, thresholds.conf)
    draw = FrameDrawer(tracking.draw if tracking else draw_frame, overlay=config.overlay)
    job = DetectionJob(config, detector, thresholds, class_filter, tracking, draw, window)
    setting = OutputSetting(
        config, out, detector.class_names, weights, frame_photos, draw, tracking
    )
    # A signal is no exception here, which would end a picture halfway, or get lost in a library.
    with StopRequest() as stop:
        part = take_shard(config, sources)
        summary = detect_all(job, part, Outputs(outputs_for(setting), sources), stop)
    if window:
        window.close()
    totals = tracking.sentences() if tracking else ()
    for line in (*summary.lines(), *totals, *result_lines(setting, summary)):
        print(line)
    if stop.asked:
        print("interrupted; all results so far are written", file=sys.stderr)
    return INTERRUPTED if stop.asked else OK


def checked_sources(config: PredictConfig, weights: Path) -> tuple[list[Source], Path, FramePhotos]:
    """The sources, the folder for results, and which photo the labels of a frame belong to.

    Raises:
        UserError: there are none, or an option cannot work with them.
    """
    from utils.files import remove_abandoned
    from utils.media.predict_checks import (
        check_heatmaps,
        check_tracking,
        checked_frame_photos,
        checked_output_folder,
    )
    from utils.media.sources import find_sources
    from utils.media.unused_options import unused_options

    sources = find_sources(config.sources)
    out = checked_output_folder(config, weights, sources)
    remove_abandoned(out)
    frame_photos = checked_frame_photos(config, out, sources)
    check_tracking(config, sources)
    check_heatmaps(config, weights, sources)
    for sentence in unused_options(config, sources):
        print(f"note: {sentence}", file=sys.stderr)
    return sources, out, frame_photos


def open_detector(config: PredictConfig, weights: Path, *, throughput: bool) -> Detector:
    """The detector, for many pictures or for few at a time; says what it is."""
    from utils.detector import Detector
    from utils.text import counted

    detector = Detector(weights, runtime_for(config), config.device, throughput=throughput)
    print(
        f"{weights}: {counted(len(detector.class_names), 'class', 'classes')}, "
        f"{detector.runtime.description}, {detector.shape_in_words}"
    )
    if tiles := config.tiling.in_words(max(detector.input_size), detector.training_sizes):
        print(tiles)
    return detector


def runtime_for(config: PredictConfig) -> str:
    """``--runtime``; heat maps need the network in TensorFlow, so auto takes no other beside it."""
    return "tensorflow" if config.heatmaps and config.runtime == "auto" else config.runtime


def choose_thresholds(config: PredictConfig, detector: Detector, max_det: int) -> Thresholds:
    """``conf`` and ``iou`` come from the options, else from the checkpoint (then printed), else
    from the defaults of ``Thresholds``."""
    from utils.thresholds import Thresholds

    stored = detector.operating_point
    given = {"conf": config.conf, "iou": config.iou}
    given = {name: value for name, value in given.items() if value is not None}
    if taken := {name: value for name, value in stored.items() if name not in given}:
        print(
            "thresholds as get_map.py --tune stored them in the checkpoint: "
            + ", ".join(f"--{name} {value:g}" for name, value in taken.items())
        )
    return Thresholds(**{**stored, **given}, max_det=max_det)


def throughput_matters(sources: Sequence[Source]) -> bool:
    """Whether pictures a second count, not the time until the first one."""
    recorded = any(source.kind not in ("picture", "live") for source in sources)
    return recorded or len(sources) > FEW_PICTURES


def benchmark(
    config: PredictConfig,
    weights: Path,
    detector: Detector,
    sources: Sequence[Source],
    out: Path,
    thresholds: Thresholds,
) -> Iterator[str]:
    """The table of ``--benchmark``, which is also written to ``--out``."""
    from utils.detector import Detector
    from utils.media.benchmark import benchmark_first_frame

    throughput = throughput_matters(sources)
    other = Detector(weights, runtime_for(config), config.device, throughput=not throughput)
    single, batched = (other, detector) if throughput else (detector, other)
    found = benchmark_first_frame(
        single, batched, sources, runs=config.benchmark, thresholds=thresholds
    )
    if found:
        found.write(out / "benchmark.json")
        yield from found.lines()
        yield f"written to {out / 'benchmark.json'}"


def suggest(
    config: PredictConfig,
    detector: Detector,
    weights: Path,
    sources: list[Source],
    out: Path,
    thresholds: Thresholds,
) -> list[str]:
    """Write the photos that ``--suggest`` selects; returns lines to print."""
    from utils.data.splits.known import known_splits
    from utils.media.suggestions.run import suggest_photos

    return suggest_photos(
        detector, weights, sources, out, count=config.suggest,
        known=known_splits(detector.runtime.metadata.get("hashes", {})),
        thresholds=thresholds, progress=progress,
    )  # fmt: skip


def tracking_for(config: PredictConfig, conf: float) -> VideoTracking | None:
    """What follows and counts objects, if the options ask for it."""
    if not config.tracks:
        return None
    from utils.media.video_tracking import VideoTracking  # SciPy takes its time

    shapes = [*map(Line.parse, config.count_line), *map(Zone.parse, config.count_zone)]
    return VideoTracking(conf, shapes, lambda text: print(f"warning: {text}", file=sys.stderr))


def take_shard(config: PredictConfig, sources: list[Source]) -> Sequence[Source]:
    """The sources of ``--shard``, whose number is printed; all without it."""
    if config.shard is None:
        return sources
    part = Shard.parse(config.shard).of(sources)
    print(f"part {config.shard}: {len(part)} of {len(sources)} pictures and videos")
    return part


@dataclass(frozen=True)
class DetectionJob:
    """What is done with every frame.

    Attributes:
        config: the options.
        detector: finds the objects.
        thresholds: of the detector; with ``--classes`` of more objects than are kept.
        class_filter: keeps the objects of ``--classes``.
        tracking: follows and counts objects; None without.
        draw: draws the detections of a frame, for files and the window.
        window: shows the drawn frames; None without.
    """

    config: PredictConfig
    detector: Detector
    thresholds: Thresholds
    class_filter: ClassFilter
    tracking: VideoTracking | None
    draw: FrameDrawer
    window: Window | None

    @property
    def lowest_score(self) -> float:
        """Of the detections that the detector has to give: low ones may continue a track."""
        return self.tracking.tracker.low_conf if self.tracking else self.thresholds.conf


def detect_all(
    job: DetectionJob, sources: Sequence[Source], outputs: Outputs, stop: StopRequest
) -> Summary:
    """Detect objects in all frames, or in those until ``stop`` is asked, and write the results.

    Background threads read frames and run the network while this one draws and writes.

    Raises:
        UserError: nothing could be read. The results of a part of the work are written all the
            same, without objects, as the parts together have to be the whole.
    """
    from utils.media.picture_reader import PictureReader
    from utils.media.summary import Summary

    summary = Summary()
    live = any(source.kind in ("live", "stream") for source in sources)
    # The problems of an only file come at the end, or the first one as the error.
    say_at_once = live or len(sources) > 1

    def report(problem: str) -> None:
        summary.problems.append(problem)
        if say_at_once:
            print(f"warning: {problem}", file=sys.stderr)

    by_regions = job.config.tiling.side != "off"
    read_picture = PictureReader(job.detector.pixel_ranges, by_regions=by_regions)
    with outputs:
        results = detect_ahead(job, sources, read_picture, report, stop, live=live)
        with closing(results):
            for frame, detections, network_ms in progress(results, sources):
                detections = job.class_filter(detections)
                if job.tracking:
                    detections = job.tracking.update(frame, detections)
                summary.add(frame, detections, network_ms)
                for problem in outputs.write(frame, detections):
                    report(problem)
                if job.window and not job.window.show(
                    job.draw(frame, detections), wait=frame.index is None, ended=lambda: stop.asked
                ):
                    break
        nothing_read = bool(sources) and not summary.total and not stop.asked
        if nothing_read and job.config.shard is None:
            raise nothing_readable(sources, summary)
    if nothing_read:
        raise nothing_readable(sources, summary)
    for sentence in (*read_picture.sentences(), *outputs.notes()):
        print(f"note: {sentence}", file=sys.stderr)
    if not say_at_once:
        for problem in summary.problems:
            print(f"warning: {problem}", file=sys.stderr)
    return summary


def detect_ahead(
    job: DetectionJob,
    sources: Sequence[Source],
    read_picture: PictureReader,
    report: Callable[[str], None],
    stop: StopRequest,
    *,
    live: bool,
) -> Generator[tuple[Frame, Detections, float], None, None]:
    """Each frame, its detections and the network's milliseconds, some frames ahead of their use."""
    from utils.media.detecting import detect_frames
    from utils.media.frames import WAITING_BYTES
    from utils.media.sources import read_frames
    from utils.prefetch import iterate_ahead

    config = job.config
    selection = FrameSelection(config.start, config.end, config.stride, config.fps)
    frames = read_frames(sources, report, read_picture, selection, job.detector.runtime.readers)
    thresholds = replace(job.thresholds, conf=job.lowest_score)
    detected = detect_frames(job.detector, frames, thresholds, tiling=config.tiling, report=report)
    return iterate_ahead(
        detected, depth=1 if live else 4, ended=lambda: stop.asked,
        size=lambda result: result[0].bytes, most=WAITING_BYTES,
    )  # fmt: skip


def nothing_readable(sources: list[Source], summary: Summary) -> UserError:
    """The error where no source could be read."""
    if len(sources) == 1:
        return UserError(summary.problems[0])
    return UserError(f"none of the {len(sources)} pictures and videos could be read")


def progress(results: Iterator, sources: list[Source]) -> Iterator:
    """A progress bar on a terminal. The number of frames of a video is not known beforehand."""
    from tqdm import tqdm

    only_pictures = all(source.kind == "picture" for source in sources)
    total = len(sources) if only_pictures else None
    return tqdm(results, "detecting", total, unit=" pictures", leave=False, disable=None)


if __name__ == "__main__":
    sys.exit(run(main))
