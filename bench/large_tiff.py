"""predict.py on a TIFF of 20,000×20,000 pixels; a question of ``bench.tiles``."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, TiffTags
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from bench.common import ROOT

SIDE, TILE, TIFF_TILE = 20_000, 1280, 512  # of the picture, the detector's and the file's tiles


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


def write_repeated(path: Path, block: np.ndarray, side: int) -> None:
    """A square TIFF in tiles that repeats a uint8 (H, W, 3) block, which the file has once."""
    rows, columns = (-(-side // TIFF_TILE) for _ in range(2))
    down, across = block.shape[0] // TIFF_TILE, block.shape[1] // TIFF_TILE
    parts = [
        zlib.compress(
            np.ascontiguousarray(
                block[y * TIFF_TILE : (y + 1) * TIFF_TILE, x * TIFF_TILE : (x + 1) * TIFF_TILE]
            )
        )
        for y in range(down)
        for x in range(across)
    ]
    starts = np.cumsum([0, *(len(part) for part in parts)])
    used = [(r % down) * across + c % across for r in range(rows) for c in range(columns)]
    tags = ImageFileDirectory_v2()
    tags[256], tags[257], tags[258], tags[259], tags[262] = side, side, (8, 8, 8), 8, 2
    tags[277], tags[284], tags[322], tags[323] = 3, 1, TIFF_TILE, TIFF_TILE
    tags.tagtype[324] = tags.tagtype[325] = TiffTags.LONG
    tags[325] = tuple(len(parts[i]) for i in used)
    head = b""
    for _ in range(2):  # its length does not depend on the offsets
        tags[324] = tuple(int(starts[i]) + len(head) for i in used)
        file = io.BytesIO()
        tags.save(file)
        head = file.getvalue()
    path.write_bytes(head + b"".join(parts))
