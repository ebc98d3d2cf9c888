"""Makes the picture of docs/video.md: a frame of a generated drive as ``--overlay`` draws it.

    python -m bench.video

The bundled detector looks at every frame. The one with the most objects is kept.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import cv2

from bench.common import ROOT
from utils.data.synthetic.video import write_video
from utils.detector import Detector
from utils.files import atomic_write
from utils.media.detecting import detect_frames
from utils.media.drawing_frames import FrameDrawer
from utils.media.outputs import draw_frame
from utils.media.sources import find_sources, read_frames
from utils.thresholds import Thresholds

SEED, SECONDS, QUALITY = 2, 5, 70


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "video.jpg")
    out = parser.parse_args().out
    detector = Detector(ROOT / "model_data" / "signs.keras")
    draw = FrameDrawer(draw_frame, overlay=True)
    with tempfile.TemporaryDirectory() as folder:
        drive = Path(folder) / "drive.mp4"
        write_video(drive, seconds=SECONDS, seed=SEED)
        frames = read_frames(find_sources([str(drive)]), print)
        found = detect_frames(detector, frames, Thresholds(conf=0.5))
        # Later frames first among equals: their rate is that of a detector that has warmed up.
        drawn = [(len(objects), draw(frame, objects)) for frame, objects, _ in found]
    _, picture = max(reversed(drawn), key=lambda one: one[0])
    _, data = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    with atomic_write(out, "wb") as file:
        file.write(data)
    print(f"{out}: {len(data) / 1000:.0f} kB")


if __name__ == "__main__":
    main()
