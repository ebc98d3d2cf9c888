"""``--keep-classes``: which classes a run has, and the objects that its checkpoint labels."""

from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from utils.data.batches.samples import TrainingSamples
from utils.data.folder.tables import EntryTable
from utils.data.records import Dataset, Record, RecordTable
from utils.data.synthetic import write_dataset
from utils.detections import Detections
from utils.errors import UserError
from utils.runtime.runtime import Runtime
from utils.tiling import NO_TILES, Tiling, TrainingSizes
from utils.training import inputs, pseudo_labels
from utils.training.choices.classes import match_classes
from utils.training.choices.kept_classes import keep_all_classes, unlabelled_text
from utils.training.config import TrainConfig, refuse_contradictions
from utils.training.forgetting import (
    group_scores,
    measured_classes,
    not_measured_text,
    not_trained_text,
    old_classes,
    scores_text,
)
from utils.training.inputs import label_kept_classes
from utils.training.pseudo_labels import PseudoLabels, unlabelled_objects
from utils.training.resume import pseudo_labels_facts
from utils.training.setup import Setup, set_up
from utils.training.state import check_choices

ROOT = Path(__file__).resolve().parent.parent


def kept(old, new, labelled, rename="", in_given_order=False):
    old, new = tuple(old.split()), tuple(new.split())
    old_ids = match_classes(old, new, rename.split())
    labelled = {new.index(name) for name in labelled.split()}
    return keep_all_classes(old, new, old_ids, labelled, in_given_order=in_given_order)


@pytest.mark.parametrize(("old", "new", "labelled", "rename", "classes", "old_ids", "missing"), [
    ("a b c", "b x", "b x", "", "a b c x", (0, 1, 2, None), "a c"),
    ("a b", "x", "x", "", "a b x", (0, 1, None), "a b"),
    ("a b", "b a x", "a x", "", "a b x", (0, 1, None), "b"),  # named, but without an object
    ("a b", "x B", "x B", "a=x", "x B", (0, 1), ""),
    ("a", "x y", "x y", "a=x a=y", "x y", (0, 0), ""),
    ("a", "x", "x", "", "a x", (0, None), "a"),
    ("a", "a", "a", "", "a", (0,), ""),
])  # fmt: skip
def test_classes_of_the_checkpoint_stay(old, new, labelled, rename, classes, old_ids, missing):
    found = kept(old, new, labelled, rename)
    assert found.classes == tuple(classes.split())
    assert found.checkpoint_ids == old_ids
    assert [found.classes[i] for i in found.ids] == new.split()
    assert [found.classes[i] for i in found.unlabelled] == missing.split()


def test_a_classes_file_keeps_its_order():
    found = kept("a b c", "x c", "x c", in_given_order=True)
    assert found.classes == ("x", "c", "a", "b")
    assert (found.checkpoint_ids, found.ids, found.unlabelled) == ((None, 2, 0, 1), (0, 1), (2, 3))


def test_two_classes_of_one_name_are_refused():
    with pytest.raises(UserError, match=r"--keep-classes.*'b'.*--rename.*in the data"):
        kept("a b", "b", "b", "a=b")


def test_keeping_needs_a_checkpoint_and_says_when_there_is_nothing_to_keep():
    with pytest.raises(UserError, match="--keep-classes needs --weights"):
        refuse_contradictions(TrainConfig(data=Path("photos"), keep_classes=True))
    assert "label all" in unlabelled_text(kept("a", "a x", "a x"), classes_given=False)
    assert "--classes" in unlabelled_text(kept("a b", "a", "a"), classes_given=False)


def table():
    """Photos p0 to p2 with 2, 0 and 1 objects."""
    names = ["p0", "p1", "p2"]
    entries = EntryTable(Path("/data"), names, [f"{n}.png" for n in names], [""] * 3)
    boxes = np.float32([[0, 0, 10, 10], [20, 20, 40, 40], [5, 5, 9, 9]])
    return RecordTable(
        entries, np.arange(3), np.full((3, 2), 100, np.int32), np.array([0, 2, 2, 3]), boxes,
        np.array([0, 1, 0], np.int32), np.array([False, True, False]),
    )  # fmt: skip


def test_records_get_further_objects_after_their_own():
    records = table().with_class_ids((3, 4))
    records = records.with_objects(
        np.array([0, 1, 1]), np.float32(np.arange(12).reshape(3, 4)), np.array([7, 8, 9]),
        np.array([True, False, True]),
    )  # fmt: skip
    assert [r.class_ids.tolist() for r in records] == [[3, 4, 7], [8, 9], [3]]
    assert [r.difficult.tolist() for r in records] == [[False, True, True], [False, True], [False]]
    assert records[1].boxes.tolist() == [[4, 5, 6, 7], [8, 9, 10, 11]]
    some = records.selected([0, 2])
    assert [r.image_id for r in some] == ["p0", "p2"]
    assert [r.class_ids.tolist() for r in some] == [[3, 4, 7], [3]]
    assert some[1].boxes.tolist() == [[5, 5, 9, 9]]


def detections(*rows):
    """(score, class id, x0, y0, x1, y1) each."""
    rows = np.array(rows, np.float32).reshape(-1, 6)
    return Detections(rows[:, 2:], rows[:, 0], rows[:, 1].astype(np.int32), ("a", "b", "c"))


def test_an_object_gets_one_label_and_none_where_it_has_one():
    found = detections(
        (0.9, 0, 0, 0, 10, 10),  # stands on a labelled object
        (0.8, 1, 50, 50, 70, 70),
        (0.7, 0, 50, 50, 70, 68),  # the same object again
        (0.6, 2, 0, 50, 10, 60),  # a class that is not looked for
        (0.5, 0, 10, 0, 20, 10),  # beside the labelled object
    )
    kept_ones = unlabelled_objects(found, np.float32([[1, 0, 10, 10]]), (0, 1))
    assert kept_ones.scores.tolist() == pytest.approx([0.8, 0.5])
    assert not len(unlabelled_objects(found, np.zeros((0, 4)), ()))
    assert len(unlabelled_objects(found, np.zeros((0, 4)), (0, 1, 2))) == 4


def test_pseudo_labels_come_back_from_their_file_and_join_the_photos(tmp_path):
    third = float(np.float32(1 / 3))
    labels = PseudoLabels(
        ["p1", "p2"], [0, 1], [[third, 0, 9, 9], [20, 20, 30, 30]], [5, 6], [True, False]
    )
    labels.save(tmp_path / "labels.json")
    again = PseudoLabels.read(tmp_path / "labels.json")
    assert again == labels
    assert again.digest() == labels.digest()
    train = labels.with_pseudo_labels(Dataset(table(), tuple("abcdefg")))
    assert [r.class_ids.tolist() for r in train.records] == [[5], [0, 6]]
    assert [r.difficult.tolist() for r in train.records] == [[False], [False, True]]
    assert train.records[0].boxes[0, 0] == np.float32(1 / 3)
    text = labels.text(train.classes, (1, 5, 6), all_photos=3)
    assert "f 1;" in text
    assert "1 box " in text
    assert "nothing of b and g; classes without an object here may be forgotten" in text
    assert "1 photo left out" in text
    assert "forgotten" not in labels.text(train.classes, (5,), all_photos=2)
    fewer = Dataset(table().selected([0, 2]), tuple("abcdefg"))
    with pytest.raises(UserError, match=r"--resume: 1 training photo .* missing \(p1\)"):
        labels.with_pseudo_labels(fewer)
    (tmp_path / "labels.json").write_text("{")
    with pytest.raises(UserError, match=r"labels\.json"):
        PseudoLabels.read(tmp_path / "labels.json")


def test_old_classes_are_scored_apart():
    assert old_classes(("a", "b", "x"), (0, 1, None)) == ("a", "b")
    assert old_classes(("a", "b"), (0, 1)) == ()
    by_class = {"a": 0.5, "b": None, "c": 0.7, "x": 0.2}
    scores = group_scores(by_class, ("a", "b", "c"))
    assert scores == {"AP_old": pytest.approx(0.6), "AP_new": 0.2}
    assert group_scores(by_class, ()) == {}
    assert group_scores({"b": None, "x": 0.2}, ("b",)) == {"AP_new": 0.2}
    assert scores_text(scores) == " (old classes 0.600, new ones 0.200)"
    assert scores_text({"AP": 0.4}) == ""


def test_what_cannot_be_measured_is_said():
    val = Dataset(table(), ("a", "b", "x"))  # the only object of b is difficult
    assert "objects of b:" in not_measured_text(val, (0, 1, None))
    assert not_measured_text(val, (0, None, None)) == ""
    assert measured_classes(val) == {"a"}
    assert measured_classes(Dataset(list(table()), val.classes)) == {"a"}


def test_the_classes_of_many_photos_are_found_without_a_record_of_each(monkeypatch):
    monkeypatch.setattr(RecordTable, "__getitem__", None)
    assert measured_classes(Dataset(table(), ("a", "b"))) == {"a"}


def test_classes_that_only_validation_photos_have_are_named():
    def photos(*class_ids):
        count = len(class_ids)
        nothing = np.zeros((count, 4), np.float32)
        record = Record(
            "p", Path("p.png"), 9, 9, nothing, np.int32(class_ids), np.zeros(count, bool)
        )
        return Dataset((record,), ("a", "b", "c"))

    assert not_trained_text(photos(0, 1), photos(1)) == ""
    assert not_trained_text(photos(0), photos()) == ""
    text = not_trained_text(photos(1), photos(1, 2))
    assert text.startswith("no training photo has an object of c, but validation photos do")
    assert "object of a and c, but" in not_trained_text(photos(1), photos(0, 1, 2))


def resumed(labels, path, facts, chief=True):
    """``label_kept_classes`` for a resumed run whose folder is on the chief's disk only."""
    cluster = SimpleNamespace(chief=chief, broadcast_json=lambda value: value or asdict(labels))
    directory = SimpleNamespace(pseudo_labels=path) if chief else None
    setup = Setup(None, cluster, None, directory, {"choices": {"pseudo labels": facts}}, {}, None)
    return label_kept_classes(setup, None, kept("a b", "b x", "b x"), NO_TILES)


def test_a_resumed_run_has_the_pseudo_labels_that_it_began_with(tmp_path):
    labels = PseudoLabels(["p1"], [0], [[0, 0, 9, 9]], [0], [True])
    path = tmp_path / "labels.json"
    labels.save(path)
    facts = {"classes": ["a"], "digest": labels.digest()}
    assert resumed(labels, path, facts) == labels
    assert resumed(labels, path, facts, chief=False) == labels
    assert resumed(labels, path, None) is None  # all classes had labels, or none was kept


def test_what_was_not_labelled_must_stay_the_same_when_a_run_is_resumed():
    some, none = (kept("a b", "b x", found) for found in ("b x", "x"))
    labels = PseudoLabels(["p1"], [], [], [], [])
    before = pseudo_labels_facts(SimpleNamespace(kept=some, pseudo_labels=labels))
    assert before == {"classes": ["a"], "digest": labels.digest()}
    options = {"options": {}, "recipe": {}}
    for now in (
        SimpleNamespace(kept=none, pseudo_labels=labels),  # another class has no label now
        SimpleNamespace(kept=kept("a", "a", "a"), pseudo_labels=None),
        SimpleNamespace(kept=None, pseudo_labels=None),
    ):
        with pytest.raises(UserError, match="pseudo labels differ"):
            check_choices(
                {**options, "pseudo labels": before},
                {**options, "pseudo labels": pseudo_labels_facts(now)},
            )


class OneHost:
    """As ``utils.runtime.distribution.Cluster``."""

    hosts = local_replicas = 1
    local_indices = staticmethod(np.arange)
    broadcast_number = staticmethod(float)


class Finds:
    """A detector that takes a second a photo and finds three objects on each but p1."""

    batch_size, class_names = 1, ("a", "b", "c")
    input_size, training_sizes = (64, 64), TrainingSizes()

    def __init__(self, weights, **_):
        self.runtime = Runtime(None, self.class_names, (64, 64), any_shape=True)
        if isinstance(weights, Runtime):
            self.runtime = weights


def look(_, records, **__):
    found = detections((0.9, 1, 50, 50, 70, 70), (0.2, 2, 70, 0, 90, 9), (0.9, 0, 0, 50, 9, 60))
    return {pseudo_labels.NMS_IOU: {r.image_id: found for r in records if r.image_id != "p1"}}


def test_found_objects_get_ids_of_the_run_and_the_time_is_limited(monkeypatch):
    monkeypatch.setattr(pseudo_labels, "Detector", Finds)
    monkeypatch.setattr(pseudo_labels, "detect_records", look)
    monkeypatch.setattr(pseudo_labels, "_seconds_a_photo", lambda _: 1.0)
    train = Dataset(table(), tuple("abcdefg"))

    def find(minutes, seed=0):
        return pseudo_labels.make_pseudo_labels(
            Path("w.keras"), train, {1: 5, 2: 6}, OneHost, seed=seed, minutes=minutes
        )

    labels = find(None)
    assert labels.photos == ["p0", "p1", "p2"]
    assert labels.photo == [0, 0, 2, 2]
    assert labels.class_ids == [5, 6, 5, 6]
    assert labels.sure == [True, False, True, False]
    assert find(1.0) == labels
    some = find(2.5 / 60 / pseudo_labels.MAX_TIME_SHARE)  # seconds for two and a half photos
    assert len(some.photos) == 2
    assert some.photos == sorted(some.photos)
    assert find(0.1).photos == find(0.1).photos
    assert len(find(0.01).photos) == 1


def test_on_several_devices_all_photos_have_one_shape(monkeypatch):
    shapes = []
    monkeypatch.setattr(pseudo_labels, "Detector", Finds)
    monkeypatch.setattr(pseudo_labels, "detect_records", lambda detector, *_, **__: (
        shapes.append(detector.runtime.any_shape) or {pseudo_labels.NMS_IOU: {}}
    ))  # fmt: skip
    for replicas in (1, 2):
        cluster = type("Devices", (OneHost,), {"local_replicas": replicas})
        train = Dataset(table(), tuple("abc"))
        pseudo_labels.make_pseudo_labels(
            Path("w.keras"), train, {0: 0}, cluster, seed=0, minutes=None
        )
    assert shapes == [True, False]


def test_photos_are_looked_at_in_tiles_as_they_are_trained_on(monkeypatch):
    """The photos of 100 pixels have five views each: themselves and four tiles of 60."""
    given = []
    monkeypatch.setattr(pseudo_labels, "Detector", Finds)
    monkeypatch.setattr(pseudo_labels, "_seconds_a_photo", lambda _: 1.0)
    monkeypatch.setattr(pseudo_labels, "detect_records", lambda *_, tiling, **__: (
        given.append(tiling) or {pseudo_labels.NMS_IOU: {}}
    ))  # fmt: skip
    train, tiles = Dataset(table(), tuple("abc")), Tiling(60)
    for views, photos in ((1, 1), (9, 1), (10, 2), (15, 3)):
        labels = pseudo_labels.make_pseudo_labels(
            Path("w.keras"), train, {0: 0}, OneHost, seed=0, tiling=tiles,
            minutes=(views + 0.5) / 60 / pseudo_labels.MAX_TIME_SHARE,
        )  # fmt: skip
        assert len(labels.photos) == photos
    assert set(given) == {tiles}


@pytest.mark.slow
@pytest.mark.parametrize("tile", ["off", "240"])
def test_photos_that_were_not_looked_at_are_not_trained_on(tmp_path, monkeypatch, tile):
    """With ``--minutes`` there may be no time for all. Here every second photo is left out."""
    write_dataset(tmp_path / "data", train=6, val=4, test=4, seed=3, workers=1)
    (tmp_path / "classes.txt").write_text("stop\n")
    config = TrainConfig(
        data=tmp_path / "data", weights=ROOT / "model_data" / "signs.keras", keep_classes=True,
        classes=tmp_path / "classes.txt", only_listed=True, minutes=5.0, epochs=2, tile=tile,
        input_size=64, device="cpu",
    )  # fmt: skip
    known, seen = [], []

    def find(_, train, *__, tiling, **___):
        seen.append(tiling)
        known.extend(train.records.image_ids())
        return PseudoLabels(known[1::2], [0], [[0, 0, 9, 9]], [3], [True])

    monkeypatch.setattr(inputs, "make_pseudo_labels", find)
    monkeypatch.setattr(inputs, "repeat_factors", lambda dataset, _: np.array(
        [1.0 + known.index(image_id) for image_id in dataset.records.image_ids()]
    ))  # fmt: skip
    with ExitStack() as at_end:
        chosen = inputs.choose_inputs(set_up(config, at_end))
    assert seen == [Tiling(240) if tile == "240" else NO_TILES]
    assert chosen.train.records.image_ids() == known[1::2]
    shown = chosen.crops.photos if chosen.crops else np.arange(3)
    assert chosen.repeats.tolist() == [2.0 + 2 * photo for photo in shown]
    samples = TrainingSamples(
        chosen.train, 64, 0, chosen.augment, crops=chosen.crops, repeats=chosen.repeats
    )
    assert all(samples[number][0].shape == (64, 64, 3) for number in range(len(samples)))
