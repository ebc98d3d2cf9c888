"""The validation photos that a run with a time limit scores, and the time that this takes."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from tests.test_schedule import make_schedule
from utils.data.records import Dataset, Record
from utils.tiling import NO_TILES
from utils.training import overhead
from utils.training import run as stages
from utils.training.overhead import ExpectedTimes, measure_times
from utils.training.validation import (
    MIN_PHOTOS,
    SCORED_PHOTOS,
    photos_to_score,
    sample_photos,
    scored_text,
)


def dataset(classes):
    """Photos with one object each, of these classes; None for a photo without objects."""
    records = tuple(
        Record(
            image_id=f"{i:04}", image=Path(f"{i}.jpg"), width=640, height=480,
            boxes=np.array([[1, 1, 9, 9]] * (class_id is not None), np.float32).reshape(-1, 4),
            class_ids=np.array([class_id] if class_id is not None else [], np.int32),
            difficult=np.zeros(int(class_id is not None), bool),
        )
        for i, class_id in enumerate(classes)
    )  # fmt: skip
    return Dataset(records, ("a", "b", "c"))


@pytest.mark.parametrize(
    ("photos", "each", "seconds", "expected"),
    [
        (3000, 0.2, None, 3000),  # no limit
        (140, 0.2, 600, 140),  # 28 s of 600 s
        (3000, 0.2, 600, 150),  # 30 s
        (3000, 2.0, 600, MIN_PHOTOS),
        (40, 2.0, 60, 40),
        (3000, 0.0, 600, 3000),
    ],
)
def test_as_many_photos_as_a_twentieth_of_the_time_allows(photos, each, seconds, expected):
    assert photos_to_score(photos, each, seconds) == expected


def test_a_sample_has_its_share_of_each_class_and_one_of_rare_ones():
    val = dataset([0] * 600 + [None] * 300 + [1] * 98 + [2] * 2)
    sample = sample_photos(val, 100, seed=3)
    ids = [record.class_ids.tolist() for record in sample.records]
    assert [ids.count(one) for one in ([0], [], [1])] == pytest.approx([60, 30, 10], abs=1)
    assert ids.count([2]) == 1
    assert len(sample) == 100
    same, other = (sample_photos(val, 100, seed=seed) for seed in (3, 4))
    names = [[record.image_id for record in one.records] for one in (sample, same, other)]
    assert names[0] == names[1] == sorted(names[0])
    assert names[0] != names[2]
    assert sample_photos(val, 1000, seed=3) is val


def test_very_many_classes_leave_half_of_the_sample_to_chance():
    classes = tuple(f"class {i}" for i in range(400))
    many = dataset(range(400))
    sample = sample_photos(Dataset(many.records, classes), 60, seed=0)
    assert len(sample) == 60
    ids = [int(record.class_ids[0]) for record in sample.records]
    assert sum(class_id < 30 for class_id in ids) < 40  # half of it is not the first classes


class Directory:
    def __init__(self):
        self.lines = []
        self.log = self.lines.append


def start(val, choices, *, each=0.2, minutes=10.0):
    """``measure_start`` of a run whose photos take ``each`` seconds; the clock is a stand-in."""
    schedule, clock = make_schedule(seconds=60 * minutes)
    cluster = SimpleNamespace(broadcast_number=float)
    run = SimpleNamespace(
        schedule=schedule, trainer=None, cluster=cluster, choices=choices, old_classes=(),
        history=SimpleNamespace(step=0), directory=Directory(), leaked_val_photos=2,
    )  # fmt: skip
    inputs = SimpleNamespace(
        val=val, config=SimpleNamespace(seed=5, minutes=minutes),
        split=SimpleNamespace(trained_before={"val": ("0000", "0001")}),
    )  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stages, "measure_times", lambda trainer, val: ExpectedTimes(each, 1.0, 0.0))
        scored = stages.measure_start(run, inputs)
    schedule.begin(0)
    return run, scored, clock


def test_a_long_validation_list_leaves_the_minutes_to_training():
    val = dataset([0, 1, 2] * 1000)
    run, scored, clock = start(val, {SCORED_PHOTOS: None})
    assert len(scored) == run.choices[SCORED_PHOTOS] == 150
    clock.now += 0.85 * 600
    assert run.schedule.progress(7) < 1
    clock.now += 0.1 * 600
    assert run.schedule.progress(7) == 1  # and the last evaluation of 30 s fits in
    (line,) = run.directory.lines
    assert "150 of the 3,000 validation photos" in line
    assert "10 minutes" in line
    seen = {record.image_id for record in scored.records}
    assert run.leaked_val_photos == len(seen & {"0000", "0001"})


def test_a_resumed_run_scores_the_same_photos_whatever_its_speed():
    val = dataset([0, 1, 2] * 1000)
    _, before, _ = start(val, {SCORED_PHOTOS: None})
    run, scored, _ = start(val, {SCORED_PHOTOS: 150}, each=1.0)
    assert [r.image_id for r in scored.records] == [r.image_id for r in before.records]
    assert "150 of the 3,000 validation photos is scored: as before" in run.directory.lines[0]
    run, scored, _ = start(val, {SCORED_PHOTOS: 3000})  # of an older version
    assert scored is val
    assert not run.directory.lines


def test_few_photos_are_all_scored_without_a_word():
    val = dataset([0, 1, 2] * 20)
    run, scored, _ = start(val, {SCORED_PHOTOS: None})
    assert scored is val
    assert not run.directory.lines
    assert run.leaked_val_photos == 2


def test_the_result_says_of_how_many_photos_it_is():
    assert scored_text(300, 3000) == " on 300 of the 3,000 validation photos"
    assert scored_text(40, 40) == ""


def test_reading_and_matching_are_part_of_the_time_expected(monkeypatch):
    """A stand-in network takes no time; reading its photos does."""
    now = [0.0]
    monkeypatch.setattr("utils.training.overhead.time.monotonic", lambda: now[0])
    seen = []

    def detect(records, progress, on_unreadable):
        seen.extend(records)
        now[0] += 0.5 * len(records)
        return {}

    trainer = SimpleNamespace(
        model=SimpleNamespace(input_size=64, metadata={}),
        cluster=SimpleNamespace(replicas=1, local_replicas=1, hosts=1),
        averaging=False, infer=lambda images: None, detect=detect, tiling=NO_TILES,
        average=SimpleNamespace(applied=lambda: pytest.MonkeyPatch.context()),
    )  # fmt: skip
    monkeypatch.setattr(overhead, "views_of", lambda records, *_: np.ones(len(records), int))
    times = measure_times(trainer, dataset([0] * 200))
    assert times.evaluation(200) == pytest.approx(130)  # 1.3 times
    assert len(seen) == 16
    assert seen[-1].image_id == "0199"  # from all over the dataset
