"""The classes file: ``read_classes``; what it gives is written and read again."""

from __future__ import annotations

from tests.bad_input import lists
from tests.fuzz.target import Target, files_of, is_plain, require, scratch, written
from utils.data.classes import read_classes, write_classes
from utils.errors import UserError


def _run(data: bytes) -> None:
    found = read_classes(written(data, "classes.txt"))
    require(bool(found) and len(set(found)) == len(found), "different names")
    require(all(is_plain(name) for name in found), "names that can be shown")
    again = scratch() / "again.txt"
    write_classes(again, found)
    require(read_classes(again) == found, "the same names, written and read")


TARGET = Target(
    name="class_list",
    run=_run,
    seeds=lambda: files_of(lists.cases(), "classes", "classes.txt", 8000),
    refusals=(UserError,),
    words=(b"#", b"\\#", b"\\\\#", b"\xef\xbb\xbf", b"\xc2\x85", b"\xe2\x80\xa8", b"\x1b[31m"),
)
