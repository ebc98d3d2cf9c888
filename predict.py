"""Find objects in pictures, videos and camera streams. ``python predict.py --help`` tells how."""

from __future__ import annotations

import sys
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from utils.cli import INTERRUPTED, OK, option, parse, run
from utils.errors import UserError

if TYPE_CHECKING:  # for types only: what is heavy is imported once the options are known to be good
    from collections.abc import Iterator

    from utils.detector import Detector
    from utils.media.outputs import Output
    from utils.media.sources import Source
    from utils.media.summary import Tally

DESCRIPTION = """\
Find objects in pictures, videos and camera streams.

SOURCE is a picture, a folder of pictures and videos (one level deep), a glob in quotes ('**' stands
for any folders), a video, a stream address (rtsp://…, http://…) or the number of a camera. Pictures
and videos with the objects drawn in are written to --out."""

EPILOG = """\
examples:
  python predict.py --weights runs/train/mine/best.keras photo.jpg
  python predict.py --weights best.keras photos/ 'more/**/*.png' film.mp4 --json found.json
  python predict.py --weights best.keras photos/ --conf 0.5 --save-voc     (labels to correct)
  python predict.py --weights best.keras 0 --show                          (camera; q ends)
  python predict.py --weights best.keras photo.jpg --benchmark 50"""

BUNDLED_WEIGHTS = Path(__file__).parent / "model_data" / "signs_lite0.keras"


@dataclass(frozen=True)
class PredictConfig:
    """The options of ``predict.py``."""

    sources: tuple[str, ...] = option(
        help="pictures, folders, globs, videos, stream addresses or camera numbers",
        metavar="SOURCE",
        positional=True,
    )
    weights: Path | None = option(
        None, help="detector to use; by itself the bundled one for traffic signs", metavar="FILE"
    )
    runtime: str = option(
        "auto", help="what runs the network; auto goes by the file",
        choices=("auto", "tensorflow"), group="network",
    )  # fmt: skip
    device: str = option(
        "auto", help="auto takes a GPU when there is one", metavar="auto|cpu|gpu|gpu:N",
        group="network",
    )  # fmt: skip
    conf: float | None = option(
        None, help="lowest score that is kept, 0 to 1; by itself what get_map.py --tune noted in "
        "the checkpoint, else 0.25", low=0, high=1, group="detections",
    )  # fmt: skip
    iou: float | None = option(
        None, help="IoU above which the weaker of two boxes of a class is dropped, 0 to 1; by "
        "itself what get_map.py --tune noted in the checkpoint, else 0.45",
        low=0, high=1, group="detections",
    )  # fmt: skip
    max_det: int = option(300, help="most objects a picture", low=1, group="detections")
    out: Path | None = option(
        None, help="folder for what is written; by itself runs/predict/NAME with a number, NAME "
        "being the folder of the weights", metavar="DIR", group="results",
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
    save_txt: bool = option(
        False, help="write YOLO label files to DIR/labels, shares of the picture's size",
        group="results",
    )  # fmt: skip
    save_voc: bool = option(False, help="write VOC label files to DIR/Annotations", group="results")
    crops: bool = option(
        False, help="write each object as a picture of its own to DIR/crops/CLASS", group="results"
    )
    show: bool = option(
        False, help="show results in a window; any key goes on, q or Esc ends", group="results"
    )
    benchmark: int = option(
        0, help="also time N runs on the first picture, after a warm-up, and print the median "
        "milliseconds of each step", low=0, group="results",
    )  # fmt: skip


def main(argv: list[str]) -> int:
    config = parse(PredictConfig, argv, DESCRIPTION, EPILOG)

    # Whatever is wrong with the arguments is found out before the network is loaded.
    from utils.media.sources import find_sources, quiet_opencv
    from utils.media.window import Window

    quiet_opencv()
    weights = weights_for(config)
    sources = find_sources(config.sources)
    out = folder_for(config, weights, sources)
    window = Window("predict.py") if config.show else None

    # The network.
    from utils.detector import Detector

    detector = Detector(weights, config.runtime, config.device)
    height, width = detector.input_size
    classes = len(detector.class_names)
    print(
        f"{weights}: {classes} class{'es' if classes != 1 else ''}, input {width}×{height}, "
        f"{detector.runtime.description}"
    )
    limits = limits_for(config, detector)
    if config.benchmark:
        print_benchmark(detector, sources, config.benchmark, limits)

    # Three things go on at a time: reading ahead, the network, and (here) drawing and writing.
    from utils.drawing.boxes import draw_detections
    from utils.media.detecting import detect_frames
    from utils.media.outputs import Outputs
    from utils.media.sources import read_frames
    from utils.media.summary import Tally
    from utils.prefetch import iterate_ahead
    from utils.signals import held_back

    tally = Tally()
    interrupted = False

    def report(problem: str) -> None:
        tally.problems.append(problem)
        if len(sources) > 1:  # what is wrong with the only one is said once, at the end
            print(f"warning: {problem}", file=sys.stderr)

    frames = read_frames(sources, report)
    with (
        Outputs(outputs_for(config, detector, out)) as outputs,
        closing(iterate_ahead(detect_frames(detector, frames, **limits), depth=4)) as results,
    ):
        try:
            for frame, detections, network_ms in progress(results, sources):
                with held_back():  # a picture is counted and written, or neither
                    tally.add(frame, detections, network_ms)
                    outputs.write(frame, detections)
                if window:
                    drawn = draw_detections(frame.image, detections)
                    if not window.show(drawn, wait=frame.index is None):
                        break
        except KeyboardInterrupt:  # what was found so far is kept
            interrupted = True
        if not tally.looked_at and not interrupted:
            raise UserError(
                tally.problems[0]
                if len(sources) == 1
                else f"none of the {len(sources)} pictures and videos could be read"
            )
    if window:
        window.close()

    if len(sources) == 1:
        for problem in tally.problems:
            print(f"warning: {problem}", file=sys.stderr)
    for line in tally.lines():
        print(line)
    for line in where_results_are(config, out, tally):
        print(line)
    if interrupted:
        print("interrupted; what was found so far has been written", file=sys.stderr)
    return INTERRUPTED if interrupted else OK


def weights_for(config: PredictConfig) -> Path:
    """The weights asked for, or those bundled with the project."""
    if config.weights:
        if not config.weights.exists():
            raise UserError(f"--weights {config.weights}: there is no such file")
        return config.weights
    if not BUNDLED_WEIGHTS.is_file():
        raise UserError(
            "no detector comes with this copy of the project; pass one with --weights FILE, such "
            "as the best.keras of a training run"
        )
    print("no --weights given: using the bundled detector for traffic signs")
    return BUNDLED_WEIGHTS


def limits_for(config: PredictConfig, detector: Detector) -> dict[str, float]:
    """Thresholds: those asked for, else those noted in the checkpoint, else the usual ones."""
    noted = detector.operating_point
    if noted and (config.conf is None or config.iou is None):
        print(
            "thresholds as get_map.py --tune noted them in the checkpoint: "
            + ", ".join(
                f"--{name} {value:g}"
                for name, value in noted.items()
                if getattr(config, name) is None
            )
        )
    asked = {name: getattr(config, name) for name in ("conf", "iou")}
    asked = {name: value for name, value in asked.items() if value is not None}
    return {"conf": 0.25, "iou": 0.45, **noted, **asked, "max_det": config.max_det}


def folder_for(config: PredictConfig, weights: Path, sources: list[Source]) -> Path:
    """The folder for results: never one whose pictures would be overwritten by drawn ones."""
    from utils.files import next_free

    for name, path in (("--json", config.json), ("--csv", config.csv)):
        if path and path.is_dir():
            raise UserError(f"{name} {path}: is a folder; give the name of a file")
    if config.out is None:
        return next_free(Path("runs/predict"), weights.resolve().parent.name or "predict")
    if config.out.exists() and not config.out.is_dir():
        raise UserError(f"--out {config.out}: is a file; give the name of a folder")
    for wanted, name in ((config.save_voc, "Annotations"), (config.save_txt, "labels")):
        labels = config.out / name
        if wanted and labels.is_dir() and any(labels.iterdir()):
            raise UserError(
                f"--out {config.out}: has a folder {name} already, whose labels would be "
                "overwritten; choose another folder"
            )
    folder = config.out.resolve()
    if any(source.path and source.path.resolve().parent == folder for source in sources):
        raise UserError(
            f"--out {config.out}: holds source pictures, which the drawn ones would overwrite; "
            "choose another folder"
        )
    return config.out


def outputs_for(config: PredictConfig, detector: Detector, out: Path) -> list[Output]:
    from utils.media.outputs import (
        Crops,
        CsvFile,
        DrawnPictures,
        DrawnVideos,
        JsonFile,
        VocLabels,
        YoloLabels,
    )

    outputs: list[Output] = []
    if config.pictures:
        outputs += [DrawnPictures(out), DrawnVideos(out)]
    if config.json:
        outputs.append(JsonFile(config.json))
    if config.csv:
        outputs.append(CsvFile(config.csv))
    if config.save_txt:
        outputs.append(YoloLabels(out, detector.class_names))
    if config.save_voc:
        outputs.append(VocLabels(out))
    if config.crops:
        outputs.append(Crops(out, detector.class_names))
    return outputs


def progress(results: Iterator, sources: list[Source]) -> Iterator:
    """A progress bar on a terminal; how many frames a video has is not known beforehand."""
    from tqdm import tqdm

    only_pictures = all(source.kind == "picture" for source in sources)
    total = len(sources) if only_pictures else None
    return tqdm(results, "looking", total, unit=" pictures", leave=False, disable=None)


def print_benchmark(
    detector: Detector, sources: list[Source], runs: int, limits: dict[str, Any]
) -> None:
    """Time the detector on the first frame that can be read, and say so in one line."""
    from utils.media.detecting import benchmark
    from utils.media.sources import read_frames

    frames = read_frames(sources, lambda message: None)  # told when the command comes to it
    frame = next(frames, None)
    frames.close()
    if frame is None:
        return
    times = benchmark(detector, frame.image, runs=runs, **limits)
    height, width = frame.image.shape[:2]
    print(
        f"benchmark, median of {runs} runs on {frame.source.name} ({width}×{height}): "
        + ", ".join(f"{step} {ms:.1f} ms" for step, ms in times.items())
    )


def where_results_are(config: PredictConfig, out: Path, tally: Tally) -> Iterator[str]:
    """Lines that tell what was written where."""
    if not tally.looked_at:
        return
    in_out = [
        what
        for what, wanted in (
            ("pictures", config.pictures and tally.pictures),
            ("videos", config.pictures and tally.frames),
            ("labels/", config.save_txt),
            ("Annotations/", config.save_voc),
            ("crops/", config.crops and tally.objects),
        )
        if wanted
    ]
    if in_out:
        yield f"{', '.join(in_out)}: {out}"
    for path in filter(None, (config.json, config.csv)):
        yield f"detections: {path}"


if __name__ == "__main__":
    sys.exit(run(main))
