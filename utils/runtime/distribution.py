"""One device, several, or several hosts: ``Cluster`` is all that the training loop knows of it.

Several GPUs of one machine hold mirrored weights (``--device gpu:0,1``). Several hosts run the
same command, each with its own place in the environment variable ``TF_CONFIG``, as TensorFlow
documents it (Distributed training with TensorFlow, "Setting up TF_CONFIG"). The first host, the
chief, is the only one that writes.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from utils.errors import UserError
from utils.runtime.device import gpu_numbers, make_visible
from utils.runtime.rendezvous import meet

FEWEST_BOXES = 16  # replicas' box lists are padded to this or a doubling: few shapes are compiled

Infer = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True)
class Cluster:
    """The devices that train together.

    Attributes:
        strategy: TensorFlow's; variables belong into its ``scope()``.
        devices: in words.
        host, hosts: this process's place among the processes of the run, and their number.
    """

    strategy: tf.distribute.Strategy
    devices: str
    host: int = 0
    hosts: int = 1

    @property
    def chief(self) -> bool:
        """Whether this process writes the run's files."""
        return self.host == 0

    @property
    def replicas(self) -> int:
        """Copies of the network, over all hosts."""
        return self.strategy.num_replicas_in_sync

    def split(self, batch: Sequence[tf.Tensor]) -> tuple[Any, ...]:
        """This host's share of a batch, divided among its replicas in order.

        Args:
            batch: images uint8 (B, H, W, 3), boxes (B, M, 4), class ids (B, M).
        """
        if self.replicas == 1:
            return tuple(batch)
        here = self.replicas // self.hosts
        images, boxes, class_ids = batch
        spare = _room(boxes.shape[1]) - boxes.shape[1]
        boxes = tf.pad(boxes, [[0, 0], [0, spare], [0, 0]])
        class_ids = tf.pad(class_ids, [[0, 0], [0, spare]], constant_values=-1)
        rows = len(images) // here
        return tuple(self._by_replica(lambda i, x=x: x[i * rows : (i + 1) * rows])
                     for x in (images, boxes, class_ids))  # fmt: skip

    def agree(self, *values: float) -> tuple[float, ...]:
        """The chief's values on every host: what depends on a clock or on a signal must be one
        decision, or hosts would wait for each other for ever."""
        if self.hosts == 1:
            return values
        return tuple(self.broadcast(np.asarray(values, np.float64)).tolist())

    def same(self, value: Any) -> bool:
        """Whether a JSON value is the same on all hosts; all get the same answer."""
        if self.hosts == 1:
            return True
        digest = hashlib.sha256(json.dumps(value, sort_keys=True).encode()).digest()
        here = np.frombuffer(digest, np.uint8).astype(np.int32)
        return not self.any(not np.array_equal(here, self.broadcast(here)))

    def any(self, flag: bool) -> bool:
        """Whether the flag is set on any host."""
        return flag if self.hosts == 1 else bool(self._sum(np.float64(flag)) > 0)

    def least(self, value: float) -> float:
        """The smallest of the hosts' values, on every host."""
        if self.hosts == 1:
            return value
        values = np.array([value], np.float64)
        return float(self.gather_rows(values, np.array([self.host]), self.hosts).min())

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

    def gather_rows(self, rows: np.ndarray, places: np.ndarray, total: int) -> np.ndarray:
        """Rows that the hosts have worked out, in one array (total, …) on every host."""
        table = np.zeros((total, *rows.shape[1:]), rows.dtype)
        table[places] = rows
        return table if self.hosts == 1 else self._sum(table)

    def share(self, total: int) -> np.ndarray:
        """Indices below ``total`` that are this host's to work on; together all of them."""
        return np.arange(self.host, total, self.hosts)

    def _sum(self, value: np.ndarray) -> np.ndarray:
        """Sum over hosts: one replica of each counts."""
        here = self.replicas // self.hosts
        values = self._by_replica(
            lambda i: tf.constant(value if i % here == 0 else np.zeros_like(value))
        )
        return np.asarray(self.strategy.reduce("SUM", values, axis=None))

    def _by_replica(self, make: Callable[[int], tf.Tensor]) -> Any:
        """One value a replica of this host, counted from 0."""
        here = self.replicas // self.hosts
        return self.strategy.experimental_distribute_values_from_function(
            lambda context: make(context.replica_id_in_sync_group % here)
        )


def _room(boxes: int) -> int:
    return max(FEWEST_BOXES, 1 << (boxes - 1).bit_length())


def is_chief() -> bool:
    """Whether this process writes the run's files; known before there is a cluster.

    Raises:
        UserError: a ``TF_CONFIG`` that is not understood.
    """
    tasks = _tasks()
    return tasks is None or tasks[1] == 0


def host_was_lost(error: BaseException) -> bool:
    """Whether an error is what TensorFlow says when another host has gone."""
    return _tasks() is not None and isinstance(
        error,
        tf.errors.UnavailableError
        | tf.errors.AbortedError
        | tf.errors.CancelledError
        | tf.errors.DeadlineExceededError
        | tf.errors.InternalError,
    )


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
    words = make_visible(numbers)
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
    logical = tf.config.list_logical_devices("GPU" if numbers else "CPU")
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
