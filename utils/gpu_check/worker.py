"""A process of ``utils.gpu_check``: divides the devices, runs one task, writes what it returns.

python -m utils.gpu_check.worker ASKED.json ANSWER.json
"""

from __future__ import annotations

import json
from pathlib import Path

from utils.cli import leave, run
from utils.files import atomic_write
from utils.gpu_check.processes import Place
from utils.quiet import import_tensorflow


def main(argv: list[str]) -> int:
    asked = json.loads(Path(argv[0]).read_text())
    import_tensorflow()
    from utils.gpu_check import tasks
    from utils.gpu_check.devices import cluster_at

    cluster = cluster_at(Place(**asked["place"]))
    answer = getattr(tasks, asked["task"])(cluster, **asked["arguments"])
    with atomic_write(argv[1]) as file:
        json.dump(answer, file)
    return 0


if __name__ == "__main__":
    leave(run(main))  # freeing the networks would take seconds
