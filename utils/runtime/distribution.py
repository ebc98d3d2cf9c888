"""``Cluster``: the devices of a run, be they one, several, or those of several hosts.

Several GPUs of one machine hold mirrored weights (``--device gpu:0,1``). Several hosts run the
same command, each with its own place in the environment variable ``TF_CONFIG``, as TensorFlow
documents it (Distributed training with TensorFlow, "Setting up TF_CONFIG"). The first host, the
chief, is the only one that writes.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from utils.detections import Detections
from utils.errors import UserError
from utils.runtime.device import gpu_numbers, logical_devices, make_visible, out_of_memory
from utils.runtime.rendezvous import meet

# What libraries say of a GPU. NCCL says "unhandled cuda error" then, and other words of hosts.
_OF_A_GPU = re.compile("CUDNN|CUBLAS|CUDA", re.IGNORECASE)
MAX_DET = 300  # detections a photo that hosts exchange


@dataclass(frozen=True)
class Cluster:
    """The devices that train together.

    Attributes:
        strategy: TensorFlow's; variables belong into its ``scope()``.
        device_text: the devices in words, such as "GPU 0, GPU 1" or "CPU".
        host, hosts: this process's place among the processes of the run, and their number.
    """

    strategy: tf.distribute.Strategy
    device_text: str
    host: int = 0
    hosts: int = 1

    @property
    def on_gpu(self) -> bool:
        """Whether the devices are GPUs."""
        return self.device_text.startswith("GPU")

    @property
    def chief(self) -> bool:
        """Whether this process writes the run's files."""
        return self.host == 0

    @property
    def replicas(self) -> int:
        """Copies of the network, over all hosts."""
        return self.strategy.num_replicas_in_sync

    @property
    def local_replicas(self) -> int:
        """Copies of the network on this host."""
        return self.replicas // self.hosts

    @property
    def input_device(self) -> str | None:
        """The device that batches are copied to ahead of time: the one GPU of a run.

        None on the CPU; and for several GPUs, as ``split`` divides a batch in main memory.
        """
        alone = self.replicas == 1 and self.on_gpu
        return "/GPU:0" if alone else None  # the first visible one, whatever its own number

    def split(self, batch: Sequence[tf.Tensor]) -> tuple[Any, ...]:
        """This host's share of a batch, divided among its replicas in order.

        Args:
            batch: images uint8 (B, H, W, 3), boxes (B, M, 4), class ids (B, M).
        """
        if self.replicas == 1:
            return tuple(batch)
        rows = len(batch[0]) // self.local_replicas
        return tuple(self.by_replica(lambda i, x=x: x[i * rows : (i + 1) * rows]) for x in batch)

    def all_equal(self, value: Any) -> bool:
        """Whether a JSON value is the same on all hosts; all get the same answer."""
        if self.hosts == 1:
            return True
        digest = hashlib.sha256(json.dumps(value, sort_keys=True).encode()).digest()
        own = np.frombuffer(digest, np.uint8).astype(np.int32)
        return not self.reduce_any(not np.array_equal(own, self.broadcast(own)))

    def reduce_any(self, flag: bool) -> bool:
        """Whether the flag is set on any host."""
        return flag if self.hosts == 1 else bool(self._sum(np.float64(flag)) > 0)

    def reduce_min(self, value: float) -> float:
        """The smallest of the hosts' values, on every host."""
        if self.hosts == 1:
            return value
        values = np.array([value], np.float64)
        return float(self.gather_rows(values, np.array([self.host]), self.hosts).min())

    def broadcast_number(self, value: float) -> float:
        """The chief's number on every host.

        A decision that depends on a clock or a signal must be the chief's. Hosts that decide
        differently would wait for each other for ever.
        """
        return value if self.hosts == 1 else float(self.broadcast(np.float64(value)))

    def broadcast(self, value: np.ndarray) -> np.ndarray:
        """The chief's array on every host; its shape and dtype are the same everywhere."""
        if self.hosts == 1:
            return value
        return self._sum(value if self.chief else np.zeros_like(value)).astype(value.dtype)

    def broadcast_json(self, value: Any) -> Any:
        """The chief's JSON value on every host."""
        if self.hosts == 1:
            return value
        data = np.frombuffer(json.dumps(value).encode() if self.chief else b"", np.uint8)
        length = int(self.broadcast(np.asarray(data.size, np.int64)))
        padded = np.zeros(length, np.int32)
        padded[: data.size] = data
        return json.loads(self.broadcast(padded).astype(np.uint8).tobytes())

    def local_indices(self, total: int) -> np.ndarray:
        """This host's part of the indices below ``total``; the hosts' parts make up all."""
        return np.arange(self.host, total, self.hosts)

    def gather_rows(self, rows: np.ndarray, indices: np.ndarray, total: int) -> np.ndarray:
        """The rows of all hosts in one array (total, …) on every host.

        Args:
            rows: this host's.
            indices: where they belong.
            total: rows of all hosts.
        """
        table = np.zeros((total, *rows.shape[1:]), rows.dtype)
        table[indices] = rows
        return table if self.hosts == 1 else self._sum(table)

    def gather_detections(
        self,
        image_ids: Sequence[str],
        found: Mapping[str, Detections],
        class_names: Sequence[str],
    ) -> dict[str, Detections]:
        """The detections of all hosts on every host.

        Args:
            image_ids: of the photos of all hosts; ``local_indices`` says which are this host's.
            found: this host's detections, by image id.
            class_names: the detector's.
        """
        indices = self.local_indices(len(image_ids))
        rows = np.zeros((len(indices), MAX_DET, 7), np.float64)  # is one, class, score, box
        for row, index in zip(rows, indices, strict=True):
            one = found.get(image_ids[int(index)])
            if one is not None and len(one):
                row[: len(one), 0] = 1
                row[: len(one), 1], row[: len(one), 2] = one.class_ids, one.scores
                row[: len(one), 3:] = one.boxes
        table = self.gather_rows(rows, indices, len(image_ids))
        gathered = {}
        for image_id, row in zip(image_ids, table, strict=True):
            row = row[row[:, 0] > 0]
            gathered[image_id] = Detections(
                boxes=row[:, 3:].astype(np.float32),
                scores=row[:, 2].astype(np.float32),
                class_ids=row[:, 1].astype(np.int32),
                class_names=tuple(class_names),
            )
        return gathered

    def _sum(self, value: np.ndarray) -> np.ndarray:
        """Sum over hosts: the value of one replica of each."""
        values = self.by_replica(lambda i: tf.constant(value if i == 0 else np.zeros_like(value)))
        return np.asarray(self.strategy.reduce("SUM", values, axis=None))

    def by_replica(self, make: Callable[[int], tf.Tensor]) -> Any:
        """One value for each replica of this host, counted from 0.

        They are made in main memory, and each is copied to its own device only. By default
        TensorFlow would make all of them on the first GPU.
        """
        devices = self.strategy.extended.worker_devices

        def value(context: tf.distribute.experimental.ValueContext) -> tf.Tensor:
            index = context.replica_id_in_sync_group % self.local_replicas
            with tf.device("/CPU:0"):
                made = make(index)
            with tf.device(devices[index]):
                return tf.identity(made)

        return self.strategy.experimental_distribute_values_from_function(value)


def spec_by_replica(spec: tf.TensorSpec, strategy: tf.distribute.Strategy) -> tf.TypeSpec:
    """The spec of what ``Cluster.by_replica`` makes, for an ``input_signature``.

    Without it a function is compiled for every shape. The class of the spec has no public name.
    """
    if strategy.num_replicas_in_sync == 1:
        return spec
    example = strategy.experimental_distribute_values_from_function(lambda _: tf.zeros([]))
    return type(tf.type_spec_from_value(example))(*[spec] * len(strategy.extended.worker_devices))


def is_chief() -> bool:
    """Whether this process writes the run's files; known before there is a cluster.

    Raises:
        UserError: a ``TF_CONFIG`` that is not understood.
    """
    tasks = _tasks()
    return tasks is None or tasks[1] == 0


def host_was_lost(error: BaseException) -> bool:
    """Whether TensorFlow raises this error when another host has gone."""
    if _tasks() is None:
        return False
    if isinstance(error, tf.errors.InternalError):  # of this host's GPUs, too
        return not (out_of_memory(error) or _OF_A_GPU.search(str(error)))
    return isinstance(
        error,
        tf.errors.UnavailableError
        | tf.errors.AbortedError
        | tf.errors.CancelledError
        | tf.errors.DeadlineExceededError,
    )


def several_hosts() -> bool:
    """Whether the environment describes several hosts.

    Raises:
        UserError: a ``TF_CONFIG`` that is not understood.
    """
    return _tasks() is not None


def make_cluster(device: str) -> Cluster:
    """Make the devices asked for visible and join the other hosts, where there are any.

    Call before anything is computed.

    Args:
        device: ``auto`` (all GPUs, or the CPU where there is none), ``cpu``, ``gpu`` (the first),
            ``gpu:N`` or ``gpu:N,M``.

    Raises:
        UserError: another name, a GPU that is not there, or a ``TF_CONFIG`` that is not
            understood or names a host that does not answer.
    """
    tasks = _tasks()
    numbers = gpu_numbers(device)
    words = make_visible(numbers, device)
    if tasks is not None:
        addresses, host = tasks
        hosts = len(addresses)
        print(f"host {host + 1} of {hosts}: looking for {', '.join(addresses)}", file=sys.stderr)
        meet(addresses, host)
        options = tf.distribute.experimental.CommunicationOptions(
            implementation=tf.distribute.experimental.CommunicationImplementation.AUTO
        )
        strategy = tf.distribute.MultiWorkerMirroredStrategy(communication_options=options)
        return Cluster(strategy, f"{words}, host {host + 1} of {hosts}", host, hosts)
    logical = logical_devices(numbers)
    if len(logical) > 1 and (numbers or device == "cpu"):
        return Cluster(tf.distribute.MirroredStrategy([d.name for d in logical]), words)
    return Cluster(tf.distribute.get_strategy(), words)


def _tasks() -> tuple[list[str], int] | None:
    """Addresses of the hosts in ``TF_CONFIG`` and the place of this one; None without it."""
    text = os.environ.get("TF_CONFIG", "")
    if not text.strip():
        return None
    try:
        config = json.loads(text)
        cluster, task = config.get("cluster") or {}, config.get("task") or {}
        workers = cluster.get("worker") or []
        index, kind = int(task.get("index", 0)), task.get("type", "worker")
    except (ValueError, TypeError, AttributeError) as error:
        raise UserError(f"TF_CONFIG is not understood ({error}): {text[:200]}") from None
    if not workers:
        return None
    if set(cluster) - {"worker"} or kind != "worker" or not 0 <= index < len(workers):
        raise UserError(
            'TF_CONFIG: give all hosts as workers, such as {"cluster": {"worker": ["a:12345", '
            '"b:12345"]}, "task": {"type": "worker", "index": 0}}'
        )
    return (workers, index) if len(workers) > 1 else None
