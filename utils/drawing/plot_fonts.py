"""The project's fonts in Matplotlib: names in any script are legible in plots."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

import matplotlib
from matplotlib import font_manager

from utils.drawing.fonts import font_files


@contextmanager
def all_scripts() -> Iterator[None]:
    """Plots made in this block, or by a function decorated with it, use the project's fonts."""
    with matplotlib.rc_context({"font.family": _families()}):
        yield


@lru_cache(maxsize=1)
def _families() -> list[str]:
    """Matplotlib takes each character from the first of these fonts that has it."""
    names = []
    for file in font_files():
        font_manager.fontManager.addfont(file)
        names.append(font_manager.FontProperties(fname=file).get_name())
    return names
