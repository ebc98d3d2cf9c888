"""Score a detector, or a file of detections, on labelled photos. See ``--help``."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

from utils.cli import MISSED, OK, parse, run
from utils.evaluation.config import MapConfig, refuse_contradictions

DESCRIPTION = """\
Score a detector, or a file of detections, on labelled photos: VOC 2007, VOC 2010 and COCO mAP with
95 % intervals, and an analysis of the errors and their cost.

Writes report.html (open it first), summary.md, classes.csv, metrics.json, and ground_truth.json and
detections.json (COCO format, for scoring with other tools), and prints a table."""

EPILOG = """\
examples:
  python get_map.py --weights runs/mine/best.keras --data photos --split test
  python get_map.py --weights new.keras --compare old.keras --data photos    (is new better?)
  python get_map.py --weights runs/mine/best.keras --data photos --tune val  (thresholds to use)
  python get_map.py --detections theirs.json --data photos --classes classes.txt
  python get_map.py --weights runs/mine/best.keras --data photos --min-map50 0.8   (exit 1 below)"""


def main(argv: list[str]) -> int:
    config = parse(MapConfig, argv, DESCRIPTION, EPILOG)
    refuse_contradictions(config)
    # Slow imports: not before the options are known to be good.
    from utils.evaluation.evaluate import evaluate
    from utils.evaluation.summaries import format_table, sentences
    from utils.evaluation.tuning import store_operating_point
    from utils.files import next_free

    evaluation = evaluate(config)
    source = config.weights or config.detections
    out = config.out or next_free(Path("runs/map"), source.resolve().parent.name)
    tuning = evaluation.analysis.tuning
    try:  # files first: stdout may be a closed pipe, as with ``| head``
        names = evaluation.write(out, report=config.report)
        if tuning:
            store_operating_point(config.weights, tuning)
    finally:
        print(f"\n{format_table(evaluation.metrics, evaluation.analysis)}\n")
        print(*sentences(evaluation.metrics, evaluation.analysis), sep="\n")
    if tuning:
        thresholds = f"--conf {tuning.confidence:g} --iou {tuning.iou:g}"
        print(f"stored in {config.weights} for predict.py: {thresholds}")
    print(f"\nwritten to {out}: {', '.join(names)}")
    seconds = evaluation.stopwatch.seconds
    print("seconds: " + ", ".join(f"{name} {s:.1f}" for name, s in seconds.items()))
    if config.weights:
        share = network_share(seconds)
        print(f"network: {share:.0%} of the time without start-up, files and report")
    if evaluation.below_threshold:
        ap50 = evaluation.ap50.value
        lowest = f"--min-map50 {config.min_map50:g}"
        if ap50 is None:
            print(f"no object counts, so there is no AP50 for {lowest}", file=sys.stderr)
        else:
            print(f"AP50 {ap50:.4f} is below {lowest}", file=sys.stderr)
        return MISSED
    return OK


def network_share(seconds: Mapping[str, float]) -> float:
    """The network's share of the seconds without start-up, files and report."""
    rest = sum(s for name, s in seconds.items() if name not in ("start-up", "files", "report"))
    return seconds.get("network", 0.0) / rest


if __name__ == "__main__":
    sys.exit(run(main))
