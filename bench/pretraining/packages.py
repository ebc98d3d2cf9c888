"""Fetches the openly licensed packages of drawings, textures and fonts.

``npm pack`` and ``apt-get download`` fetch them, npm's at fixed versions; they are unpacked in a
cache folder. Nothing of them is part of this project.
"""

from __future__ import annotations

import shutil
import subprocess
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

from utils.errors import UserError


@dataclass(frozen=True)
class Package:
    """A package and why it may be used.

    Attributes:
        tool: ``npm`` or ``apt``.
        name, version: as the tool calls them; none for Debian, which has one a release.
        licence: of what is taken from it.
        folder: where it is unpacked below the cache.
    """

    tool: str
    name: str
    version: str
    licence: str
    folder: str


PACKAGES = (
    Package("npm", "@iconify-json/noto", "1.2.9", "Apache-2.0", "noto"),
    Package("npm", "@iconify-json/fluent-emoji", "1.2.7", "MIT", "fluent"),
    Package("npm", "@iconify-json/fluent-emoji-flat", "1.2.6", "MIT", "fluent-flat"),
    Package("npm", "@lobehub/fluent-emoji-3d", "1.1.0", "MIT", "fluent-3d"),
    Package("npm", "@pmndrs/assets", "1.7.0", "CC0-1.0", "panoramas"),  # only hdri/ is used
    Package("apt", "openclipart-png", "", "public domain", "clip-arts"),
    Package("apt", "unicode-data", "", "Unicode-3.0", "unicode"),
    Package("apt", "mypaint-data-extras", "", "CC0-1.0", "papers"),  # only backgrounds/ is used
    Package("apt", "fonts-lobster", "", "OFL-1.1", "fonts/lobster"),
    Package("apt", "fonts-cabin", "", "OFL-1.1", "fonts/cabin"),
    Package("apt", "fonts-comfortaa", "", "OFL-1.1", "fonts/comfortaa"),
    Package("apt", "fonts-play", "", "OFL-1.1", "fonts/play"),
    Package("apt", "fonts-quattrocento", "", "OFL-1.1", "fonts/quattrocento"),
    Package("apt", "fonts-junction", "", "OFL-1.1", "fonts/junction"),
    Package("apt", "fonts-roboto-slab", "", "Apache-2.0", "fonts/roboto-slab"),
)


def fetch_all(cache: Path) -> None:
    """Fetch the packages that are missing in the cache; its folders are complete."""
    for package in PACKAGES:
        if not (cache / package.folder).exists():
            _fetch(package, cache / package.folder)


def _fetch(package: Package, folder: Path) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".fetching-") as temporary:
        unpacked = Path(temporary) / "unpacked"
        unpacked.mkdir()
        if package.tool == "npm":
            _run("npm", "pack", f"{package.name}@{package.version}", cwd=temporary)
            with tarfile.open(next(Path(temporary).glob("*.tgz"))) as archive:
                archive.extractall(unpacked, filter="data")
        else:
            _run("apt-get", "download", package.name, cwd=temporary)
            file = next(Path(temporary).glob("*.deb")).name
            _run("dpkg-deb", "-x", file, "unpacked", cwd=temporary)
        shutil.move(unpacked, folder)


def _run(*command: str, cwd: str) -> None:
    try:
        done = subprocess.run(command, cwd=cwd, capture_output=True, text=True)
    except FileNotFoundError:
        raise UserError(f"{command[0]} is needed to fetch drawings, and was not found") from None
    if done.returncode:
        raise UserError(f"{' '.join(command)} failed: {done.stderr.strip()[-400:]}")
