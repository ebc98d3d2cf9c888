"""Files are whole or absent, and known by their content."""

import os
import shutil
import tempfile
import time

import pytest

from utils.errors import UserError
from utils.files import (
    TooLargeError,
    atomic_folder,
    atomic_write,
    check_clock,
    check_writable,
    content_hash,
    read_limited,
    remove_abandoned,
)


def test_text_is_utf8_and_folders_are_made(tmp_path):
    path = tmp_path / "new" / "naïve 名.txt"
    with atomic_write(path) as file:
        file.write("é\n名\n")
        assert not path.exists()
    assert path.read_bytes() == "é\n名\n".encode()
    assert os.listdir(path.parent) == [path.name]


def test_bytes_replace_what_was_there(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with atomic_write(path, "wb", durable=True) as file:
        file.write(b"new")
    assert path.read_bytes() == b"new"


def test_an_error_leaves_the_old_file_and_no_temporary(tmp_path):
    path = tmp_path / "file"
    path.write_text("old")

    def interrupted():
        with atomic_write(path) as file:
            file.write("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["file"]


def test_permissions_are_those_of_an_ordinary_file(tmp_path):
    with open(tmp_path / "ordinary", "w"):
        pass
    with atomic_write(tmp_path / "atomic"):
        pass
    assert (tmp_path / "atomic").stat().st_mode == (tmp_path / "ordinary").stat().st_mode

    (tmp_path / "atomic").chmod(0o640)
    with atomic_write(tmp_path / "atomic"):
        pass
    assert (tmp_path / "atomic").stat().st_mode & 0o777 == 0o640


def test_the_longest_file_name_works(tmp_path):
    path = tmp_path / ("n" * 255)
    with atomic_write(path) as file:
        file.write("x")
    assert path.read_text() == "x"


def test_other_modes_are_refused(tmp_path):
    with pytest.raises(ValueError, match="'a'"), atomic_write(tmp_path / "file", "a"):
        pass


def test_content_hash_is_the_start_of_sha256(tmp_path):
    (tmp_path / "empty").write_bytes(b"")
    (tmp_path / "abc").write_bytes(b"abc")
    assert content_hash(tmp_path / "empty") == "e3b0c44298fc1c14"
    assert content_hash(tmp_path / "abc") == "ba7816bf8f01cfea"


def test_a_folder_appears_once_it_is_complete(tmp_path):
    out = tmp_path / "deep" / "out"
    out.mkdir(parents=True)  # an empty folder will do
    with atomic_folder(out) as folder:
        (folder / "a").write_text("a")
        assert not any(out.iterdir())
    assert [path.name for path in out.iterdir()] == ["a"]
    ordinary = tmp_path / "ordinary"
    ordinary.mkdir()
    assert out.stat().st_mode == ordinary.stat().st_mode
    with pytest.raises(UserError, match=r"out: is not empty; name a folder"), atomic_folder(out):
        pass


def test_an_error_leaves_no_folder(tmp_path):
    with pytest.raises(KeyboardInterrupt), atomic_folder(tmp_path / "out"):
        raise KeyboardInterrupt
    assert not any(tmp_path.iterdir())


def test_a_file_too_large_or_missing(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"1234")
    assert read_limited(path, 4) == b"1234"
    with pytest.raises(TooLargeError, match="larger than"):
        read_limited(path, 3)
    with pytest.raises(ValueError, match="No such file"):
        read_limited(tmp_path / "b", 3)


def test_whether_a_file_can_be_written_is_known_before_and_leaves_nothing(tmp_path):
    check_writable(tmp_path / "new" / "deep" / "a.json", "--json")
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"^--json: nothing can be written to .*file$"):
        check_writable(tmp_path / "file" / "a.json", "--json")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_folder_that_goes_away_is_one_sentence(tmp_path):
    path = tmp_path / "out" / "found.json"
    for again in (False, True):  # another writer may have made it anew
        with (  # noqa: PT012
            pytest.raises(UserError, match=r"found\.json: its folder was removed"),
            atomic_write(path) as file,
        ):
            file.write("[")
            shutil.rmtree(path.parent)
            if again:
                path.parent.mkdir()
        assert not path.exists()
        shutil.rmtree(path.parent, ignore_errors=True)


def test_a_clock_before_1980_is_said(monkeypatch):
    long_ago = time.localtime(0)
    monkeypatch.setattr(time, "localtime", lambda: long_ago)
    with pytest.raises(UserError, match="the clock of this machine says 19"):
        check_clock()


def test_only_what_nobody_writes_any_more_is_removed(tmp_path):
    def old(path):
        os.utime(path, (1e9, 1e9))
        return path

    (tmp_path / ".part-dir" / "in").mkdir(parents=True)
    old(tmp_path / ".part-dir")
    for name in (".part-old", ".part-new", "part"):
        (tmp_path / name).write_text("half")
    old(tmp_path / ".part-old")
    old(tmp_path / "part")
    with atomic_write(tmp_path / "slow.csv") as file:
        (running,) = {*tmp_path.glob(".part-*")} - {
            tmp_path / name for name in (".part-dir", ".part-old", ".part-new")
        }
        old(running)
        remove_abandoned(tmp_path)
        assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
            [".part-new", running.name, "part"]
        )
        file.write("whole")
    assert (tmp_path / "slow.csv").read_text() == "whole"
    remove_abandoned(tmp_path / "gone")


def test_a_folder_that_goes_away_with_all_around_it_is_one_sentence(tmp_path):
    path = tmp_path / "around" / "new"
    with (  # noqa: PT012
        pytest.raises(UserError, match="was removed while it was written"),
        atomic_folder(path) as folder,
    ):
        (folder / "a").write_text("a")
        shutil.rmtree(path.parent)


@pytest.mark.parametrize(("write", "made"), [(atomic_write, "mkstemp"), (atomic_folder, "mkdtemp")])
def test_a_folder_that_goes_away_before_the_writing_begins_is_one_sentence(
    tmp_path, monkeypatch, write, made
):
    path, make = tmp_path / "around" / "new", getattr(tempfile, made)

    def make_too_late(*args, **options):
        shutil.rmtree(path.parent)
        return make(*args, **options)

    monkeypatch.setattr(tempfile, made, make_too_late)
    with pytest.raises(UserError, match=r"new: .*was removed while"), write(path):
        pytest.fail("there is nothing to write to")
    assert not path.parent.exists()
