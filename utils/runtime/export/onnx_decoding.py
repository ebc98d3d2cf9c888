"""Decoding as ONNX nodes.

The arithmetic of ``nets.yolo.decode`` in another order: channels before cells, so that every
operation runs over long contiguous rows.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from onnx import TensorProto

from nets.backbones.spec import STRIDES
from nets.yolo import ANCHORS_PER_LEVEL, MAX_LOG_SIZE
from utils.runtime.export.onnx_layers import GraphBuilder
from utils.runtime.facts import Facts


def add_decoding(graph: GraphBuilder, raw: Sequence[str], facts: Facts) -> tuple[str, str]:
    """Three raw maps (B, 3·(5 + classes), H/s, W/s) → ``boxes`` (B, N, 4), ``scores`` (B, N, C)."""
    levels = [
        _decode_level(
            graph,
            name,
            anchors,
            stride,
            facts.offset_span,
            len(facts.class_names),
            f"decode{stride}",
        )
        for name, anchors, stride in zip(
            raw,
            np.asarray(facts.anchors, np.float32).reshape(-1, ANCHORS_PER_LEVEL, 2),
            STRIDES,
            strict=True,
        )
    ]
    boxes, scores = zip(*levels, strict=True)
    return (
        graph.add("Concat", boxes, "boxes", axis=1),
        graph.add("Concat", scores, "scores", axis=1),
    )


def _decode_level(
    graph: GraphBuilder,
    raw: str,
    anchors: np.ndarray,
    stride: int,
    span: float,
    classes: int,
    name: str,
) -> tuple[str, str]:
    def number(value: float, label: str) -> str:
        return graph.constant(f"{name}/{label}", np.float32(value))

    def add(kind: str, inputs: Sequence[str], label: str, **attributes: object) -> str:
        return graph.add(kind, inputs, f"{name}/{label}", **attributes)

    grid = _grid(graph, raw, name)  # (1, 1, 2, cells)
    shape = np.array([0, ANCHORS_PER_LEVEL, 5 + classes, -1], np.int64)  # 0: as it is
    cells = add("Reshape", [raw, graph.constant(f"{name}/shape", shape)], "cells")

    def channels(first: int, last: int, label: str) -> str:
        bounds = [
            graph.constant(f"{name}/{label}_{end}", np.array([value], np.int64))
            for end, value in (("first", first), ("last", last), ("axis", 2))
        ]
        return add("Slice", [cells, *bounds], label)  # (B, 3, last − first, cells)

    # x = s · (cx + ½ + span · (σ(tx) − ½)), and so for y
    offsets = add("Sigmoid", [channels(0, 2, "xy")], "offsets")
    offsets = add("Mul", [offsets, number(span, "span")], "spanned")
    offsets = add("Add", [offsets, number(0.5 - span / 2, "start")], "shifted")
    centres = add("Add", [offsets, grid], "in_cells")
    centres = add("Mul", [centres, number(stride, "stride")], "centres")
    # w = pw · exp(tw), and so for h
    limits = [number(-MAX_LOG_SIZE, "low"), number(MAX_LOG_SIZE, "high")]
    sizes = add("Exp", [add("Clip", [channels(2, 4, "wh"), *limits], "limited")], "sizes")
    half_anchors = graph.constant(f"{name}/half_anchors", anchors[None, :, :, None] / 2)
    halves = add("Mul", [sizes, half_anchors], "halves")
    low = add("Sub", [centres, halves], "low_corners")
    high = add("Add", [centres, halves], "high_corners")
    boxes = add("Concat", [low, high], "corners", axis=2)

    objectness = add("Sigmoid", [channels(4, 5, "objectness")], "objectness_p")
    class_p = add("Sigmoid", [channels(5, 5 + classes, "classes")], "classes_p")
    scores = add("Mul", [objectness, class_p], "products")
    return (
        _rows(graph, boxes, 4, f"{name}/boxes"),
        _rows(graph, scores, classes, f"{name}/scores"),
    )


def _grid(graph: GraphBuilder, raw: str, name: str) -> str:
    """Column and row of every cell as float32 (1, 1, 2, cells), for any height and width."""

    def add(kind: str, inputs: Sequence[str], label: str, **attributes: object) -> str:
        return graph.add(kind, inputs, f"{name}/{label}", **attributes)

    def integer(value: int) -> str:
        return graph.constant(f"int{value}", np.array(value, np.int64))

    shape = add("Shape", [raw], "map_shape")
    height = add("Gather", [shape, integer(2)], "height")
    width = add("Gather", [shape, integer(3)], "width")
    count = add("Mul", [height, width], "cell_count")
    cell = add("Range", [integer(0), count, integer(1)], "cell_numbers")
    axes = graph.constant("first_three_axes", np.array([0, 1, 2], np.int64))
    column = add("Unsqueeze", [add("Mod", [cell, width], "column"), axes], "columns")
    row = add("Unsqueeze", [add("Div", [cell, width], "row"), axes], "rows")
    both = add("Concat", [column, row], "grid", axis=2)
    return add("Cast", [both], "grid_float", to=TensorProto.FLOAT)


def _rows(graph: GraphBuilder, values: str, columns: int, name: str) -> str:
    """(B, 3, columns, cells) → (B, cells · 3, columns)."""
    by_cell = graph.add("Transpose", [values], f"{name}_by_cell", perm=[0, 3, 1, 2])
    shape = graph.constant(f"rows_of_{columns}", np.array([0, -1, columns], np.int64))
    return graph.add("Reshape", [by_cell, shape], name)
