"""How exports agree with their checkpoint: ``python -m bench.exports CHECKPOINT EXPORT … --data
DIR``.

On 100 training photos, letterboxed to the checkpoint's square, all boxes and scores are compared;
on the test split AP, with both in the same shape.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from bench.common import append_result
from utils.evaluation.leaks import load_evaluation_split
from utils.quiet import import_tensorflow
from utils.runtime.facts import Facts
from utils.runtime.runtime import open_runtime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("exports", nargs="+", type=Path)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--photos", type=int, default=100)
    args = parser.parse_args()
    import_tensorflow()
    from utils.deployment.check import (
        compare_ap,
        compare_outputs,
        float32_reference,
        network_inputs,
    )
    from utils.detector import Detector

    facts = Facts.of_checkpoint(args.checkpoint)
    train, test = (
        load_evaluation_split(args.data, split, facts.metadata, classes=facts.class_names)
        for split in ("train", "test")
    )
    reference = float32_reference(args.checkpoint)
    inputs = network_inputs(facts.input_size, train, args.photos)
    for export in args.exports:
        runtime = open_runtime(export, device="cpu")
        # All predictions, not only the best: float32 leaves no room for differences.
        outputs = compare_outputs(
            runtime.infer, reference.infer, inputs, any_shape=False, best=None
        )
        ap = compare_ap(Detector(runtime), Detector(reference), test)
        row = {
            "data": args.data.name,
            "backbone": facts.backbone,
            "runtime": runtime.description,
            "photos": outputs.photos,
            "box": outputs.box,
            "score": outputs.score,
            "test_photos": len(test),
            **{
                name: {
                    "export": one.this,
                    "checkpoint": one.other,
                    "low": one.low,
                    "high": one.high,
                }
                for name, one in (("AP50", ap.ap50), ("AP", ap.ap))
            },
        }
        print(row)
        append_result("exports", row)


if __name__ == "__main__":
    main()
