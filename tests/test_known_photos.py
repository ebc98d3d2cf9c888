"""Photos that a checkpoint knows stay in their part of a new split, and are warned of elsewhere."""

import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import keras
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from utils.data.datasets import load_datasets, load_split
from utils.data.splits.known import extend_to_groups, known_splits
from utils.data.splits.stratified import hold_out, stratified_split
from utils.data.synthetic import write_dataset
from utils.evaluation.leaks import load_evaluation_split
from utils.files import content_hash
from utils.label_files.voc import write_voc_list
from utils.training.data import leak_warnings
from utils.training.provenance import inherited

ROOT = Path(__file__).resolve().parent.parent
PARTS = ("train", "val", "test")
LABELS = st.dictionaries(
    st.text("0123456789", min_size=1, max_size=3), st.lists(st.sampled_from("abc"), max_size=4),
    min_size=3, max_size=60,
)  # fmt: skip


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """40 photos with labels and no lists."""
    root = tmp_path_factory.mktemp("photos") / "data"
    write_dataset(root, train=40, val=0, test=0, seed=8, workers=1)
    shutil.rmtree(root / "ImageSets")
    return root


@pytest.fixture
def data(photos, tmp_path):
    return Path(shutil.copytree(photos, tmp_path / "data"))


def image_of(root, image_id):
    return next((root / "JPEGImages").glob(f"{image_id}.*"))


def label_of(root, image_id):
    return root / "Annotations" / f"{image_id}.xml"


def add_photo(root, image_id, name, changed=True):
    """A copy of a photo with its label, turned into another picture unless not ``changed``."""
    path = image_of(root, image_id)
    new = path.with_name(f"{name}{path.suffix}")
    shutil.copy(label_of(root, image_id), label_of(root, name))
    if changed:
        with Image.open(path) as image:
            image.rotate(90).transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(new)
    else:
        shutil.copy(path, new)
    return new


def hashes_of(root, info):
    return {
        part: {image_id: content_hash(image_of(root, image_id)) for image_id in image_ids}
        for part, image_ids in info.splits.items()
    }


def contents(root, image_ids):
    return {content_hash(image_of(root, image_id)) for image_id in image_ids}


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data(), labels=LABELS, seed=st.integers(0, 3))
def test_fixed_photos_stay_and_the_sizes_are_as_near_as_possible(data, labels, seed):
    fixed = data.draw(
        st.dictionaries(st.sampled_from(sorted(labels)), st.sampled_from(PARTS), max_size=40)
    )
    parts = stratified_split(labels, seed=seed, fixed=fixed)
    assert sorted(s for image_ids in parts.values() for s in image_ids) == sorted(labels)
    assert all(image_id in parts[part] for image_id, part in fixed.items())
    plain = stratified_split(labels, seed=seed)
    counts = {part: list(fixed.values()).count(part) for part in PARTS}
    over = [part for part in PARTS if counts[part] > len(plain[part])]
    for part in over:  # has its share already and gets nothing more
        assert len(parts[part]) == counts[part]
    if not over:
        assert {p: len(s) for p, s in parts.items()} == {p: len(s) for p, s in plain.items()}
    if not fixed:
        assert parts == plain


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data(), labels=LABELS)
def test_known_photos_are_held_out_or_kept(data, labels):
    fixed = data.draw(st.dictionaries(st.sampled_from(sorted(labels)), st.sampled_from(PARTS[:2])))
    kept, held = hold_out(labels, fixed=fixed)
    assert kept
    assert held
    if len(fixed) < len(labels) - 1:
        assert {s for s, part in fixed.items() if part == "train"} <= set(kept)
        assert {s for s, part in fixed.items() if part == "val"} <= set(held)


def test_a_group_follows_its_known_photo():
    groups = {"b": "a", "c": "a", "e": "d"}
    parts = extend_to_groups({"c": "test", "b": "train", "e": "val"}, groups, "abcdef")
    assert parts == {"a": "train", "b": "train", "c": "train", "d": "val", "e": "val"}


def test_what_was_trained_on_counts_first():
    hashes = {"test": {"a": "1", "b": "2"}, "train": {"c": "1"}, "val": {"d": "2", "e": "3"}}
    assert known_splits(hashes) == {"1": "train", "2": "val", "3": "val"}
    assert known_splits({}) == {}


def test_another_seed_changes_nothing(data):
    info = load_datasets(data, seed=0)[2]
    other = load_datasets(data, seed=1)[2]
    assert other.splits != info.splits
    known = known_splits(hashes_of(data, info))
    again = load_datasets(data, seed=1, known=known)[2]
    assert again.splits == info.splits
    assert again.trained_before == {"val": (), "test": ()}
    assert any("stay where they were" in note for note in again.notes)


def test_no_photo_is_compared_where_lists_say_what_is_scored(data, monkeypatch):
    info = load_datasets(data, seed=0)[2]
    known = known_splits(hashes_of(data, info))
    compared = []
    monkeypatch.setattr(
        "utils.data.folder.data_folder.content_hashes", lambda paths: compared.extend(paths) or {}
    )
    load_split(data, "test", seed=1, known=known)
    assert len(compared) == 40
    compared.clear()
    for name, image_ids in info.splits.items():
        write_voc_list(data, name, image_ids)
    assert len(load_split(data, "test", known=known)) == len(info.splits["test"])
    assert not compared


def test_added_photos_are_divided_and_known_ones_stay(data):
    info = load_datasets(data, seed=0)[2]
    hashes = hashes_of(data, info)
    added = [f"new{i}" for i in range(20)]
    for i, name in enumerate(added):
        add_photo(data, image_of(data, sorted(info.splits["train"])[i]).stem, name)
    for image in list((data / "JPEGImages").iterdir()):  # names say nothing
        image.rename(image.with_name(f"x{image.name}"))
        label = label_of(data, image.stem)
        label.rename(label.with_name(f"x{label.name}"))
    new = load_datasets(data, seed=5, known=known_splits(hashes))[2]
    found = {part: contents(data, image_ids) for part, image_ids in new.splits.items()}
    for part in PARTS:
        assert set(hashes[part].values()) <= found[part]
    assert [len(new.splits[part]) for part in PARTS] == [42, 6, 12]


def test_copies_and_near_duplicates_follow_the_known_photo(data):
    info = load_datasets(data, seed=0)[2]
    trained, tested = info.splits["train"][0], info.splits["test"][0]
    hashes = hashes_of(data, info)
    for image_id in (trained, tested):
        add_photo(data, image_id, f"copy-{image_id}", changed=False)
        smaller = add_photo(data, image_id, f"near-{image_id}", changed=False)
        with Image.open(smaller) as image:
            image.resize((80, 80)).save(smaller.with_suffix(".png"))
        smaller.unlink()
    for seed in range(4):
        new = load_datasets(data, seed=seed, known=known_splits(hashes))[2]
        assert {f"copy-{trained}", f"near-{trained}"} <= set(new.splits["train"])
        assert {f"copy-{tested}", f"near-{tested}"} <= set(new.splits["test"])


def test_lists_are_obeyed_and_what_they_leak_is_named(data):
    ids = sorted(p.stem for p in (data / "Annotations").iterdir())
    lists = data / "ImageSets" / "Main"
    lists.mkdir(parents=True)
    for name, part in (("train", ids[:20]), ("val", ids[20:30]), ("test", ids[30:])):
        (lists / f"{name}.txt").write_text("\n".join(part))
    known = {content_hash(image_of(data, image_id)): "train" for image_id in (ids[21], ids[35])}
    info = load_datasets(data, known=known)[2]
    assert info.trained_before == {"val": (ids[21],), "test": (ids[35],)}
    checkpoint = SimpleNamespace(metadata={"hashes": {"train": {"a": "b"}}})
    val, test = leak_warnings(checkpoint, info, 10)
    assert "1 of 10 validation photos" in val
    assert ids[21] in val
    assert ids[35] in test
    assert leak_warnings(None, info, 10) == []
    (silent,) = leak_warnings(SimpleNamespace(metadata={}), info, 10)
    assert "does not say" in silent


def test_a_training_list_is_divided_around_known_photos(data):
    ids = sorted(p.stem for p in (data / "Annotations").iterdir())
    lists = data / "ImageSets" / "Main"
    lists.mkdir(parents=True)
    (lists / "train.txt").write_text("\n".join(ids))
    known = {content_hash(image_of(data, image_id)): "train" for image_id in ids[:34]}
    known |= {content_hash(image_of(data, image_id)): "val" for image_id in ids[34:36]}
    for seed in range(4):
        info = load_datasets(data, seed=seed, known=known)[2]
        assert set(ids[34:36]) < set(info.splits["val"])
        assert set(info.splits["val"]) <= set(ids[34:])
        assert len(info.splits["val"]) == 4


def test_where_everything_was_trained_on_the_scores_are_said_to_be_too_good(data):
    ids = sorted(p.stem for p in (data / "Annotations").iterdir())
    known = {content_hash(image_of(data, image_id)): "train" for image_id in ids}
    info = load_datasets(data, known=known)[2]
    assert info.trained_before["val"] == info.splits["val"] != ()
    assert info.trained_before["test"] == info.splits["test"] != ()


def test_an_evaluation_of_other_photos_leaves_known_ones_where_they_were(data):
    ids = sorted(p.stem for p in (data / "Annotations").iterdir())
    trained = {s: content_hash(image_of(data, s)) for s in ids[:25]}
    metadata = {"hashes": {"train": trained}, "split": {"generated": True}, "splits": {}}
    for seed in range(3):
        metadata["training"] = {"seed": seed}
        found = load_evaluation_split(data, "test", metadata)
        assert not set(found.records.image_ids()) & set(ids[:25])


def test_a_chain_of_runs_remembers_every_photo_once():
    first = SimpleNamespace(metadata={"hashes": {
        "train": {"a": "1", "b": "2"}, "val": {"c": "3"}, "test": {"d": "4", "e": "5"},
    }})  # fmt: skip
    own = {"hashes": {"train": {"b2": "2", "d": "4"}, "val": {"x": "9"}, "test": {"e": "5"}}}
    second = inherited(first, own)["hashes"]
    assert known_splits(second) == {
        "1": "train", "2": "train", "3": "val", "4": "train", "5": "test", "9": "val",
    }  # fmt: skip
    assert sum(len(by_id) for by_id in second.values()) == 6
    later = SimpleNamespace(metadata={"hashes": second})
    third = inherited(later, {"hashes": {"train": {"z": "8"}, "val": {}, "test": {}}})["hashes"]
    assert known_splits(third) == known_splits(second) | {"8": "train"}
    old = SimpleNamespace(metadata={"hashes": {"train": {"a": "1"}, "val": {}}})  # no test
    assert known_splits(inherited(old, own)["hashes"])["1"] == "train"
    assert inherited(SimpleNamespace(metadata={}), own) == own


def command(script, *arguments):
    done = subprocess.run(
        [sys.executable, str(ROOT / script), *map(str, arguments)],
        capture_output=True, text=True, cwd=ROOT, timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done


@pytest.mark.slow
def test_a_chain_of_runs_never_scores_what_it_was_trained_on(data, tmp_path):
    options = ["--backbone", "efficientnet_lite0", "--input-size", "64", "--epochs", 1]
    options += ["--freeze-epochs", 0, "--batch-size", 8]
    trained, before = set(), []
    for seed, name in enumerate("abc"):
        for i in range(5 * seed):
            add_photo(data, sorted(p.stem for p in data.glob("Annotations/*"))[i], f"{name}{i}")
        done = command(
            "train.py", "--data", data, "--seed", seed, "--out", tmp_path / name, *options, *before
        )
        assert "trained on before" not in done.stdout
        checkpoint = tmp_path / name / "best.keras"
        splits = keras.saving.load_model(checkpoint, compile=False).metadata["splits"]
        for part in ("val", "test"):
            assert not contents(data, splits[part]) & trained, (name, part)
        trained |= contents(data, splits["train"])
        before = ["--weights", checkpoint]

    lists = data / "ImageSets" / "Main"  # now the lists say otherwise
    lists.mkdir(parents=True)
    (lists / "train.txt").write_text("\n".join([*splits["train"][5:], *splits["test"]]))
    (lists / "val.txt").write_text("\n".join([*splits["train"][:3], *splits["val"]]))
    (lists / "test.txt").write_text("\n".join(splits["train"][3:5]))
    out = tmp_path / "lists"
    done = command("train.py", "--data", data, "--out", out, *options, *before)
    val = len(splits["val"]) + 3
    assert f"3 of {val} validation photos were trained on" in done.stderr
    assert "2 of the test photos were trained on" in done.stderr
    told = [line for line in done.stdout.splitlines() if "AP" in line]
    assert len(told) == 2
    assert all("3 validation photos were trained on before" in line for line in told)
    assert "val_trained_on" in (out / "metrics.csv").read_text()
    scored = command(
        "get_map.py", "--weights", out / "best.keras", "--data", data, "--out", tmp_path / "map",
        "--no-report", "--resamples", 0,
    )  # fmt: skip
    assert "2 of 2 photos trained on" in scored.stdout
    assert "2 of these photos were trained on" in (tmp_path / "map" / "summary.md").read_text()
