"""``export`` with a made-up conversion: a shell that writes a file slowly, piece by piece.

So a run takes a second, and kills fall between its pieces. Everything about files and names is that
of the real one.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import utils.runtime.export.export as real
from utils.errors import UserError

_WEIGHTS = Path(__file__).resolve().parents[2] / "model_data" / "signs.keras"
_FILE = 'head -c 1000 "$0" > "$1"; sleep 0.3; tail -c +1001 "$0" >> "$1"; sleep 0.3'
_FOLDER = (
    'mkdir "$1"; printf "<net><efficient_yolo3/>" > "$1/model.xml"; sleep 0.3; '
    'printf "</net>" >> "$1/model.xml"; sleep 0.2; cp "$0" "$1/model.bin"; sleep 0.2'
)


def main(argv: list[str]) -> int:
    """Arguments: a file to copy, the format, and where to."""
    source, format, out = argv

    def convert(module: str, request: str, what: str) -> None:
        script = _FILE if format == "onnx" else _FOLDER
        target = json.loads(request)["target"]
        if subprocess.run(["sh", "-c", script, source, target], check=False).returncode:
            raise UserError("the conversion failed")

    real.run_module = convert
    print(f"written to {real.export(_WEIGHTS, format, out)}")
    return 0
