"""INT8 for ONNX Runtime: static quantisation with QuantizeLinear and DequantizeLinear nodes."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import onnx
from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize_static

from nets.export_network import INPUT
from utils.runtime.export.layer_groups import QUANTISED, pattern


def quantised(
    network: onnx.ModelProto, inputs: Sequence[np.ndarray], groups: Iterable[str] = QUANTISED
) -> onnx.ModelProto:
    """A copy of ``network`` that computes in 8-bit integers where ``groups`` say so.

    Weights are int8 with a scale for each output channel, activations uint8 with one for each
    tensor: the pair that processors with AVX-512 VNNI multiply fastest.

    Args:
        network: as ``to_onnx`` makes it.
        inputs: uint8 (H, W, 3), network inputs to measure activations on.
        groups: names in ``GROUPS``.
    """
    chosen = pattern(groups)
    names = [node.name for node in network.graph.node if chosen.search(node.name)]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "int8.onnx"
        quantize_static(
            network,
            path,
            _Reader(inputs),
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            nodes_to_quantize=names,
        )
        result = onnx.load(path)
    result.metadata_props.clear()
    result.metadata_props.extend(network.metadata_props)
    return result


class _Reader(CalibrationDataReader):
    """Gives one picture after another."""

    def __init__(self, inputs: Iterable[np.ndarray]) -> None:
        self._left = iter(inputs)

    def get_next(self) -> dict[str, np.ndarray] | None:
        image = next(self._left, None)
        return None if image is None else {INPUT: image[None]}
