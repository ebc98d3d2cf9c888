"""A YOLO folder's YAML and names file: ``read_yaml``, ``read_names``, and the folder it makes."""

from __future__ import annotations

from contextlib import suppress
from functools import cache
from pathlib import Path

from tests.bad_input import yolo
from tests.bad_input.case import content, encoded, picture
from tests.fuzz.target import Target, files_of, is_plain, require, scratch, written
from utils.data.formats import find_layout
from utils.data.formats.yolo_yaml import read_names, read_yaml
from utils.errors import UserError


@cache
def _folder() -> Path:
    folder = scratch() / "yolo"
    for name in ("a", "b"):
        content(encoded(picture(), "PNG"), f"images/{name}.png")(folder)
        content("0 0.5 0.5 0.5 0.5\n", f"labels/{name}.txt")(folder)
    return folder


def _run(data: bytes) -> None:
    path = written(data, "data.yaml")
    with suppress(ValueError):
        read_names(path)
    found = read_yaml(path)
    if found is None:
        return
    require(all(type(key) is int for key in found.names), "ids are numbers")
    require(all(is_plain(name) for name in found.names.values()), "names that can be shown")
    folder = _folder()
    (folder / "data.yaml").write_bytes(data)
    layout = find_layout(folder)
    for entry in layout.entries.values():
        require(entry.image.resolve().is_relative_to(folder), "photos within the folder")


TARGET = Target(
    name="yolo_yaml",
    run=_run,
    seeds=lambda: files_of(yolo.cases(), "yolo", "data.yaml", 4000),
    refusals=(ValueError, UserError),
    words=(b"names:", b"train:", b"val:", b"test:", b"path:", b"nc:", b"kpt_shape:", b"&a", b"*a",
           b"<<:", b"!!python/object/apply:os.system", b"- ", b"? ", b"|\n", b"../", b"/", b"---",
           b"%YAML 1.1", b"\xff\xfe"),
)  # fmt: skip
