"""The picture of docs/tracking.md: ``python -m bench.tracking.illustration``.

Finds and follows the signs of a generated drive, counts them at a line and in a zone, and writes a
frame as predict.py would.
"""

from __future__ import annotations

import sys

from bench.common import ROOT
from bench.tracking.__main__ import CONF, WEIGHTS
from utils.cli import run
from utils.data.synthetic.video import draw_frames
from utils.detector import Detector
from utils.images import save_image
from utils.media.count_shapes import Line, Zone
from utils.media.frames import Frame, Source
from utils.media.video_tracking import VideoTracking

FPS, FRAMES = 15, 62
SHAPES = (Line((150, 40), (150, 330)), Zone(((400, 60), (620, 20), (620, 250), (400, 200))))


def main(argv: list[str]) -> int:
    detector = Detector(WEIGHTS)
    tracking, source = VideoTracking(CONF, SHAPES), Source("drive", "video", "drive")
    for index, image in enumerate(draw_frames(FRAMES, FPS, seed=2)):
        frame = Frame(image, source, index, index / FPS, FPS)
        tracked = tracking.update(frame, detector(image, conf=tracking.tracker.low_conf))
    save_image(ROOT / "docs" / "tracking.jpg", tracking.draw(frame, tracked))
    print("\n".join(tracking.sentences()))
    return 0


if __name__ == "__main__":
    sys.exit(run(main))
