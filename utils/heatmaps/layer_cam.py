"""LayerCAM, and the score whose gradients it takes. NumPy only.

Jiang, Zhang, Hou, Cheng & Wei, "LayerCAM: Exploring Hierarchical Class Activation Maps for
Localization", IEEE Transactions on Image Processing, 2021.
"""

from __future__ import annotations

import numpy as np

AGREE_IOU = 0.5  # predictions that overlap a box at least so much are predictions of it
_SCORE_RATIO = 0.5  # of the best score; predictions below it do not count


def layer_cam(features: np.ndarray, gradients: np.ndarray) -> np.ndarray:
    """ReLU(Σₖ ReLU(∂y/∂Aₖ) · Aₖ).

    Args:
        features: (H, W, C), the feature maps Aₖ.
        gradients: (H, W, C), those of the score y with respect to the features.

    Returns:
        float32 (H, W).
    """
    features, gradients = (np.asarray(x, np.float32) for x in (features, gradients))
    return np.maximum((np.maximum(gradients, 0) * features).sum(axis=-1), 0)


def prediction_weights(scores: np.ndarray, overlaps: np.ndarray | None = None) -> np.ndarray:
    """How much each of the network's predictions counts for a heat map: the best ones by score.

    Args:
        scores: (N,) scores for one class, 0 to 1.
        overlaps: (N,) IoU with a box. Only predictions of ``AGREE_IOU`` and more count; if there
            are none, the ones that overlap most. None for predictions anywhere.

    Returns:
        float32 (N,) with a sum of 1.
    """
    chosen = np.nan_to_num(np.asarray(scores, np.float64))
    if overlaps is not None:
        chosen = np.where(overlaps >= min(AGREE_IOU, overlaps.max()), chosen, -1)
    weights = np.where(chosen >= max(_SCORE_RATIO * chosen.max(), 0), chosen, 0)
    if not weights.any():  # all scores are 0 in float32
        weights = (chosen >= 0).astype(np.float64)
    return (weights / weights.sum()).astype(np.float32)
