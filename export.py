"""Write a checkpoint for another runtime, and check it. See ``python export.py --help``."""

from __future__ import annotations

import sys
import time

from utils.cli import OK, parse, run
from utils.deployment.config import ExportConfig, refuse_contradictions

DESCRIPTION = """\
Write a checkpoint for another runtime: ONNX, OpenVINO, LiteRT (TensorFlow Lite) or TensorFlow
SavedModel. The file carries classes, thresholds and all else that predict.py and get_map.py need,
and takes raw RGB pixels. docs/export.md says what goes in and what comes out.

The export and the checkpoint then detect on the same photos. The largest differences are printed.
An export that differs by more than docs/export.md allows is deleted."""

EPILOG = """\
examples:
  python export.py --weights best.keras --format onnx
  python export.py --weights best.keras --format openvino --data photos   (also scores both)
  python export.py --weights best.keras --format litert --precision float16
  python export.py --weights best.keras --format openvino --data photos --int8
  python export.py --weights best.keras --format onnx --nms --conf 0.4    (for other programs)"""


def main(argv: list[str]) -> int:
    started = time.monotonic()
    config = parse(ExportConfig, argv, DESCRIPTION, EPILOG)
    refuse_contradictions(config)
    # Slow imports: not before the options are known to be good.
    from utils.deployment.run import run_export
    from utils.files import size_of

    result = run_export(config)
    print(
        f"written to {result.path}: {size_of(result.path) / 1e6:.1f} MB, "
        f"{time.monotonic() - started:.0f} seconds"
    )
    return OK


if __name__ == "__main__":
    sys.exit(run(main))
