"""Values of options from a YAML file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from utils.cli.fields import Spec, did_you_mean
from utils.errors import UserError
from utils.files import read_limited

_MAX_CONFIG = 1 << 20  # bytes of a --config file


def values_of_file(path: str, specs: list[Spec], renamed: Mapping[str, str]) -> dict[str, Any]:
    """Values by field name; ``renamed`` are old names of options, with today's names.

    Raises:
        UserError: not such a file, an unknown option, or a value that it cannot have.
    """
    by_key = {spec.key: spec for spec in specs}
    values: dict[str, Any] = {}
    for name, value in _load_yaml(path).items():
        key = str(name).replace("_", "-")
        key = renamed.get(key, key)
        if key not in by_key:
            raise UserError(f"{path}: there is no option {str(name)!r}{did_you_mean(key, by_key)}")
        spec = by_key[key]
        if spec.name in values:
            raise UserError(f"{path}: {key!r} is given twice")
        try:
            values[spec.name] = spec.from_yaml(value)
        except ValueError as error:
            raise UserError(f"{path}: {name}: {error}") from None
    return values


def _load_yaml(path: str) -> dict[Any, Any]:
    import yaml  # slow to import, and rarely needed

    try:
        data = read_limited(path, _MAX_CONFIG)
    except ValueError as error:
        raise UserError(f"--config {path}: {error}") from None
    try:
        content = yaml.safe_load(data.decode("utf-8"))
    except UnicodeDecodeError:
        raise UserError(f"{path}: not a text file in UTF-8") from None
    except (ValueError, RecursionError) as error:  # an impossible date; very deep nesting
        raise UserError(f"{path}: not valid YAML: {error}") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        raise UserError(
            f"{path}{line}: not valid YAML: {getattr(error, 'problem', None) or error}"
        ) from None
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise UserError(f"{path}: expected lines of `name: value`")
    return content
