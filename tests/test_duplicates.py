"""Copies and near-copies are found, other photos are not, and splits keep them together."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageEnhance

import utils.data.duplicates.hashes
import utils.data.folder.file_scan
from tests.label_folders import CAT, fill, lists, pair, xml
from utils.commands.write_lists import main as write_lists
from utils.data.datasets import load_datasets
from utils.data.duplicates.groups import Duplicates, find_duplicates
from utils.data.duplicates.hash_search import near_pairs
from utils.data.splits.stratified import stratified_split
from utils.errors import UserError


def scene(seed, size=(320, 240)):
    """A picture of soft blobs, as different from another seed's as two photos are."""
    noise = np.random.default_rng(seed).integers(0, 256, (9, 12, 3), np.uint8)
    return Image.fromarray(noise).resize(size, Image.Resampling.BICUBIC)


def turned_copy(folder):
    """The pixels of ``scene(0)`` on their side, with the EXIF tag that turns them back."""
    tags = Image.Exif()
    tags[0x0112] = 6
    scene(0).transpose(Image.Transpose.ROTATE_90).save(folder / "z.jpg", quality=90, exif=tags)


CHANGES = {
    "quality": lambda folder: scene(0).save(folder / "z.jpg", quality=25),
    "format": lambda folder: scene(0).save(folder / "z.png"),
    "grey": lambda folder: scene(0).convert("L").save(folder / "z.webp"),
    "size": lambda folder: scene(0).resize((131, 97)).save(folder / "z.bmp"),
    "shape": lambda folder: scene(0).resize((416, 416)).save(folder / "z.jpg"),
    "light": lambda folder: ImageEnhance.Brightness(scene(0)).enhance(1.2).save(folder / "z.jpg"),
    "turned": turned_copy,
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_copy_is_found(tmp_path, change):
    for seed in range(4):
        scene(seed).save(tmp_path / f"{seed}.jpg", quality=92)
    CHANGES[change](tmp_path)
    paths = {path.stem: path for path in tmp_path.iterdir()}
    assert find_duplicates(paths).near == {"z": "0"}
    assert find_duplicates(paths).exact == {}


def test_photos_without_contrast_and_damaged_ones_have_no_duplicates(tmp_path):
    for name, grey in (("a", 20), ("b", 20), ("c", 21)):
        Image.new("L", (64, 64), grey).save(tmp_path / f"{name}.png")
    (tmp_path / "d.png").write_bytes(b"no photo")
    (tmp_path / "e.png").write_bytes(b"no image")
    paths = {name: tmp_path / f"{name}.png" for name in "abcdef"}
    assert find_duplicates(paths).near == {"b": "a"}


def test_hashes_are_cached_and_changes_noticed(tmp_path, monkeypatch):
    monkeypatch.setattr(utils.data.folder.file_scan, "TICK", 0)
    for seed in range(3):
        scene(seed).save(tmp_path / f"{seed}.png")
    paths = {path.stem: path for path in tmp_path.iterdir()}
    assert find_duplicates(paths).near == {}
    looked_at = []
    thumbnail = utils.data.duplicates.hashes.fingerprint.thumbnail
    monkeypatch.setattr(
        utils.data.duplicates.hashes.fingerprint,
        "thumbnail",
        lambda path: looked_at.append(path.stem) or thumbnail(path),
    )
    assert find_duplicates(paths).near == {}
    assert looked_at == []
    scene(0, (200, 150)).save(tmp_path / "2.png")
    assert find_duplicates(paths).near == {"2": "0"}
    assert looked_at[0] == "2"


HASHES = st.lists(
    st.tuples(
        st.sampled_from([0, 2**64 - 1, 0x123456789ABCDEF0]), st.sets(st.integers(0, 63), max_size=9)
    ),
    max_size=40,
)


@settings(max_examples=80, deadline=None)
@given(HASHES, st.integers(0, 7))
def test_near_pairs_are_all_found(changed, distance):
    hashes = [base ^ sum(1 << bit for bit in bits) for base, bits in changed]
    found = near_pairs(np.array(hashes, np.uint64), distance).tolist()
    expected = [
        [a, b]
        for b in range(len(hashes))
        for a in range(b)
        if (hashes[a] ^ hashes[b]).bit_count() <= distance
    ]
    runs = max((hashes.count(value) for value in hashes), default=0)
    if runs <= 32:
        assert sorted(found) == sorted(expected)
    else:
        assert all(pair in expected for pair in found)


def test_many_equal_hashes_do_not_make_all_pairs():
    pairs = near_pairs(np.zeros(5000, np.uint64), 7)
    assert len(pairs) < 5000 * 33
    assert set(range(1, 5000)) == set(pairs[:, 1].tolist())


def test_groups_of_a_part_are_named_by_its_first_photo():
    duplicates = Duplicates({}, {"b": "a", "c": "a", "e": "d"})
    assert duplicates.split_groups(["b", "c", "d", "f"])[0] == {"c": "b"}
    assert duplicates.near_duplicates(["b", "e"], ["c", "f"]) == [("b", "c")]


def test_a_camera_that_does_not_move_is_divided_all_the_same():
    image_ids = [f"{i:03}" for i in range(100)]
    duplicates = Duplicates({"001": "000"}, dict.fromkeys(image_ids[1:80], "000"))
    groups, note = duplicates.split_groups(image_ids)
    assert groups == {"001": "000"}
    assert "80 of 100 photos look nearly the same" in note


def test_large_groups_do_not_bend_the_sizes():
    labels = {f"{i:03}": ["cat"] for i in range(200)}
    groups = {f"{i:03}": f"{i - i % 10:03}" for i in range(100) if i % 10}
    sizes = [len(image_ids) for image_ids in stratified_split(labels, groups=groups).values()]
    assert sum(sizes) == 200
    assert all(abs(size - share) <= 10 for size, share in zip(sizes, (140, 20, 40), strict=True))


def with_near_duplicates(folder):
    """20 scenes, the first five a second time and smaller."""
    for i in range(25):
        image_id = f"{i:02}"
        pair(folder, image_id, CAT)
        scene(i % 20, (320, 240) if i < 20 else (200, 150)).save(
            folder / "JPEGImages" / f"{image_id}.jpg"
        )
        (folder / "Annotations" / f"{image_id}.xml").write_text(xml(CAT, size=None))


def test_splits_made_here_keep_near_duplicates_together(tmp_path):
    with_near_duplicates(tmp_path)
    for seed in range(3):
        info = load_datasets(tmp_path, seed=seed)[2]
        place = {
            image_id: name for name, image_ids in info.splits.items() for image_id in image_ids
        }
        assert len(place) == 25
        assert all(place[f"{i:02}"] == place[f"{i + 20:02}"] for i in range(5))
    assert "5 copies and near-duplicates stay" in info.notes[-1]


def test_given_lists_stay_and_near_duplicates_are_reported(tmp_path):
    with_near_duplicates(tmp_path)
    lists(tmp_path, train=[f"{i:02}" for i in range(20)], val=[f"{i:02}" for i in range(20, 25)])
    train, val, info = load_datasets(tmp_path)
    assert (len(train), len(val)) == (20, 5)
    assert "5 near-duplicates of validation photos" in info.notes[-1]
    assert "(00 like 20, " in info.notes[-1]


def test_lists_are_written_once(tmp_path, capsys):
    names = fill(tmp_path, 20)
    _, _, info = load_datasets(tmp_path, seed=3)
    assert write_lists([str(tmp_path), "--seed", "3"]) == 0
    again = load_datasets(tmp_path)
    assert not again[2].generated
    assert again[2].splits["train"] == info.splits["train"]
    written = [p.read_text().split("\n") for p in (tmp_path / "ImageSets/Main").iterdir()]
    assert sorted(line for lines_ in written for line in lines_ if line) == names
    with pytest.raises(UserError, match="has split lists"):
        write_lists([str(tmp_path)])
    out = tmp_path / "out"
    assert write_lists([str(tmp_path), "--out", str(out)]) == 0
    with pytest.raises(UserError, match="not overwritten"):
        write_lists([str(tmp_path), "--out", str(out)])


def ramps(path, across, down):
    """Brightness that rises to the right and downwards, by so much."""
    y, x = np.mgrid[0:120, 0:160] / (120, 160)[0]
    Image.fromarray((across * x + down * y).clip(0, 255).astype(np.uint8)).save(path)


def test_photos_of_the_same_hash_may_be_different_pictures(tmp_path):
    ramps(tmp_path / "a.png", 120, 0)
    ramps(tmp_path / "b.png", 100, 110)
    ramps(tmp_path / "c.png", 118, 4)
    paths = {path.stem: path for path in tmp_path.iterdir()}
    assert find_duplicates(paths).near == {"c": "a"}


def test_a_group_is_no_more_than_half():
    image_ids = [f"{i:02}" for i in range(30)]
    small = Duplicates({}, dict.fromkeys(image_ids[1:15], "00"))
    assert len(small.split_groups(image_ids)[0]) == 14
    groups, note = Duplicates({}, dict.fromkeys(image_ids[1:18], "00")).split_groups(image_ids)
    assert groups == {}
    assert "18 of 30 photos look nearly the same" in note


def test_pairs_across_groups_stay_together_and_are_reported():
    image_ids = [f"{i}" for i in range(10)]
    duplicates = Duplicates({"4": "3"}, {"1": "0", "4": "3"}, (("0", "1"), ("1", "3"), ("6", "7")))
    groups, note = duplicates.split_groups(image_ids)
    assert groups == {"1": "0", "3": "0", "4": "0", "7": "6"}
    assert "4 copies and near-duplicates" in note
    assert duplicates.near_duplicates(["0", "1"], ["4", "7"]) == [("1", "4")]
    assert duplicates.near_duplicates(["4"], ["1"]) == [("4", "1")]
    rows = {image_id: row for row, image_id in enumerate(image_ids)}
    assert Duplicates.from_rows(duplicates.to_rows(rows), image_ids) == duplicates


def test_a_long_chain_falls_back_to_its_pieces():
    image_ids = [f"{i:03}" for i in range(60)]
    chain = tuple(pairwise(image_ids[:40]))
    pieces = {image_ids[i]: image_ids[i - i % 4] for i in range(40) if i % 4}
    assert Duplicates({}, pieces, chain).split_groups(image_ids)[0] == pieces


def test_every_pair_that_looks_the_same_is_on_one_side(tmp_path):
    """Shots between which a camera moves a little: neighbours look the same, the ends do not."""
    wide = np.asarray(scene(3, (1500, 240)))
    for i in range(24):
        shot = Image.fromarray(wide[:, 7 * i : 7 * i + 320]) if i < 8 else scene(100 + i)
        pair(tmp_path, f"{i:02}", CAT, size=(320, 240))
        shot.save(tmp_path / "JPEGImages" / f"{i:02}.jpg", quality=95)
    paths = {path.stem: path for path in (tmp_path / "JPEGImages").iterdir()}
    pairs = find_duplicates(paths).pairs
    firsts = find_duplicates(paths).near
    assert any(firsts.get(a, a) != firsts.get(b, b) for a, b in pairs)  # groups do not hold them
    for seed in range(6):
        info = load_datasets(tmp_path, seed=seed)[2]
        place = {
            image_id: name for name, image_ids in info.splits.items() for image_id in image_ids
        }
        assert all(place[a] == place[b] for a, b in pairs)


def test_copies_of_a_file_are_found_by_content(tmp_path):
    contents = {"a": b"one", "b": b"two", "c": b"one", "d": b"three", "e": b"one"}
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    paths = {name: tmp_path / name for name in [*contents, "gone"]}
    assert find_duplicates(paths).exact == {"c": "a", "e": "a"}
