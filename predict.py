"""Find objects in pictures and video with a trained detector. See ``--help``."""

from __future__ import annotations

import statistics
import sys
from dataclasses import dataclass
from pathlib import Path

from utils.cli import OK, option, parse, run
from utils.errors import UserError
from utils.quiet import import_tensorflow

DESCRIPTION = """\
Find objects in pictures and video, and write the same pictures and video with boxes drawn.

SOURCE is a picture, a folder, a quoted pattern, a video file, a stream's address (rtsp://…) or a
camera's number; any number of them."""

EPILOG = """\
examples:
  python predict.py photo.jpg
  python predict.py --weights runs/mine/best.keras photos/ 'more/**/*.png' --json found.json
  python predict.py --weights runs/mine/best.keras drive.mp4 --conf 0.4
  python predict.py --weights runs/mine/best.keras new_photos/ --save-voc     (to label faster)"""

BUNDLED = Path(__file__).resolve().parent / "model_data" / "signs_lite0.keras"


@dataclass(frozen=True)
class PredictConfig:
    """The options of ``predict.py``."""

    source: tuple[str, ...] = option(
        help="pictures, folders, patterns, videos, streams, cameras", positional=True, nargs="+",
        metavar="SOURCE",
    )  # fmt: skip
    weights: Path | None = option(
        None, help="detector; by itself the one in the box, which knows road signs", metavar="FILE"
    )
    out: Path | None = option(
        None, help="folder for pictures and videos; by itself runs/predict with a number",
        metavar="DIR",
    )  # fmt: skip
    conf: float = option(0.25, help="lowest score, 0 to 1", low=0, high=1)
    iou: float = option(
        0.45, help="IoU above which the weaker of two boxes of a class is dropped", low=0, high=1
    )
    max_det: int = option(300, help="most objects a picture", low=1)
    json: Path | None = option(None, help="write all detections to this file", metavar="FILE")
    save_txt: bool = option(False, help="write YOLO labels (class x y w h score) beside pictures")
    save_voc: bool = option(False, help="write VOC annotations beside the pictures")
    device: str = option(
        "auto", help="auto takes a GPU when there is one", metavar="auto|cpu|gpu|gpu:N"
    )


def main(argv: list[str]) -> int:
    config = parse(PredictConfig, argv, DESCRIPTION, EPILOG)

    # What to look at.
    from utils.media.sources import find_sources, open_sources

    sources = find_sources(config.source)

    # What looks.
    if config.weights is None:
        if not BUNDLED.exists():
            raise UserError("there is no detector in the box; give one with --weights FILE")
        print(f"no --weights given: using the road-sign detector in the box, {BUNDLED.name}")
    import_tensorflow()
    from tqdm import tqdm

    from utils.detector import Detector
    from utils.media.outputs import Results
    from utils.training.device import use_device
    from utils.training.run_directory import next_free

    device = use_device(config.device)
    detector = Detector(config.weights or BUNDLED)
    print(f"TensorFlow, float32, on {device}; input {detector.input_size}×{detector.input_size}")

    def look(frames):
        for frame in frames:
            yield (
                frame,
                detector(frame.image, conf=config.conf, iou=config.iou, max_det=config.max_det),
            )

    # Looking.
    out = config.out or next_free(Path("runs/predict"), sources[0].stem)
    with Results(out, config.json, txt=config.save_txt, voc=config.save_voc) as results:
        for source, frames in tqdm(
            open_sources(sources), total=len(sources), unit="source", leave=False, disable=None
        ):
            try:
                results.add_source(source, look(frames))
            except UserError as error:
                print(f"warning: {error}; left out", file=sys.stderr)
        if not results.frames:
            raise UserError(f"none of the {len(sources)} sources could be read")

    # What was seen.
    objects = ", ".join(f"{count} {name}" for name, count in results.counts.most_common())
    what = "picture or frame" if results.frames == 1 else "pictures and frames"
    print(f"{results.frames} {what}: {objects or 'nothing found'}")
    print(f"network: {statistics.median(detector.network_ms):.0f} ms a picture (median)")
    print(f"written to {out}" + (f" and {config.json}" if config.json else ""))
    return OK


if __name__ == "__main__":
    sys.exit(run(main))
