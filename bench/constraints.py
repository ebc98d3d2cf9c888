"""``python -m bench.constraints``: write ``constraints/*.txt``, the exact versions of all packages
that the project was tested with, and the hashes of their files.

``setup.txt`` is what ``make setup`` installs. The other files are what one more extra adds to it.
They hold for Python 3.11 to 3.13 on every system. It needs ``uv`` (``pip install uv``), and asks
the package index. Versions that the files have already are kept; ``--upgrade`` takes the newest.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

from bench.common import ROOT
from utils.files import atomic_write

FOLDER = ROOT / "constraints"
SETUP = ("dev", "onnx", "openvino", "litert", "int8", "serve")  # as in the Makefile
ADDED = ("gpu", "video", "pretraining", "fuzz")
# Newer ones refuse Python 3.11 and later, and uv does not look at upper bounds.
HELD = ("backports-strenum<1.3",)
_HEAD = """\
# {what}, for Python 3.11 to 3.13.
# Made by: python -m bench.constraints. docs/security.md says how to use it.
"""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.constraints", description=__doc__)
    parser.add_argument("--upgrade", action="store_true", help="take the newest versions")
    upgrade = parser.parse_args().upgrade
    if not shutil.which("uv"):
        raise SystemExit("error: uv is not installed; install it with: pip install uv")
    setup = dict(blocks(compiled(SETUP, FOLDER / "setup.txt", upgrade=upgrade)))
    write("setup.txt", "What `make setup LOCKED=1` installs", setup.values())
    for extra in ADDED:
        more = blocks(compiled((*SETUP, extra), FOLDER / f"{extra}.txt", upgrade=upgrade))
        added = [block for pin, block in more if pin not in setup]
        write(f"{extra}.txt", f"What the extra `{extra}` adds to setup.txt", added)


def compiled(extras: Sequence[str], before: Path, *, upgrade: bool) -> str:
    """What ``uv`` finds for the project with these extras."""
    kept = [] if upgrade else [FOLDER / "setup.txt", before]
    words = ["uv", "pip", "compile", "pyproject.toml", "--universal", "--python-version", "3.11"]
    words += ["--generate-hashes", "--no-emit-index-url", "--no-header", "--no-annotate", "--quiet"]
    words += [f"--extra={extra}" for extra in extras]
    words += [f"--constraint={path}" for path in dict.fromkeys(kept) if path.exists()]
    held = "\n".join(HELD)
    done = subprocess.run(
        [*words, "--constraint=-"], cwd=ROOT, input=held, capture_output=True, text=True
    )
    if done.returncode:
        raise SystemExit(f"error: uv: {done.stderr.strip()}")
    return done.stdout


def blocks(text: str) -> Iterator[tuple[str, str]]:
    """(``name==version`` with its condition, all its lines) of every package."""
    for block in re.split(r"\n(?=\S)", text.strip()):
        yield block.partition("\\")[0].strip(), block.rstrip()


def write(name: str, what: str, found: Sequence[str]) -> None:
    with atomic_write(FOLDER / name) as file:
        file.write(_HEAD.format(what=what))
        file.writelines(f"{block}\n" for block in found)
    print(f"{FOLDER / name}: {len(found)} packages")


if __name__ == "__main__":
    main()
