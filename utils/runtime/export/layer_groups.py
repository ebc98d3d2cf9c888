"""Which parts of the network 8-bit integers replace.

Exported graphs keep the names of Keras' layers, in each format with something before and behind.
What no quantised group contains stays float.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

# Group → pattern of the names of its layers; see ``nets.backbones.build``, ``nets.necks`` and
# ``nets.yolo``.
GROUPS = {
    "stem": r"stem_",
    "stages": r"stage\d+_",
    "pyramid": r"[pc]\d_\w",
    "head convolutions": r"head\d_(?!out)",
    "output convolutions": r"head\d_out",
    "decoding": r"decod",
}

# ``docs/quantisation.md`` has what each group costs.
QUANTISED = ("stem", "stages", "pyramid", "head convolutions")


def pattern(groups: Iterable[str] = QUANTISED) -> re.Pattern[str]:
    """Found (``search``) in the names of the operations of these groups, in every format."""
    layers = "|".join(GROUPS[group] for group in groups)
    return re.compile(rf"(^|[/;])({layers})")
