"""What a wheel holds, and which environment the Makefile sets up."""

import os
import shutil
import subprocess
import tomllib
from fnmatch import fnmatch
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def setuptools_options() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]


def test_a_wheel_has_all_modules_of_the_top_level():
    commands = {path.stem for path in ROOT.glob("*.py")}
    assert commands == set(setuptools_options()["py-modules"])


def test_a_wheel_has_every_file_that_the_packages_read():
    options = setuptools_options()
    assert set(options["packages"]["find"]["include"]) == {"nets*", "utils*", "model_data"}
    patterns = options["package-data"]
    missing = []
    for top in ("nets", "utils", "model_data"):
        for path in sorted((ROOT / top).rglob("*")):
            if path.is_dir() or path.suffix in (".py", ".pyc", ".md"):
                continue
            folders = [f for f in path.relative_to(ROOT).parents if ".".join(f.parts) in patterns]
            below = {f: path.relative_to(ROOT / f).as_posix() for f in folders}
            if not any(
                fnmatch(name, pattern)
                for folder, name in below.items()
                for pattern in patterns[".".join(folder.parts)]
            ):
                missing.append(path.relative_to(ROOT).as_posix())
    assert not missing


@pytest.fixture
def project(tmp_path):
    """A project whose environment is ready."""
    if shutil.which("make") is None:
        pytest.skip("make is not installed")
    (tmp_path / "constraints").mkdir()
    for name in ("Makefile", "pyproject.toml", "constraints/setup.txt"):
        shutil.copy(ROOT / name, tmp_path / name)
        os.utime(tmp_path / name, (1e9, 1e9))
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv" / "ready").touch()
    return tmp_path


def planned(project: Path, *arguments: str) -> str:
    """What make would run."""
    command = ["make", "--dry-run", *arguments]
    environment = {key: value for key, value in os.environ.items() if not key.startswith("MAKE")}
    return subprocess.run(
        command, cwd=project, env=environment, capture_output=True, text=True, check=True
    ).stdout


def test_an_environment_that_is_ready_is_not_set_up_again(project):
    assert "pip install" not in planned(project, "test")
    os.utime(project / "pyproject.toml")
    assert "pip install --editable" in planned(project, "test")


def test_a_locked_environment_is_made_anew_and_stays_locked(project):
    first = planned(project, "setup", "LOCKED=1")
    assert "--clear" in first
    assert "pip install --require-hashes --requirement constraints/setup.txt" in first
    (project / ".venv" / "ready").unlink()
    (project / ".venv" / "ready-locked").touch()
    assert "pip install" not in planned(project, "setup", "LOCKED=1")
    assert "pip install" not in planned(project, "test")
    os.utime(project / "constraints" / "setup.txt")  # other versions were locked
    assert "--require-hashes" in planned(project, "test")
