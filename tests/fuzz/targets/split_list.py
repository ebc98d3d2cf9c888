"""The split lists of a VOC folder, as ``find_layout`` reads them."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from tests.bad_input import lists
from tests.bad_input.voc_xml import write_good
from tests.fuzz.target import Target, files_of, is_plain, require, scratch
from utils.data.formats import find_layout
from utils.errors import UserError


@cache
def _folder() -> Path:
    folder = scratch() / "voc"
    write_good(folder)
    (folder / "ImageSets" / "Main").mkdir(parents=True)
    return folder


def _run(data: bytes) -> None:
    folder = _folder()
    (folder / "ImageSets" / "Main" / "train.txt").write_bytes(data)
    layout = find_layout(folder)
    require(len(layout.entries) == 3, "all photos are found")
    for found in layout.lists.values():
        require(set(found.image_ids) <= set(layout.entries), "only photos of the folder")
        require(len(set(found.image_ids)) == len(found.image_ids), "each photo once")
    for note in layout.notes:
        require(is_plain(note), f"a note that can be shown: {note!a:.100}")


TARGET = Target(
    name="split_list",
    run=_run,
    seeds=lambda: files_of(lists.cases(), "list", "train.txt", 8000),
    refusals=(UserError,),
    words=(b"good 0", b"good 1\n", b"good 2 -1\n", b".png", b"JPEGImages/", b"../", b"./", b"/",
           b"\xff\xfe", b"\xc2\x85", b"\x1b[31m", b"\0"),
)  # fmt: skip
