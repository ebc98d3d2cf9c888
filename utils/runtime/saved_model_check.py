"""Validates the graph of a SavedModel before TensorFlow imports it: a detector's operations only.

Operations of TensorFlow read and write files, run Python and loop for ever. A graph can also call
functions, which call others, so that a small file is an endless computation.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from tensorflow.core.framework.graph_pb2 import GraphDef
from tensorflow.core.framework.node_def_pb2 import NodeDef

from utils.text import listed

_MAX_NODES = 1_000_000

# Those of ``nets.export_network``, as TensorFlow names them.
_OPERATIONS = {
    "AddV2", "BiasAdd", "Cast", "CombinedNonMaxSuppression", "ConcatV2", "Const", "Conv2D",
    "DepthwiseConv2dNative", "Exp", "ExpandDims", "FloorDiv", "FloorMod", "Identity", "IdentityN",
    "LeakyRelu", "Maximum", "Mean", "Minimum", "Mul", "Neg", "NoOp", "Pack", "PartitionedCall",
    "Placeholder", "Range", "RealDiv", "Relu", "Relu6", "Reshape", "ResizeNearestNeighbor", "Shape",
    "Sigmoid", "Squeeze", "StatefulPartitionedCall", "StridedSlice", "Sub",
}  # fmt: skip

Functions = Mapping[str, Collection[NodeDef]]  # the nodes of each function of a graph


def check_saved_model(graph: GraphDef, outputs: Iterable[str]) -> None:
    """Refuse other operations than a detector's, and calls without end.

    Args:
        graph: with its functions.
        outputs: names of the tensors that are wanted; what they do not depend on never runs.

    Raises:
        ValueError: the graph has some of these.
        KeyError: it calls a function that it does not have.
    """
    functions = {function.signature.name: function.node_def for function in graph.library.function}
    _refuse_endless_calls(graph.node, functions)
    if foreign := _operations(graph.node, functions, outputs) - _OPERATIONS:
        raise ValueError(f"it has operations that no detector needs ({listed(sorted(foreign))})")


def _operations(graph: Iterable[NodeDef], functions: Functions, outputs: Iterable[str]) -> set[str]:
    """The operations that outputs depend on, those of functions included."""
    found, seen_functions = set(), set()
    waiting = [({node.name: node for node in graph}, [_node(name) for name in outputs])]
    while waiting:
        nodes, names = waiting.pop()
        seen = set()
        while names:
            name = names.pop()
            if name in seen or name not in nodes:  # a function's argument is no node
                continue
            seen.add(name)
            node = nodes[name]
            found.add(node.op)
            names += [_node(source) for source in node.input]
            for called in _called(node):
                if called not in seen_functions:
                    seen_functions.add(called)
                    inner = {one.name: one for one in functions[called]}
                    waiting.append((inner, list(inner)))
    return found


def _refuse_endless_calls(graph: Iterable[NodeDef], functions: Functions) -> None:
    """
    Raises:
        ValueError: functions that call themselves, or each other too often.
    """
    sizes: dict[str, int] = {}  # nodes, with those of all calls inside; 0 while it is counted

    def size(nodes: Iterable[NodeDef]) -> int:
        total = 0
        for node in nodes:
            total += 1 + sum(size_of(name) for name in _called(node) if name in functions)
            if total > _MAX_NODES:
                raise ValueError("its functions call too many others")
        return total

    def size_of(name: str) -> int:
        if name not in sizes:
            sizes[name] = 0
            sizes[name] = 1 + size(functions[name])
        elif not sizes[name]:
            raise ValueError("it has a function that calls itself")
        return sizes[name]

    size(graph)


def _called(node: NodeDef) -> list[str]:
    """The names of the functions that a node calls."""
    return [one.func.name for one in node.attr.values() if one.func.name]


def _node(tensor: str) -> str:
    """``name`` of ``name:0``, ``name:output:0`` or ``^name``."""
    return tensor.removeprefix("^").split(":")[0]
