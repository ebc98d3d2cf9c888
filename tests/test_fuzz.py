"""The targets of ``tests/fuzz`` for a moment, without Atheris: seeds, former finds, and some
hundred mutations of them. ``make fuzz`` runs them for long."""

from __future__ import annotations

import subprocess
import sys
from itertools import islice
from pathlib import Path

import pytest

from tests.fuzz.mutation import mutated
from tests.fuzz.target import Target, find
from tests.fuzz.targets import NAMES, load

ROOT = Path(__file__).parents[1]
SEEDS = 12
EXECUTIONS = {"split_list": 50, "configuration": 60, "request": 100, "exif": 100}  # slow ones
USUAL = 600


@pytest.mark.parametrize("name", NAMES)
def test_no_input_breaks_a_promise(name):
    target = load(name)
    seeds = [*target.finds, *islice(target.seeds(), SEEDS)]
    assert seeds
    count = EXECUTIONS.get(name, USUAL)
    for data in (*seeds, *mutated(seeds, target.words, count, target.most_bytes)):
        found = find(target, data)
        assert found is None, f"{name}: {data[:200]!r}\n{found.place}\n{found.report}"


def test_every_target_is_listed():
    files = {path.stem for path in (ROOT / "tests" / "fuzz" / "targets").glob("*.py")}
    assert set(NAMES) == files - {"__init__", "labels"}
    assert len(set(NAMES)) == len(NAMES)


@pytest.mark.parametrize(
    ("error", "place"),
    [
        (ZeroDivisionError("x"), "ZeroDivisionError"),
        (SystemExit(0), "SystemExit"),
        (ValueError("two\x1b[31m"), "message"),
        (ValueError(""), "message"),
    ],
)
def test_what_a_reader_does_wrong_is_found(error, place):
    def run(data: bytes) -> None:
        raise error

    found = find(Target("made up", run, tuple, (ValueError,)), b"")
    assert found.place.startswith(place)
    assert type(error).__name__ in found.report


def test_a_refusal_is_no_find():
    def run(data: bytes) -> None:
        raise ValueError("no such thing")

    assert find(Target("made up", run, tuple, (ValueError,)), b"") is None


def test_mutations_are_the_same_in_every_run():
    first, again = (list(mutated([b"abc", b"defg"], [b"word"], 100, 50)) for _ in range(2))
    assert first == again
    assert len(set(first)) > 60
    assert max(map(len, first)) <= 50


def test_without_atheris_it_says_what_is_missing(tmp_path):
    """A module path in which nothing is called atheris."""
    code = (
        "import sys, importlib.util as util; found = util.find_spec; "
        "util.find_spec = lambda name, *rest: None if name == 'atheris' else found(name, *rest); "
        "sys.argv = ['fuzz']; import runpy; runpy.run_module('tests.fuzz', run_name='__main__')"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2
    assert 'pip install --editable ".[dev,fuzz]"' in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_atheris_goes_on_where_it_ended(tmp_path):
    pytest.importorskip("atheris")
    from tests.fuzz.session import run_target

    first = run_target("litert_file", tmp_path, 2)
    again = run_target("litert_file", tmp_path, 2)
    assert min(first.executions, again.executions) > 0
    assert again.inputs >= first.inputs > len(load("litert_file").finds)
    assert first.finds == again.finds == []
