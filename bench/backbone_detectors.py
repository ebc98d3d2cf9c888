"""Builds a detector on every backbone and puts it through what a detector must do.

    python -m bench.backbone_detectors [NAME ...]

Forward at two sizes, a training step with finite gradients in every trainable variable, saving,
loading in safe mode, and the same output after it. Takes some minutes.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

import keras

from nets.backbones import BACKBONES
from tests.detector_check import check_detector


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", default=list(BACKBONES), help="members (all)")
    failed = []
    for name in (names := parser.parse_args().names):
        start = time.perf_counter()
        with tempfile.TemporaryDirectory() as folder:
            try:
                check_detector(name, Path(folder))
                verdict = "right"
            except AssertionError as error:
                failed.append(name)
                verdict = f"WRONG: {error}"
        print(f"{name:20} {time.perf_counter() - start:5.1f} s  {verdict}", flush=True)
        keras.backend.clear_session()
    print(f"failed: {', '.join(failed)}" if failed else f"all {len(names)} right")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
