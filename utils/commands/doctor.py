"""``python -m utils.commands.doctor``: say what is wrong with a dataset; write a cleaned copy."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from utils.cli import option, parse, run

SIZES = (32, 4096)  # pixels, at least and at most


def _input_size(text: str) -> int | str:
    if text == "auto":
        return text
    try:
        size = int(text)
    except ValueError:
        raise ValueError(f"{text!r} is neither auto nor a number of pixels") from None
    if not SIZES[0] <= size <= SIZES[1]:
        raise ValueError(f"{size} pixels; it lies between {SIZES[0]} and {SIZES[1]:,}")
    return size


@dataclass(frozen=True)
class Config:
    data: Path = option(help="folder with the labelled photos", positional=True, metavar="DATA")
    split: str | None = option(
        None, help="look only at the photos of this list; by itself at the whole folder, its "
        "lists included", metavar="NAME",
    )  # fmt: skip
    input_size: int | str = option(
        "auto", help="side of the network input in pixels, for judging sizes; auto takes the one "
        "that training would choose", metavar="auto|PIXELS", parse=_input_size,
    )  # fmt: skip
    out: Path | None = option(
        None, help="folder for doctor.html, the report with pictures; by itself "
        "runs/doctor/NAME, after DATA", metavar="DIR",
    )  # fmt: skip
    fix: Path | None = option(
        None, help="write a cleaned copy of the dataset into this new folder; DATA is not touched",
        metavar="DIR",
    )  # fmt: skip


def main(argv: list[str]) -> int:
    config = parse(
        Config,
        argv,
        "Read a dataset whole and say what is wrong with it, and what training does about it.",
        "example: python -m utils.commands.doctor photos --fix photos-clean",
        prog="python -m utils.commands.doctor",
    )
    from utils.data.doctor import run_doctor

    run_doctor(
        config.data,
        split=config.split,
        input_size=None if config.input_size == "auto" else config.input_size,
        out=config.out,
        fix=config.fix,
    )
    return 0


if __name__ == "__main__":
    sys.exit(run(main))
