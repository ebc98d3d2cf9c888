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

import contextlib
import json
import math
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from utils.cli import OK, option, parse, run
from utils.errors import UserError
from utils.quiet import import_tensorflow

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "bench" / "results" / "allreduce.jsonl"
LOADER = ROOT / "bench" / "results" / "loader.jsonl"
CLASSES = 3
TIMEOUT = 900  # seconds that the two processes get for a backbone
HEADS, THAWED, ALL = "frozen backbone", "stages 3-7 learn", "everything learns"

BATCH_PER_GPU = 8
GPUS = (1, 8, 16, 32, 64)
COLLECTIVES = 4  # a step: positives, gradients, running statistics, losses
# Of a synchronised batch norm in Keras 3.15: three sums forward, two of them with a gradient.
NORM_COLLECTIVES = 5


@dataclass(frozen=True)
class Link:
    """A published link.

    Attributes:
        name: in words.
        rate: bytes a second in one direction, as published.
        latency: seconds from one member of a ring to the next; assumed, not published.
    """

    name: str
    rate: float
    latency: float


LINKS = (
    Link("NVLink 4", 450e9, 3e-6),
    Link("PCIe 5.0 ×16", 32e9 / 8 * 16 * 128 / 130, 5e-6),
    Link("InfiniBand NDR 400 Gb/s", 400e9 / 8, 5e-6),
    Link("Ethernet 100 Gb/s", 100e9 / 8, 30e-6),
    Link("Ethernet 10 Gb/s", 10e9 / 8, 30e-6),
)


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


# The measurement ---------------------------------------------------------------------------------


def measure(backbone: str, config: AllReduceConfig) -> dict:
    """Start the two processes and put their findings together.

    An all-reduce and a step are over when both have them: the slower process counts.

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
    """Run the command as each of the workers; what they printed last.

    Raises:
        UserError: one of them failed, which ends the others, or they took too long.
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
    """Ports of this machine that nobody listens at."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


def measure_here(backbone: str, config: AllReduceConfig) -> dict:
    """The part of one of the two processes, on a core of its own."""
    place = json.loads(os.environ["TF_CONFIG"])["task"]["index"]
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cores[place % len(cores)]})
    import_tensorflow()
    import tensorflow as tf

    from nets.yolo import YOLOv3
    from utils.training.distribution import make_cluster

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
    from utils.training.optimizers import Optimizers
    from utils.training.recipes import Recipe
    from utils.training.step import StepConfig
    from utils.training.trainer import Trainer

    trainer = Trainer(
        model,
        Optimizers("adamw", rate=1e-4, backbone_rate=0.5, decay=5e-4),
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
    """Median seconds of ``work``, which both processes begin at the same time."""
    work()  # compiles
    times = []
    for _ in range(rounds):
        cluster.any(False)  # nobody begins before the other is here
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


# The projection ----------------------------------------------------------------------------------


def ring_seconds(n: int, size: float, link: Link, achieved: float = 1.0) -> float:
    """Seconds of a ring all-reduce: 2(n − 1)/n · size/rate + 2(n − 1) · latency.

    Patarasuk & Yuan (2009): each of n members sends a n-th of the data 2(n − 1) times.

    Args:
        n: members.
        size: bytes.
        link: between neighbours.
        achieved: share of its rate.
    """
    return 2 * (n - 1) / n * size / (link.rate * achieved) + 2 * (n - 1) * link.latency


def efficiency(n: int, kind: dict, link: Link, *, step: float, achieved: float) -> float:
    """Share of n times one GPU's speed, at the same number of photos a GPU.

    The step sums its gradients as one, when the last of them is known: nothing hides behind the
    backward pass.

    Args:
        n: GPUs.
        kind: bytes that they sum, from a measurement.
        link: between neighbours of the ring.
        step: seconds of a step on one GPU.
        achieved: share of the link's rate.
    """
    size = kind["gradient_bytes"] + kind["statistics_bytes"]
    waiting = ring_seconds(n, size, link, achieved)
    waiting += (COLLECTIVES - 1) * ring_seconds(n, 0, link)
    return step / (step + waiting)


def newest_results() -> dict[str, dict]:
    """The last measurement of each backbone.

    Raises:
        UserError: there is none.
    """
    if not RESULTS.exists():
        raise UserError(f"{RESULTS} is not there; measure first: python -m bench.allreduce")
    lines = [json.loads(line) for line in RESULTS.read_text().splitlines()]
    return {line["backbone"]: line for line in lines}


def projection(results: dict[str, dict], config: AllReduceConfig) -> str:
    """What was measured, efficiency by link and number of GPUs, and what the hosts must feed them,
    as Markdown."""
    parts = [measured_table(results)]
    backbone, kind = most_bytes(results)
    size = (kind["gradient_bytes"] + kind["statistics_bytes"]) / 1e6
    for step in config.step_ms:
        parts.append(
            f"{backbone}, {THAWED}, {size:.1f} MB a step; assumed: {step:g} ms a step of "
            f"{BATCH_PER_GPU} photos on one GPU, {config.achieved:.0%} of the published rate.\n"
        )
        parts.append(efficiency_table(kind, step / 1000, config.achieved))
    parts.append(reduction_table(results, config.achieved))
    parts.append(norms_table(results))
    parts.append(feeding_table(config.step_ms))
    return "\n".join(parts)


def most_bytes(results: dict[str, dict]) -> tuple[str, dict]:
    """The backbone that sends most with its stages 3 to 7 learning, and what was measured so."""
    kinds = {backbone: result["kinds"][THAWED] for backbone, result in results.items()}
    backbone = max(kinds, key=lambda name: kinds[name]["gradient_bytes"])
    return backbone, kinds[backbone]


def measured_table(results: dict[str, dict]) -> str:
    rows = [
        [
            backbone,
            name,
            f"{kind['gradient_bytes'] / 1e6:.1f}",
            str(kind["gradient_tensors"]),
            f"{kind['reduction_seconds']:.3f}",
            f"{kind['megabytes_a_second']:.0f}",
            f"{kind['step_seconds']:.2f}",
            f"{kind['share_of_step']:.0%}",
        ]
        for backbone, result in results.items()
        for name, kind in result["kinds"].items()
    ]
    head = ["backbone", "learning", "MB", "tensors", "all-reduce s", "MB/s", "step s", "share"]
    return table(head, rows)


def efficiency_table(kind: dict, step: float, achieved: float) -> str:
    rows = [
        [link.name]
        + [f"{efficiency(n, kind, link, step=step, achieved=achieved):.0%}" for n in GPUS]
        for link in LINKS
    ]
    return table(["link", *(f"{n} GPU{'s' if n > 1 else ''}" for n in GPUS)], rows)


def reduction_table(results: dict[str, dict], achieved: float) -> str:
    """Milliseconds of the ring over 64 GPUs."""
    names = [f"{b}, {k}" for b, result in results.items() for k in result["kinds"]]
    kinds = [kind for result in results.values() for kind in result["kinds"].values()]
    rows = [
        [name, f"{kind['gradient_bytes'] / 1e6:.1f}"]
        + [f"{1000 * ring_seconds(64, kind['gradient_bytes'], ln, achieved):.2f}" for ln in LINKS]
        for name, kind in zip(names, kinds, strict=True)
    ]
    return table(["milliseconds over 64 GPUs", "MB", *(link.name for link in LINKS)], rows)


def norms_table(results: dict[str, dict]) -> str:
    """Milliseconds that synchronised batch norms of the head add at 64 GPUs: latency alone."""
    rows = []
    for backbone, result in results.items():
        count = NORM_COLLECTIVES * result["live_norms"]
        times = [f"{1000 * count * ring_seconds(64, 0, link):.0f}" for link in LINKS]
        rows.append([backbone, str(result["live_norms"]), *times])
    return table(["--synchronized-norms, ms", "norms", *(link.name for link in LINKS)], rows)


def feeding_table(step_ms: tuple[float, ...]) -> str:
    """Photos a second that a host of eight GPUs needs, and the cores that this takes."""
    rate, size = loader_rate()
    rows = []
    for step in step_ms:
        needed = 8 * BATCH_PER_GPU / step * 1000
        cores = f"{math.ceil(needed / rate)}" if rate else f"{needed:.0f} ÷ its photos/s on a core"
        rows.append([f"{step:g} ms", f"{needed:.0f}", cores])
    source = f" (measured: {rate:.0f} photos/s a core at {size} pixels)" if rate else ""
    return table(["step", "photos/s for a host of 8 GPUs", f"cores for the loader{source}"], rows)


def loader_rate() -> tuple[float, int]:
    """Photos a second of one core, full augmentation, and their size; 0 where not measured."""
    if not LOADER.exists():
        return 0.0, 0
    line = json.loads(LOADER.read_text().splitlines()[-1])
    return line["samples_per_second"]["ours"]["cpu"], line["size"]


def table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


if __name__ == "__main__":
    sys.exit(run(main))
