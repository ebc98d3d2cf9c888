"""The constraints files hold what ``pyproject.toml`` asks for, with hashes, and name no host."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from bench.constraints import ADDED, FOLDER, SETUP, blocks

ROOT = Path(__file__).resolve().parent.parent
PYTHONS = ("3.11", "3.12", "3.13")


def pins(*names: str) -> list[Requirement]:
    texts = [(FOLDER / f"{name}.txt").read_text() for name in names]
    return [
        Requirement(pin) for text in texts for pin, _ in blocks(text) if not pin.startswith("#")
    ]


@pytest.mark.parametrize("extra", [None, *ADDED])
def test_every_dependency_is_pinned_within_its_bounds(extra):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    asked = [*project["dependencies"], *(one for name in SETUP for one in extras[name])]
    found = pins("setup", extra) if extra else pins("setup")
    for text in [*asked, *(extras[extra] if extra else [])]:
        dependency = Requirement(text)
        name = canonicalize_name(dependency.name)
        same = [pin for pin in found if canonicalize_name(pin.name) == name]
        for python in PYTHONS:
            environment = {"python_version": python, "python_full_version": f"{python}.1"}
            (pin,) = [pin for pin in same if pin.marker is None or pin.marker.evaluate(environment)]
            (version,) = [one.version for one in pin.specifier]
            assert str(pin.specifier).startswith("==")
            assert dependency.specifier.contains(version), text


@pytest.mark.parametrize("name", ["setup", *ADDED])
def test_every_package_has_hashes_and_no_host_is_named(name):
    text = (FOLDER / f"{name}.txt").read_text()
    for pin, block in blocks(text):
        if not pin.startswith("#"):
            assert re.search(r"--hash=sha256:[0-9a-f]{64}", block), pin
    assert not re.search(r"//|--index|--find", text)


def test_the_makefile_installs_the_same_extras():
    assert f'".[{",".join(SETUP)}]"' in (ROOT / "Makefile").read_text()
