"""The index of a folder: the cache returns what was read, and every change is noticed."""

import os
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import utils.cache_folder
import utils.data.batches.image_cache
import utils.data.folder.cache
import utils.data.folder.file_scan
import utils.data.folder.index
from tests.label_folders import CAT, DOG, fill, lists, pair, photo, xml
from utils.data.annotations import Annotation, AnnotationError
from utils.data.datasets import load_datasets, load_split
from utils.data.folder.cache import read_cache, write_cache
from utils.data.folder.data_folder import DataFolder
from utils.data.folder.index import open_index
from utils.data.folder.tables import EntryTable, LabelTable
from utils.data.formats import find_layout, read_annotations
from utils.images import image_info


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch):
    """A cache folder of the test's own."""
    folder = tmp_path_factory.mktemp("own")
    monkeypatch.setenv("EFFICIENT_YOLO3_CACHE", str(folder))
    return folder


@pytest.fixture
def work(monkeypatch):
    """Names of the photos measured and label files read since the last look."""
    done = []

    def measured(path):
        done.append(path.name)
        return image_info(path)

    read = utils.data.folder.index.read_annotations

    def reading(layout):
        for image_id, found in read(layout):
            done.append(f"{image_id}.xml")
            yield image_id, found

    monkeypatch.setattr(utils.data.folder.index, "image_info", measured)
    monkeypatch.setattr(utils.data.folder.index, "read_annotations", reading)

    def look():
        names = sorted(done)
        done.clear()
        return names

    return look


def settle():
    time.sleep(0.12)  # what changed this very moment is not cached


@pytest.fixture(autouse=True)
def fine_times(monkeypatch):
    """The file systems of today have fine times; waiting for the coarse takes too long."""
    monkeypatch.setattr(utils.data.folder.file_scan, "TICK", 100_000_000)


def same(a, b):
    """Whether two annotations say the same."""
    if isinstance(a, AnnotationError) or isinstance(b, AnnotationError):
        return a == b
    plain = ("where", "filename", "size", "names", "upright", "numbers", "errors")
    return all(getattr(a, name) == getattr(b, name) for name in plain) and all(
        np.array_equal(getattr(a, name), getattr(b, name)) for name in ("boxes", "difficult")
    )


def troubled(folder):
    """A folder in which one thing of each kind is wrong."""
    fill(folder, 6)
    photo(folder / "JPEGImages" / "alone.jpg")
    (folder / "JPEGImages" / "photo 01.jpg").write_bytes(b"no photo")
    (folder / "Annotations" / "photo 02.xml").write_text("<broken")
    (folder / "Annotations" / "photo 03.xml").write_text(
        xml(("cat", 9, 9, 3, 3), DOG, size=None, filename="other.jpg")
    )
    lists(folder, train=["photo 00", "photo 03", "gone"], val=["photo 04", "photo 05"])
    settle()


def test_the_cache_returns_what_was_read(tmp_path, work):
    troubled(tmp_path)
    layout = find_layout(tmp_path)
    annotations = read_annotations(layout)
    first = open_index(tmp_path)
    assert len(work()) == 12
    again = open_index(tmp_path)
    assert work() == []
    for index in (first, again):
        assert dict(index.layout.entries) == dict(layout.entries)
        for name in (
            "format",
            "lists",
            "years",
            "unlabelled",
            "unmatched_labels",
            "notes",
            "class_order",
        ):
            assert getattr(index.layout, name) == getattr(layout, name)
        assert index.photos[0].size == (40, 30, 1)
        assert "photo 01.jpg" in index.photos[1]
    for row, (image_id, found) in enumerate(annotations):
        assert first.entries.at(row).image_id == again.entries.at(row).image_id == image_id
        assert same(first.labels[row], found)
        assert same(again.labels[row], found)
    cold, warm = (load_datasets(tmp_path) for _ in range(2))
    assert cold[2] == warm[2]
    assert cold[0].notes == warm[0].notes


def test_only_what_changed_is_read_again(tmp_path, work):
    fill(tmp_path, 6)
    settle()
    open_index(tmp_path)
    work()
    (tmp_path / "Annotations" / "photo 02.xml").write_text(xml(DOG, DOG, DOG))
    photo(tmp_path / "JPEGImages" / "photo 04.jpg", (60, 50))
    (tmp_path / "Annotations" / "photo 05.xml").unlink()
    pair(tmp_path, "new", CAT)
    settle()
    index = open_index(tmp_path)
    assert work() == ["new.jpg", "new.xml", "photo 02.xml", "photo 04.jpg"]
    assert [len(index.labels[row].names) for row in range(6)] == [1, 2, 1, 3, 2, 1]
    assert index.photos[5].size == (60, 50, 1)
    assert [path.name for path in index.layout.unlabelled] == ["photo 05.jpg"]


def test_a_change_of_the_same_length_shows(tmp_path):
    pair(tmp_path, "a", ("cat", 1, 1, 20, 20))
    path = tmp_path / "Annotations" / "a.xml"
    settle()
    open_index(tmp_path)
    path.write_text(path.read_text().replace(">20<", ">21<"))
    assert load_split(tmp_path, "all").records[0].boxes.tolist() == [[0, 0, 21, 21]]


def test_changes_within_the_clocks_step_are_not_cached(tmp_path, work):
    fill(tmp_path, 1)
    path = tmp_path / "Annotations" / "photo 00.xml"
    future = time.time_ns() + 20_000_000
    os.utime(path, ns=(future, future))
    open_index(tmp_path)
    work()
    open_index(tmp_path)
    assert work() == ["photo 00.jpg", "photo 00.xml"]


@pytest.mark.parametrize("damage", ["cut", "noise", "empty", "without checksum"])
def test_a_damaged_index_is_made_again(tmp_path, cache, work, damage):
    fill(tmp_path, 4)
    settle()
    open_index(tmp_path)
    work()
    (path,) = cache.glob("index-*.npz")
    content = path.read_bytes()
    if damage == "cut":
        path.write_bytes(content[:-200])
    elif damage == "noise":
        middle = content.index(b"boxes.npy") + 150
        path.write_bytes(content[:middle] + b"\xff" * 8 + content[middle + 8 :])
    elif damage == "empty":
        path.write_bytes(b"")
    else:
        np.savez(path, **np.load(path))
    assert len(load_split(tmp_path, "all")) == 4
    assert len(work()) == 8
    open_index(tmp_path)
    assert work() == []


def test_it_can_be_turned_off_and_never_lies_in_the_data(tmp_path, cache, work, monkeypatch):
    fill(tmp_path, 8)
    settle()
    before = sorted(tmp_path.rglob("*"))
    load_datasets(tmp_path)
    assert list(cache.glob("index-*.npz"))
    assert sorted(tmp_path.rglob("*")) == before
    monkeypatch.setenv("EFFICIENT_YOLO3_CACHE", "off")
    work()
    open_index(tmp_path)
    assert len(work()) == 16


def test_a_cache_that_cannot_be_written_is_no_error(tmp_path, monkeypatch):
    fill(tmp_path, 2)
    settle()
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("EFFICIENT_YOLO3_CACHE", str(tmp_path / "file" / "below"))
    settle()
    assert len(load_split(tmp_path, "all")) == 2


def test_no_pickle_is_ever_read(tmp_path):
    class Evil:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "taken over"),)

    write_cache(tmp_path, "index", "s", {"stamps": np.array([Evil()], object)})
    assert read_cache(tmp_path, "index") is None
    assert not (tmp_path / "taken over").exists()


def test_records_are_made_on_access(tmp_path):
    fill(tmp_path, 5)
    records = load_split(tmp_path, "all").records
    assert [record.image_id for record in records[1:3]] == ["photo 01", "photo 02"]
    assert records[-1].image_id == "photo 04"
    assert records.image_ids() == [record.image_id for record in records]
    with pytest.raises(IndexError):
        records[5]


def test_the_rows_are_built_as_often_for_few_photos_as_for_many(tmp_path, monkeypatch):
    built, rows = [], EntryTable.rows.fget
    monkeypatch.setattr(EntryTable, "rows", property(lambda table: built.append(1) or rows(table)))
    counts = []
    for tests in (2, 12):
        image_ids = fill(tmp_path / str(tests), 4 + tests)
        lists(tmp_path / str(tests), train=image_ids[:2], val=image_ids[2:4], test=image_ids[4:])
        _, _, info = load_datasets(tmp_path / str(tests))
        assert len(info.test) == tests
        counts.append(len(built))
        built.clear()
    assert counts[0] == counts[1]


TEXT = st.text(st.characters(), max_size=6)  # lone surrogates, too: names of files may hold them


@settings(max_examples=60, deadline=None)
@given(st.lists(TEXT))
def test_texts_come_back(texts):
    with tempfile.TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
        patch.setenv("EFFICIENT_YOLO3_CACHE", name)
        write_cache(Path("data"), "index", "s", {"texts": texts, "numbers": np.arange(3)})
        content = read_cache(Path("data"), "index")
    assert content.pop("numbers").tolist() == [0, 1, 2]
    assert content == {"texts": texts, "state": "s"}


ANNOTATION = st.builds(
    lambda where, size, upright, objects, errors: Annotation(
        where=where,
        filename=where[::-1],
        size=size,
        names=tuple(name for name, _, _ in objects),
        boxes=np.array([box for _, box, _ in objects], np.float32).reshape(-1, 4),
        difficult=np.array([flag for _, _, flag in objects], bool),
        upright=upright,
        numbers=tuple(range(1, len(objects) + 1)),
        errors=tuple(errors),
    ),
    TEXT,
    st.none() | st.tuples(st.integers(1, 9000), st.integers(1, 9000)),
    st.booleans(),
    st.lists(
        st.tuples(
            TEXT, st.lists(st.floats(-9, 9, width=32), min_size=4, max_size=4), st.booleans()
        ),
        max_size=4,
    ),
    st.lists(st.builds(AnnotationError, TEXT, TEXT, st.none() | st.integers(1, 9)), max_size=2),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(ANNOTATION | st.builds(AnnotationError, TEXT, TEXT), max_size=8))
def test_annotations_come_back(annotations):
    table = LabelTable.of(annotations)
    with tempfile.TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
        patch.setenv("EFFICIENT_YOLO3_CACHE", name)
        write_cache(Path("data"), "index", "s", table.content())
        cached = LabelTable.from_content(read_cache(Path("data"), "index"))
    assert len(cached) == len(annotations)
    for row, found in enumerate(annotations):
        assert same(table[row], found)
        assert same(cached[row], found)


def test_duplicates_and_splits_are_made_again_when_the_folder_changes(tmp_path):
    fill(tmp_path, 10)
    settle()
    assert DataFolder.open(tmp_path).duplicates.exact == {}
    first = load_datasets(tmp_path)[2]
    copied = tmp_path / "JPEGImages" / "photo 01.jpg"
    copied.write_bytes((tmp_path / "JPEGImages" / "photo 00.jpg").read_bytes())
    for i in range(10):
        pair(tmp_path, f"new {i}", CAT)
    settle()
    assert DataFolder.open(tmp_path).duplicates.exact == {"photo 01": "photo 00"}
    second = load_datasets(tmp_path)[2]
    assert sum(map(len, first.splits.values())) == 10
    assert sum(map(len, second.splits.values())) == 20


def test_a_cache_of_another_version_or_state_is_not_read(tmp_path, monkeypatch):
    write_cache(tmp_path, "index", "s", {"a": np.arange(3)})
    assert read_cache(tmp_path, "index", "s")["a"].tolist() == [0, 1, 2]
    assert read_cache(tmp_path, "index", "t") is None
    monkeypatch.setattr(utils.data.folder.cache, "VERSION", utils.data.folder.cache.VERSION + 1)
    assert read_cache(tmp_path, "index", "s") is None


def test_a_cache_of_the_first_version_is_not_read(tmp_path, cache):
    write_cache(tmp_path, "index", "s", {})
    (path,) = cache.glob("index-*.npz")
    with open(path, "wb") as file:
        np.savez(file, made_from=np.array(["1", "s"]), facts=np.zeros(9, np.uint8))
    assert read_cache(tmp_path, "index", "s") is None


def test_a_row_with_another_path_is_read_again(tmp_path):
    old, new = (
        EntryTable(tmp_path, ["a"], [image], [label])
        for image, label in (("a.jpg", "a.xml"), ("a.png", "a.xml"))
    )
    stamps = np.full((1, 2, 3), 7, np.int64)
    before = SimpleNamespace(entries=old, stamps=stamps)
    assert utils.data.folder.index._unchanged(new, stamps, before).tolist() == [[-1, 0]]
    later = stamps.copy()
    later[0, 1, 2] = 8  # only the time of change, as after a tool that sets the other back
    assert utils.data.folder.index._unchanged(old, later, before).tolist() == [[0, -1]]


def test_a_file_dated_in_the_future_hides_no_change(tmp_path):
    fill(tmp_path, 2)
    future = time.time_ns() + 10**15
    os.utime(tmp_path / "Annotations" / "photo 00.xml", ns=(future, future))
    assert not utils.data.folder.file_scan.snapshot(tmp_path).cacheable
    settle()
    assert utils.data.folder.file_scan.snapshot(tmp_path).cacheable


def test_a_time_that_was_set_back_shows(tmp_path):
    pair(tmp_path, "a", ("cat", 1, 1, 20, 20))
    path = tmp_path / "Annotations" / "a.xml"
    settle()
    open_index(tmp_path)
    before = path.stat()
    path.write_text(path.read_text().replace(">20<", ">21<"))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    settle()
    assert load_split(tmp_path, "all").records[0].boxes.tolist() == [[0, 0, 21, 21]]


@pytest.mark.parametrize("kind", ["index", "duplicates", "split-0", "photos"])
def test_any_damaged_cache_file_is_made_again(tmp_path, cache, kind):
    fill(tmp_path, 12)
    settle()
    good = load_datasets(tmp_path)
    (path,) = cache.glob(f"{kind}-*.npz")
    content = path.read_bytes()
    for place in range(0, len(content), len(content) // 9):
        damaged = bytearray(content)
        damaged[place] ^= 0x10
        path.write_bytes(damaged)
        if kind == "photos":  # the hashes, which are read only if nothing made from them is cached
            for made in (*cache.glob("duplicates-*"), *cache.glob("split-*")):
                made.unlink()
        assert load_datasets(tmp_path)[2] == good[2]
        assert path.read_bytes() == content


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(1, 255)), max_size=6))
def test_changed_bytes_are_noticed(places):
    with tempfile.TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
        folder = Path(name)
        patch.setenv("EFFICIENT_YOLO3_CACHE", name)
        write_cache(folder, "index", "s", {"a": np.arange(9), "b": np.zeros(3)})
        (path,) = folder.glob("*.npz")
        content = bytearray(path.read_bytes())
        for place, turn in places:
            content[int(place * len(content))] ^= turn
        changed = path.read_bytes() != content
        path.write_bytes(content)
        assert (read_cache(folder, "index", "s") is None) == changed


def test_a_cache_that_cannot_be_opened_is_no_error(tmp_path, monkeypatch):
    def refused(*_args, **_options):
        raise PermissionError(13, "Permission denied")

    write_cache(tmp_path, "index", "s", {})
    monkeypatch.setattr(Path, "read_bytes", refused)
    assert read_cache(tmp_path, "index", "s") is None
    monkeypatch.delenv("EFFICIENT_YOLO3_CACHE")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)

    def no_home():
        raise RuntimeError("no home")

    monkeypatch.setattr(Path, "home", no_home)
    assert utils.cache_folder.cache_root() is None
    assert utils.data.batches.image_cache.photo_cache_folder() is None


def test_a_cached_split_is_not_used_for_other_labels(tmp_path, monkeypatch):
    fill(tmp_path, 20)
    settle()
    first = load_datasets(tmp_path)[2]
    for i in range(20):
        path = tmp_path / "Annotations" / f"photo {i:02}.xml"
        path.write_text(xml(*([DOG] if f"photo {i:02}" in first.splits["test"] else [CAT])))
    settle()
    second = load_datasets(tmp_path)[2]
    monkeypatch.setenv("EFFICIENT_YOLO3_CACHE", "off")
    assert second.splits == load_datasets(tmp_path)[2].splits != first.splits
