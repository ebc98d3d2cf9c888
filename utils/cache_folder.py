"""The user's cache folder: what is known of data folders, decoded photos, exported networks.

It is ``$XDG_CACHE_HOME`` or ``~/.cache``, then ``efficient-yolo3``. The environment variable
``EFFICIENT_YOLO3_CACHE`` names another folder, or turns the cache off with ``off``.
"""

from __future__ import annotations

import os
from pathlib import Path

VARIABLE = "EFFICIENT_YOLO3_CACHE"


def cache_root() -> Path | None:
    """The folder of all cache files; None when the cache is turned off."""
    asked = os.environ.get(VARIABLE, "")
    if asked.lower() in ("off", "0", "no", "none"):
        return None
    if asked:
        return Path(asked)
    home = os.environ.get("XDG_CACHE_HOME", "")
    try:
        return Path(home) / "efficient-yolo3" if home else Path.home() / ".cache/efficient-yolo3"
    except RuntimeError:  # no home folder
        return None
