"""Evaluation on the devices that train: a batch divided among replicas, photos among hosts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import tensorflow as tf

from nets.folding import folded_detector
from nets.yolo import YOLOv3
from utils.checkpoint import compile_inference
from utils.data.records import Dataset
from utils.detections import Detections
from utils.runtime.distribution import Cluster, Infer

MAX_DET = 300  # detections a photo that hosts tell each other


def compile_shared_inference(cluster: Cluster, model: YOLOv3) -> Infer:
    """As ``utils.checkpoint.compile_inference``, with the batch shared out to this host's GPUs."""
    here = cluster.replicas // cluster.hosts
    if here == 1:
        return compile_inference(model)
    strategy, detect = cluster.strategy, folded_detector(model)

    @tf.function(jit_compile=False)
    def forward(images):
        return strategy.run(lambda x: detect(tf.cast(x, tf.float32)), args=(images,))

    def infer(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        count = len(images)
        rows = -(-count // here)
        padded = np.pad(images, [(0, rows * here - count), (0, 0), (0, 0), (0, 0)])
        shares = strategy.experimental_distribute_values_from_function(
            lambda c: tf.constant(padded[c.replica_id_in_sync_group % here * rows :][:rows])
        )
        output = forward(shares)
        boxes, scores = (
            np.concatenate([x.numpy() for x in strategy.experimental_local_results(output[name])])
            for name in ("boxes", "scores")
        )
        return boxes[:count], scores[:count]

    return infer


def gather_detections(
    cluster: Cluster, dataset: Dataset, found: Mapping[str, Detections], classes: Sequence[str]
) -> dict[str, Detections]:
    """The detections of all hosts on every host.

    Args:
        found: this host's, by image id.
        classes: the detector's class names.
    """
    places = cluster.share(len(dataset))
    rows = np.zeros((len(places), MAX_DET, 7), np.float64)  # is one, class, score, box
    for row, place in zip(rows, places, strict=True):
        one = found.get(dataset.records[int(place)].image_id)
        if one is not None and len(one.boxes):
            count = len(one.boxes)
            row[:count, 0], row[:count, 1], row[:count, 2] = 1, one.class_ids, one.scores
            row[:count, 3:] = one.boxes
    table = cluster.gather_rows(rows, places, len(dataset))
    gathered = {}
    for record, row in zip(dataset.records, table, strict=True):
        row = row[row[:, 0] > 0]
        gathered[record.image_id] = Detections(
            boxes=row[:, 3:].astype(np.float32),
            scores=row[:, 2].astype(np.float32),
            class_ids=row[:, 1].astype(np.int32),
            class_names=tuple(classes),
        )
    return gathered
