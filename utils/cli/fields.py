"""Options as fields of a dataclass: their types, defaults and allowed values."""

from __future__ import annotations

import dataclasses
import difflib
import math
import os
import types
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from utils.files import with_home


def option(
    default: Any = dataclasses.MISSING,
    *,
    help: str,
    metavar: str | None = None,
    choices: Sequence[Any] | None = None,
    low: float | None = None,
    high: float | None = None,
    parse: Callable[[str], Any] | None = None,
    positional: bool = False,
    nargs: str | int | None = None,
    repeated: bool = False,
    unless: str | None = None,
    group: str | None = None,
) -> Any:
    """A dataclass field that is a command-line option.

    Args:
        default: value when neither the command line nor ``--config`` gives one; without it the
            option is required.
        help: one sentence with units; the default is appended.
        metavar: stands for the value in ``--help``, for instance ``FILE``.
        choices: the values allowed.
        low, high: bounds of a number, both allowed themselves.
        parse: text → value, for values with their own syntax; raises ``ValueError`` with a message
            that completes "--name: …".
        positional: an argument without ``--name``; the field's name is its key in YAML.
        nargs: argparse's count for fields that are tuples; ``+`` if left out.
        repeated: for fields that are tuples; the option may be given several times, and the words
            behind it, joined by blanks, are one item each time.
        unless: for a required option; another option that makes it unnecessary, as ``--help``
            says.
        group: heading under which ``--help`` lists the option.
    """
    metadata = {
        "help": help,
        "metavar": metavar,
        "choices": choices,
        "low": low,
        "high": high,
        "parse": parse,
        "positional": positional,
        "nargs": nargs,
        "repeated": repeated,
        "unless": unless,
        "group": group,
    }
    return dataclasses.field(default=default, metadata=metadata)


def option_name(field: str) -> str:
    """``max_det`` → ``--max-det``."""
    return f"--{field.replace('_', '-')}"


def given_options(config: Any) -> list[str]:
    """The fields of a configuration that differ from their defaults, in order."""
    return [
        field.name
        for field in dataclasses.fields(config)
        if getattr(config, field.name) != field.default
    ]


def to_mapping(config: Any) -> dict[str, Any]:
    """A configuration as plain values by option name; as YAML it can be given to ``--config``."""
    return {
        field.name.replace("_", "-"): plain_value(getattr(config, field.name))
        for field in dataclasses.fields(config)
        if field.init
    }


def plain_value(value: Any) -> Any:
    """A value as YAML has it: lists for tuples, text for paths, Python's numbers for NumPy's."""
    if isinstance(value, (tuple, list)):
        return [plain_value(item) for item in value]
    if hasattr(value, "item") and not hasattr(value, "__len__"):  # a number of NumPy
        return value.item()
    return str(value) if isinstance(value, os.PathLike) else value


@dataclasses.dataclass(frozen=True)
class Spec:
    """One field: its type, default and allowed values."""

    name: str  # of the field
    kind: type  # bool, int, float, str or Path: of the value or of each item
    many: bool  # a tuple of values
    optional: bool  # None is allowed
    default: Any
    metadata: Mapping[str, Any]

    @property
    def label(self) -> str:
        """The option's name in messages."""
        if self.metadata.get("positional"):
            return self.metadata.get("metavar") or self.name
        return f"--{self.key}"

    @property
    def key(self) -> str:
        return self.name.replace("_", "-")

    @property
    def required(self) -> bool:
        return self.default is dataclasses.MISSING

    def from_text(self, text: str) -> Any:
        """One value from the command line; ``ValueError`` completes "--name: …"."""
        return (
            self._checked(self.metadata["parse"](text))
            if self.metadata.get("parse")
            else (self._checked(_from_text(self.kind, text)))
        )

    def from_yaml(self, value: Any) -> Any:
        """The whole value from a YAML file; ``ValueError`` completes "--name: …"."""
        if value is None and self.optional:
            return None
        if self.many:
            items = value if isinstance(value, list) else [value]
            return tuple(self._item_from_yaml(item) for item in items)
        return self._item_from_yaml(value)

    def _item_from_yaml(self, value: Any) -> Any:
        if isinstance(value, bool):
            if self.kind is not bool:
                raise ValueError(
                    f"{_yaml_text(value)} is not {_KINDS[self.kind]}; quote it if "
                    "it is meant as text"
                )
            return value
        if not isinstance(value, (str, int, float)) or self.kind is bool:
            raise ValueError(f"{_yaml_text(value)} is not {_KINDS[self.kind]}")
        # Text and numbers are read as on the command line: YAML reads 1e-3 as text, and 2007 as a
        # number where the name of a split is meant.
        return self.from_text(str(value))

    def _checked(self, value: Any) -> Any:
        choices = self.metadata.get("choices")
        if choices is not None and value not in choices:
            raise ValueError(
                f"{str(value)!r} is not one of {', '.join(map(str, choices))}"
                f"{did_you_mean(str(value), map(str, choices))}"
            )
        low, high = self.metadata.get("low"), self.metadata.get("high")
        if isinstance(value, (int, float)):
            if low is not None and not value >= low:
                raise ValueError(f"{value} is less than {low}")
            if high is not None and not value <= high:
                raise ValueError(f"{value} is more than {high}")
        return value


_KINDS = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "text",
    Path: "a path",
}


def _from_text(kind: type, text: str) -> Any:
    if kind is str:
        return text
    if kind is Path:
        if not text:
            raise ValueError("the path is empty")
        return with_home(text)
    try:
        value = kind(text)
    except ValueError:
        raise ValueError(f"{text!r} is not {_KINDS[kind]}") from None
    if not math.isfinite(value):
        raise ValueError(f"{text!r} is not a finite number")
    return value


def specs_of(config_class: type) -> list[Spec]:
    """The options of a dataclass, in the order of its fields."""
    hints = typing.get_type_hints(config_class)
    return [
        Spec(
            field.name,
            *_understand(field.name, hints[field.name]),
            _default(field),
            field.metadata,
        )
        for field in dataclasses.fields(config_class)
        if field.init
    ]


def _default(field: dataclasses.Field) -> Any:
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return field.default


def _understand(name: str, hint: Any) -> tuple[type, bool, bool]:
    """A type annotation → (kind, many, optional)."""
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        parts = [part for part in typing.get_args(hint) if part is not type(None)]
        if len(parts) < len(typing.get_args(hint)) and len(parts) == 1:
            kind, many, _ = _understand(name, parts[0])
            return kind, many, True
        if parts and all(part in _KINDS for part in parts):
            return str, False, len(parts) < len(typing.get_args(hint))  # metadata "parse" decides
    elif typing.get_origin(hint) in (tuple, list):
        kind, _, _ = _understand(name, typing.get_args(hint)[0])
        return kind, True, False
    elif hint in _KINDS:
        return hint, False, False
    raise TypeError(f"field {name}: an option cannot be of type {hint}")


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """The end of a message on an unknown name: the nearest known one, if any is near."""
    nearest = difflib.get_close_matches(name, list(names), n=1)
    return f"; did you mean {nearest[0]}?" if nearest else ""


def _yaml_text(value: Any) -> str:
    if value is None:
        return "an empty value"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (list, dict)):  # aliases make a short text one without end
        return "a list" if isinstance(value, list) else "a mapping"
    return repr(value) if isinstance(value, str) else str(value)
