"""``python -m tests.fuzz.worker NAME FOLDER [libFuzzer's options]``: one target in Atheris, until
libFuzzer ends the process. ``FOLDER`` gets ``progress.json`` and a folder ``finds``."""

from __future__ import annotations

import faulthandler
import hashlib
import json
import sys
import time
from pathlib import Path

import atheris

# Packages in Python whose lines and comparisons guide the search. They must not be imported before.
GUIDES = (
    "utils", "yaml", "defusedxml", "PIL", "starlette", "python_multipart", "uvicorn", "h11",
)  # fmt: skip


class Watch:
    """Judges inputs, and keeps one of each find."""

    def __init__(self, name: str, folder: Path) -> None:
        from tests.fuzz.target import find
        from tests.fuzz.targets import load

        with atheris.instrument_imports(include=GUIDES):
            self.target = load(name)
        self._find, self._folder = find, folder
        (folder / "finds").mkdir(parents=True, exist_ok=True)
        self._known: set[str] = set()
        self._executions, self._slowest, self._finds = 0, 0.0, []
        self._told = self._began = 0.0

    def look(self, data: bytes) -> None:
        """What Atheris calls."""
        started = time.perf_counter()
        self._began = self._began or started
        found = self._find(self.target, data)
        now = time.perf_counter()
        self._executions += 1
        self._slowest = max(self._slowest, now - started)
        if found and found.place not in self._known:
            self._known.add(found.place)
            name = hashlib.sha256(found.place.encode()).hexdigest()[:12]
            (self._folder / "finds" / name).write_bytes(data)
            (self._folder / "finds" / f"{name}.txt").write_text(
                f"{found.place}\n\n{found.report}", encoding="utf-8", errors="backslashreplace"
            )
            self._finds.append(found.place)
            print(f"FIND {self.target.name}: {found.place}", flush=True)
        if found or now - self._told > 1:
            self._told = now
            self._tell()

    def _tell(self) -> None:
        part = self._folder / "progress.part"
        told = {
            "executions": self._executions, "seconds": self._told - self._began,
            "slowest_s": self._slowest, "finds": self._finds,
        }  # fmt: skip
        part.write_text(json.dumps(told), encoding="utf-8")
        part.replace(self._folder / "progress.json")


def main() -> None:
    name, folder, *options = sys.argv[1:]
    faulthandler.dump_traceback_later(60, repeat=True)  # where a hang is, in the log
    watch = Watch(name, Path(folder))
    atheris.Setup([sys.argv[0], *options], watch.look)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
