"""What it costs hosts to agree on a step: bytes and seconds of the all-reduce, and a projection.

    python -m bench.allreduce                # measures, two processes on this machine
    python -m bench.allreduce --project      # tables of docs/scaling.md from the newest measurement

The measurement starts two processes of one core each that train together over loopback, as two
hosts would. It times an all-reduce of exactly the tensors that a step sums, by itself, and the
whole step, at what learns during a run: the heads only, then stages 3 to 7 of the backbone too,
and everything. The projection is arithmetic: the cost of a ring (Patarasuk & Yuan, Bandwidth
optimal all-reduce algorithms for clusters of workstations, 2009) over links of published speed.
"""

from __future__ import annotations

import json
import os
import sys
import time

from bench.allreduce.config import RESULTS, AllReduceConfig
from bench.allreduce.measure import measure, measure_here
from bench.allreduce.projection import newest_results, projection
from utils.cli import OK, parse, run


def main(argv: list[str]) -> int:
    config = parse(AllReduceConfig, argv, __doc__.split("\n\n")[0])
    if config.project:
        print(projection(newest_results(), config))
    elif os.environ.get("TF_CONFIG"):
        print(json.dumps(measure_here(config.backbones[0], config)))
    else:
        for backbone in config.backbones:
            result = measure(backbone, config)
            print(json.dumps(result, indent=1), flush=True)
            if config.record:
                with open(RESULTS, "a") as file:
                    file.write(json.dumps({"date": time.strftime("%Y-%m-%d"), **result}) + "\n")
    return OK


if __name__ == "__main__":
    sys.exit(run(main))
