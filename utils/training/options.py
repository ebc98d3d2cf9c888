"""Options of train.py that depend on each other, or on the run that is gone on with."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from utils.cli import to_mapping
from utils.errors import UserError
from utils.training.config import TrainConfig

# Options that may differ when a run goes on, or among hosts: where and on what, how long by the
# clock, and how often to save.
MAY_CHANGE = (
    "data", "out", "resume", "check", "fix", "preview", "device", "fast-math", "cache", "minutes",
    "patience", "save-every", "histograms",
)  # fmt: skip


def with_options_of_run(argv: list[str]) -> list[str]:
    """The arguments; for ``--resume``, before them the file of options that the run has written.

    So ``--out DIR --resume`` is enough, and what differs from the run is known to be asked for.
    """
    early = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    early.add_argument("--out", type=Path)
    early.add_argument("--config")
    early.add_argument("--resume", action="store_true")
    try:
        given, _ = early.parse_known_args(argv)
    except argparse.ArgumentError:  # what is wrong is said by the parser that knows all options
        return argv
    if not given.resume or given.config or not given.out:
        return argv
    own = given.out.expanduser() / "config.yaml"
    return ["--config", str(own), *argv] if own.is_file() else argv


def refuse_contradictions(config: TrainConfig) -> None:
    """
    Raises:
        UserError: options that do not go together.
    """
    if config.resume and config.out is None:
        raise UserError("--resume needs --out, the run directory to go on with")
    if config.only_listed and config.classes is None:
        raise UserError("--only-listed needs --classes, the list")
    if config.fix and not config.check:
        raise UserError("--fix needs --check, which finds what there is to fix")
    if config.synchronized_norms and (config.accumulate or 1) > 1:
        raise UserError("--synchronized-norms cannot see a whole batch that --accumulate divides")
    if config.exact and config.minutes:
        raise UserError("--exact cannot hold with --minutes: a clock is never exact; give --epochs")


def lasting_options(config: TrainConfig) -> dict[str, Any]:
    """The options that a resumed run must have in common with the one that it goes on with."""
    mapping = to_mapping(config)
    return {name: value for name, value in mapping.items() if name not in MAY_CHANGE}
