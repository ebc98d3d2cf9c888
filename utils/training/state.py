"""The state of a run, for ``--resume``: one archive of arrays, replaced atomically."""

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
from utils.runtime.distribution import Cluster
from utils.training.legacy import current_facts

STARTING_WEIGHTS = "starting weights"  # the choice: a hash of those of --weights, or None
USED_UP = 0.9  # share of the minutes of a run after which they leave no room for more epochs


def save_state(path: Path, variables: Mapping[str, Any], facts: Mapping[str, Any]) -> None:
    """Write the values of ``variables`` (anything with ``numpy()``) and the JSON ``facts``."""
    arrays = {name: np.asarray(variable.numpy()) for name, variable in variables.items()}
    arrays["facts"] = np.frombuffer(json.dumps(dict(facts)).encode(), np.uint8)
    with atomic_write(path, "wb", durable=True) as file:
        np.savez(file, **arrays)


def check_choices(saved: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Compare the choices of a resumed run with those it was started with.

    The weights that it started from may have changed: it has its own by now.

    Raises:
        UserError: something differs, such as the classes, the anchors or the photos.
    """
    plain = json.loads(json.dumps(dict(now)))
    different = [name for name in plain if saved.get(name) != plain[name]]
    if saved.get(STARTING_WEIGHTS) and plain.get(STARTING_WEIGHTS):
        different = [name for name in different if name != STARTING_WEIGHTS]
    before, options = saved.get("options", {}), plain.get("options", {})
    # The recipe follows from the options and the version.
    other_recipe = before == options and saved.get("recipe") != plain.get("recipe")
    if plain.keys() - saved.keys() or before.keys() != options.keys() or other_recipe:
        raise UserError(
            "--resume: the run was started with another version of train.py; finish it with that, "
            "or start again in another --out"
        )
    if "options" in different:
        different.remove("options")
        different += [f"--{n}" for n in options if before.get(n) != options[n]]
    if different:
        can_be_longer = "; --epochs can be raised once the run is finished"
        longer = can_be_longer if "--epochs" in different else ""
        raise UserError(
            f"--resume: {', '.join(different)} differ from what the run was started with; give "
            f"the same options and data, or another --out{longer}"
        )


def extended_run(
    saved: dict[str, Any], epochs: int | None, minutes: float | None
) -> tuple[dict[str, Any], float | None]:
    """The facts of a finished run that goes on for more epochs or minutes, and its minutes.

    Its schedule starts anew. Where neither is more than the run had, nothing changes. Minutes may
    have ended it within an epoch, so what counts is its steps.

    Args:
        saved: facts of the run; empty without one.
        epochs, minutes: as the options ask now.
    """
    history, choices = saved.get("history", {}), saved.get("choices", {})
    if not history.get("finished"):
        return saved, minutes
    saved_minutes, steps_per_epoch = saved.get("minutes"), saved.get("steps per epoch")
    epochs_done = history["epoch"]  # older versions did not save the steps per epoch
    if steps_per_epoch:
        epochs_done = history["step"] / steps_per_epoch
    more_epochs = epochs != choices["options"]["epochs"] and (epochs or 0) > epochs_done
    longer = saved_minutes and minutes and minutes > saved_minutes
    more_minutes = longer and epochs_done < choices["epochs"]
    if not (more_epochs or more_minutes):
        return saved, minutes
    if more_epochs:
        choices = {**choices, "epochs": epochs, "options": {**choices["options"], "epochs": epochs}}
    if not more_minutes and minutes and saved["seconds"] > USED_UP * 60 * minutes:
        minutes = None  # they are used up already, so only epochs limit the run
    history = {
        **history,
        "finished": False,
        "base_step": history["step"],
        "evaluations_without_improvement": 0,
    }
    return {**saved, "history": history, "choices": choices, "progress": 0.0}, minutes


def read_state(run: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """The facts and arrays of a run directory; both empty where there is no state yet.

    Raises:
        UserError: the file is damaged.
    """
    path = run / "state" / "state.npz"
    if not path.exists():
        return {}, {}
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        facts = current_facts(json.loads(arrays.pop("facts").tobytes()))
    except (OSError, ValueError, KeyError, EOFError, BadZipFile, zlib.error) as error:
        raise UserError(f"{path}: cannot be read ({error}); start again in another --out") from None
    return facts, arrays


def assign_state(
    path: Path, arrays: Mapping[str, np.ndarray], variables: Mapping[str, Any], cluster: Cluster
) -> None:
    """Assign the arrays that the chief has read to ``variables``, on every host.

    Raises:
        UserError: they belong to a run with another network.
    """
    shapes = {name: tuple(variable.shape) for name, variable in variables.items()}
    if cluster.chief and {name: value.shape for name, value in arrays.items()} != shapes:
        raise UserError(
            f"{path}: the run was started with other options (backbone, classes or optimizer); "
            "resume it with the same ones"
        )
    for name, variable in variables.items():
        value = arrays[name] if cluster.chief else np.zeros(shapes[name], variable.numpy().dtype)
        variable.assign(cluster.broadcast(value))
