"""The five small sets: each has the property it promises, and none leaks. Nothing is trained."""

import json
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from bench.small_sets import __main__ as command
from bench.small_sets import runs
from bench.small_sets.sets import LISTS, SETS, deal, draw_photo, plan_photo, write_set
from utils.cli import MISSED, OK, USAGE_ERROR, run
from utils.data.datasets import load_split
from utils.data.input_size import choose_input_size
from utils.data.synthetic import scenes
from utils.errors import UserError

EVERY = pytest.mark.parametrize("name", SETS)


def plans(name, split):
    return [plan_photo(SETS[name], split, index) for index in range(SETS[name].photos(split))]


def sides(name, split):
    """(N, 2) widths and heights of all objects of a list, in pixels of its photos."""
    boxes = np.concatenate([plan.boxes for plan in plans(name, split)])
    return (boxes[:, 2:] - boxes[:, :2]) / SETS[name].enlarged


def files(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """The tiny set with fewer photos, as written."""
    small, out = replace(SETS["tiny"], train=5, test=3), tmp_path_factory.mktemp("small") / "tiny"
    assert write_set(small, out)
    return small, out


# What the sets promise -------------------------------------------------------------------------


@EVERY
@pytest.mark.parametrize("split", LISTS)
def test_kinds_are_dealt_evenly(name, split):
    small = SETS[name]
    hands = deal(small, split)
    assert len(hands) == small.photos(split)
    assert all(small.signs[0] <= len(hand) <= small.signs[1] for hand in hands)
    counts = Counter(kind for hand in hands for kind in hand)
    common = [counts.pop(kind) for kind in small.kinds]
    assert max(common) - min(common) <= 1
    assert counts == ({small.rare[0]: small.rare[1 + LISTS.index(split)]} if small.rare else {})


@EVERY
@pytest.mark.parametrize("split", LISTS)
def test_signs_lie_within_the_picture_and_apart(name, split):
    small = SETS[name]
    for index, plan in enumerate(plans(name, split)):
        assert sorted(sign.kind for sign in plan.signs) == sorted(deal(small, split)[index])
        whole = np.array([sign.box for sign in plan.signs])
        np.testing.assert_allclose(plan.boxes, whole, atol=1e-3)  # none is cut
        for i, box in enumerate(whole):
            for other in whole[:i]:
                assert (box[:2] >= other[2:]).any() or (other[:2] >= box[2:]).any()


@pytest.mark.parametrize("split", LISTS)
def test_tiny_objects_are_tiny(split):
    found = sides("tiny", split)
    assert (found.max(1) < 10).mean() > 0.9
    assert (found.min(1) >= 5).mean() > 0.9
    assert found.max() < 13


def test_tiny_objects_are_tiny_at_the_input(tiny):
    dataset = load_split(tiny[1], "train")
    size, _ = choose_input_size(dataset)
    extents = []
    for record in dataset.records:
        assert (record.width, record.height) == (640, 480)
        extents.append(record.boxes[:, 2:] - record.boxes[:, :2])
    assert (np.concatenate(extents).max(1) * size / 640 < 10).mean() > 0.9


def test_one_class_is_one_class():
    for split in LISTS:
        assert len({kind for hand in deal(SETS["one_class"], split) for kind in hand}) == 1
    assert SETS["one_class"].train == 100


def test_rare_class_has_ten_examples_in_ten_photos():
    small = SETS["rare"]
    for split, wanted in (("train", 10), ("test", 30)):
        assert sum("warning" in hand for hand in deal(small, split)) == wanted
    assert "warning" not in small.kinds
    assert small.train == 150


@pytest.mark.parametrize("split", LISTS)
def test_wide_pictures_are_wide(split):
    assert all(plan.width >= 4 * plan.height for plan in plans("wide", split))
    found = np.sqrt(sides("wide", split).prod(1))
    assert found.min() >= 20
    assert found.max() <= 80


def test_twenty_photos_are_twenty():
    assert (SETS["twenty"].train, SETS["twenty"].test) == (20, 60)


def test_sets_share_no_seed():
    assert len({small.seed for small in SETS.values()}) == len(SETS)


# The photos ------------------------------------------------------------------------------------


@EVERY
def test_photo_shows_what_was_dealt(name):
    small = SETS[name]
    for split in LISTS:
        scene = draw_photo(small, split, 2)
        height, width = scene.image.shape[:2]
        assert (width, height) in small.pictures
        assert sorted(scene.names) == sorted(deal(small, split)[2])
        assert not scene.difficult.any()
        assert (scene.boxes >= 0).all()
        assert (scene.boxes <= [width, height] * 2).all()


def test_photo_depends_on_its_place_alone():
    small = SETS["twenty"]
    first = draw_photo(small, "train", 4)
    draw_photo(small, "test", 4)
    again = draw_photo(small, "train", 4)
    np.testing.assert_array_equal(first.image, again.image)
    np.testing.assert_array_equal(first.boxes, again.boxes)


def test_boxes_shrink_with_the_picture(monkeypatch):
    """Every sign painted as a white block: the photo is white in its boxes and nowhere else."""

    def blocks(plan, rng, props):
        image = np.zeros((plan.height, plan.width, 3), np.uint8)
        for x0, y0, x1, y1 in plan.boxes.round().astype(int):
            image[y0:y1, x0:x1] = 255
        names = tuple(sign.kind for sign in plan.signs)
        return scenes.Scene(image, plan.boxes, names, np.zeros(len(names), bool))

    monkeypatch.setattr(scenes, "render", blocks)
    scene = draw_photo(SETS["tiny"], "train", 0)
    rest = scene.image[..., 0].copy()
    for box in scene.boxes:
        x0, y0, x1, y1 = box
        inner = scene.image[round(y0 + 1) : round(y1 - 1), round(x0 + 1) : round(x1 - 1)]
        assert inner.size
        assert (inner == 255).all()
        rest[int(y0 - 0.3) : int(y1 + 1.3), int(x0 - 0.3) : int(x1 + 1.3)] = 0
    assert not rest.any()


@pytest.mark.parametrize("bad", ["difficult", "gone"])
def test_photo_with_a_hidden_sign_is_drawn_anew(monkeypatch, bad):
    render, drawn = scenes.render, []

    def spoilt_at_first(plan, rng, props):
        scene = render(plan, rng, props)
        drawn.append(scene)
        if len(drawn) > 1:
            return scene
        if bad == "difficult":
            return replace(scene, difficult=np.ones(len(scene.names), bool))
        return replace(scene, names=scene.names[1:])

    monkeypatch.setattr(scenes, "render", spoilt_at_first)
    scene = draw_photo(SETS["twenty"], "train", 0)
    assert len(drawn) >= 2
    np.testing.assert_array_equal(scene.image, drawn[-1].image)


def test_places_of_the_test_list_are_the_generators_own(monkeypatch):
    seen = {}

    def watch(plan, rng, props):
        seen[split] = props
        return scenes.Scene(
            np.zeros((plan.height, plan.width, 3), np.uint8),
            plan.boxes,
            tuple(sign.kind for sign in plan.signs),
            np.zeros(len(plan.signs), bool),
        )

    monkeypatch.setattr(scenes, "render", watch)
    for name in SETS:
        for split in LISTS:
            draw_photo(SETS[name], split, 0)
        assert seen["train"].places is scenes.PROPS["train"].places
        assert seen["test"].places is scenes.PROPS["test"].places


# The folder ------------------------------------------------------------------------------------


def test_folder_is_voc_with_two_lists(tiny):
    out = tiny[1]
    lists = {p.stem: p.read_text().split() for p in (out / "ImageSets" / "Main").iterdir()}
    assert {name: len(image_ids) for name, image_ids in lists.items()} == {"train": 5, "test": 3}
    assert not set(lists["train"]) & set(lists["test"])
    photos = {p.stem: p.read_bytes() for p in (out / "JPEGImages").iterdir()}
    assert set(photos) == set(lists["train"] + lists["test"])
    assert len(set(photos.values())) == len(photos)


def test_annotations_are_what_was_drawn(tiny):
    small, out = tiny
    dataset = load_split(out, "test")
    assert not dataset.notes
    for index, record in enumerate(dataset.records):
        scene = draw_photo(small, "test", index)
        np.testing.assert_array_equal(record.boxes, scene.boxes)
        assert tuple(dataset.classes[i] for i in record.class_ids) == scene.names


def test_what_is_missing_is_drawn_again(tiny):
    small, out = tiny
    before = files(out)
    assert not write_set(small, out)
    (out / "Annotations" / "test_00001.xml").unlink()
    (out / "JPEGImages" / "train_00000.jpg").unlink()
    (out / "ImageSets" / "Main" / "test.txt").unlink()
    assert write_set(small, out)
    assert files(out) == before


def test_folder_of_other_numbers_is_refused(tiny):
    small, out = tiny
    with pytest.raises(UserError, match="other numbers"):
        write_set(replace(small, seed=1), out)


# The command -----------------------------------------------------------------------------------


def row(name, score, rare=0.8):
    found = {
        "date": "2026-01-01", "set": name, "photos": {"train": 3, "test": 2}, "minutes": 5.0,
        "input_size": 416, "AP50": score, "AP": score / 2,
    }  # fmt: skip
    return found | ({"AP50_by_class": {"warning": rare}} if name == "rare" else {})


@pytest.fixture
def without_work(monkeypatch, tmp_path):
    """No drawing and no training: ``scores`` by name are what training gives."""
    scores, asked = dict.fromkeys([*SETS, "rare class"], 0.8), []

    def train(name, small, data, minutes, out):
        asked.append((name, minutes))
        return row(name, scores[name], scores["rare class"])

    monkeypatch.setattr(command, "write_set", lambda small, out: True)
    monkeypatch.setattr(command, "train_and_score", train)
    monkeypatch.setattr(runs, "RESULTS", tmp_path / "results" / "small_sets.jsonl")
    return scores, asked


def test_all_sets_are_trained_on_and_kept(without_work, capsys):
    _, asked = without_work
    assert run(command.main, []) == OK
    assert asked == [(name, 5.0) for name in SETS]
    kept = [json.loads(line) for line in runs.RESULTS.read_text().splitlines()]
    assert [one["set"] for one in kept] == list(SETS)
    printed = capsys.readouterr().out
    assert "| wide | 3 | 2 | 416 | 5 | 0.800 | 0.400 |" in printed
    assert "AP50 in rare: warning 0.800" in printed


def test_one_half_is_not_enough(without_work, capsys):
    scores, asked = without_work
    scores["wide"] = 0.5
    assert run(command.main, ["--only", "wide", "tiny", "--minutes", "2"]) == MISSED
    assert asked == [("tiny", 2.0), ("wide", 2.0)]
    assert "AP50 is not above 0.5: wide" in capsys.readouterr().out


def test_the_rare_class_must_be_found_too(without_work):
    scores, _ = without_work
    scores["rare class"] = 0.25
    assert run(command.main, ["--only", "rare"]) == MISSED


def test_a_score_that_is_no_number_is_not_enough(without_work):
    scores, _ = without_work
    scores["twenty"] = float("nan")
    assert run(command.main, ["--only", "twenty"]) == MISSED


def test_drawing_can_be_all(without_work):
    _, asked = without_work
    assert run(command.main, ["--draw-only"]) == OK
    assert not asked
    assert not runs.RESULTS.exists()


def test_unknown_set_is_a_usage_error(without_work, capsys):
    assert run(command.main, ["--only", "huge"]) == USAGE_ERROR
    assert "tiny" in capsys.readouterr().err


def test_input_size_is_read_from_the_log():
    assert runs.input_size("x\ntraining efficientnet_lite0 at 416×416 on cpu for 5 minutes") == 416
    assert runs.input_size("nothing") is None
