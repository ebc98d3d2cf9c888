"""``ClassFilter``: only objects of some classes (``--classes``)."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

import numpy as np

from utils.detections import Detections
from utils.errors import UserError
from utils.postprocess import MAX_CANDIDATES
from utils.text import listed, nfc


class ClassFilter:
    """Keeps the objects of some classes.

    Args:
        wanted: names of classes; empty for all.
        class_names: those that the detector knows.
        max_det: most objects a picture.

    Attributes:
        detector_max_det: how many objects the detector must give, so that those of other classes
            do not push out the ones that are wanted.

    Raises:
        UserError: the detector does not know one of the names.
    """

    def __init__(self, wanted: Sequence[str], class_names: Sequence[str], max_det: int) -> None:
        spelt = [nfc(name) for name in class_names]
        for name in wanted:
            if nfc(name) not in spelt:
                raise UserError(f"--classes {name}: {unknown_class(name, class_names)}")
        self._ids = [spelt.index(nfc(name)) for name in wanted]
        self._max_det = max_det
        self.detector_max_det = MAX_CANDIDATES if wanted else max_det

    def __call__(self, detections: Detections) -> Detections:
        if not self._ids:
            return detections
        return detections[np.isin(detections.class_ids, self._ids)][: self._max_det]


def unknown_class(name: str, class_names: Sequence[str]) -> str:
    """The end of a sentence on a class that a detector does not know."""
    near = difflib.get_close_matches(name, class_names, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"it knows {listed(class_names, most=20)}"
    return f"the detector has no such class; {hint}"
