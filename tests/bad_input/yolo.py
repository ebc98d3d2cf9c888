"""YOLO labels and their YAML."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from .case import Case, content, encoded, picture

_YAML = "path: .\ntrain: images\nval: images\nnames:\n  0: cat\n"
_GOOD = "0 0.5 0.5 0.5 0.5\n"


def cases() -> Iterator[Case]:
    for name, (text, count) in _labels().items():
        yield Case("yolo", f"label-{name}", _folder(_YAML, text), ("odd-one",), count)
    readers = ("train: reading", "train --check", "convert")
    yield Case("yolo", "classes-many", _many_classes, ("odd-one",), 5001, uses=readers)
    for name, text in _yaml().items():
        yield Case("yolo", f"yaml-{name}", _folder(text, _GOOD))


def _folder(yaml: str | bytes, label: str | bytes) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        for i, name in enumerate(("good 0", "good 1", "odd-one")):
            content(encoded(picture(seed=30 + i), "PNG"), f"images/{name}.png")(folder)
            content(label if name == "odd-one" else _GOOD, f"labels/{name}.txt")(folder)
        content(yaml, "data.yaml")(folder)

    return write


def _many_classes(folder: Path) -> None:
    _folder(_YAML, "600000 0.5 0.5 0.5 0.5\n" * 5000 + _GOOD)(folder)
    (folder / "data.yaml").unlink()
    content("".join(f"{i:x}\n" for i in range(170_000)), "classes.txt")(folder)


def _labels() -> dict[str, tuple[str | bytes, int | None]]:
    """Label files, and how many objects they have."""
    return {
        "nan": ("0 nan 0.5 0.5 0.5\n" + _GOOD, 2),
        "infinite": ("0 inf 0.5 0.5 0.5\n" + _GOOD, 2),
        "negative": ("0 -0.5 0.5 -0.5 0.5\n" + _GOOD, 2),
        "pixels": ("0 32 24 10 10\n" + _GOOD, 2),
        "short": ("0 0.5 0.5\n" + _GOOD, 2),
        "long": ("0 " + "0.5 " * 100_001 + "\n" + _GOOD, 2),
        "class-negative": ("-1 0.5 0.5 0.5 0.5\n" + _GOOD, 2),
        "class-huge": ("9" * 5000 + " 0.5 0.5 0.5 0.5\n" + _GOOD, 2),
        "class-text": ("cat 0.5 0.5 0.5 0.5\n" + _GOOD, 2),
        "class-fraction": ("0.5 0.5 0.5 0.5 0.5\n" + _GOOD, 2),
        "commas": ("0,0.5,0.5,0.5,0.5\n" + _GOOD, 2),
        "empty": ("", 0),
        "many": (_GOOD * 50_000, 50_000),
        "noise": (bytes(range(256)), None),
        "utf16": (_GOOD.encode("utf-16"), 1),
        "one-long-line": ("0 0.5 " * 500_000, None),
        "too-large": (_GOOD.encode() * 2_000_000, None),
    }


def _yaml() -> dict[str, str | bytes]:
    names = "names: [cat]\ntrain: images\n"
    laughs = "a0: &a0 [ha, ha]\n" + "".join(
        f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 12)
    )
    return {
        "tag-that-runs": names + 'x: !!python/object/apply:os.system ["touch canary"]\n',
        "tag-for-names": "train: images\nnames: !!python/name:os.system\n",
        "tag-in-a-list": "train: images\nnames: [!!python/object/new:os.system [touch canary]]\n",
        "billion-laughs": laughs + "names: *a11\ntrain: images\n",
        "laughs-as-splits": names + laughs.replace("a1", "train"),
        "anchor-of-itself": "names: &n [*n]\ntrain: images\n",
        "unknown-anchor": "names: *nobody\ntrain: images\n",
        "deep": names + "x: " + "[" * 100_000,
        "keys-that-are-lists": names + "? [a, b]\n: 1\n",
        "path-up": "path: ../../../../\n" + names,
        "path-absolute": "path: /etc\n" + names,
        "split-outside": "names: [cat]\ntrain: /etc/passwd\nval: ../../../../etc\n",
        "split-is-a-device": "names: [cat]\ntrain: /dev/zero\n",
        "download-script": names + "download: |\n  import os; os.system('touch canary')\n",
        "nc-huge": f"nc: {'9' * 400}\ntrain: images\n",
        "nc-disagrees": "nc: 2\n" + names,
        "names-number": "names: 7\ntrain: images\n",
        "names-none": "names:\ntrain: images\nnc: 1\n",
        "names-twice": "names: [cat, cat]\ntrain: images\n",
        "ids-far-apart": "names: {0: cat, 999999999: dog}\ntrain: images\n",
        "tabs": "names:\n\t0: cat\ntrain: images\n",
        "noise": b"names train path \x00\xff\xfe" + bytes(range(256)),
        "cut": _YAML[:30],
        "two-documents": names + "---\n" + names,
        "empty": "",
    }
