"""The recipe bench: folds that leak nothing, jobs that are recognised, tables that add up."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from voc_folders import fill, lists

from bench.against_plain import ON_ONE_CORE, summary
from bench.recipe.datasets import FOLDS, make_fold
from bench.recipe.runs import Job
from bench.recipe.table import table
from utils.data.folder.data_folder import DataFolder
from utils.errors import UserError


def lists_of(folder: Path) -> dict[str, set[str]]:
    return {p.stem: set(p.read_text().split("\n")) - {""} for p in folder.glob("ImageSets/Main/*")}


@pytest.mark.parametrize("listed", [True, False])
def test_folds_divide_the_training_list_and_never_show_the_test_list(tmp_path, listed):
    image_ids = fill(tmp_path / "photos", 40)
    if listed:
        parts = {
            "train": image_ids[:20],
            "val": image_ids[20:30],
            "trainval": image_ids[:30],
            "test": image_ids[30:],
        }
        lists(tmp_path / "photos", **parts)
        allowed = set(image_ids[:30])
    else:
        named = DataFolder.open(tmp_path / "photos").splits(0).named
        allowed = {*named["train"].image_ids, *named["val"].image_ids}
    held_out = []
    for fold in range(FOLDS):
        folder = make_fold("photos", tmp_path / "photos", fold, tmp_path)
        found = lists_of(folder)
        assert found["train"] | found["held_out"] == allowed
        assert not found["train"] & found["held_out"]
        assert {p.stem for p in (folder / "JPEGImages").iterdir()} == allowed
        held_out += sorted(found["held_out"])
    assert sorted(held_out) == sorted(allowed)  # each photo is held out once


def test_a_fold_of_other_photos_is_not_taken_for_this_one(tmp_path):
    for name in ("photos", "others"):
        fill(tmp_path / name, 10)
    folder = make_fold("photos", tmp_path / "photos", 0, tmp_path)
    assert make_fold("photos", tmp_path / "photos", 0, tmp_path) == folder
    with pytest.raises(UserError, match=r"not known to be made of .*others"):
        make_fold("photos", tmp_path / "others", 0, tmp_path)


def test_there_are_five_folds(tmp_path):
    with pytest.raises(UserError, match="folds 0 to 4"):
        make_fold("photos", tmp_path, 5, tmp_path)


JOB = Job(
    variant="default", data="bccd", folder="/a", fold=0, seed=0, size=320, photos=4000,
    minutes=None, options=("--fast-math",), split="held_out", count=200,
)  # fmt: skip


def test_a_run_is_as_long_as_its_photos_or_minutes_say():
    words = JOB.training()
    assert words[words.index("--epochs") + 1] == "20"
    words = replace(JOB, minutes=8.0).training()
    assert "--epochs" not in words
    assert words[words.index("--minutes") + 1] == "8.0"


def test_where_the_data_lies_makes_no_other_job():
    assert replace(JOB, folder="/b").key() == JOB.key()
    assert replace(JOB, seed=1).key() != JOB.key()


def test_the_table_pairs_runs_of_one_fold_and_seed():
    def row(variant, fold, ap):
        return {
            "variant": variant, "data": "bccd", "fold": fold, "seed": 0, "size": 320,
            "photos": 4000, "minutes": None, "commit": "1a", "AP": ap, "AP50": 2 * ap,
        }  # fmt: skip

    rows = [row("default", f, ap) for f, ap in enumerate((0.30, 0.40, 0.35))]
    rows += [row("other", f, ap) for f, ap in enumerate((0.32, 0.43, 0.36, 0.10))]
    text = table(rows)
    assert "**bccd**, input size 320, 4,000 photos, code of 1a" in text
    assert "| default | 3 | 0.350 | 0.700 |" in text
    # Fold 3 has no partner: +2, +3 and +1 points.
    assert "| other | 4 | 0.302 | 0.605 | +2.0 | +1.0 to +3.0 |" in text


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system cannot pin processes")
def test_each_recipe_has_a_core_of_its_own():
    core = max(os.sched_getaffinity(0))
    shown = "import os; print(os.sched_getaffinity(0))"
    words = [sys.executable, "-c", ON_ONE_CORE, str(core), "-c", shown]
    assert subprocess.check_output(words, text=True).strip() == f"{{{core}}}"


def test_a_comparison_says_whose_score_is_whose():
    ap = {"this": 0.6, "other": 0.4, "value": 0.2, "low": 0.15, "high": 0.25}
    metrics = {"images": 7, "analysis": {"comparison": {"ap": ap, "ap50": ap}}}
    assert summary(metrics)["ap"] == {
        "default": 0.6, "plain": 0.4, "gain": 0.2, "low": 0.15, "high": 0.25
    }  # fmt: skip
