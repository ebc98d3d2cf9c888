"""Opening a ``.keras`` checkpoint, and changing its metadata."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras

from nets.yolo import YOLOv3
from utils.checkpoint_archive import (
    CONFIG,
    OtherModelError,
    check_weights,
    config_json,
    open_archive,
    read_config,
)
from utils.errors import UserError, first_line
from utils.files import atomic_write


def load_checkpoint(path: str | Path, option: str = "--weights") -> YOLOv3:
    """Open a detector that ``train.py`` saved. No code in the file is run.

    Args:
        path: a ``.keras`` file.
        option: the command-line option that named it, for errors.

    Raises:
        UserError: no such file, no Keras archive, or no detector of this project.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"{option} {path}: there is no such file")
    try:
        with open_archive(path) as archive:
            read_config(archive)
            check_weights(archive)
        model = keras.saving.load_model(path, compile=False, safe_mode=True)
    except OtherModelError:
        raise UserError(
            f"{option} {path}: a Keras model, but not a detector made by train.py"
        ) from None
    except Exception as error:  # damage raises any of many kinds
        raise UserError(
            f"{option} {path}: not a checkpoint that can be opened ({first_line(error)})"
        ) from error
    return model


def update_metadata(path: str | Path, changes: Mapping[str, Any]) -> None:
    """Set keys of a checkpoint's ``metadata``; weights and everything else stay as they are.

    The new archive takes the place of the old one in one step: there is always a whole checkpoint.

    Args:
        path: a ``.keras`` file that ``train.py`` saved.
        changes: keys and values, of what JSON can hold.

    Raises:
        UserError: no such file, or no detector of this project.
    """
    path = Path(path)
    target = path.resolve()  # of a link, its target is changed
    try:
        with open_archive(target) as old:
            config = config_json(old)
            metadata = config["config"]["metadata"]
            config["config"]["metadata"] = {**metadata, **changes}
            text = json.dumps(config, allow_nan=False)
            with (
                atomic_write(target, "wb", durable=True) as file,
                zipfile.ZipFile(file, "w") as new,
            ):
                for item in old.infolist():
                    if item.filename == CONFIG:
                        new.writestr(item, text)
                    else:
                        _copy(old, new, item)
    except FileNotFoundError:
        raise UserError(f"--weights {path}: there is no such file") from None
    except (zipfile.BadZipFile, KeyError, TypeError, ValueError) as error:
        raise UserError(f"--weights {path}: not a checkpoint that can be changed") from error


def _copy(old: zipfile.ZipFile, new: zipfile.ZipFile, item: zipfile.ZipInfo) -> None:
    with old.open(item) as source, new.open(item, "w") as target:
        while chunk := source.read(1 << 20):
            target.write(chunk)
