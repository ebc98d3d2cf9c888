"""Split lists of a VOC folder, and the file of ``--classes``."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from .case import Case, content
from .voc_xml import write_good

_LIST = "ImageSets/Main/train.txt"


def cases() -> Iterator[Case]:
    for name, data in _contents().items():
        yield Case("list", name, _with(content(data, _LIST)))
    yield Case("list", "folder-named-txt", _with(lambda f: (f / _LIST).mkdir(parents=True)))
    yield Case("list", "named-pipe", _with(_pipe))
    for name, data in _classes().items():
        yield Case("classes", name, _with(content(data, "classes.txt")))


def _with(change: Callable[[Path], None]) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        write_good(folder)
        change(folder)

    return write


def _pipe(folder: Path) -> None:
    (folder / _LIST).parent.mkdir(parents=True)
    os.mkfifo(folder / _LIST)


def _contents() -> dict[str, str | bytes]:
    return {
        "empty": "",
        "blank-lines": "\n \n\t\n",
        "nothing-that-exists": "no 1\nno 2\n",
        "outside": "../../../../etc/passwd\n/etc/passwd\ngood 1\n",
        "twice": "good 1\ngood 1\ngood 1\n",
        "one-long-line": "good 1 " * 200_000,
        "a-million-lines": "good 1\n" * 1_000_000,
        "noise": bytes(range(256)) * 50,
        "utf16": "good 1\r\ngood 2\r\n".encode("utf-16"),
        "latin1": "größe\ngood 1\n".encode("latin-1"),
        "zero-bytes-inside": b"good 1\0\ngood 2\n",
        "other-line-ends": "good 1\rgood 2\r\n\x0bgood 0\n",
        "wrong-numbers-behind": "good 1 7\ngood 2 x\ngood 0 -1\n",
        "too-large": b" " * (65 << 20),
    }


def _classes() -> dict[str, str | bytes]:
    return {
        "empty": "",
        "blank": "\n\n \n",
        "twice": "cat\ncat\n",
        "another": "dog\n",
        "noise": bytes(range(256)),
        "utf16": "cat\r\ndog\r\n".encode("utf-16"),
        "a-long-name": "cat\n" + "x" * 1_000_000 + "\n",
        "a-hundred-thousand": "cat\n" + "".join(f"class {i}\n" for i in range(100_000)),
        "too-large": b"cat\n" + b"x\n" * (40 << 20),
    }
