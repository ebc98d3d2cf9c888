"""Opens an export in a virtual environment with nothing but its runtime: ``python -m
bench.runtime_only EXPORT …``.

Beside the runtime only NumPy, Pillow and OpenCV are installed, as predicting with a picture needs
them; no TensorFlow. Classes, thresholds and training facts must be those of the export, and a
picture must be detected on.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from bench.common import ROOT, append_result
from utils.runtime.runtime import runtime_of_file

ALWAYS = ("numpy", "pillow", "opencv-python-headless")
PACKAGES = {
    "onnx": ("onnxruntime",),
    "openvino": ("openvino",),
    "litert": ("ai-edge-litert",),
    "saved_model": ("tensorflow",),
}
PROGRAM = """
import json, sys, time
start = time.perf_counter()
from utils.detector import Detector
detector = Detector(sys.argv[1], device="cpu")
found = detector(sys.argv[2])
print(json.dumps({
    "runtime": detector.runtime.description, "classes": detector.class_names,
    "thresholds": detector.operating_point, "facts": sorted(detector.runtime.metadata),
    "detections": len(found), "seconds": round(time.perf_counter() - start, 2),
    "imported": sorted({"tensorflow", "keras", "onnx"} & set(sys.modules)),
}))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("exports", nargs="+", type=Path)
    parser.add_argument("--photo", type=Path, default=ROOT / "docs" / "signs.jpg")
    args = parser.parse_args()
    for export in args.exports:
        runtime = runtime_of_file(export)
        with tempfile.TemporaryDirectory() as folder:
            python = make_environment(Path(folder), [*ALWAYS, *PACKAGES[runtime]])
            done = subprocess.run(
                [python, "-c", PROGRAM, export.resolve(), args.photo.resolve()],
                cwd=ROOT, capture_output=True, text=True, check=False,
            )  # fmt: skip
        if done.returncode:
            sys.exit(f"{export}: {done.stderr.strip()}")
        row = json.loads(done.stdout.splitlines()[-1])
        print(export, row)
        append_result("runtime_only", {"format": runtime, **row})


def make_environment(folder: Path, packages: list[str]) -> Path:
    """A virtual environment with these packages; returns its Python."""
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    python = folder / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "--quiet", *packages], check=True)
    return python


if __name__ == "__main__":
    main()
