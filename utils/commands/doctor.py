"""``python -m utils.commands.doctor``: find what is wrong with a dataset; write a cleaned copy."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from utils.cli import option, parse, run


def _input_size(text: str) -> int | str:
    if text == "auto":
        return text
    try:
        return int(text)
    except ValueError:
        raise ValueError(f"{text!r} is neither auto nor a number of pixels") from None


@dataclass(frozen=True)
class Config:
    data: Path = option(help="folder with the labelled photos", positional=True, metavar="DATA")
    split: str | None = option(
        None, help="check only the photos of this list (default: the whole folder and its lists)",
        metavar="NAME",
    )  # fmt: skip
    input_size: int | str = option(
        "auto", help="side of the network input in pixels that object sizes are judged at; auto: "
        "what training would choose without --minutes", metavar="auto|PIXELS", parse=_input_size,
    )  # fmt: skip
    out: Path | None = option(
        None, help="folder for doctor.html, the report with pictures (default: runs/doctor/NAME, "
        "where NAME is that of DATA)", metavar="DIR",
    )  # fmt: skip
    fix: Path | None = option(
        None, help="write a cleaned copy of the dataset into this new folder; DATA is not touched",
        metavar="DIR",
    )  # fmt: skip


def main(argv: list[str]) -> int:
    config = parse(
        Config,
        argv,
        "Check all photos and labels of a dataset, and say what training does about each problem.",
        "example: python -m utils.commands.doctor photos --fix photos-clean",
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
