"""Keras layers as ONNX nodes, in ONNX's own layout (B, C, H, W).

Only the layers that this project's networks are made of, each as the one or two nodes that every
runtime has a fast kernel for. A node bears its layer's name, so that tools that quantise or profile
show names that ``nets`` knows. (The general converter, tf2onnx, was tried first: where its
optimiser gives up, as it does on hard-swish, two transpositions remain around every convolution.)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import keras
import numpy as np
from onnx import NodeProto, TensorProto, helper, numpy_helper

from nets.export_network import NearestUpsampling


class GraphBuilder:
    """Nodes and constants of a graph in the order in which they were added."""

    def __init__(self) -> None:
        self.nodes: list[NodeProto] = []
        self.constants: dict[str, TensorProto] = {}

    def add(self, kind: str, inputs: Sequence[str], output: str, **attributes: object) -> str:
        """One node with one output, which gets its name; returns that name."""
        self.nodes.append(helper.make_node(kind, inputs, [output], name=output, **attributes))
        return output

    def constant(self, name: str, value: np.ndarray) -> str:
        """An array as an initialiser; returns its name."""
        self.constants[name] = numpy_helper.from_array(np.asarray(value), name)
        return name


def add_layers(
    graph: GraphBuilder, network: keras.Model, inputs: Sequence[str], prefix: str
) -> list[str]:
    """Add a functional network of ours; returns the names of its outputs.

    Args:
        network: of layers that are each called once, as ``nets.export_network.folded_copy`` gives.
        inputs: names of its inputs in the graph.
        prefix: begins the names of all nodes.

    Raises:
        NotImplementedError: a layer or activation that has no translation here.
    """
    names = {id(tensor): name for tensor, name in zip(network.inputs, inputs, strict=True)}
    for layer in network.layers:
        if isinstance(layer, keras.layers.InputLayer):
            continue
        translate = _TRANSLATIONS.get(type(layer))
        if translate is None:
            raise NotImplementedError(f"{layer.name}: no ONNX for {type(layer).__name__}")
        tensors = layer.input if isinstance(layer.input, list) else [layer.input]
        sources = [names[id(tensor)] for tensor in tensors]
        names[id(layer.output)] = translate(graph, layer, sources, f"{prefix}/{layer.name}")
    return [names[id(tensor)] for tensor in network.outputs]


def add_activation(graph: GraphBuilder, activation: str, source: str, name: str) -> str:
    """An activation by Keras' name; ``linear`` adds nothing."""
    if activation == "linear":
        return source
    if activation in _ACTIVATIONS:
        kind, attributes = _ACTIVATIONS[activation]
        return graph.add(kind, [source], name, **attributes)
    if activation == "relu6":
        low = graph.constant("zero", np.float32(0))
        high = graph.constant("six", np.float32(6))
        return graph.add("Clip", [source, low, high], name)
    if activation in ("swish", "silu"):
        gate = graph.add("Sigmoid", [source], f"{name}/sigmoid")
        return graph.add("Mul", [source, gate], name)
    raise NotImplementedError(f"{name}: no ONNX for the activation {activation}")


_ACTIVATIONS = {
    "relu": ("Relu", {}),
    "sigmoid": ("Sigmoid", {}),
    "hard_swish": ("HardSwish", {}),
    "hard_silu": ("HardSwish", {}),
    "hard_sigmoid": ("HardSigmoid", {"alpha": 1 / 6, "beta": 0.5}),
}


def _convolution(graph: GraphBuilder, layer: keras.layers.Layer, sources: list[str], name: str):
    kernel, *bias = layer.get_weights()
    if isinstance(layer, keras.layers.DepthwiseConv2D):
        groups, kernel = kernel.shape[2], kernel.transpose(2, 3, 0, 1)  # (C, 1, k, k)
    else:
        groups, kernel = 1, kernel.transpose(3, 2, 0, 1)  # (out, in, k, k)
    inputs = [*sources, graph.constant(f"{name}/kernel", kernel)]
    inputs += [graph.constant(f"{name}/bias", value) for value in bias]
    top, bottom = _padding(kernel.shape[2], layer.strides[0])
    output = graph.add(
        "Conv",
        inputs,
        name,
        kernel_shape=kernel.shape[2:],
        strides=layer.strides,
        pads=[top, top, bottom, bottom],
        group=groups,
    )
    activation = keras.activations.serialize(layer.activation)
    return add_activation(graph, activation, output, f"{name}/{activation}")


def _padding(kernel: int, stride: int) -> tuple[int, int]:
    """Pixels before and after, as TensorFlow's ``same`` pads a side that the stride divides."""
    total = max(kernel - stride, 0)
    return total // 2, total - total // 2


def _rescaling(graph: GraphBuilder, layer: keras.layers.Layer, sources: list[str], name: str):
    scale, offset = (
        np.broadcast_to(np.asarray(value, np.float32), 3).reshape(1, 3, 1, 1)
        for value in (layer.scale, layer.offset)
    )
    scaled = graph.add("Mul", [*sources, graph.constant(f"{name}/scale", scale)], f"{name}/mul")
    return graph.add("Add", [scaled, graph.constant(f"{name}/offset", offset)], name)


def _activation(graph: GraphBuilder, layer: keras.layers.Layer, sources: list[str], name: str):
    return add_activation(graph, keras.activations.serialize(layer.activation), *sources, name)


def _leaky_relu(graph: GraphBuilder, layer: keras.layers.Layer, sources: list[str], name: str):
    return graph.add("LeakyRelu", sources, name, alpha=float(layer.negative_slope))


def _upsampling(graph: GraphBuilder, layer: NearestUpsampling, sources: list[str], name: str):
    scales = graph.constant(f"{name}/scales", np.array([1, 1, *layer.size], np.float32))
    return graph.add(
        "Resize",
        [*sources, "", scales],
        name,
        mode="nearest",
        coordinate_transformation_mode="asymmetric",
        nearest_mode="floor",
    )


def _plain(kind: str, **attributes: object) -> Callable[..., str]:
    """A layer that is one node, without numbers of its own."""

    def translate(graph: GraphBuilder, layer: keras.layers.Layer, sources: list[str], name: str):
        return graph.add(kind, sources, name, **attributes)

    return translate


_TRANSLATIONS: dict[type, Callable[..., str]] = {
    keras.layers.Conv2D: _convolution,
    keras.layers.DepthwiseConv2D: _convolution,
    keras.layers.Rescaling: _rescaling,
    keras.layers.Activation: _activation,
    keras.layers.LeakyReLU: _leaky_relu,
    keras.layers.GlobalAveragePooling2D: _plain("GlobalAveragePool"),  # keeps H and W as 1
    keras.layers.Multiply: _plain("Mul"),
    keras.layers.Add: _plain("Add"),
    keras.layers.Concatenate: _plain("Concat", axis=1),
    NearestUpsampling: _upsampling,
}
