"""Everything a run needs to go on where it stopped: one archive of arrays, replaced as a whole."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from utils.errors import UserError
from utils.files import atomic_write


def save_state(path: Path, variables: Mapping[str, Any], facts: Mapping[str, Any]) -> None:
    """Write the values of ``variables`` (anything with ``numpy()``) and the JSON ``facts``."""
    arrays = {name: np.asarray(variable) for name, variable in variables.items()}
    arrays["facts"] = np.frombuffer(json.dumps(dict(facts)).encode(), np.uint8)
    with atomic_write(path, "wb") as file:
        np.savez(file, **arrays)


def check_choices(saved: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """See that a run goes on with what it was started with.

    Raises:
        UserError: something differs, such as the classes, the anchors or the photos.
    """
    plain = json.loads(json.dumps(dict(now)))
    different = [name for name in plain if saved.get(name) != plain[name]]
    if different:
        raise UserError(
            f"--resume: {', '.join(different)} differ from what the run was started with; give "
            "the same options and data, or another --out"
        )


def load_state(path: Path, variables: Mapping[str, Any]) -> dict[str, Any]:
    """Assign the saved values to ``variables`` and return the facts.

    Raises:
        UserError: the file is damaged, or belongs to a run with another network.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            saved = {name: archive[name] for name in archive.files}
        facts = json.loads(saved.pop("facts").tobytes())
    except (OSError, ValueError, KeyError, EOFError, BadZipFile, zlib.error) as error:
        raise UserError(f"{path}: cannot be read ({error}); start again in another --out") from None
    shapes = {name: tuple(variable.shape) for name, variable in variables.items()}
    if {name: value.shape for name, value in saved.items()} != shapes:
        raise UserError(
            f"{path}: the run was started with other options (backbone, classes or optimiser); "
            "resume it with the same ones"
        )
    for name, variable in variables.items():
        variable.assign(saved[name])
    return facts
