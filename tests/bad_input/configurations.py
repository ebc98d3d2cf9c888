"""Files for ``--config``: unknown keys, wrong types, contradictions, and YAML that would run."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

from .case import Case, content

_FILE = "config.yaml"


def cases() -> Iterator[Case]:
    for name, text in _any().items():
        yield Case("configuration", name, content(text, _FILE))
    for command, files in _own().items():
        for name, text in files.items():
            write = content(text, _FILE)
            yield Case("configuration", f"{command}-{name}", write, uses=(command,))
    yield Case("configuration", "folder", lambda folder: (folder / _FILE).mkdir())
    yield Case("configuration", "named-pipe", lambda folder: os.mkfifo(folder / _FILE))
    yield Case("configuration", "device", _link("/dev/zero"))
    yield Case("configuration", "dangling-link", _link("nowhere.yaml"))


def _link(target: str) -> Callable[[Path], None]:
    return lambda folder: (folder / _FILE).symlink_to(target)


def _any() -> dict[str, str | bytes]:
    laughs = "a0: &a0 [ha, ha]\n" + "".join(
        f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 12)
    )
    return {
        "unknown-key": "no-such-option: 1\n",
        "tag-that-runs": 'weights: !!python/object/apply:os.system ["touch canary"]\n',
        "tag-that-imports": "weights: !!python/module:antigravity\n",
        "billion-laughs": laughs,
        "laughs-as-value": laughs + "weights: *a11\n",
        "laughs-inline": "weights: [&a [x, x, x, x, x, x, x, x, x, x]"
        + "".join(f", &{b} [{', '.join([f'*{a}'] * 10)}]" for a, b in pairwise("abcdefghij"))
        + "]\n",
        "anchor-of-itself": "weights: &n [*n]\n",
        "deep": "weights: " + "[" * 100_000,
        "list": "- weights\n- data\n",
        "text": "weights\n",
        "number": "7\n",
        "keys-that-are-lists": "? [a, b]\n: 1\n",
        "two-documents": "weights: a\n---\nweights: b\n",
        "tab": "\tweights: a\n",
        "cut": 'weights: "a',
        "noise": bytes(range(256)),
        "latin1": "weights: größe\n".encode("latin-1"),
        "huge-number": f"weights: {'9' * 10_000}\n",
        "date": "weights: 2024-13-45\n",
        "value-is-a-mapping": "weights: {a: 1}\n",
        "value-is-true": "weights: true\n",
        "long": "x: 1\n" * 3_000_000,
    }


def _own() -> dict[str, dict[str, str]]:
    return {
        "predict": {
            "conf-text": "sources: [photo.jpg]\nconf: high\n",
            "conf-2": "sources: [photo.jpg]\nconf: 2\n",
            "conf-nan": "sources: [photo.jpg]\nconf: .nan\n",
            "max-det-huge": f"sources: [photo.jpg]\nmax-det: {'9' * 30}\n",
            "fps-and-stride": "sources: [photo.jpg]\nfps: 5\nstride: 2\n",
            "shard-9-of-2": "sources: [photo.jpg]\nshard: 9/2\n",
            "serve-and-sources": "sources: [photo.jpg]\nserve: true\n",
            "no-sources": "conf: 0.5\n",
        },
        "train": {
            "epochs-minus": "data: photos\nepochs: -1\n",
            "epochs-and-resume": "data: photos\nresume: true\n",
            "size-33": "data: photos\ninput-size: 33\n",
            "size-huge": "data: photos\ninput-size: 1000000000\n",
            "batch-0": "data: photos\nbatch-size: 0\n",
            "backbone-unknown": "data: photos\nbackbone: resnet9000\n",
            "minutes-infinite": "data: photos\nminutes: .inf\n",
        },
        "get_map": {
            "nothing": "conf: 0.1\n",
            "weights-and-detections": "weights: a.keras\ndetections: b.json\ndata: photos\n",
            "iou-list": "weights: a.keras\ndata: photos\niou: [0.5, 0.6]\n",
        },
        "export": {
            "format-unknown": "weights: a.keras\nformat: caffe\n",
            "int8-without-data": "weights: a.keras\nformat: onnx\nint8: true\n",
        },
    }
