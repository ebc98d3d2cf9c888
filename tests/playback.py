"""Videos of many kinds, drawn, and played to their end in a headless browser.

``tests/test_playback.py`` asserts what this measures; as a command it prints the table::

    python -m tests.playback [--json FILE] [VIDEO …]
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tests.browser import open_page
from tests.media_files import rotate
from utils.detections import Detections
from utils.files import atomic_write
from utils.media.drawn_videos import DrawnVideos
from utils.media.outputs import Outputs
from utils.media.sources import find_sources, quiet_opencv, read_frames
from utils.text import one_line

SECONDS = 0.8
_PICTURE = ("-f", "lavfi", "-i", f"testsrc2=size=160x90:rate=25:duration={SECONDS}")
_SOUND = ("-f", "lavfi", "-i", f"sine=frequency=440:duration={SECONDS}")
_H264 = ("-c:v", "libx264", "-pix_fmt", "yuv420p", "-bf", "2", "-c:a", "aac")
_VARYING = "setpts='if(lt(N,10),N/25,0.4+(N-10)/10)/TB'"  # 25 frames a second, then 10

# File name, and the options of ffmpeg that make it.
KINDS: dict[str, tuple[str, ...]] = {
    "h264.mp4": (*_PICTURE, *_SOUND, *_H264),
    "hevc.mp4": (*_PICTURE, *_SOUND, "-c:v", "libx265", "-x265-params", "log-level=none"),
    "vp8.webm": (*_PICTURE, *_SOUND, "-c:v", "libvpx", "-c:a", "libvorbis"),
    "vp9.webm": (*_PICTURE, *_SOUND, "-c:v", "libvpx-vp9", "-c:a", "libopus"),
    "av1.mkv": (*_PICTURE, *_SOUND, "-c:v", "libsvtav1", "-preset", "12", "-c:a", "libopus"),
    "mjpeg.avi": (*_PICTURE, *_SOUND, "-c:v", "mjpeg", "-c:a", "pcm_s16le"),
    "mpeg4.mov": (*_PICTURE, *_SOUND, "-c:v", "mpeg4", "-c:a", "aac"),
    "mpeg2.mts": (*_PICTURE, *_SOUND, "-c:v", "mpeg2video", "-c:a", "mp2"),
    "wmv2.wmv": (*_PICTURE, *_SOUND, "-c:v", "wmv2", "-c:a", "wmav2"),
    "tenbit.mkv": (*_PICTURE, "-c:v", "libvpx-vp9", "-pix_fmt", "yuv420p10le"),
    "varying.mp4": (*_PICTURE, *_H264, "-vf", _VARYING, "-fps_mode", "vfr",
                    "-enc_time_base", "1/1000"),
    "ntsc.mp4": (*_PICTURE, *_SOUND, *_H264, "-r", "30000/1001"),
    "rotated.mp4": (*_PICTURE, *_SOUND, *_H264),
    "odd.webm": (*_PICTURE, *_SOUND, "-vf", "scale=161:91", "-c:v", "libvpx-vp9"),
    "tiny.mp4": (*_PICTURE, *_H264, "-vf", "scale=16:16"),
    "late_sound.mp4": (*_PICTURE, "-itsoffset", "0.2", *_SOUND, *_H264, "-shortest"),
    "late_picture.mkv": ("-itsoffset", "0.2", *_PICTURE, *_SOUND, *_H264),
    "film.gif": (*_PICTURE, "-r", "10"),
}  # fmt: skip


@dataclass(frozen=True)
class Played:
    """What a browser says of a drawn video, beside its source.

    Attributes:
        name: of the source.
        drawn: file name of the drawn video.
        ended: whether it played to its end.
        length_s, size: seconds, and (width, height) in pixels, as the browser sees them.
    XX        sound, source_sound: whether the drawn video and the source have one.
        problem: the browser's, if any.
    """

    name: str
    drawn: str
    ended: bool
    length_s: float
    size: tuple[int, int]
    source_s: float
    source_size: tuple[int, int]
    frame_s: float
    sound: bool
    source_sound: bool
    problem: str


def make(folder: Path, name: str) -> Path:
    """The video of that name of ``KINDS``."""
    options = ["ffmpeg", "-y", "-loglevel", "error", *KINDS[name], str(folder / name)]
    done = subprocess.run(options, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{name}: {done.stderr}")
    if name == "rotated.mp4":
        rotate(folder / name)
    return folder / name


def draw_and_play(paths: Sequence[Path], folder: Path, *, with_ffmpeg: bool = True) -> list[Played]:
    """Draw the videos without objects into the folder, and play them all in a browser."""
    nothing = Detections(
        np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int32), ("object",)
    )
    videos, facts = DrawnVideos(folder), []
    if not with_ffmpeg:
        videos._ffmpeg = None
    quiet_opencv()
    for path in paths:
        with Outputs([videos]) as outputs:
            frames = []
            for frame in read_frames(find_sources([str(path)]), print):
                outputs.write(frame, nothing)
                frames.append((frame.duration_s, frame.image.shape[1::-1]))
        facts.append(
            {
                "name": path.name,
                "source_s": length_s(path),
                "source_size": frames[0][1],
                "frame_s": min(duration_s for duration_s, _ in frames),
                "source_sound": has_sound(path),
            }
        )
    suffix = ".mp4" if with_ffmpeg else ".webm"
    drawn = [folder / f"{path.stem}{suffix}" for path in paths]
    results = _play(folder, [path.name for path in drawn])
    return [
        Played(drawn=path.name, sound=has_sound(path), **fact, **result)
        for path, fact, result in zip(drawn, facts, results, strict=True)
    ]


def length_s(path: Path) -> float:
    """Seconds from the first frame of a video to the end of its last, by ffprobe."""
    listing = subprocess.run(
        ["ffprobe", "-loglevel", "error", "-select_streams", "v:0", "-show_entries",
         "packet=pts_time,duration_time", "-of", "csv=p=0", path],
        check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    packets = [line.split(",")[:2] for line in listing.split()]
    starts = sorted(float(start) for start, _ in packets if start != "N/A")
    durations = {float(start): float(lasts) for start, lasts in packets if lasts != "N/A"}
    return starts[-1] + durations.get(starts[-1], starts[-1] - starts[-2]) - starts[0]


def has_sound(path: Path) -> bool:
    """Whether a file has sound that can be decoded and is not silent."""
    samples = subprocess.run(
        ["ffmpeg", "-loglevel", "quiet", "-i", path, "-map", "0:a:0", "-f", "s16le", "-"],
        capture_output=True,
    ).stdout
    return bool(np.abs(np.frombuffer(samples, np.int16)).max(initial=0) > 500)


def _play(folder: Path, names: Sequence[str]) -> list[dict[str, Any]]:
    """What Chromium says of each video once all have played."""
    page = folder / "page.html"
    page.write_text("<!doctype html>" + "".join(f'<video muted src="{n}"></video>' for n in names))
    with open_page(page) as driver:
        driver.set_script_timeout(60)
        found = driver.execute_async_script(_WATCH)
    return [{**one, "size": tuple(one["size"])} for one in found]


_WATCH = """
const done = arguments[0];
const watch = (video) => new Promise(finish => {
  const say = (problem) => finish({
    ended: video.ended, length_s: video.duration, size: [video.videoWidth, video.videoHeight],
    problem: problem || ''});
  video.addEventListener('ended', () => say());
  video.addEventListener('error', () => say(video.error.message));
  setTimeout(() => say('it did not end'), 50000);
  video.play().catch(error => say(error.message));
});
Promise.all([...document.querySelectorAll('video')].map(watch)).then(done);
"""


def table(results: Sequence[Played]) -> str:
    """Markdown."""
    lines = [
        "| source | drawn | played to its end | seconds, of the source | pixels, of the source "
        "| sound, of the source |",
        "|---|---|---|---|---|---|",
    ]
    for one in results:
        sound = "none" if not one.source_sound else "kept" if one.sound else "left out"
        ended = "yes" if one.ended else one_line(one.problem)
        sizes = ["×".join(map(str, size)) for size in (one.size, one.source_size)]
        lines.append(
            f"| {one.name} | {one.drawn} | {ended} | {one.length_s:.3f}, {one.source_s:.3f} "
            f"| {', '.join(sizes)} | {sound} |"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("videos", nargs="*", type=Path, help="further ones to draw and play")
    parser.add_argument("--json", type=Path, help="also write the results here, one a line")
    options = parser.parse_args()
    results: list[Played] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        given = [Path(shutil.copy(path, folder)) for path in options.videos]
        sources = [*given, *(make(folder, kind) for kind in KINDS)]
        for with_ffmpeg in (True, False):
            out = folder / f"drawn-{with_ffmpeg}"
            played = draw_and_play(sources, out, with_ffmpeg=with_ffmpeg)
            print(table(played), end="\n\n")
            results += played
    if options.json:
        with atomic_write(options.json) as file:
            file.writelines(json.dumps(asdict(one)) + "\n" for one in results)


if __name__ == "__main__":
    main()
