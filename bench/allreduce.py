"""What the exchange of gradients costs: bytes and seconds of the all-reduce, and a projection.

    python -m bench.allreduce                # measures, two processes on this machine
    python -m bench.allreduce --project      # tables of docs/scaling.md from the newest measurement

Two processes with one core each train together over loopback, as two hosts would. Timed are an
all-reduce of the tensors that a step sums, and the whole step: with the backbone frozen, with its
stages 3 to 7 learning, and with everything learning. The projection is arithmetic:
``bench.allreduce_projection``.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import IO

from bench.allreduce_projection import THAWED, projection
from bench.common import ROOT, append_result
from utils.cli import OK, option, parse, run
from utils.errors import UserError
from utils.quiet import import_tensorflow

HEADS, ALL = "frozen backbone", "everything learns"
CLASSES = 3
TIMEOUT = 900  # seconds that the two processes get for a backbone


@dataclass(frozen=True)
class AllReduceConfig:
    """The options of this measurement."""

    backbones: tuple[str, ...] = option(
        ("efficientnet_lite0", "efficientnet_b0"), help="backbones to measure"
    )
    size: int = option(128, help="side of the network input in pixels")
    batch: int = option(4, help="photos in a step of one process", low=1)
    reductions: int = option(20, help="all-reduces of each kind; the median counts", low=1)
    steps: int = option(8, help="training steps of each kind; the median counts", low=1)
    record: bool = option(True, help="append the results to bench/results")
    project: bool = option(False, help="print the projection from the newest results instead")
    step_ms: tuple[float, ...] = option(
        (20.0, 80.0), help="projection: assumed milliseconds of a step on one GPU"
    )
    achieved: float = option(
        0.8, help="projection: assumed share of a link's published rate", low=0.01, high=1
    )


def main(argv: list[str]) -> int:
    config = parse(AllReduceConfig, argv, __doc__.split("\n\n")[0])
    if config.project:
        print(projection(config.step_ms, config.achieved))
    elif os.environ.get("TF_CONFIG"):
        print(json.dumps(measure_here(config.backbones[0], config)))
    else:
        for backbone in config.backbones:
            result = measure(backbone, config)
            print(json.dumps(result, indent=1), flush=True)
            if config.record:
                append_result("allreduce", result)
    return OK


def measure(backbone: str, config: AllReduceConfig) -> dict:
    """Start the two processes and combine their results.

    An all-reduce or a step ends when both have finished it: the slower process counts.

    Raises:
        UserError: one of the two failed, or they took longer than ``TIMEOUT``.
    """
    command = [
        sys.executable, "-m", "bench.allreduce", "--backbones", backbone,
        "--size", str(config.size), "--batch", str(config.batch),
        "--reductions", str(config.reductions), "--steps", str(config.steps),
    ]  # fmt: skip
    workers = [f"127.0.0.1:{port}" for port in free_ports(2)]
    one, two = run_both(command, workers)
    kinds = {}
    for name, here in one["kinds"].items():
        there = two["kinds"][name]
        reduction = max(here["reduction_seconds"], there["reduction_seconds"])
        step = max(here["step_seconds"], there["step_seconds"])
        kinds[name] = {
            "gradient_bytes": here["gradient_bytes"],
            "gradient_tensors": here["gradient_tensors"],
            "statistics_bytes": here["statistics_bytes"],
            "reduction_seconds": round(reduction, 4),
            "megabytes_a_second": round(here["gradient_bytes"] / reduction / 1e6, 1),
            "step_seconds": round(step, 3),
            "share_of_step": round(reduction / step, 3),
        }
    return {
        "backbone": backbone,
        "size": config.size,
        "batch_per_process": config.batch,
        "processes": 2,
        "live_norms": one["live_norms"],
        "kinds": kinds,
    }


def run_both(command: list[str], workers: list[str]) -> list[dict]:
    """Run the command as each of the workers; the last line that each printed, from JSON.

    Raises:
        UserError: one of them failed or they took too long; all are ended.
    """
    deadline = time.monotonic() + TIMEOUT
    with contextlib.ExitStack() as stack:
        outputs = [stack.enter_context(tempfile.TemporaryFile("w+")) for _ in workers]
        errors = [stack.enter_context(tempfile.TemporaryFile("w+")) for _ in workers]
        processes = []
        for index, (out, error) in enumerate(zip(outputs, errors, strict=True)):
            task = {"cluster": {"worker": workers}, "task": {"type": "worker", "index": index}}
            environment = {**os.environ, "TF_CONFIG": json.dumps(task), "OMP_NUM_THREADS": "1"}
            process = subprocess.Popen(
                command, cwd=ROOT, env=environment, stdout=out, stderr=error, text=True
            )
            stack.callback(process.wait)
            stack.callback(process.kill)  # nothing where it has ended
            processes.append(process)
        while any(process.poll() is None for process in processes):
            if any(process.poll() for process in processes):
                break
            if time.monotonic() > deadline:
                raise UserError(f"the two processes were not done after {TIMEOUT} seconds")
            time.sleep(0.2)
        for process, error in zip(processes, errors, strict=True):
            if process.poll():
                raise UserError(f"one of the two processes failed:\n{text_of(error)[-2000:]}")
        return [json.loads(text_of(out).splitlines()[-1]) for out in outputs]


def text_of(file: IO[str]) -> str:
    """All that was written to it."""
    file.seek(0)
    return file.read()


def free_ports(count: int) -> list[int]:
    """Free ports of this machine."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


def measure_here(backbone: str, config: AllReduceConfig) -> dict:
    """The work of one of the two processes, on a core of its own."""
    place = json.loads(os.environ["TF_CONFIG"])["task"]["index"]
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cores[place % len(cores)]})
    import_tensorflow()
    import tensorflow as tf

    from nets.yolo import YOLOv3
    from utils.runtime.distribution import make_cluster

    tf.config.threading.set_intra_op_parallelism_threads(1)
    cluster = make_cluster("cpu")
    with cluster.strategy.scope():
        model = YOLOv3(backbone, [str(i) for i in range(CLASSES)], config.size)
    kinds = {}
    for name in (HEADS, THAWED, ALL):
        kinds[name] = measure_kind(name, model, cluster, config)
    return {"kinds": kinds, "live_norms": live_norms(model.head)}


def measure_kind(name: str, model, cluster, config: AllReduceConfig) -> dict:
    """Bytes, seconds of an all-reduce and seconds of a step with these parts learning.

    Args:
        name: one of ``HEADS``, ``THAWED`` and ``ALL``.
        model: its weights change.
        cluster: of the two processes.
    """
    import tensorflow as tf

    from bench.throughput import random_batch
    from utils.training.choices.recipes import Recipe
    from utils.training.optimizers import Optimizers
    from utils.training.step import StepConfig
    from utils.training.trainer import Trainer

    trainer = Trainer(
        model,
        Optimizers("adamw", rate=1e-4, backbone_rate_factor=0.5, decay=5e-4),
        cluster,
        StepConfig(config.batch * cluster.replicas),
        pretrained=name != ALL,  # from nothing everything learns, batch norms included
        recipe=Recipe(),
    )
    trainer.set_backbone_frozen(name == HEADS)
    batch = [tf.constant(part) for part in random_batch(config.batch, config.size)]
    number = 0

    def step() -> None:
        nonlocal number
        number += 1
        float(trainer.step(batch, number, 1.0).total)

    variables = model.trainable_variables
    statistics_of = [v for v in model.non_trainable_variables if v.name.startswith("moving_")]
    return {
        "gradient_bytes": sum(bytes_of(v) for v in variables),
        "gradient_tensors": len(variables),
        "statistics_bytes": sum(bytes_of(v) for v in statistics_of),
        "reduction_seconds": together(reduction(cluster, variables), cluster, config.reductions),
        "step_seconds": together(step, cluster, config.steps),
    }


def reduction(cluster, variables: list) -> Callable[[], None]:
    """An all-reduce of tensors of the variables' shapes, made as ``utils.training.step`` does."""
    import tensorflow as tf

    tensors = [tf.random.normal(v.shape) for v in variables]

    def replica() -> list[tf.Tensor]:
        return tf.distribute.get_replica_context().all_reduce("SUM", tensors)

    @tf.function(jit_compile=False)
    def reduce() -> tf.Tensor:
        return tf.add_n([tf.reshape(x, [-1])[0] for x in cluster.strategy.run(replica)])

    return lambda: float(reduce())


def together(work: Callable[[], None], cluster, rounds: int) -> float:
    """Median seconds of ``work``; both processes begin at the same time."""
    work()  # compiles
    times = []
    for _ in range(rounds):
        cluster.reduce_any(False)  # waits for the other process
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return statistics.median(times)


def bytes_of(variable) -> int:
    """Of a float32 variable."""
    size = 4
    for side in variable.shape:
        size *= side
    return size


def live_norms(head) -> int:
    """Batch norms of the FPN and the heads, which learn in every run."""
    import keras

    return sum(
        isinstance(layer, keras.layers.BatchNormalization) for layer in head._flatten_layers()
    )


if __name__ == "__main__":
    sys.exit(run(main))
