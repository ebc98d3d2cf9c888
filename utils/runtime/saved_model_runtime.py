"""A detector in a TensorFlow SavedModel.

A SavedModel is a program, which may read and write files when it is opened. So only the graph of
its signature is taken out of it, after a check that it has no other operations than a detector's.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

import numpy as np
import tensorflow as tf
from tensorflow.core.framework.graph_pb2 import GraphDef
from tensorflow.core.framework.node_def_pb2 import NodeDef
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

from utils.errors import UserError
from utils.files import read_limited
from utils.runtime.device import use_device
from utils.runtime.facts import KEY, Facts
from utils.runtime.opening import (
    output_names,
    refuse_other_network,
    refuse_suppressed,
    unreadable,
)
from utils.runtime.runtime import Infer, Runtime
from utils.text import listed

_MOST_BYTES = 1 << 31
_MOST_NODES = 1_000_000

# Those of ``nets.export_network``, as TensorFlow names them.
_OPERATIONS = {
    "AddV2", "BiasAdd", "Cast", "CombinedNonMaxSuppression", "ConcatV2", "Const", "Conv2D",
    "DepthwiseConv2dNative", "Exp", "ExpandDims", "FloorDiv", "FloorMod", "Identity", "IdentityN",
    "LeakyRelu", "Maximum", "Mean", "Minimum", "Mul", "Neg", "NoOp", "Pack", "PartitionedCall",
    "Placeholder", "Range", "RealDiv", "Relu", "Relu6", "Reshape", "ResizeNearestNeighbor", "Shape",
    "Sigmoid", "Squeeze", "StatefulPartitionedCall", "StridedSlice", "Sub",
}  # fmt: skip


def open_saved_model(
    weights: str | Path,
    *,
    device: object = None,
    batch_size: int | None = None,
    option: str = "--weights",
    precision: str | None = None,
    threads: int | None = None,
) -> Runtime:
    """A folder that ``export.py`` wrote; see ``utils.runtime.runtime.open_runtime``.

    Args:
        weights, device, batch_size, option: as for ``open_runtime``.
        precision: float32 is the only one.
        threads: TensorFlow's own are used.
    """
    where = f"{option} {weights}"
    place = use_device(device) if isinstance(device, str) else "CPU"
    infer, facts = load_saved_model(weights, where)
    refuse_suppressed(where, facts)
    if precision not in (None, facts.precision):
        raise UserError(f"{where}: TensorFlow runs it in {facts.precision}, not {precision}")
    return Runtime(
        infer,
        facts.class_names,
        facts.input_size,
        batch_size or (8 if "GPU" in place else 1),
        f"TensorFlow {tf.__version__} (SavedModel), {facts.precision}, {place}",
        facts.metadata,
        any_shape=True,
        heads=facts.heads,
    )


def load_saved_model(weights: str | Path, where: str) -> tuple[Infer, Facts]:
    """What runs a folder, and its facts; suppressed outputs included.

    Raises:
        UserError: another folder; begins with ``where``.
    """
    folder = Path(weights)
    facts = Facts.from_json(_facts_text(folder), where)
    names = output_names(facts)
    try:
        saved = SavedModel.FromString(read_limited(folder / "saved_model.pb", _MOST_BYTES))
        graph = saved.meta_graphs[0].graph_def
        signature = saved.meta_graphs[0].signature_def["serving_default"]
        shapes = {
            name: [dim.size for dim in one.tensor_shape.dim]
            for name, one in signature.outputs.items()
        }
        refuse_other_network(where, facts, signature.inputs, shapes)
        outputs = {name: signature.outputs[name].name for name in names}
        _refuse_endless_calls(graph)
        if foreign := set(_operations(graph, outputs.values())) - _OPERATIONS:
            raise UserError(
                f"{where}: has operations that no detector needs ({listed(sorted(foreign))})"
            )
        network = _function(graph, signature.inputs["images"].name, outputs)
    except UserError:
        raise
    except Exception as error:  # damage raises any of many kinds
        raise unreadable(where, "a SavedModel", error) from None

    def infer(images: np.ndarray) -> tuple[np.ndarray, ...]:
        found = network(tf.convert_to_tensor(images))
        return tuple(found[name].numpy() for name in names)

    return infer, facts


def _facts_text(folder: Path) -> bytes | None:
    with suppress(ValueError):
        return read_limited(folder / "assets.extra" / f"{KEY}.json", _MOST_BYTES)
    return None


def _operations(graph: GraphDef, outputs: Iterable[str]) -> Iterator[str]:
    """The operations that outputs depend on, those of functions included."""
    functions = {function.signature.name: function.node_def for function in graph.library.function}
    waiting = [({node.name: node for node in graph.node}, [_node(name) for name in outputs])]
    seen_functions = set()
    while waiting:
        nodes, names = waiting.pop()
        seen = set()
        while names:
            name = names.pop()
            if name in seen or name not in nodes:  # a function's argument is no node
                continue
            seen.add(name)
            node = nodes[name]
            yield node.op
            names += [_node(source) for source in node.input]
            for attribute in node.attr.values():
                called = attribute.func.name
                if called and called not in seen_functions:
                    seen_functions.add(called)
                    inner = {one.name: one for one in functions[called]}
                    waiting.append((inner, list(inner)))


def _refuse_endless_calls(graph: GraphDef) -> None:
    """
    Raises:
        ValueError: functions that call themselves, or each other too often.
    """
    functions = {function.signature.name: function.node_def for function in graph.library.function}
    sizes: dict[str, int] = {}  # nodes, with those of all calls inside; 0 while it is counted

    def size(nodes: Iterable[NodeDef]) -> int:
        total = 0
        for node in nodes:
            called = [one.func.name for one in node.attr.values() if one.func.name in functions]
            total += 1 + sum(map(size_of_function, called))
            if total > _MOST_NODES:
                raise ValueError("its functions call too many others")
        return total

    def size_of_function(name: str) -> int:
        if name not in sizes:
            sizes[name] = 0
            sizes[name] = 1 + size(functions[name])
        elif not sizes[name]:
            raise ValueError("it has a function that calls itself")
        return sizes[name]

    size(graph.node)


def _node(tensor: str) -> str:
    """``name`` of ``name:0``, ``name:output:0`` or ``^name``."""
    return tensor.removeprefix("^").split(":")[0]


def _function(
    graph: GraphDef, source: str, outputs: dict[str, str]
) -> tf.types.experimental.ConcreteFunction:
    """From the input named ``source`` to the tensors of ``outputs``, by their names."""
    _rename_functions(graph, uuid4().hex)
    imported = tf.compat.v1.wrap_function(
        lambda: tf.graph_util.import_graph_def(graph, name=""), []
    )
    tensor = imported.graph.as_graph_element
    return imported.prune(tensor(source), {name: tensor(one) for name, one in outputs.items()})


def _rename_functions(graph: GraphDef, suffix: str) -> None:
    """Names that no other graph of this process has, as TensorFlow keeps all in one place."""
    nodes = list(graph.node)
    for function in graph.library.function:
        function.signature.name += suffix
        nodes += function.node_def
    for node in nodes:
        for attribute in node.attr.values():
            if attribute.func.name:
                attribute.func.name += suffix
