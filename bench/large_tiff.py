"""Large TIFFs: predict.py on one of 20,000×20,000 pixels, which is a question of ``bench.tiles``;
and what reading costs by how the file stores its pixels.

    python -m bench.large_tiff --name NAME

The second one cuts a picture of 20,000×20,000 pixels into tiles for a made-up network, once for
each way of storing. A row of ``bench/results/large_tiff.jsonl`` has the highest memory of the
process, and how often a tile or strip of the file is decoded on average. The decoder is made up,
too, so that a busy machine changes nothing; with ``--decode`` it is real, and its time counts.
"""

from __future__ import annotations

import io
import json
import multiprocessing
import resource
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, TiffTags
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from bench.common import ROOT, append_result
from utils.cli import OK, option, parse, run

SIDE, TILE, TIFF_TILE = 20_000, 1280, 512  # of the picture, the detector's and the file's tiles
# Rows and columns of the tiles or strips of a file, and the sides of the detector's tiles.
LAYOUTS = {
    "tiles of 512": ((512, 512), (1280, 5000)),
    "tiles of 4096": ((4096, 4096), (1280, 5000)),
    "strips of 16": ((16, SIDE), (1280, 5000)),
    "strips of 2048": ((2048, SIDE), (1280, 5000)),
    "strips of 16, few large tiles": ((16, SIDE), (16000,)),
}


@dataclass(frozen=True)
class LargeTiffConfig:
    """The options of this measurement."""

    name: str = option("", help="of the state of the code, for the rows")
    only: tuple[str, ...] = option(tuple(LAYOUTS), help="ways of storing", metavar="NAME")
    decode: bool = option(False, help="decode pixels, and count the seconds")


def main(argv: list[str]) -> int:
    config = parse(LargeTiffConfig, argv, __doc__.split("\n\n")[0])
    for layout in config.only:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "large.tif"
            apart(write_layout, path, layout)
            row = apart(read_layout, path, layout, config.decode)
            row = {"layout": layout, "name": config.name, **row}
        print(row, flush=True)
        append_result("large_tiff", row)
    return OK


def apart(call: Callable, *arguments: object) -> Any:
    """The result of a call in a process of its own, so that its memory is its own."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(call, arguments)


def write_layout(path: Path, layout: str) -> None:
    (rows, columns), _ = LAYOUTS[layout]
    small = np.random.default_rng(0).integers(0, 256, (max(2, rows // 8), 64, 3), np.uint8)
    block = Image.fromarray(small).resize((columns, rows), Image.Resampling.BILINEAR)
    write_repeated(path, np.asarray(block), SIDE, (rows, columns))


def read_layout(path: Path, layout: str, real: bool) -> dict:
    """Cut a picture into the tiles of a layout, as for a detector."""
    from utils.detector import Detector
    from utils.runtime.runtime import Runtime
    from utils.tiff_chunks import TiffChunks
    from utils.tiff_regions import open_regions
    from utils.tiled_stream import parts_of
    from utils.tiles import picture_areas

    class OfSides:
        overlap = 0.2

        def sides_for(self, *_: object) -> tuple[int, ...]:
            return sides

    _, sides = LAYOUTS[layout]
    numbers: list[int] = []
    decode = TiffChunks._decode

    def counted(self: TiffChunks, number: int, *of: int) -> np.ndarray:
        numbers.append(number)
        return decode(self, number, *of) if real else np.full((*of, 3), 100, np.uint8)

    TiffChunks._decode = counted
    detector = Detector(Runtime(lambda images: None, ("sign",), (416, 416), 4, "made up"))
    began, before = time.process_time(), highest_here()
    picture = open_regions(path)
    total = np.zeros(3)
    for part in parts_of(detector, picture, OfSides()):
        total += part.input.pixels.mean((0, 1))
    tiles = picture_areas(SIDE, SIDE, sides, OfSides.overlap)
    return {
        "detector's tiles": len(tiles) - 1,
        "sides": sides,
        "decoded": len(numbers),
        "times each": round(len(numbers) / len(set(numbers)), 2),
        **({"cpu_s": round(time.process_time() - began, 1)} if real else {}),
        "megabytes": highest_here(),
        "megabytes before": before,
        **({"mean": [round(float(x), 3) for x in total / len(tiles)]} if real else {}),
    }


def predict_large_tiff(block: np.ndarray) -> dict:
    """The highest memory of predict.py, beside that for a small picture, and what it found.

    Args:
        block: uint8 (H, W, 3) RGB, multiples of ``TIFF_TILE``: the small picture, which the large
            one repeats.
    """
    with tempfile.TemporaryDirectory() as folder:
        large, small = Path(folder) / "large.tif", Path(folder) / "small.png"
        write_repeated(large, block, SIDE)
        Image.fromarray(block).save(small)
        found = {"pixels": SIDE**2, "tile": TILE, "file bytes": large.stat().st_size}
        for name, source in (("small", small), ("large", large)):
            out = Path(folder) / name
            command = [
                sys.executable, str(ROOT / "predict.py"), str(source), "--tile", str(TILE),
                "--runtime", "openvino", "--max-det", "100000", "--out", str(out),
                "--json", str(out / "found.json"),
            ]  # fmt: skip
            peak = highest_memory(command)
            detections = json.loads((out / "found.json").read_text())[0]["detections"]
            found[name] = {
                "megabytes": round(peak / 1e6),
                "detections": len(detections),
            }
        return found


def highest_here() -> int:
    """The most megabytes that this process had in memory."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1000


def highest_memory(command: Sequence[str]) -> int:
    """Run a command, and give the most bytes that its process had in memory."""
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
    status, peak = Path(f"/proc/{process.pid}/status"), 0
    while process.poll() is None:
        lines = [line for line in status.read_text().splitlines() if line.startswith("VmHWM")]
        peak = max([peak, *(1024 * int(line.split()[1]) for line in lines)])
        time.sleep(0.1)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return peak


def write_repeated(
    path: Path, block: np.ndarray, side: int, chunk: tuple[int, int] = (TIFF_TILE, TIFF_TILE)
) -> None:
    """A square TIFF that repeats a uint8 (H, W, 3) block, which the file has once.

    Args:
        side: of the picture in pixels.
        chunk: rows and columns of a tile, which divide the block; strips where the columns are
            those of the picture.
    """
    high, wide = chunk
    rows, columns = -(-side // high), -(-side // wide)
    down, across = block.shape[0] // high, block.shape[1] // wide
    parts = [
        zlib.compress(
            np.ascontiguousarray(block[y * high : (y + 1) * high, x * wide : (x + 1) * wide])
        )
        for y in range(down)
        for x in range(across)
    ]
    used = [(r % down) * across + c % across for r in range(rows) for c in range(columns)]
    strips = wide == side
    if strips and side % high:  # the last strip is as short as what is left
        parts.append(zlib.compress(np.ascontiguousarray(block[: side % high, :wide])))
        used[-1] = len(parts) - 1
    starts = np.cumsum([0, *(len(part) for part in parts)])
    tags = ImageFileDirectory_v2()
    tags[256], tags[257], tags[258], tags[259], tags[262] = side, side, (8, 8, 8), 8, 2
    tags[277], tags[284] = 3, 1
    offsets, counts = (273, 279) if strips else (324, 325)
    if strips:
        tags[278] = high
    else:
        tags[322], tags[323] = wide, high
    tags.tagtype[offsets] = tags.tagtype[counts] = TiffTags.LONG
    tags[counts] = tuple(len(parts[i]) for i in used)
    head = b""
    for _ in range(2):  # its length does not depend on the offsets
        tags[offsets] = tuple(int(starts[i]) + len(head) for i in used)
        file = io.BytesIO()
        tags.save(file)
        head = file.getvalue()
    path.write_bytes(head + b"".join(parts))


if __name__ == "__main__":
    sys.exit(run(main))
