"""Find objects in pictures, videos and camera streams. See ``python predict.py --help``."""

from __future__ import annotations

import sys
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from utils.cli import INTERRUPTED, OK, option, parse, run
from utils.errors import UserError
from utils.media.count_shapes import Line, Zone
from utils.media.frame_choice import FrameChoice, seconds
from utils.media.shards import Shard
from utils.runtime.names import RUNTIMES

if TYPE_CHECKING:  # for types only: heavy modules are imported after the options are checked
    from collections.abc import Iterator, Sequence

    from utils.detector import Detector
    from utils.media.class_filter import ClassFilter
    from utils.media.drawing_frames import FrameDrawer
    from utils.media.frame_photos import FramePhotos
    from utils.media.frames import Source
    from utils.media.outputs import Output, Outputs
    from utils.media.summary import Summary
    from utils.media.video_tracking import VideoTracking
    from utils.media.window import Window

DESCRIPTION = """\
Find objects in pictures, videos and camera streams.

SOURCE is a picture, a video, a folder of both (one level deep), a glob in quotes ('**' stands for
any folders), a stream address (rtsp://…, http://…) or a camera number. Animated pictures are read
as videos. Files without a suffix that tells are looked at; what is passed over is said. Pictures
and videos with the objects drawn in are written to --out. Drawn videos keep the times of their
frames. Where ffmpeg is installed they are H.264 in MP4 with the sound, otherwise VP8 in WebM."""

EPILOG = """\
examples:
  python predict.py --weights runs/train/mine/best.keras photo.jpg
  python predict.py --weights best.keras photos/ 'more/**/*.png' film.mp4 --json found.json
  python predict.py --weights best.keras photos/ --conf 0.5 --save-voc     (labels to correct)
  python predict.py --weights best.keras photos/ --suggest 50              (photos to label next)
  python predict.py --weights best.keras film.mp4 --save-frames --save-coco --out new/
  python predict.py --weights best.keras film.mp4 --start 1:30 --end 2:00 --fps 5
  python predict.py --weights best.keras 0 --show --overlay                (camera; q ends)
  python predict.py --weights best.keras photo.jpg --benchmark 50
  python predict.py --weights best.keras --serve                           (a page to try it on)"""

FEW_PICTURES = 8  # for so few, opening the network several times takes longer than it saves
BUNDLED_WEIGHTS = Path(__file__).parent / "model_data" / "signs_lite0.keras"


@dataclass(frozen=True)
class PredictConfig:
    """The options of ``predict.py``."""

    sources: tuple[str, ...] = option(
        (),
        help="pictures, folders, globs, videos, stream addresses or camera numbers",
        metavar="SOURCE",
        positional=True,
    )
    weights: Path | None = option(
        None, help="detector to use (default: the bundled one for traffic signs)", metavar="FILE"
    )
    runtime: str = option(
        "auto", help="what runs the network; auto takes the fastest here, and tensorflow gives "
        "the numbers of the checkpoint's own network", choices=("auto", *RUNTIMES),
        group="network",
    )  # fmt: skip
    device: str = option(
        "auto", help="auto takes a GPU if there is one", metavar="auto|cpu|gpu|gpu:N",
        group="network",
    )  # fmt: skip
    conf: float | None = option(
        None, help="lowest score that is kept, 0 to 1 (default: as get_map.py --tune noted in the "
        "checkpoint, otherwise 0.25)", low=0, high=1, group="detections",
    )  # fmt: skip
    iou: float | None = option(
        None, help="IoU above which the weaker of two boxes of a class is dropped, 0 to 1 "
        "(default: as get_map.py --tune noted in the checkpoint, otherwise 0.45)",
        low=0, high=1, group="detections",
    )  # fmt: skip
    max_det: int = option(300, help="most objects a picture", low=1, group="detections")
    classes: tuple[str, ...] = option(
        (), help="only objects of these classes, in all results (default: all)", metavar="NAME",
        group="detections",
    )  # fmt: skip
    start: float = option(
        0.0, help="begin here, in seconds or as m:ss or h:mm:ss", metavar="TIME", parse=seconds,
        low=0, group="frames of videos and cameras",
    )  # fmt: skip
    end: float | None = option(
        None, help="stop here (default: at the end)", metavar="TIME", parse=seconds,
        group="frames of videos and cameras",
    )  # fmt: skip
    stride: int = option(
        1, help="look at every N-th frame only", low=1, metavar="N",
        group="frames of videos and cameras",
    )  # fmt: skip
    fps: float | None = option(
        None, help="look at no more than N frames a second of video (default: all)", low=0.001,
        metavar="N", group="frames of videos and cameras",
    )  # fmt: skip
    overlay: bool = option(
        False, help="draw the number of the frame, its time and the frames a second that are done",
        group="frames of videos and cameras",
    )  # fmt: skip
    track: bool = option(
        False, help="follow the objects of videos: the same object has the same number in every "
        "frame", group="tracking",
    )  # fmt: skip
    count_line: tuple[str, ...] = option(
        (), help="count the tracked objects that cross this line (pixels) by direction and class; "
        "may be given several times; DIR/counts.csv has each crossing", metavar="x0,y0,x1,y1",
        nargs=1, repeated=True, parse=lambda text: str(Line.parse(text)), group="tracking",
    )  # fmt: skip
    count_zone: tuple[str, ...] = option(
        (), help="count and time the tracked objects in the polygon of these corners (pixels); may "
        "be given several times", metavar="x,y",
        repeated=True, parse=lambda text: str(Zone.parse(text)), group="tracking",
    )  # fmt: skip
    out: Path | None = option(
        None, help="folder for results (default: runs/predict/NAME with a number, NAME being the "
        "folder of the weights)", metavar="DIR", group="results",
    )  # fmt: skip
    pictures: bool = option(
        True, help="write pictures and videos with the objects drawn in", group="results"
    )
    json: Path | None = option(
        None, help="write all detections to this file, as one JSON list", metavar="FILE",
        group="results",
    )  # fmt: skip
    csv: Path | None = option(
        None, help="write all detections to this file, as a table", metavar="FILE", group="results"
    )
    crops: bool = option(
        False, help="write each object as a picture of its own to DIR/crops/CLASS", group="results"
    )
    save_txt: bool = option(False, help="write YOLO label files to DIR/labels", group="labels")
    save_conf: bool = option(
        False, help="scores in the files of --save-txt, too, as a sixth column; all other label "
        "files have them", group="labels",
    )  # fmt: skip
    save_voc: bool = option(False, help="write VOC label files to DIR/Annotations", group="labels")
    save_coco: bool = option(
        False, help="write DIR/coco_annotations.json and DIR/coco_results.json", group="labels"
    )
    save_label_studio: bool = option(
        False, help="write DIR/label_studio.json, to import into Label Studio, and the setup of "
        "its project", group="labels",
    )  # fmt: skip
    label_studio_root: Path | None = option(
        None, help="folder that Label Studio serves, its LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT "
        "(default: the folder above that of the photos)", metavar="DIR", group="labels",
    )  # fmt: skip
    save_frames: bool = option(
        False, help="copy the pictures, and the frames of videos where objects come, go or move, "
        "to DIR/images, so that DIR can be trained on; what is drawn goes to DIR/drawn",
        group="labels",
    )  # fmt: skip
    save_every: int = option(
        0, help="with --save-frames: each N-th frame of a video instead; 0: where objects change",
        low=0, metavar="N", group="labels",
    )  # fmt: skip
    shard: str | None = option(
        None, help="only part I of N of the sources, such as 3/8; the results of parts 1 to N in "
        "order are those of all", metavar="I/N", parse=lambda text: str(Shard.parse(text)),
    )  # fmt: skip
    suggest: int = option(
        0, help="instead of all results, list the N photos most worth labelling next in "
        "DIR/suggested.txt, with links in DIR/suggested and the reasons in DIR/suggested.html",
        low=0, metavar="N", group="labels",
    )  # fmt: skip
    show: bool = option(
        False,
        help="show results in a window; any key shows the next picture, q or Esc ends",
        group="results",
    )
    benchmark: int = option(
        0, help="also time N runs on the first picture, and print median, 90th and 99th percentile "
        "of each step and pictures a second; also in DIR/benchmark.json", low=0, group="results",
    )  # fmt: skip
    serve: bool = option(
        False, help="instead of reading sources, offer a page in the browser and an endpoint for "
        "programs, until Ctrl-C", group="serving",
    )  # fmt: skip
    port: int = option(
        8000, help="of --serve; 0: any that is free", low=0, high=65535, group="serving"
    )
    host: str = option(
        "127.0.0.1", help="address that --serve listens on; with another than this machine's own, "
        "such as 0.0.0.0 for all networks, clients need the token", metavar="ADDRESS",
        group="serving",
    )  # fmt: skip
    token: str | None = option(
        None, help="what clients must send, at least 16 characters (default: none on this machine; "
        "otherwise a new one, which is printed)", group="serving",
    )  # fmt: skip
    max_upload: float = option(
        20, help="largest request in megabytes", low=0.001, high=1000, metavar="MB",
        group="serving",
    )  # fmt: skip
    max_pixels: float = option(
        50, help="largest picture of a request in million pixels", low=0.001, high=170,
        metavar="MILLIONS", group="serving",
    )  # fmt: skip
    rate: float = option(
        100, help="most requests a second from one address; 0: any number", low=0, group="serving"
    )
    queue: int = option(
        64, help="most pictures that wait or are in work, of all clients", low=1, group="serving"
    )


def main(argv: list[str]) -> int:
    config = parse(PredictConfig, argv, DESCRIPTION, EPILOG)

    # Errors in the arguments come before the network is loaded.
    from utils.media.sources import find_sources, quiet_opencv
    from utils.media.window import Window

    quiet_opencv()
    choice = frame_choice(config)
    check_sources(config)
    weights = weights_for(config)
    if config.serve:
        return serve(config, weights)
    sources = find_sources(config.sources)
    out = output_folder(config, weights, sources)
    photos = labelled_photos(config, out, sources)
    check_tracking(config, out, sources)
    window = Window("predict.py") if config.show else None

    from utils.media.class_filter import ClassFilter
    from utils.media.drawing_frames import FrameDrawer
    from utils.media.outputs import Outputs, draw_frame

    detector = open_detector(config, weights, throughput=many(sources))
    keep = ClassFilter(config.classes, detector.class_names, config.max_det)
    thresholds = {**thresholds_for(config, detector), "max_det": keep.detector_max_det}
    if config.benchmark:
        for line in benchmark(config, weights, detector, sources, out, thresholds):
            print(line)

    if config.suggest:
        for line in suggestions(config, detector, weights, sources, out, thresholds):
            print(line)
        return OK

    tracking = tracking_for(config, thresholds["conf"])
    draw = FrameDrawer(tracking.draw if tracking else draw_frame, overlay=config.overlay)
    chosen = outputs_for(config, detector, weights, out, photos, tracking, draw)
    outputs = Outputs(chosen, sources)
    part = part_of(config, sources)
    summary, interrupted = detect_all(
        detector, part, outputs, window, thresholds, tracking, choice=choice, keep=keep, draw=draw
    )
    if window:
        window.close()
    totals = tracking.sentences() if tracking else ()
    for line in (*summary.lines(), *totals, *result_paths(config, out, summary, photos)):
        print(line)
    if interrupted:
        print("interrupted; all results so far are written", file=sys.stderr)
    return INTERRUPTED if interrupted else OK


def check_sources(config: PredictConfig) -> None:
    """Sources and ``--serve`` exclude each other."""
    if config.serve and config.sources:
        raise UserError(
            f"--serve: takes its pictures from the page and the endpoint; leave out "
            f"{config.sources[0]}"
        )
    if not config.serve and not config.sources:
        raise UserError(
            "SOURCE: is missing; name pictures, folders or videos, or give --serve (see "
            "predict.py --help)"
        )


def open_detector(config: PredictConfig, weights: Path, *, throughput: bool) -> Detector:
    """The detector, for many pictures or for few at a time; says what it is."""
    from utils.detector import Detector
    from utils.text import counted

    detector = Detector(weights, config.runtime, config.device, throughput=throughput)
    print(
        f"{weights}: {counted(len(detector.class_names), 'class', 'classes')}, "
        f"{detector.runtime.description}, {detector.shape_in_words}"
    )
    return detector


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
        limits = Limits(
            body_bytes=round(1e6 * config.max_upload),
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
            thresholds=Thresholds(**thresholds_for(config, detector)),
            limits=limits,
        )
    return INTERRUPTED if interrupted else OK


def frame_choice(config: PredictConfig) -> FrameChoice:
    """Which frames of videos are looked at."""
    if config.end is not None and config.end <= config.start:
        raise UserError(f"--end {config.end:g}: is not after --start {config.start:g}")
    if config.stride > 1 and config.fps:
        raise UserError("--stride and --fps: both choose frames; give one of them")
    return FrameChoice(config.start, config.end, config.stride, config.fps)


def many(sources: Sequence[Source]) -> bool:
    """Whether the most pictures a second count, not the time until the first one."""
    recorded = any(source.kind not in ("picture", "live") for source in sources)
    return recorded or len(sources) > FEW_PICTURES


def weights_for(config: PredictConfig) -> Path:
    """``--weights``, or the detector bundled with the project."""
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


def output_folder(config: PredictConfig, weights: Path, sources: list[Source]) -> Path:
    """``--out``, or a new folder. Never one where results would overwrite pictures or labels."""
    from utils.files import next_free
    from utils.media.label_outputs import written_files

    for name, path in (("--json", config.json), ("--csv", config.csv)):
        if path and path.is_dir():
            raise UserError(f"{name} {path}: is a folder; give the name of a file")
    if config.out is None:
        return next_free(Path("runs/predict"), weights.resolve().parent.name or "predict")
    if config.out.exists() and not config.out.is_dir():
        raise UserError(f"--out {config.out}: is a file; give the name of a folder")
    for wanted, name in (
        (config.save_voc, "Annotations"),
        (config.save_txt, "labels"),
        (config.save_frames, "images"),
        (config.suggest, "suggested"),
    ):
        folder = config.out / name
        if wanted and folder.is_dir() and any(folder.iterdir()):
            raise UserError(
                f"--out {config.out}: its folder {name} has files, which would be overwritten; "
                "choose another folder"
            )
    for path in written_files(
        config.out, coco=config.save_coco, label_studio=config.save_label_studio
    ):
        if path.exists():
            raise UserError(f"{path}: would be overwritten; choose another folder for --out")
    folder = config.out.resolve()
    if any(source.path and source.path.resolve().parent == folder for source in sources):
        raise UserError(
            f"--out {config.out}: holds source pictures, which the drawn ones would overwrite; "
            "choose another folder"
        )
    return config.out


def labelled_photos(config: PredictConfig, out: Path, sources: list[Source]) -> FramePhotos:
    """The photos that label files are about; options of theirs that do not go together."""
    from utils.media.frame_photos import FramePhotos

    if config.save_conf and not config.save_txt:
        raise UserError(
            "--save-conf: adds the scores to the files of --save-txt; give that as well"
        )
    if config.save_every and not config.save_frames:
        raise UserError("--save-every: says which frames --save-frames saves; give that as well")
    photos = FramePhotos(sources, out / "images" if config.save_frames else None)
    if not config.save_label_studio:
        return photos
    if photos.folder is None:
        raise UserError(
            "--save-label-studio: Label Studio shows pictures, and a video has none; save its "
            "frames with --save-frames"
        )
    root = config.label_studio_root
    if root and root.resolve() not in (photos.folder, *photos.folder.parents):
        raise UserError(
            f"--label-studio-root {root}: the photos in {photos.folder} are not below it"
        )
    return photos


def check_tracking(config: PredictConfig, out: Path, sources: list[Source]) -> None:
    """Refuse to track without a video, and to overwrite counts."""
    if not (config.track or config.count_line or config.count_zone):
        return
    if all(source.kind == "picture" for source in sources):
        raise UserError(
            "--track: follows objects from frame to frame of a video, and here are only pictures; "
            "leave it out, or give a video, a stream or a camera"
        )
    counts = out / "counts.csv"
    if (config.count_line or config.count_zone) and counts.exists():
        raise UserError(f"{counts}: would be overwritten; choose another folder for --out")


def tracking_for(config: PredictConfig, conf: float) -> VideoTracking | None:
    """What follows and counts objects, if the options ask for it."""
    shapes = [*map(Line.parse, config.count_line), *map(Zone.parse, config.count_zone)]
    if not (config.track or shapes):
        return None
    from utils.media.video_tracking import VideoTracking  # SciPy takes its time

    return VideoTracking(conf, shapes, lambda text: print(f"warning: {text}", file=sys.stderr))


def thresholds_for(config: PredictConfig, detector: Detector) -> dict[str, Any]:
    """``--conf`` and ``--iou`` as given, or as noted in the checkpoint, or the usual ones."""
    noted = detector.operating_point
    given = {"conf": config.conf, "iou": config.iou}
    given = {name: value for name, value in given.items() if value is not None}
    if taken := {name: value for name, value in noted.items() if name not in given}:
        print(
            "thresholds as get_map.py --tune noted them in the checkpoint: "
            + ", ".join(f"--{name} {value:g}" for name, value in taken.items())
        )
    return {"conf": 0.25, "iou": 0.45, **noted, **given}


def benchmark(
    config: PredictConfig,
    weights: Path,
    detector: Detector,
    sources: list[Source],
    out: Path,
    limits: dict[str, Any],
) -> Iterator[str]:
    """Time the detector on the first frame that can be read; a table, and a file in ``--out``."""
    from utils.detector import Detector
    from utils.media.benchmark import run_benchmark
    from utils.media.sources import read_frames

    # Problems are reported later.
    frames = read_frames(sources, lambda message: None, detector.read)
    frame = next(frames, None)
    frames.close()
    if frame is None:
        return
    source = frame.source
    read = None if frame.index is not None else partial(detector.read, source.path)
    alone, together = (
        detector
        if throughput == many(sources)
        else Detector(weights, config.runtime, config.device, throughput=throughput)
        for throughput in (False, True)
    )
    found = run_benchmark(
        alone, together, source.name, frame.image, read, runs=config.benchmark, limits=limits
    )
    yield from found.lines()
    found.write(out / "benchmark.json")
    yield f"written to {out / 'benchmark.json'}"


def detect_all(
    detector: Detector,
    sources: Sequence[Source],
    outputs: Outputs,
    window: Window | None,
    thresholds: dict[str, Any],
    tracking: VideoTracking | None,
    *,
    choice: FrameChoice,
    keep: ClassFilter,
    draw: FrameDrawer,
) -> tuple[Summary, bool]:
    """Detect objects in all frames and write the results; also whether Ctrl-C ended it.

    Background threads read frames and run the network while this one draws and writes.
    """
    from utils.media.detecting import detect_frames
    from utils.media.picture_reader import PictureReader
    from utils.media.sources import read_frames
    from utils.media.summary import Summary
    from utils.prefetch import iterate_ahead
    from utils.signals import delayed_interrupt

    summary, interrupted = Summary(), False
    live = any(source.kind in ("live", "stream") for source in sources)

    def report(problem: str) -> None:
        summary.problems.append(problem)
        if live or len(sources) > 1:  # that of the only file comes at the end, or as the error
            print(f"warning: {problem}", file=sys.stderr)

    read_picture = PictureReader(detector.pixel_ranges)
    frames = read_frames(sources, report, read_picture, choice)
    if tracking:  # detections with a low score may continue a track
        thresholds = {**thresholds, "conf": tracking.tracker.low_conf}
    results = detect_frames(detector, frames, **thresholds)
    with outputs, closing(iterate_ahead(results, depth=1 if live else 4)) as results:
        try:
            for frame, detections, network_ms in progress(results, sources):
                detections = keep(detections)
                with delayed_interrupt():  # a frame is counted and written, or neither
                    if tracking:
                        detections = tracking.update(frame, detections)
                    summary.add(frame, detections, network_ms)
                    outputs.write(frame, detections)
                if window and not window.show(draw(frame, detections), wait=frame.index is None):
                    break
        except KeyboardInterrupt:  # the results so far are kept
            interrupted = True
        if sources and not summary.total and not interrupted:
            raise UserError(
                summary.problems[0]
                if len(sources) == 1
                else f"none of the {len(sources)} pictures and videos could be read"
            )
    for sentence in (*read_picture.sentences(), *outputs.notes()):
        print(f"note: {sentence}", file=sys.stderr)
    if len(sources) == 1 and not live:
        for problem in summary.problems:
            print(f"warning: {problem}", file=sys.stderr)
    return summary, interrupted


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


def part_of(config: PredictConfig, sources: list[Source]) -> Sequence[Source]:
    """The sources of ``--shard``; all without it."""
    if config.shard is None:
        return sources
    part = Shard.parse(config.shard).of(sources)
    print(f"part {config.shard}: {len(part)} of {len(sources)} pictures and videos")
    return part


def outputs_for(
    config: PredictConfig,
    detector: Detector,
    weights: Path,
    out: Path,
    photos: FramePhotos,
    tracking: VideoTracking | None,
    draw: FrameDrawer,
) -> list[Output]:
    """The outputs that the options ask for."""
    from utils.media import outputs
    from utils.media.drawn_videos import DrawnVideos
    from utils.media.saved_frames import SavedFrames

    chosen: list[Output] = []
    labels = label_outputs_for(config, detector, weights, out, photos)
    if config.save_frames:
        chosen.append(SavedFrames(photos, labels, config.save_every or None))
    else:
        chosen += labels
    if config.pictures:
        drawn = out / "drawn" if config.save_frames else out
        chosen += [outputs.DrawnPictures(drawn), DrawnVideos(drawn, draw)]
    if config.json:
        chosen.append(outputs.JsonFile(config.json))
    if config.csv:
        chosen.append(outputs.CsvFile(config.csv, tracked=tracking is not None))
    if tracking and tracking.counts.shapes:
        from utils.media.video_tracking import CountsFile

        chosen.append(CountsFile(out / "counts.csv", tracking))
    if config.crops:
        chosen.append(outputs.Crops(out, detector.class_names))
    return chosen


def label_outputs_for(
    config: PredictConfig, detector: Detector, weights: Path, out: Path, photos: FramePhotos
) -> list[Output]:
    """The label files that the options ask for."""
    from utils.drawing.colours import colour
    from utils.media import label_outputs

    names, chosen = detector.class_names, []
    if config.save_txt:
        chosen.append(label_outputs.YoloLabels(out, names, with_scores=config.save_conf))
    if config.save_voc:
        chosen.append(label_outputs.VocLabels(out, photos))
    if config.save_coco:
        chosen.append(label_outputs.CocoLabels(out, names, photos))
    if config.save_label_studio:
        colours = {name: colour(class_id) for class_id, name in enumerate(names)}
        root = config.label_studio_root or photos.folder.parent
        chosen.append(
            label_outputs.LabelStudioTasks(out, colours, photos, root, model=weights.name)
        )
    return chosen


def progress(results: Iterator, sources: list[Source]) -> Iterator:
    """A progress bar on a terminal. The number of frames of a video is not known beforehand."""
    from tqdm import tqdm

    only_pictures = all(source.kind == "picture" for source in sources)
    total = len(sources) if only_pictures else None
    return tqdm(results, "detecting", total, unit=" pictures", leave=False, disable=None)


def result_paths(
    config: PredictConfig, out: Path, summary: Summary, photos: FramePhotos
) -> Iterator[str]:
    """A line for each place where results were written."""
    if not summary.total:
        return
    written = {
        "pictures": config.pictures and summary.pictures,
        "videos": config.pictures and summary.frames,
        "labels/": config.save_txt,
        "Annotations/": config.save_voc,
        "coco_annotations.json": config.save_coco,
        "label_studio.json": config.save_label_studio,
        "images/": config.save_frames,
        "crops/": config.crops and summary.objects,
        "counts.csv": config.count_line or config.count_zone,
    }
    labelled = config.save_txt or config.save_voc or config.save_coco or config.save_label_studio
    if labelled and config.pictures and summary.pictures and not config.save_frames:
        yield f"train on the photos with these labels, not on the drawn pictures in {out}"
    if any(written.values()):
        yield f"{', '.join(what for what, wanted in written.items() if wanted)}: {out}"
    for path in filter(None, (config.json, config.csv)):
        yield f"detections: {path}"
    if config.save_label_studio:
        root = (config.label_studio_root or photos.folder.parent).resolve()
        yield f"Label Studio has to serve: LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT={root}"


if __name__ == "__main__":
    sys.exit(run(main))
