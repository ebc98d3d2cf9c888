"""What all commands share: options from a dataclass, ``--config FILE.yaml``, and exit statuses.

A command describes its options as a dataclass of ``option`` fields, reads them with
``parse``, and is started by ``run``::

    @dataclass(frozen=True)
    class Config:
        weights: Path = option(help="checkpoint to use", metavar="FILE")
        conf: float = option(0.25, help="lowest score that is kept", low=0, high=1)

    def main(argv: list[str]) -> int:
        config = parse(Config, argv, "Find objects in pictures.")
        ...

    if __name__ == "__main__":
        sys.exit(run(main))

Nothing heavy is imported here or at the top of a script, so that ``--help`` and usage errors
answer at once; TensorFlow is imported inside ``main``, after the options are known to be good.
"""

from __future__ import annotations

import argparse
import dataclasses
import difflib
import errno
import math
import os
import sys
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from utils.errors import UserError
from utils.files import read_limited
from utils.signals import terminable

ConfigClass = TypeVar("ConfigClass")

_MOST_CONFIG = 1 << 20  # bytes of a --config file

OK, MISSED, USAGE_ERROR, INTERRUPTED = 0, 1, 2, 130  # the exit statuses of every command


def run(main: Callable[[list[str]], int | None], argv: Sequence[str] | None = None) -> int:
    """Call ``main`` with the arguments and return the exit status of the command.

    A ``UserError`` gives one message on stderr and status 2, and so does a full disk or a
    missing permission. Ctrl-C and SIGTERM give 130. Anything else is a bug and keeps its traceback.
    """
    quiet_tensorflow()
    with terminable():
        return _run(main, list(sys.argv[1:] if argv is None else argv))


def _run(main: Callable[[list[str]], int | None], argv: list[str]) -> int:
    for stream in (sys.stdout, sys.stderr):  # file names need not be text
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    try:
        return main(argv) or OK
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return USAGE_ERROR
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return INTERRUPTED
    except OSError as error:
        if error.errno not in _USER_ERRORS:
            raise
        where = f"{error.filename}: " if error.filename else ""
        print(f"error: {where}{os.strerror(error.errno)}", file=sys.stderr)
        return USAGE_ERROR


def leave(status: int) -> typing.NoReturn:
    """End the process at once, after printing all output.

    Freeing TensorFlow's graphs at the end of a training run would take 5 to 30 seconds.
    """
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError):  # a full disk, or a closed pipe
            stream.flush()
    os._exit(status)


_USER_ERRORS = {
    errno.EACCES, errno.EPERM, errno.ENOSPC, errno.EROFS, errno.EDQUOT, errno.EEXIST,
    errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG, errno.ELOOP,
}  # fmt: skip


def quiet_tensorflow() -> None:
    """Suppress TensorFlow's start-up messages. Call before TensorFlow is imported.

    ``TF_CPP_MIN_LOG_LEVEL=0`` in the environment takes precedence and shows them.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


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
        "group": group,
    }
    return dataclasses.field(default=default, metadata=metadata)


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
    specs = _specs(config_class)
    argv = _with_dashes(argv)
    from_file = _read_config_file(argv, specs, renamed or {})
    parser = _build_parser(specs, set(from_file), description, epilog, prog or _program())
    given, unknown = parser.parse_known_intermixed_args(argv)
    if unknown:
        parser.error(_unknown_option(unknown, specs))
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
    specs = _specs(config_class)
    values = _values_of_file(str(file), specs, renamed or {}) if file else {}
    by_name = {spec.name: spec for spec in specs}
    for name, value in given.items():
        spec = by_name.get(name.replace("-", "_"))
        if spec is None:
            raise UserError(f"there is no option {name!r}{_did_you_mean(name, by_name)}")
        try:
            values[spec.name] = spec.from_yaml(_plain(value))
        except ValueError as error:
            raise UserError(f"{spec.name}: {error}") from None
    if missing := [spec.name for spec in specs if spec.required and spec.name not in values]:
        raise UserError(f"{missing[0]}: is missing")
    return config_class(**values)


def to_mapping(config: Any) -> dict[str, Any]:
    """A configuration as plain values by option name; as YAML it can be given to ``--config``."""
    return {
        field.name.replace("_", "-"): _plain(getattr(config, field.name))
        for field in dataclasses.fields(config)
        if field.init
    }


def _plain(value: Any) -> Any:
    if isinstance(value, (tuple, list)):
        return [_plain(item) for item in value]
    if hasattr(value, "item") and not hasattr(value, "__len__"):  # a number of NumPy
        return value.item()
    return str(value) if isinstance(value, os.PathLike) else value


# Fields → options ------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class _Spec:
    """One field: its type, default and allowed values."""

    name: str  # of the field
    kind: type  # bool, int, float, str or Path: of the value or of each item
    many: bool  # a tuple of values
    optional: bool  # None is allowed
    default: Any
    metadata: typing.Mapping[str, Any]

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
                f"{_did_you_mean(str(value), map(str, choices))}"
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
        return Path(text).expanduser()
    try:
        value = kind(text)
    except ValueError:
        raise ValueError(f"{text!r} is not {_KINDS[kind]}") from None
    if not math.isfinite(value):
        raise ValueError(f"{text!r} is not a finite number")
    return value


def _specs(config_class: type) -> list[_Spec]:
    hints = typing.get_type_hints(config_class)
    return [
        _Spec(
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


# The command line ------------------------------------------------------------------------------


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> typing.NoReturn:
        raise UserError(f"{message.removeprefix('argument ')} (see {self.prog} --help)")


class _Formatter(argparse.RawDescriptionHelpFormatter):
    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=30)


def _program() -> str | None:
    """``python -m MODULE`` for a command that was started so; None leaves it to argparse."""
    spec = getattr(sys.modules["__main__"], "__spec__", None)
    return f"python -m {spec.name.removesuffix('.__main__')}" if spec else None


def _build_parser(
    specs: list[_Spec], in_file: set[str], description: str, epilog: str, prog: str | None
) -> _Parser:
    """The parser; options that are not given are absent from its result."""
    parser = _Parser(
        prog=prog,
        description=description,
        epilog=epilog,
        formatter_class=_Formatter,
        allow_abbrev=False,
        argument_default=argparse.SUPPRESS,
    )
    groups: dict[str, Any] = {}
    for spec in specs:
        title = spec.metadata.get("group")
        if title and title not in groups:
            groups[title] = parser.add_argument_group(title)
        _add_option(groups.get(title, parser), spec, given=spec.name in in_file)
    parser.add_argument(
        "--config",
        metavar="FILE.yaml",
        help="read options from this file, as `name: value` lines; the command line wins",
    )
    return parser


def _add_option(parser: Any, spec: _Spec, *, given: bool) -> None:
    text = _help(spec)
    if spec.kind is bool:
        _add_flag(parser, spec, text)
        return
    arguments: dict[str, Any] = {
        "help": text,
        "metavar": spec.metadata.get("metavar") or _metavar(spec),
        "type": _argparse_type(spec),
    }
    if spec.metadata.get("positional"):
        needed = spec.required and not given
        if spec.many:
            arguments["nargs"] = spec.metadata.get("nargs") or ("+" if needed else "*")
        elif not needed:
            arguments["nargs"] = "?"
        parser.add_argument(spec.name, action=_store_action(spec), **arguments)
        return
    if spec.many:
        arguments["nargs"] = spec.metadata.get("nargs") or "+"
    if spec.metadata.get("repeated"):
        arguments["type"] = str
    required = spec.required and not given
    parser.add_argument(
        f"--{spec.key}",
        dest=spec.name,
        required=required,
        action=_store_action(spec),
        **arguments,
    )


def _add_flag(parser: Any, spec: _Spec, text: str) -> None:
    """``--name`` and ``--no-name``, so that the command line can override a file.

    The help lists the negative only if the default is true.
    """
    listed = spec.default is True
    parser.add_argument(
        f"--{spec.key}", dest=spec.name, action="store_true", default=argparse.SUPPRESS, help=text
    )
    parser.add_argument(
        f"--no-{spec.key}",
        dest=spec.name,
        action="store_false",
        default=argparse.SUPPRESS,
        help=f"the opposite of --{spec.key}" if listed else argparse.SUPPRESS,
    )


def _store_action(spec: _Spec) -> Any:
    if spec.metadata.get("repeated"):
        return partial(_AppendItem, spec=spec)
    return _StoreTuple if spec.many else "store"


class _StoreTuple(argparse.Action):
    def __call__(self, parser, namespace, values, option_string=None):
        if values:
            setattr(namespace, self.dest, tuple(values))


class _AppendItem(argparse.Action):
    """One more item, from all words behind an option."""

    def __init__(self, *args: Any, spec: _Spec, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.spec = spec

    def __call__(self, parser, namespace, values, option_string=None):
        try:
            item = self.spec.from_text(" ".join(values))
        except ValueError as error:
            raise argparse.ArgumentError(self, str(error)) from None
        setattr(namespace, self.dest, (*getattr(namespace, self.dest, ()), item))


def _argparse_type(spec: _Spec) -> Callable[[str], Any]:
    def convert(text: str) -> Any:
        try:
            return spec.from_text(text.removeprefix(_MARK))
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return convert


def _metavar(spec: _Spec) -> str:
    choices = spec.metadata.get("choices")
    if choices is not None and len(choices) <= 6:
        return "|".join(map(str, choices))
    return {Path: "PATH", int: "N", float: "X", str: spec.name.upper()}[spec.kind]


def _help(spec: _Spec) -> str:
    text = spec.metadata.get("help") or ""
    choices = spec.metadata.get("choices")
    if choices is not None and len(choices) > 6:
        text += f"; one of {', '.join(map(str, choices))}"
    if spec.required:
        text += "" if spec.metadata.get("positional") else " (required)"
    elif spec.kind is bool:
        text += " (default: yes)" if spec.default else ""
    elif spec.default not in (None, ()):
        many = isinstance(spec.default, (tuple, list))
        text += f" (default: {' '.join(map(str, spec.default)) if many else spec.default})"
    return text.replace("%", "%%")


def _with_dashes(argv: Sequence[str]) -> list[str]:
    """``--input_size=x_y`` → ``--input-size=x_y``; what follows a bare ``--`` is not an option.

    argparse ignores a bare ``--`` when options and positional arguments are mixed. So arguments
    behind it that look like options are marked, and ``_argparse_type`` removes the mark.
    """
    result: list[str] = []
    for position, argument in enumerate(argv):
        if argument == "--":
            rest = argv[position + 1 :]
            return [*result, "--", *(_MARK * item.startswith("-") + item for item in rest)]
        if argument.startswith("--"):
            name, equals, value = argument.partition("=")
            argument = name.replace("_", "-") + equals + value
        result.append(argument)
    return result


_MARK = "\0"  # cannot occur in an argument of a process


def _unknown_option(unknown: list[str], specs: list[_Spec]) -> str:
    name = next((item for item in unknown if item.startswith("-")), unknown[0])
    name = name.partition("=")[0]
    if not name.startswith("-"):
        return f"unexpected argument {name!r}"
    names = ["--config", *(spec.label for spec in specs)]
    return f"there is no option {name}{_did_you_mean(name, names)}"


def _did_you_mean(name: str, names: typing.Iterable[str]) -> str:
    nearest = difflib.get_close_matches(name, list(names), n=1)
    return f"; did you mean {nearest[0]}?" if nearest else ""


# The configuration file ------------------------------------------------------------------------


def _read_config_file(
    argv: Sequence[str], specs: list[_Spec], renamed: Mapping[str, str]
) -> dict[str, Any]:
    """Values by field name from the file that ``--config`` names; empty without one."""
    finder = _Parser(add_help=False, allow_abbrev=False)
    finder.add_argument("--config")
    path = finder.parse_known_args(list(argv))[0].config
    return {} if path is None else _values_of_file(path, specs, renamed)


def _values_of_file(path: str, specs: list[_Spec], renamed: Mapping[str, str]) -> dict[str, Any]:
    by_key = {spec.key: spec for spec in specs}
    values: dict[str, Any] = {}
    for name, value in _load_yaml(path).items():
        key = str(name).replace("_", "-")
        key = renamed.get(key, key)
        if key not in by_key:
            raise UserError(f"{path}: there is no option {str(name)!r}{_did_you_mean(key, by_key)}")
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
        data = read_limited(path, _MOST_CONFIG)
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


def _yaml_text(value: Any) -> str:
    if value is None:
        return "an empty value"
    if isinstance(value, bool):
        return str(value).lower()
    return repr(value) if isinstance(value, str) else str(value)
