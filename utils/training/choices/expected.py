"""What accuracy to expect of a backbone, an input size and a number of photos seen.

The estimates are points of AP, and only their differences count. They are rough on purpose: they
only have to bring backbones, sizes and lengths of a run into order (docs/training.md,
"What a run chooses").
"""

from __future__ import annotations

import math

# Points over EfficientNet-Lite0, of backbones whose pretrained heads come with the project.
BACKBONE = {"efficientnet_lite0": 0.0, "efficientnet_lite2": 4.0}
# Time of a training step with the lighter neck, in times that of the first (bench/step_times.py).
STEP_TIME = {"efficientnet_lite0": 1.0, "efficientnet_lite2": 1.29}
# A doubling of the side gains while objects have fewer pixels than they need; beyond that less,
# and nothing beyond twice the side that they need.
SIDE_NEEDED, SIDE_BEYOND = 8.0, 4.0
# A doubling of the photos that a run sees, up to ``ENOUGH`` and beyond.
ENOUGH = 4_000
SEEN, SEEN_BEYOND = 5.0, 1.0


def expected_points(backbone: str, size: int, needed: float, seen: float) -> float:
    """Points of AP that a run can be expected to reach, over an arbitrary zero.

    Args:
        backbone: a name in ``BACKBONE``; others count like the first.
        size: side of the network input in pixels.
        needed: the side at which nine objects in ten have the pixels that they need.
        seen: photos that the run sees, counted once an epoch.
    """
    points = BACKBONE.get(backbone, 0.0)
    side = math.log2(size / needed)
    points += SIDE_NEEDED * side if side < 0 else SIDE_BEYOND * min(side, 1.0)
    enough = math.log2(max(seen, 1.0) / ENOUGH)
    return points + (SEEN if enough < 0 else SEEN_BEYOND) * enough
