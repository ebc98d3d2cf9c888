"""Reading what declares a YOLO dataset: its YAML (``read_yaml``) or a names file (``read_names``).

The YAML comes from a stranger. It is read as text, lists and mappings, so that no tag in it makes
an object, and nothing that it names is fetched or run. All scalars stay text: otherwise a class
called ``no`` or ``1e3`` would become false or 1000.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from utils.data.formats.encoding import decoded
from utils.data.formats.naming import NAME_LIMIT, class_name
from utils.data.splits.names import split_name
from utils.files import read_limited

MAX_BYTES = 1 << 20  # of YAML, whose parser takes up to 15 seconds for it
MAX_NAMES_BYTES = 8 << 20
NO_SPLITS = frozenset(  # keys that are no lists
    ("path", "names", "nc", "download", "roboflow", "kpt_shape", "kpt_names", "flip_idx")
    + ("channels", "license", "version")
)


@dataclass(frozen=True)
class YoloYaml:
    """What one YAML says.

    Attributes:
        path: of the file.
        names: class names by id; empty where it gives none.
        base: ``path``, the folder that the rest is relative to, "" without one.
        splits: list name → the folders and list files that make it, as written.
        pose: whether label lines end in the points of a body.
        notes: one sentence for each thing that cannot be used.
    """

    path: Path
    names: Mapping[int, str]
    base: str
    splits: Mapping[str, tuple[str, ...]]
    pose: bool
    notes: tuple[str, ...]


def read_yaml(path: Path) -> YoloYaml | None:
    """Read one file; None where it is no description of a dataset.

    Raises:
        TooLargeError: it has more than ``MAX_BYTES``.
        ValueError: it cannot be read, or is no YAML though it has the right words.
    """
    data = read_limited(path, MAX_BYTES)
    plain = data.replace(b"\0", b"")  # so that words are found in UTF-16, too
    if b"names" not in plain and b"nc" not in plain:
        return None
    try:
        text = decoded(data)
    except ValueError:
        if b"names" in plain and (b"train" in plain or b"nc" in plain or b"path" in plain):
            raise
        return None
    try:
        # Makes even less than safe_load: neither numbers nor dates.
        content = yaml.load(text, Loader=yaml.BaseLoader)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        if "names" in text and "train" in text:
            raise ValueError(f"not valid YAML ({' '.join(str(error).split())[:200]})") from error
        return None
    return _parsed(path, content) if isinstance(content, dict) else None


def _parsed(path: Path, content: dict[Any, Any]) -> YoloYaml | None:
    splits = {}
    for key, value in content.items():
        values = tuple(value) if isinstance(value, list) else (value,)
        if key not in NO_SPLITS and all(_is_path(item) for item in values):
            name = split_name(key) or str(key)
            splits[str(key) if name in splits else name] = values
    notes: list[str] = []
    names = _names(content.get("names"), notes)
    usual = any(split_name(name) for name in splits)
    count = content.get("nc", "")
    count = int(count) if _is_number(count) else None
    if not names and (count is None or not usual):
        return None
    if names and not usual and "path" not in content and "nc" not in content:
        # Only names: they may be those of anything, such as columns.
        return None
    if count is not None and names and count != len(names):
        notes.append(f"nc is {count}, but there are {len(names)} names; nc is ignored")
    base = content.get("path")
    return YoloYaml(
        path=path,
        names=names,
        base=base if isinstance(base, str) else "",
        splits=splits,
        pose="kpt_shape" in content,
        notes=tuple(notes),
    )


def _names(value: Any, notes: list[str]) -> dict[int, str]:
    pairs = list(value.items()) if isinstance(value, dict) else []
    if isinstance(value, list):
        pairs = [(str(index), name) for index, name in enumerate(value)]
    names: dict[int, str] = {}
    for key, name in pairs:
        text = class_name(name) if isinstance(name, str) else ""
        if not text or not _is_number(key):
            # The entry is not quoted: a few lines of YAML can stand for any number of lists.
            what = f"entry {len(names) + 1} of its names is not an id with a name, {NAME_LIMIT}"
            notes.append(f"{what}; left out")
        else:
            names[int(key)] = text
    for name, count in Counter(names.values()).items():
        if count > 1:
            notes.append(f"{count} ids are called {name!r}; taken for one class")
    return dict(sorted(names.items()))


def _is_path(value: Any) -> bool:
    return isinstance(value, str) and value.lower() not in ("", "~", "null", "none")


def _is_number(text: Any) -> bool:
    return isinstance(text, str) and text.isascii() and text.isdigit() and len(text) < 10


def read_names(path: Path) -> dict[int, str]:
    """Class names by id from a file with one a line, as Darknet and labelImg write them.

    Raises:
        ValueError: it cannot be read, is no text, or holds no name.
    """
    lines = decoded(read_limited(path, MAX_NAMES_BYTES)).splitlines()
    names = {index: name for index, line in enumerate(lines) if (name := class_name(line))}
    if not names:
        raise ValueError("holds no class name")
    return names
