"""The cache of decoded photos: the same pixels, within its budget, never stale."""

import os

import numpy as np
import pytest
from PIL import Image

import utils.data.batches.image_cache
from utils.data.augment import AUGMENTATIONS, AugmentConfig
from utils.data.batches.image_cache import (
    DiskCache,
    MemoryCache,
    needed_bytes,
    photo_cache_folder,
    photo_reader,
)
from utils.data.records import Dataset, Record
from utils.errors import UserError
from utils.images import read_image


@pytest.fixture
def photo(tmp_path):
    path = tmp_path / "照片.jpg"
    pixels = np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)
    Image.fromarray(pixels).resize((600, 400)).save(path)
    return path


def dataset_of(path, count):
    boxes, ids = np.zeros((0, 4), np.float32), np.zeros(0, np.int32)
    records = [Record(str(i), path, 600, 400, boxes, ids, ids > 0) for i in range(count)]
    return Dataset(tuple(records), ("one",))


@pytest.mark.parametrize("make", [lambda f: MemoryCache(10**7), lambda f: DiskCache(f, 10**7)])
def test_cached_pixels_are_equal_and_the_photo_is_not_read_again(tmp_path, photo, make):
    cache = make(tmp_path / "cache")
    expected = {reduce: read_image(photo, reduce=reduce) for reduce in (1, 2, 8)}
    for reduce, pixels in expected.items():
        np.testing.assert_array_equal(cache(photo, reduce=reduce), pixels)
    assert cache.used == sum(pixels.nbytes for pixels in expected.values())
    status = photo.stat()
    photo.write_bytes(b"x" * status.st_size)  # seen only if the photo is read again
    os.utime(photo, ns=(status.st_atime_ns, status.st_mtime_ns))
    for reduce, pixels in expected.items():
        np.testing.assert_array_equal(cache(photo, reduce=reduce), pixels)


def test_a_changed_photo_is_read_again_from_the_disk_cache(tmp_path, photo):
    cache = DiskCache(tmp_path / "cache", 10**7)
    cache(photo, reduce=2)
    Image.new("RGB", (50, 30), (200, 0, 0)).save(photo)
    np.testing.assert_array_equal(cache(photo, reduce=2), read_image(photo, reduce=2))


def test_the_budget_holds(tmp_path, photo):
    for cache in (MemoryCache(600_000), DiskCache(tmp_path / "cache", 600_000)):
        for reduce in (2, 1, 4):  # 180,000, 720,000 and 45,000 bytes
            assert cache(photo, reduce=reduce).shape[0] == 400 // reduce
        assert cache.used == 225_000


def test_a_damaged_file_in_the_cache_is_replaced(tmp_path, photo):
    cache = DiskCache(tmp_path / "cache", 10**7)
    expected = cache(photo, reduce=2)
    (cached,) = (tmp_path / "cache").rglob("*.npy")
    cached.write_bytes(cached.read_bytes()[:1000])
    np.testing.assert_array_equal(cache(photo, reduce=2), expected)
    np.testing.assert_array_equal(np.load(cached), expected)


def test_a_folder_that_cannot_be_written_costs_only_time(tmp_path, photo):
    (tmp_path / "cache").write_text("a file, no folder")
    cache = DiskCache(tmp_path / "cache", 10**7)
    for _ in range(2):
        np.testing.assert_array_equal(cache(photo, reduce=2), read_image(photo, reduce=2))


def test_errors_are_those_of_reading_without_a_cache(tmp_path):
    for cache in (MemoryCache(10**7), DiskCache(tmp_path / "cache", 10**7)):
        with pytest.raises(UserError, match=r"gone\.jpg: no such file"):
            cache(tmp_path / "gone.jpg", reduce=1)


def test_auto_takes_memory_then_disk(tmp_path, photo):
    dataset, full = dataset_of(photo, 100), AUGMENTATIONS["full"]
    options = {"folder": tmp_path / "cache"}
    reader, note = photo_reader("auto", dataset, [416], full, memory=10**10, **options)
    assert isinstance(reader, MemoryCache)
    assert "in memory" in note
    reader, note = photo_reader("auto", dataset, [416], full, memory=10**8, **options)
    assert isinstance(reader, DiskCache)
    assert str(tmp_path / "cache") in note
    huge = dataset_of(photo, 100_000_000 // 1000)
    many = Dataset(huge.records * 1000, huge.classes)
    reader, note = photo_reader("auto", many, [416], full, memory=0, **options)
    assert reader is read_image
    assert "every time" in note


def test_the_mode_that_is_asked_for_is_taken_within_its_budget(tmp_path, photo):
    dataset, full = dataset_of(photo, 100), AUGMENTATIONS["full"]
    reader, note = photo_reader("memory", dataset, [416], full, memory=10**8)
    assert isinstance(reader, MemoryCache)
    assert reader.budget == 25_000_000
    assert "25 MB of about" in note
    assert isinstance(
        photo_reader("disk", dataset, [416], full, folder=tmp_path / "cache")[0], DiskCache
    )
    assert photo_reader("off", dataset, [416], full)[0] is read_image
    with pytest.raises(UserError, match="'ram' is not one of auto, memory, disk, off"):
        photo_reader("ram", dataset, [416], full)


def test_the_estimate_counts_every_reduction_that_will_be_read(photo):
    dataset = dataset_of(photo, 2000)
    one = {k: 3 * (600 // k) * (400 // k) for k in (1, 2, 4)}
    still = AugmentConfig(scale=(1.0, 1.0), aspect=0)
    assert needed_bytes(dataset, [300], still) == 2000 * one[2]
    assert needed_bytes(dataset, [300], AugmentConfig(scale=(0.5, 1.0), aspect=0)) == 2000 * (
        one[2] + one[4]
    )
    assert needed_bytes(dataset, [150, 416], still) == 2000 * sum(one.values())


def test_the_folder_of_the_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("EFFICIENT_YOLO3_CACHE", "")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert photo_cache_folder() == tmp_path / "efficient-yolo3" / "photos"
    monkeypatch.setenv("EFFICIENT_YOLO3_CACHE", str(tmp_path / "mine"))
    assert photo_cache_folder() == tmp_path / "mine" / "photos"
    monkeypatch.setenv("EFFICIENT_YOLO3_CACHE", "off")
    assert photo_cache_folder() is None


@pytest.mark.parametrize("what", ["time", "length"])
def test_a_new_time_or_length_means_that_a_photo_changed(tmp_path, what):
    path = tmp_path / "a.bmp"
    Image.new("RGB", (50, 30), (200, 0, 0)).save(path)
    cache, before = DiskCache(tmp_path / "cache", 10**7), path.stat()
    cache(path, reduce=1)
    Image.new("RGB", (50, 30 if what == "time" else 31), (0, 200, 0)).save(path)
    later = before.st_mtime_ns + (10**9 if what == "time" else 0)
    os.utime(path, ns=(later, later))
    assert (path.stat().st_size == before.st_size) == (what == "time")
    assert cache(path, reduce=1)[0, 0].tolist() == [0, 200, 0]


def test_files_of_earlier_runs_count_and_the_least_recently_used_is_deleted(tmp_path):
    paths = [tmp_path / f"{i}.png" for i in range(5)]
    for i, path in enumerate(paths):
        Image.new("RGB", (100, 100), (i, 0, 0)).save(path)
    folder, one = tmp_path / "cache", 30_128  # bytes of a photo as an array in a file
    first = DiskCache(folder, 4 * one)
    for i, path in enumerate(paths[:4]):
        first(path, reduce=1)
        os.utime(folder / first._name(path, 1), ns=(i * 10**9, i * 10**9))
    second = DiskCache(folder, 4 * one)
    assert second.used == 4 * one
    second(paths[0], reduce=1)  # the oldest, but in use now
    second(paths[4], reduce=1)
    exists = [(folder / second._name(path, 1)).exists() for path in paths]
    assert exists == [True, False, True, True, True]
    assert second.used <= 4 * one
    smaller = DiskCache(folder, 2 * one)
    assert smaller.used == 2 * one
    assert sum(1 for _ in folder.rglob("*.npy")) == 2


def test_a_cache_of_one_run_does_not_grow_with_the_next(tmp_path, photo, monkeypatch):
    monkeypatch.setattr("utils.data.batches.image_cache._free_space", lambda _: 4_000_000)
    dataset, full = dataset_of(photo, 3), AUGMENTATIONS["full"]
    reader, _ = photo_reader("disk", dataset, [416], full, folder=tmp_path / "cache")
    assert reader.budget == 1_000_000
    reader(photo, reduce=1)
    monkeypatch.setattr("utils.data.batches.image_cache._free_space", lambda _: 4_000_000 - 720_128)
    reader, _ = photo_reader("disk", dataset, [416], full, folder=tmp_path / "cache")
    assert (reader.budget, reader.used) == (1_000_000, 720_128)


def test_without_a_folder_nothing_is_cached_on_disk(photo, monkeypatch):
    monkeypatch.setenv("EFFICIENT_YOLO3_CACHE", "off")
    dataset, full = dataset_of(photo, 3), AUGMENTATIONS["full"]
    assert photo_reader("auto", dataset, [416], full, memory=0)[0] is read_image
    with pytest.raises(UserError, match=r"--cache disk .* EFFICIENT_YOLO3_CACHE"):
        photo_reader("disk", dataset, [416], full)


def test_free_space_in_a_folder_without_permission(tmp_path, monkeypatch):
    def refused(_path):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(utils.data.batches.image_cache.shutil, "disk_usage", refused)
    assert utils.data.batches.image_cache._free_space(tmp_path / "a" / "b") == 0
