"""bench: folds that leak nothing, recipes that share a machine fairly, scores by the right name."""

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from bench.accuracy import ON_ONE_CORE, comparison
from bench.finetune import OLD, without_objects
from bench.folds import FOLDS, write_folds
from bench.sets import prepared
from bench.untrained import HEADS, PREDICTIONS, let_it_find
from tests.label_folders import fill, lists
from utils.data.datasets import load_split
from utils.data.folder.data_folder import DataFolder
from utils.data.synthetic import write_dataset

ROOT = Path(__file__).resolve().parents[1]


def lists_of(folder: Path) -> dict[str, set[str]]:
    return {p.stem: set(p.read_text().split("\n")) - {""} for p in folder.glob("ImageSets/Main/*")}


@pytest.mark.parametrize("listed", [True, False])
def test_folds_divide_the_training_list_and_never_show_the_test_list(tmp_path, listed):
    photos = tmp_path / "photos"
    image_ids = fill(photos, 40)
    if listed:
        parts = {"train": image_ids[:20], "val": image_ids[20:30], "trainval": image_ids[:30]}
        lists(photos, **parts, test=image_ids[30:])
        allowed = set(image_ids[:30])
    else:
        named = DataFolder.open(photos).splits(0).named
        allowed = {*named["train"].image_ids, *named["val"].image_ids}
    write_folds(photos, tmp_path / "folds")
    held_out = []
    for fold in range(FOLDS):
        folder = tmp_path / "folds" / str(fold)
        found = lists_of(folder)
        assert found["train"] | found["held_out"] == allowed
        assert not found["train"] & found["held_out"]
        assert {p.stem for p in (folder / "JPEGImages").iterdir()} == allowed
        held_out += sorted(found["held_out"])
    assert sorted(held_out) == sorted(allowed)  # each photo is held out once


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system cannot pin processes")
def test_each_recipe_has_a_core_of_its_own():
    core = max(os.sched_getaffinity(0))
    shown = "import os; print(os.sched_getaffinity(0))"
    words = [sys.executable, "-c", ON_ONE_CORE, str(core), "-c", shown]
    assert subprocess.check_output(words, text=True).strip() == f"{{{core}}}"


class Head:
    """Three last layers on given features, a convolution of 1×1 each."""

    def __init__(self, rng, outputs):
        self.features = [rng.normal(size=(1, side, side, 8)) for side in (8, 4, 2)]
        self.weights = {
            name: [rng.normal(0, 0.1, (1, 1, 8, 3 * outputs)), rng.normal(-4, 0.1, 3 * outputs)]
            for name in HEADS
        }

    def get_layer(self, name):
        return SimpleNamespace(
            get_weights=lambda: [np.array(one) for one in self.weights[name]],
            set_weights=lambda new: self.weights.update({name: new}),
        )

    def raw(self):
        layers = zip(self.features, self.weights.values(), strict=True)
        return [features @ kernel[0, 0] + bias for features, (kernel, bias) in layers]

    def scores(self, outputs):
        cells = np.concatenate([level.reshape(-1, outputs) for level in self.raw()])
        probable = 1 / (1 + np.exp(-cells[:, 4:]))
        return (probable[:, :1] * probable[:, 1:]).max(axis=1)


def test_the_tutorial_loader_and_the_options_need_no_tensorflow():
    code = "import sys, bench.loader, bench.rivals, bench.runtimes, bench.tutorial"
    done = subprocess.run(
        [sys.executable, "-c", f"{code}; assert 'tensorflow' not in sys.modules"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_a_network_with_random_weights_finds_so_many_objects():
    head = Head(np.random.default_rng(0), 5 + 3)
    assert head.scores(8).max() < 0.1
    let_it_find(head, head.raw(), 0.25)
    scores = np.sort(head.scores(8))[::-1]
    assert scores[PREDICTIONS - 1] >= 0.25 - 1e-9 > scores[PREDICTIONS]
    with pytest.raises(ValueError, match="too low"):
        let_it_find(head, head.raw(), 0.9999)


def test_a_comparison_says_whose_score_is_whose():
    ap = {"this": 0.6, "other": 0.4, "value": 0.2, "low": 0.15, "high": 0.25}
    metrics = {"images": 7, "analysis": {"comparison": {"ap": ap, "ap50": ap}}}
    assert comparison(metrics)["ap"] == {
        "default": 0.6, "plain": 0.4, "gain": 0.2, "low": 0.15, "high": 0.25
    }  # fmt: skip


def test_labels_can_be_left_out_of_a_copy_only(tmp_path):
    write_dataset(tmp_path / "data", train=3, val=1, test=1, seed=0, workers=1)
    before = [path.read_text() for path in sorted((tmp_path / "data" / "Annotations").iterdir())]
    without_objects(tmp_path / "data", tmp_path / "copy", OLD)
    old = load_split(tmp_path / "data", "all")
    new = load_split(tmp_path / "copy", "all", classes=old.classes)
    for one, other in zip(old.records, new.records, strict=True):
        stays = [old.classes[i] not in OLD for i in one.class_ids]
        assert np.array_equal(other.boxes, one.boxes[stays])
    assert sum(len(record.boxes) for record in new.records)
    after = [path.read_text() for path in sorted((tmp_path / "data" / "Annotations").iterdir())]
    assert before == after


def test_a_set_with_a_part_held_out_and_few_photos_leaks_nothing(tmp_path):
    photos, copies = tmp_path / "photos", tmp_path / "copies"
    image_ids = fill(photos, 40)
    lists(photos, train=image_ids[:20], val=image_ids[20:30], test=image_ids[30:])
    assert prepared(photos, copies, False, None) == photos
    whole = lists_of(prepared(photos, copies, True, None))
    assert set(whole) == {"train", "held_out"}
    assert whole["train"] | whole["held_out"] == set(image_ids[:30])
    assert len(whole["held_out"]) == 6
    assert not whole["train"] & whole["held_out"]
    few = lists_of(prepared(photos, copies, True, 8))
    assert few["held_out"] == whole["held_out"]
    assert len(few["train"]) == 8
    assert few["train"] < whole["train"]
    tested = lists_of(prepared(photos, copies, False, 8))
    assert tested["test"] == set(image_ids[30:])
    assert len(tested["train"]) == 8
    assert tested["train"] < set(image_ids[:30])
