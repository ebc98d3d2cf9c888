"""INT8 for OpenVINO, by NNCF: post-training quantisation with fast bias correction."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import nncf
import numpy as np
import openvino

from utils.runtime.export.layer_groups import QUANTISED, pattern


def quantised(
    network: openvino.Model, inputs: Sequence[np.ndarray], groups: Iterable[str] = QUANTISED
) -> openvino.Model:
    """A copy of ``network`` that computes in 8-bit integers where ``groups`` say so.

    Weights have a scale for each output channel, activations one for each tensor (depthwise
    convolutions one for each channel). The biases are moved by what rounding adds on average.

    Args:
        network: as ``to_openvino`` makes it; it may be changed.
        inputs: uint8 (H, W, 3), network inputs to measure activations on.
        groups: names in ``GROUPS``.
    """
    chosen = pattern(groups)
    kept = [
        node.get_friendly_name()
        for node in network.get_ops()
        if not chosen.search(node.get_friendly_name())
        and node.get_type_name() not in ("Constant", "Parameter", "Result")
    ]
    return nncf.quantize(
        network,
        nncf.Dataset(inputs, lambda image: image[None]),
        subset_size=len(inputs),
        ignored_scope=nncf.IgnoredScope(names=kept, validate=False),
    )
