"""Compare training recipes at equal length on folds of training lists.

    python -m bench.recipe --data bccd=photos/bccd raccoon=photos/raccoon signs \\
        --variants default plain --folds 0 1 --seeds 0 --photos 6400

runs what has no result yet in docs/recipe/results.jsonl, in the background if so started, and goes
on where it was cut off. ``--photos`` makes runs of a fixed number of photos, so that two can share
the machine (``--workers 2``) and nothing else on it changes the result; ``--minutes`` makes runs of
so much wall time at most, which need the machine to themselves. ``--table`` prints what all results
say.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from bench.recipe.datasets import make_fold, make_signs
from bench.recipe.runs import (
    HELD_OUT_OF_TRAINING,
    ROOT,
    Job,
    commit_of,
    done,
    run_jobs,
)
from bench.recipe.table import table
from bench.recipe.variants import VARIANTS
from utils.cli import option, parse, run
from utils.errors import UserError


@dataclass(frozen=True)
class RecipeConfig:
    """The options of this measurement."""

    data: tuple[str, ...] = option(
        (), help="datasets as NAME=DIR; signs needs no folder", metavar="NAME=DIR"
    )
    variants: tuple[str, ...] = option(("default",), help="recipes by name", metavar="NAME")
    options: str = option("", help="further options of train.py; they belong to --label")
    label: str = option("", help="name of a recipe that --options or --code make")
    code: Path = option(ROOT, help="another checkout of the project to run", metavar="DIR")
    folds: tuple[str, ...] = option(("0", "1"), help="of the five", metavar="N")
    seeds: tuple[str, ...] = option(("0",), help="of the runs", metavar="N")
    size: str = option("320", help="of the network input in pixels, or auto")
    photos: int = option(6400, help="length of a run in photos seen")
    minutes: float | None = option(None, help="longest wall time of a run in minutes instead")
    workers: int = option(1, help="runs at a time, with one thread each if several", low=1)
    work: Path = option(Path("runs/recipe"), help="folder for folds and runs", metavar="DIR")
    table: bool = option(False, help="only print the table of all results")


def main(argv: list[str]) -> int | None:
    config = parse(RecipeConfig, argv, __doc__.split("\n\n")[0])
    if config.table:
        print(table(done()))
        return None
    if config.minutes and config.workers > 1:
        raise UserError("--minutes measures wall time: one run at a time")
    work = config.work.resolve()
    work.mkdir(parents=True, exist_ok=True)
    run_jobs(jobs(config, work), config.code.resolve(), work, config.workers)
    return None


def jobs(config: RecipeConfig, work: Path) -> list[Job]:
    """All runs that the options ask for, those of one fold and seed next to each other."""
    found = []
    for seed in map(int, config.seeds):
        for fold in map(int, config.folds):
            for data in config.data:
                name, _, folder = data.partition("=")
                if name == "signs" and fold != int(config.folds[0]):
                    continue
                for label, options in recipes(config).items():
                    found.append(_job(config, label, options, name, folder, fold, seed, work))
    return found


def recipes(config: RecipeConfig) -> dict[str, tuple[str, ...]]:
    """
    Raises:
        UserError: no such variant.
    """
    if config.label:
        return {config.label: tuple(config.options.split())}
    strange = set(config.variants) - set(VARIANTS)
    if strange:
        raise UserError(f"no recipe {', '.join(sorted(strange))}; there are {', '.join(VARIANTS)}")
    return {name: VARIANTS[name] for name in config.variants}


def _job(
    config: RecipeConfig, label: str, options: tuple[str, ...], name: str, folder: str, fold: int,
    seed: int, work: Path,
) -> Job:  # fmt: skip
    signs = name == "signs"
    if not signs and not folder:
        raise UserError(f"--data {name}: give its folder, as {name}=DIR")
    place = make_signs(work) if signs else make_fold(name, Path(folder), fold, work)
    lines = (place / "ImageSets" / "Main" / "train.txt").read_text().split()
    return Job(
        variant=label,
        data=name,
        folder=str(place),
        fold=-1 if signs else fold,
        seed=seed,
        size=config.size if config.size == "auto" else int(config.size),
        photos=None if config.minutes else config.photos,
        minutes=config.minutes,
        options=options,
        split="test" if signs else "held_out",
        count=len(lines) if signs else round(HELD_OUT_OF_TRAINING * len(lines)),
        commit=commit_of(config.code.resolve()),
    )


if __name__ == "__main__":
    sys.exit(run(main))
