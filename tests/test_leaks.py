"""Photos that a detector was trained on: found by content, and the split of its run."""

from __future__ import annotations

import numpy as np

from utils.data.records import Record
from utils.evaluation.leaks import find_leaks, find_shared, is_folder_of_run
from utils.files import content_hash


def record_of(path, image_id):
    empty = np.zeros((0, 4), np.float32)
    return Record(image_id, path, 4, 4, empty, np.zeros(0, np.int32), np.zeros(0, bool))


def photos_in(folder, **colours):
    from PIL import Image

    folder.mkdir()
    for image_id, colour in colours.items():
        Image.new("RGB", (4, 4), (colour, 0, 0)).save(folder / f"{image_id}.png")
    return {image_id: folder / f"{image_id}.png" for image_id in colours}


def test_leaks_are_found_by_content(tmp_path):
    photos = photos_in(tmp_path / "here", a=1, b=2, c=3, d=4)
    records = [record_of(path, image_id) for image_id, path in photos.items()]
    hashes = {
        "train": {"renamed": content_hash(photos["a"]), "d": "0" * 16},
        "val": {"b": content_hash(photos["b"]), "earlier": content_hash(photos["a"])},
    }
    assert find_leaks(records, hashes) == {"train": ["a"], "val": ["a", "b"]}
    assert find_leaks(records, {}) == {"train": [], "val": []}
    copies = photos_in(tmp_path / "there", x=3, a=9)
    others = [record_of(path, image_id) for image_id, path in copies.items()]
    assert find_shared(records, others) == ["c"]


def test_a_folder_with_the_same_names_is_not_that_of_the_run(tmp_path):
    run = photos_in(tmp_path / "run", a=1, b=2, c=3, d=4, e=5)
    hashes = {"train": {s: content_hash(run[s]) for s in "abc"}, "val": {"d": "?" * 16}}
    assert is_folder_of_run(run, ["e"], hashes)
    stranger = photos_in(tmp_path / "stranger", a=11, b=12, c=13, d=14, e=15)
    assert not is_folder_of_run(stranger, ["e"], hashes)
    assert is_folder_of_run(stranger, ["e"], {})  # nothing but names to go by
    assert not is_folder_of_run(run, ["e", "f", "g"], hashes)  # most of it is not here
    assert is_folder_of_run({"e": run["e"]}, ["e"], hashes)  # the test photos alone
