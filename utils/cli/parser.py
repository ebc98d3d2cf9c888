"""The fields of a dataclass as options of ``argparse``."""

from __future__ import annotations

import argparse
import sys
import typing
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from utils.cli.fields import Spec, did_you_mean
from utils.errors import UserError


class Parser(argparse.ArgumentParser):
    """Reports errors as ``UserError`` instead of ending the process."""

    def error(self, message: str) -> typing.NoReturn:
        raise UserError(f"{message.removeprefix('argument ')} (see {self.prog} --help)")


class _Formatter(argparse.RawDescriptionHelpFormatter):
    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=30)


def program() -> str | None:
    """``python -m MODULE`` for a command that was started so; None leaves it to argparse."""
    spec = getattr(sys.modules["__main__"], "__spec__", None)
    return f"python -m {spec.name.removesuffix('.__main__')}" if spec else None


def build_parser(
    specs: list[Spec], in_file: set[str], description: str, epilog: str, prog: str | None
) -> Parser:
    """The parser; options that are not given are absent from its result."""
    parser = Parser(
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


def _add_option(parser: Any, spec: Spec, *, given: bool) -> None:
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


def _add_flag(parser: Any, spec: Spec, text: str) -> None:
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


def _store_action(spec: Spec) -> Any:
    if spec.metadata.get("repeated"):
        return partial(_AppendItem, spec=spec)
    return _StoreTuple if spec.many else "store"


class _StoreTuple(argparse.Action):
    def __call__(self, parser, namespace, values, option_string=None):
        if values:
            setattr(namespace, self.dest, tuple(values))


class _AppendItem(argparse.Action):
    """One more item, from all words behind an option."""

    def __init__(self, *args: Any, spec: Spec, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.spec = spec

    def __call__(self, parser, namespace, values, option_string=None):
        try:
            item = self.spec.from_text(" ".join(values))
        except ValueError as error:
            raise argparse.ArgumentError(self, str(error)) from None
        setattr(namespace, self.dest, (*getattr(namespace, self.dest, ()), item))


def _argparse_type(spec: Spec) -> Callable[[str], Any]:
    def convert(text: str) -> Any:
        try:
            return spec.from_text(text.removeprefix(_MARK))
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return convert


def _metavar(spec: Spec) -> str:
    choices = spec.metadata.get("choices")
    if choices is not None and len(choices) <= 6:
        return "|".join(map(str, choices))
    return {Path: "PATH", int: "N", float: "X", str: spec.name.upper()}[spec.kind]


def _help(spec: Spec) -> str:
    text = spec.metadata.get("help") or ""
    choices = spec.metadata.get("choices")
    if choices is not None and len(choices) > 6:
        text += f"; one of {', '.join(map(str, choices))}"
    if spec.required:
        unless = f" without {spec.metadata['unless']}" if spec.metadata.get("unless") else ""
        text += "" if spec.metadata.get("positional") else f" (required{unless})"
    elif spec.kind is bool:
        text += " (default: yes)" if spec.default else ""
    elif spec.default not in (None, ()):
        many = isinstance(spec.default, (tuple, list))
        text += f" (default: {' '.join(map(str, spec.default)) if many else spec.default})"
    return text.replace("%", "%%")


def with_dashes(argv: Sequence[str]) -> list[str]:
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


def unknown_option(unknown: list[str], specs: list[Spec]) -> str:
    """The message on arguments that no option takes."""
    name = next((item for item in unknown if item.startswith("-")), unknown[0])
    name = name.partition("=")[0]
    if not name.startswith("-"):
        return f"unexpected argument {name!r}"
    names = ["--config", *(spec.label for spec in specs)]
    return f"there is no option {name}{did_you_mean(name, names)}"
