"""Compares every backbone that keras.applications offers with it, at three input sizes.

    python -m bench.backbone_parity [NAME ...] [--out bench/results/backbone_parity.json]

Weights and batch-norm statistics are random, written to a file in Keras' published format and
loaded from it by us; raw pixels go in. Reported is the largest difference of the three feature
levels and the logits, in units of each output's largest value. Takes some minutes.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path

import keras

from tests.keras_reference import CONSTRUCTORS, disagreement, ours, parameters, reference

SIZES = [(128, 128), (160, 160), (96, 224)]  # an odd multiple of 32 and a wide one among them
TOLERANCE = 1e-4


def compare(name: str) -> dict:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "weights.h5"
        truth = reference(name, path)
        models = ours(name, path)
    return {
        "parameters": parameters(models[1]),
        "keras_parameters": parameters(truth),
        "difference": {f"{h}x{w}": disagreement(models, truth, (h, w)) for h, w in SIZES},
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", default=list(CONSTRUCTORS), help="members (all)")
    parser.add_argument("--out", type=Path, help="JSON file to write")
    args = parser.parse_args()
    results, failed = {}, []
    for name in args.names:
        result = results[name] = compare(name)
        worst = max(result["difference"].values())
        if worst > TOLERANCE or result["parameters"] != result["keras_parameters"]:
            failed.append(name)
        print(
            f"{name:20} {result['parameters']:>11,} parameters, difference {worst:.1e}", flush=True
        )
        keras.backend.clear_session()
    if args.out:
        args.out.write_text(json.dumps(results, indent=2) + "\n")
    print(f"failed: {', '.join(failed)}" if failed else f"all {len(results)} agree")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
