"""The classes file: what is written is what is read."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from utils.data.classes import read_classes, write_classes
from utils.errors import UserError

NAME = st.text(st.sampled_from("#\\a1é\u200c "), min_size=1, max_size=6).map(
    lambda text: " ".join(text.split())
)


@given(st.lists(NAME.filter(bool), min_size=1, max_size=5, unique=True))
def test_names_come_back(tmp_path_factory, names):
    path = tmp_path_factory.mktemp("classes") / "classes.txt"
    write_classes(path, names)
    assert read_classes(path) == tuple(names)


@pytest.mark.parametrize("name", ["\x1b[31mred", "a\x7f", "\ufeffa", "a\uffff"])
def test_names_that_cannot_be_shown_are_refused(tmp_path, name):
    path = tmp_path / "classes.txt"
    path.write_text(f"b\n{name}\n", encoding="utf-8")
    with pytest.raises(UserError, match=r"line 2: .* is not a class name"):
        read_classes(path)


def test_names_of_enormous_length_are_refused(tmp_path):
    path = tmp_path / "classes.txt"
    path.write_text(f"b\n{'x' * 1001}\n", encoding="utf-8")
    with pytest.raises(UserError, match="line 2: a name of 1,001 characters"):
        read_classes(path)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_files_that_windows_writes(tmp_path, encoding):
    path = tmp_path / "classes.txt"
    path.write_bytes("cat\r\ndog\r\n".encode(encoding))
    assert read_classes(path) == ("cat", "dog")


def test_accents_are_read_in_one_spelling(tmp_path):
    path = tmp_path / "classes.txt"
    path.write_text("cafe\u0301\n", encoding="utf-8")
    assert read_classes(path) == ("caf\u00e9",)
    path.write_text("cafe\u0301\ncaf\u00e9\n", encoding="utf-8")
    with pytest.raises(UserError, match="stands in line 1 already"):
        read_classes(path)


def test_comments_and_names_that_look_like_some(tmp_path):
    path = tmp_path / "classes.txt"
    path.write_text("# bolts\n\n\\#1 bolt\n#2 bolt\nnut #3\n")
    assert read_classes(path) == ("#1 bolt", "nut #3")
    path.write_text("\\#1\n\\#1\n")
    with pytest.raises(UserError, match="stands in line 1 already"):
        read_classes(path)
