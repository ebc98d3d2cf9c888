"""Find objects in pictures, videos and camera streams. See ``python predict.py --help``."""

from __future__ import annotations

import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from utils.cli import INTERRUPTED, OK, parse, run
from utils.errors import UserError
from utils.media.count_shapes import Line, Zone
from utils.media.frame_choice import FrameChoice
from utils.media.predict_config import PredictConfig, refuse_contradictions
from utils.media.shards import Shard

if TYPE_CHECKING:  # for types only: heavy modules are imported after the options are checked
    from collections.abc import Iterator, Sequence

    from utils.detector import Detector
    from utils.media.class_filter import ClassFilter
    from utils.media.drawing_frames import FrameDrawer
    from utils.media.frames import Source
    from utils.media.outputs import Outputs
    from utils.media.summary import Summary
    from utils.media.video_tracking import VideoTracking
    from utils.media.window import Window
    from utils.signals import StopRequest
    from utils.tiling import Tiling

DESCRIPTION = """\
Find objects in pictures, videos and camera streams.

SOURCE is a picture, a video, a folder of both (one level deep), a glob in quotes ('**' stands for
any folders), a stream address (rtsp://…, http://…) or a camera number. Animated pictures are read
as videos. Files with an unknown suffix are recognised by their content; files that are left out are
reported. Pictures and videos with the objects drawn in are written to --out. Drawn videos keep the
times of their frames. They are H.264 in MP4 with sound where ffmpeg is installed, otherwise VP8 in
WebM."""

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
  python predict.py --weights best.keras photo.jpg --heatmap               (why it decided so)
  python predict.py --weights best.keras photo.jpg --benchmark 50
  python predict.py --weights best.keras --serve                           (a page to try it on)"""

FEW_PICTURES = 8  # for so few, opening the network several times takes longer than it saves
BUNDLED_WEIGHTS = Path(__file__).parent / "model_data" / "signs.keras"


def main(argv: list[str]) -> int:
    config = parse(PredictConfig, argv, DESCRIPTION, EPILOG)
    refuse_contradictions(config)
    # Slow imports: not before the options are known to be good.
    from utils.files import remove_abandoned
    from utils.media.class_filter import ClassFilter
    from utils.media.drawing_frames import FrameDrawer
    from utils.media.output_kinds import OutputSetting, outputs_for, result_lines
    from utils.media.outputs import Outputs, draw_frame
    from utils.media.predict_checks import (
        check_heatmaps,
        check_tracking,
        checked_frame_photos,
        checked_output_folder,
    )
    from utils.media.sources import find_sources, quiet_opencv
    from utils.media.unused_options import unused_options
    from utils.media.window import Window
    from utils.signals import StopRequest

    quiet_opencv()
    weights = choose_weights(config)
    if config.serve:
        return serve(config, weights)
    # Errors in the sources and folders come before the network is loaded.
    sources = find_sources(config.sources)
    out = checked_output_folder(config, weights, sources)
    remove_abandoned(out)
    frame_photos = checked_frame_photos(config, out, sources)
    check_tracking(config, sources)
    check_heatmaps(config, weights, sources)
    for sentence in unused_options(config, sources):
        print(f"note: {sentence}", file=sys.stderr)
    window = Window("predict.py") if config.show else None

    throughput = throughput_matters(sources) or config.tile != "off"
    detector = open_detector(config, weights, throughput=throughput)
    class_filter = ClassFilter(config.classes, detector.class_names, config.max_det)
    thresholds = choose_thresholds(config, detector, class_filter.detector_max_det)
    if config.benchmark:
        for line in benchmark(config, weights, detector, sources, out, thresholds):
            print(line)
    if config.suggest:
        for line in suggestions(config, detector, weights, sources, out, thresholds):
            print(line)
        return OK

    tracking = tracking_for(config, thresholds["conf"])
    draw = FrameDrawer(tracking.draw if tracking else draw_frame, overlay=config.overlay)
    setting = OutputSetting(
        config, out, detector.class_names, weights, frame_photos, draw, tracking
    )
    # A signal is no exception here, which would end a picture halfway, or get lost in a library.
    with StopRequest() as stop:
        summary = detect_all(
            detector,
            take_shard(config, sources),
            Outputs(outputs_for(setting), sources),
            window,
            thresholds,
            tracking,
            choice=FrameChoice(config.start, config.end, config.stride, config.fps),
            class_filter=class_filter,
            draw=draw,
            tiling=config.tiling,
            stop=stop,
            is_part=config.shard is not None,
        )
    if window:
        window.close()
    totals = tracking.sentences() if tracking else ()
    for line in (*summary.lines(), *totals, *result_lines(setting, summary)):
        print(line)
    if stop.asked:
        print("interrupted; all results so far are written", file=sys.stderr)
    return INTERRUPTED if stop.asked else OK


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
        from utils.serving.service import Thresholds

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
            thresholds=Thresholds(**choose_thresholds(config, detector, config.max_det)),
            limits=limits,
        )
    return INTERRUPTED if interrupted else OK


def open_detector(config: PredictConfig, weights: Path, *, throughput: bool) -> Detector:
    """The detector, for many pictures or for few at a time; says what it is."""
    from utils.detector import Detector
    from utils.text import counted

    detector = Detector(weights, runtime_for(config), config.device, throughput=throughput)
    print(
        f"{weights}: {counted(len(detector.class_names), 'class', 'classes')}, "
        f"{detector.runtime.description}, {detector.shape_in_words}"
    )
    if tiles := config.tiling.in_words(max(detector.input_size), detector.trained_on):
        print(tiles)
    return detector


def runtime_for(config: PredictConfig) -> str:
    """``--runtime``; heat maps need the network in TensorFlow, so auto takes no other beside it."""
    return "tensorflow" if config.heatmaps and config.runtime == "auto" else config.runtime


def choose_thresholds(config: PredictConfig, detector: Detector, max_det: int) -> dict[str, Any]:
    """``conf``, ``iou`` and ``max_det``, as the detector takes them.

    The first two are as given, or as noted in the checkpoint, which is printed, or the usual ones.
    """
    noted = detector.operating_point
    given = {"conf": config.conf, "iou": config.iou}
    given = {name: value for name, value in given.items() if value is not None}
    if taken := {name: value for name, value in noted.items() if name not in given}:
        print(
            "thresholds as get_map.py --tune noted them in the checkpoint: "
            + ", ".join(f"--{name} {value:g}" for name, value in taken.items())
        )
    return {"conf": 0.25, "iou": 0.45, **noted, **given, "max_det": max_det}


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
    thresholds: dict[str, Any],
) -> Iterator[str]:
    """The table of ``--benchmark``, which is also written to ``--out``."""
    from utils.detector import Detector
    from utils.media.benchmark import benchmark_first_frame

    throughput = throughput_matters(sources)
    other = Detector(weights, runtime_for(config), config.device, throughput=not throughput)
    alone, together = (other, detector) if throughput else (detector, other)
    found = benchmark_first_frame(
        alone, together, sources, runs=config.benchmark, thresholds=thresholds
    )
    if found:
        found.write(out / "benchmark.json")
        yield from found.lines()
        yield f"written to {out / 'benchmark.json'}"


def suggestions(
    config: PredictConfig,
    detector: Detector,
    weights: Path,
    sources: list[Source],
    out: Path,
    thresholds: dict[str, Any],
) -> list[str]:
    """Write what ``--suggest`` asks for; sentences on it."""
    from utils.data.splits.known import known_parts
    from utils.media.suggestions.run import suggest_photos

    return suggest_photos(
        detector, weights, sources, out, count=config.suggest,
        known=known_parts(detector.runtime.metadata.get("hashes", {})),
        iou=thresholds["iou"], max_det=thresholds["max_det"], progress=progress,
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


def detect_all(
    detector: Detector,
    sources: Sequence[Source],
    outputs: Outputs,
    window: Window | None,
    thresholds: dict[str, Any],
    tracking: VideoTracking | None,
    *,
    choice: FrameChoice,
    class_filter: ClassFilter,
    draw: FrameDrawer,
    tiling: Tiling,
    stop: StopRequest,
    is_part: bool,
) -> Summary:
    """Detect objects in all frames, or in those until ``stop`` is asked, and write the results.

    Background threads read frames and run the network while this one draws and writes.

    Raises:
        UserError: nothing could be read. The results of a part of the work are written all the
            same, without objects, as the parts together have to be the whole.
    """
    from utils.media.detecting import detect_frames
    from utils.media.frames import WAITING_BYTES
    from utils.media.picture_reader import PictureReader
    from utils.media.sources import read_frames
    from utils.media.summary import Summary
    from utils.prefetch import iterate_ahead

    summary = Summary()
    live = any(source.kind in ("live", "stream") for source in sources)
    # The problems of an only file come at the end, or the first one as the error.
    say_at_once = live or len(sources) > 1

    def report(problem: str) -> None:
        summary.problems.append(problem)
        if say_at_once:
            print(f"warning: {problem}", file=sys.stderr)

    read_picture = PictureReader(detector.pixel_ranges, by_regions=tiling.side != "off")
    frames = read_frames(sources, report, read_picture, choice, detector.runtime.readers)
    # Detections with a low score may continue a track.
    lowest = tracking.tracker.low_conf if tracking else thresholds["conf"]
    detected = detect_frames(
        detector, frames, **{**thresholds, "conf": lowest}, tiling=tiling, report=report
    )
    with outputs:
        ahead = iterate_ahead(
            detected, depth=1 if live else 4, ended=lambda: stop.asked,
            size=lambda result: result[0].bytes, most=WAITING_BYTES,
        )  # fmt: skip
        with closing(ahead):
            for frame, detections, network_ms in progress(ahead, sources):
                detections = class_filter(detections)
                if tracking:
                    detections = tracking.update(frame, detections)
                summary.add(frame, detections, network_ms)
                for problem in outputs.write(frame, detections):
                    report(problem)
                if window and not window.show(
                    draw(frame, detections), wait=frame.index is None, ended=lambda: stop.asked
                ):
                    break
        nothing_read = bool(sources) and not summary.total and not stop.asked
        if nothing_read and not is_part:
            raise nothing_readable(sources, summary)
    if nothing_read:
        raise nothing_readable(sources, summary)
    for sentence in (*read_picture.sentences(), *outputs.notes()):
        print(f"note: {sentence}", file=sys.stderr)
    if not say_at_once:
        for problem in summary.problems:
            print(f"warning: {problem}", file=sys.stderr)
    return summary


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
