"""Options from the command line, from a file and from keywords, as an instance of a dataclass."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from utils.cli.config_file import values_of_file
from utils.cli.fields import Spec, did_you_mean, plain_value, specs_of
from utils.cli.parser import Parser, build_parser, program, unknown_option, with_dashes
from utils.errors import UserError

ConfigClass = TypeVar("ConfigClass")


def parse(
    config_class: type[ConfigClass],
    argv: Sequence[str],
    description: str = "",
    epilog: str = "",
    *,
    prog: str | None = None,
    renamed: Mapping[str, str] | None = None,
) -> ConfigClass:
    """Command line and ``--config`` file → an instance of the dataclass.

    The command line wins over the file, the file over the defaults. ``-`` and ``_`` in names are
    the same in both. ``renamed`` are old names of options in files, with today's names. ``prog`` is
    the name of the command in ``--help``; default: as it was started.

    Raises:
        UserError: an unknown option or key, a value of the wrong type or out of bounds, a
            required option left out.
        SystemExit: with status 0, after ``--help``.
    """
    specs = specs_of(config_class)
    argv = with_dashes(argv)
    from_file = _read_config_file(argv, specs, renamed or {})
    parser = build_parser(specs, set(from_file), description, epilog, prog or program())
    given, unknown = parser.parse_known_intermixed_args(argv)
    if unknown:
        parser.error(unknown_option(unknown, specs))
    values = {**from_file, **vars(given)}
    values.pop("config", None)
    return config_class(**values)


def from_keywords(
    config_class: type[ConfigClass],
    given: Mapping[str, Any],
    *,
    file: str | Path | None = None,
    renamed: Mapping[str, str] | None = None,
) -> ConfigClass:
    """Keyword arguments of a Python call → an instance of the dataclass, checked as by ``parse``.

    Args:
        config_class: the dataclass.
        given: values by field name; ``-`` and ``_`` in names are the same.
        file: YAML with further values; those of ``given`` win.
        renamed: old names of options in files, with today's names.

    Raises:
        UserError: an unknown option, a value of the wrong type or out of bounds, a required option
            left out.
    """
    specs = specs_of(config_class)
    values = values_of_file(str(file), specs, renamed or {}) if file else {}
    by_name = {spec.name: spec for spec in specs}
    for name, value in given.items():
        spec = by_name.get(name.replace("-", "_"))
        if spec is None:
            raise UserError(f"there is no option {name!r}{did_you_mean(name, by_name)}")
        try:
            values[spec.name] = spec.from_yaml(plain_value(value))
        except ValueError as error:
            raise UserError(f"{spec.name}: {error}") from None
    if missing := [spec.name for spec in specs if spec.required and spec.name not in values]:
        raise UserError(f"{missing[0]}: is missing")
    return config_class(**values)


def _read_config_file(
    argv: Sequence[str], specs: list[Spec], renamed: Mapping[str, str]
) -> dict[str, Any]:
    """Values by field name from the file that ``--config`` names; empty without one."""
    finder = Parser(add_help=False, allow_abbrev=False)
    finder.add_argument("--config")
    path = finder.parse_known_args(list(argv))[0].config
    return {} if path is None else values_of_file(path, specs, renamed)
