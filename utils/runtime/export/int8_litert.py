"""INT8 for LiteRT, by AI Edge Quantizer: static quantisation of weights and activations."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from ai_edge_quantizer.qtyping import TFLOperationName
from ai_edge_quantizer.quantizer import Quantizer

from nets.export_network import INPUT
from utils.cores import available_cores
from utils.runtime.export.layer_groups import QUANTISED, pattern

SIGNATURE = "serving_default"


def quantised(
    network: bytes, inputs: Sequence[np.ndarray], groups: Iterable[str] = QUANTISED
) -> bytes:
    """A copy of ``network`` that computes in 8-bit integers where ``groups`` say so.

    Weights are int8 with a scale for each output channel, activations int8 with one for each
    tensor.

    Args:
        network: a LiteRT file as ``to_litert`` makes it.
        inputs: uint8 (H, W, 3), network inputs of the file's size to measure activations on.
        groups: names in ``GROUPS``.
    """
    quantizer = Quantizer(bytearray(network))
    quantizer.add_static_config(
        pattern(groups).pattern,
        TFLOperationName.ALL_SUPPORTED,
        activation_num_bits=8,
        weight_num_bits=8,
    )
    pictures = [{INPUT: image[None]} for image in inputs]
    measured = quantizer.calibrate({SIGNATURE: pictures}, num_threads=available_cores())
    result = quantizer.quantize(measured, enable_progress_report=False)
    return bytes(result.quantized_model)
