"""The generated road scenes: reproducible, labelled correctly, with splits that share nothing."""

import json
import xml.etree.ElementTree as ET

import cv2
import numpy as np
import pytest

from utils.commands.synthetic import main
from utils.data.synthetic import (
    CLASSES,
    backgrounds_test,
    backgrounds_train,
    camera,
    clutter_test,
    clutter_train,
    draw_scene,
    layout,
    scenes,
    signs,
    write_dataset,
    write_video,
)
from utils.data.synthetic.generate import write_scene
from utils.errors import UserError

NOON = camera.Light("day", np.ones(3, np.float32), 1.0)
SPLITS = ("train", "val", "test")


def files(folder):
    """Relative path → bytes of every file under a folder."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    out = tmp_path_factory.mktemp("synthetic") / "signs"
    assert write_dataset(out, train=14, val=3, test=3, seed=5, workers=1)
    return out


# One scene -------------------------------------------------------------------------------------


@pytest.mark.parametrize("split", SPLITS)
def test_scene_is_a_labelled_picture(split):
    for index in range(4):
        scene = draw_scene(0, split, index)
        height, width = scene.image.shape[:2]
        assert scene.image.dtype == np.uint8
        assert scene.boxes.dtype == np.float32
        assert scene.boxes.shape == (len(scene.names), 4)
        assert scene.difficult.shape == (len(scene.names),)
        assert set(scene.names) <= set(CLASSES)
        assert (scene.boxes >= 0).all()
        assert (scene.boxes <= [width, height] * 2).all()
        assert (scene.boxes[:, 2:] - scene.boxes[:, :2] > 4).all()
        assert max(height, width) in range(480, 801)


def test_scene_depends_on_seed_split_and_index_alone():
    first = draw_scene(3, "test", 7)
    draw_scene(3, "test", 8)  # what was drawn in between does not matter
    again = draw_scene(3, "test", 7)
    np.testing.assert_array_equal(first.image, again.image)
    np.testing.assert_array_equal(first.boxes, again.boxes)
    others = [draw_scene(4, "test", 7), draw_scene(3, "train", 7), draw_scene(3, "test", 6)]
    for other in others:
        same_shape = other.image.shape == first.image.shape
        assert not (same_shape and np.array_equal(other.image, first.image))


def test_boxes_are_tight_around_what_is_drawn():
    """Every sign alone on an even ground: the box is the extent of its pixels."""
    found = 0
    for index in range(12):
        plan = scenes.plan(1, "train", index)
        for sign, box in zip(plan.signs, plan.boxes, strict=True):
            picture = np.full((plan.height, plan.width, 3), 90, np.uint8)
            sign_map = np.full(picture.shape[:2], scenes.NO_SIGN, np.int16)
            rng = np.random.default_rng(index)
            scenes.draw_sign(rng, picture, sign_map, sign, NOON, 0)
            rows, columns = np.nonzero((picture != 90).any(2))
            drawn = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
            np.testing.assert_allclose(box, drawn, atol=1.5)
            solid_rows, solid_columns = np.nonzero(sign_map == 0)
            solid = [solid_columns.min(), solid_rows.min()]
            solid += [solid_columns.max() + 1, solid_rows.max() + 1]
            np.testing.assert_allclose(box, solid, atol=2.5)  # sharp tips fade below one half
            found += 1
    assert found > 12


@pytest.mark.parametrize(
    ("hidden", "labelled", "difficult"), [(0.5, 1, 0), (0.75, 1, 1), (1, 0, 0)]
)
def test_visible_share_decides_what_is_difficult(monkeypatch, hidden, labelled, difficult):
    index = next(i for i in range(50) if len(scenes.plan(0, "train", i).signs) == 1)

    def cover(rng, picture, sign_map, box, ground, props, light):
        sign_map[:, : round(box[0] + hidden * (box[2] - box[0]))] = scenes.NO_SIGN

    monkeypatch.setattr(scenes, "_occlude", cover)
    monkeypatch.setattr(scenes, "OCCLUDED_SHARE", 1.0)
    plan, rng = scenes.plan(0, "train", index), np.random.default_rng(0)
    scene = scenes.render_scene(plan, rng, scenes.PROPS["train"])
    assert len(scene.boxes) == len(scene.names) == labelled
    assert scene.difficult.sum() == difficult


# Many scenes -----------------------------------------------------------------------------------


@pytest.mark.parametrize("split", SPLITS)
def test_a_third_of_the_signs_is_small(split):
    sides, counts, kinds = [], [], set()
    for index in range(600):
        plan = scenes.plan(0, split, index)
        extent = plan.boxes[:, 2:] - plan.boxes[:, :2]
        sides += list(extent.max(1) * layout.REFERENCE_SIDE / max(plan.width, plan.height))
        counts.append(len(plan.signs))
        kinds |= {sign.kind for sign in plan.signs}
    assert 0.28 < np.mean(np.array(sides) < layout.SMALL) < 0.39
    assert min(sides) > 9  # cut by the frame at most
    assert kinds == set(CLASSES)
    assert 0.02 < np.mean(np.array(counts) == 0) < 0.09
    assert max(counts) == 6


def test_few_signs_are_difficult():
    flags = np.concatenate([draw_scene(0, "train", index).difficult for index in range(30)])
    assert flags.mean() < 0.1


def test_test_split_has_generators_of_its_own():
    train, val, test = (scenes.PROPS[split] for split in SPLITS)
    assert train is val

    def functions(props):
        return {background.paint for background in props.backgrounds} | set(
            props.hung + props.standing + props.occluders
        )

    assert not functions(train) & functions(test)
    for props in (train, test):
        assert sum(background.weight for background in props.backgrounds) == pytest.approx(1)
    for name, module in (("train", backgrounds_train), ("test", backgrounds_test)):
        assert all(
            background.paint.__module__.endswith(f"_{name}") for background in module.BACKGROUNDS
        )
    for name, module in (("train", clutter_train), ("test", clutter_test)):
        for make in module.HUNG + module.STANDING + module.OCCLUDERS:
            assert make.__module__.endswith(f"_{name}")


# The parts -------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", CLASSES)
def test_outline_lies_within_its_sheet(kind):
    points = signs.outline(kind)
    assert np.abs(points).max() <= 1 + 1e-9
    assert points[:, 0].max() - points[:, 0].min() > 1.8
    face = signs.draw_face(kind, np.random.default_rng(0), 96)
    assert face.shape == (96, 96, 3)
    assert face.dtype == np.uint8


@pytest.mark.parametrize("module", [backgrounds_train, backgrounds_test])
@pytest.mark.parametrize("size", [(480, 640), (480, 320)])
def test_every_background_fills_the_picture(module, size):
    for background in module.BACKGROUNDS:
        picture = background.paint(np.random.default_rng(0), *size, round(0.6 * size[0]))
        assert picture.shape == (*size, 3), background.paint.__name__
        assert picture.dtype == np.uint8
        assert picture.std() > 2


@pytest.mark.parametrize("module", [clutter_train, clutter_test])
@pytest.mark.parametrize("size", [12, 64, 200])
def test_every_thing_has_a_matching_alpha(module, size):
    for make in module.HUNG + module.STANDING + module.OCCLUDERS:
        patch, alpha = make(np.random.default_rng(0), size)
        assert patch.shape == (*alpha.shape, 3), make.__name__
        assert patch.dtype == np.uint8
        assert alpha.dtype == np.float32
        assert 0 <= alpha.min() <= alpha.max() <= 1
        assert alpha.max() > 0.9


# The dataset -----------------------------------------------------------------------------------


def test_dataset_is_voc(dataset):
    lists = {
        path.stem: path.read_text().split() for path in (dataset / "ImageSets" / "Main").iterdir()
    }
    assert {name: len(image_ids) for name, image_ids in lists.items()} == {
        "train": 14,
        "val": 3,
        "trainval": 17,
        "test": 3,
    }
    assert set(lists["trainval"]) == set(lists["train"] + lists["val"])
    image_ids = set(lists["trainval"] + lists["test"])
    assert {path.stem for path in (dataset / "JPEGImages").iterdir()} == image_ids
    assert {path.stem for path in (dataset / "Annotations").iterdir()} == image_ids
    assert (dataset / "classes.txt").read_text().split() == sorted(CLASSES)
    assert len(CLASSES) == 8


def test_annotation_agrees_with_the_scene(dataset):
    for index in range(3):
        scene = draw_scene(5, "test", index)
        root = ET.parse(dataset / "Annotations" / f"test_{index:05d}.xml").getroot()
        assert root.findtext("filename") == f"test_{index:05d}.jpg"
        assert [item.findtext("name") for item in root.iter("object")] == list(scene.names)
        written = [
            [float(item.findtext(f"bndbox/{tag}")) for tag in ("xmin", "ymin", "xmax", "ymax")]
            for item in root.iter("object")
        ]
        expected = scene.boxes + np.float32([1, 1, 0, 0])
        np.testing.assert_allclose(np.reshape(written, (-1, 4)), expected, atol=1e-3)
        picture = cv2.imread(str(dataset / "JPEGImages" / f"test_{index:05d}.jpg"))[..., ::-1]
        assert picture.shape == scene.image.shape
        assert np.abs(picture.astype(int) - scene.image).mean() < 6


def test_files_do_not_depend_on_the_number_of_workers(dataset, tmp_path):
    write_dataset(tmp_path / "two", train=14, val=3, test=3, seed=5, workers=2)
    assert files(tmp_path / "two") == files(dataset)


def test_scenes_do_not_depend_on_the_size_of_the_dataset(dataset, tmp_path):
    write_dataset(tmp_path / "few", train=2, val=0, test=1, seed=5, workers=1)
    few, all_files = files(tmp_path / "few"), files(dataset)
    drawn = [name for name in few if name.startswith(("JPEGImages", "Annotations"))]
    assert len(drawn) == 6
    assert all(few[name] == all_files[name] for name in drawn)


def test_finished_dataset_is_left_alone(dataset):
    before = {path: path.stat().st_mtime_ns for path in dataset.rglob("*")}
    assert not write_dataset(dataset, train=14, val=3, test=3, seed=5)
    assert {path: path.stat().st_mtime_ns for path in dataset.rglob("*")} == before


def test_unfinished_dataset_is_continued(tmp_path, monkeypatch):
    drawn = []

    def stop_after_three(out, seed, job):
        if len(drawn) == 3:
            raise KeyboardInterrupt
        drawn.append(job)
        write_scene(out, seed, job)

    out = tmp_path / "signs"
    monkeypatch.setattr("utils.data.synthetic.generate.write_scene", stop_after_three)
    with pytest.raises(KeyboardInterrupt):
        write_dataset(out, train=4, val=0, test=1, workers=1)
    assert not json.loads((out / "synthetic.json").read_text())["finished"]
    kept = {path: path.stat().st_mtime_ns for path in (out / "JPEGImages").iterdir()}
    monkeypatch.undo()
    assert write_dataset(out, train=4, val=0, test=1, workers=1)
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    write_dataset(tmp_path / "whole", train=4, val=0, test=1, workers=1)
    assert files(out) == files(tmp_path / "whole")


def test_folders_of_others_are_refused(dataset, tmp_path):
    with pytest.raises(UserError, match="another generated dataset"):
        write_dataset(dataset, train=14, val=3, test=4, seed=5)
    (tmp_path / "diary.txt").write_text("mine")
    with pytest.raises(UserError, match="not empty"):
        write_dataset(tmp_path, train=1, val=0, test=0)
    with pytest.raises(UserError, match="is a file"):
        write_dataset(tmp_path / "diary.txt", train=1, val=0, test=0)


@pytest.mark.parametrize(
    ("numbers", "word"),
    [
        ({"train": -1, "val": 0, "test": 0}, "--train"),
        ({"train": 0, "val": 0, "test": 0}, "nothing"),
        ({"train": 1, "val": 0, "test": 0, "seed": -1}, "seed"),
        ({"train": 1, "val": 0, "test": 0, "workers": 0}, "process"),
    ],
)
def test_bad_numbers_are_named(tmp_path, numbers, word):
    with pytest.raises(UserError, match=word):
        write_dataset(tmp_path / "signs", **numbers)
    assert not (tmp_path / "signs").exists()


# The command and the video ---------------------------------------------------------------------


def test_command_writes_both_and_says_so(tmp_path, capsys):
    arguments = ["--out", str(tmp_path / "signs"), "--train", "1", "--val", "0", "--test", "1"]
    assert main(arguments) == 0
    assert "2 scenes" in capsys.readouterr().out
    assert main(arguments) == 0
    assert "nothing to do" in capsys.readouterr().out


def test_command_refuses_bad_values(tmp_path):
    with pytest.raises(UserError, match="--train"):
        main(["--out", str(tmp_path / "signs"), "--train", "-3"])


def test_video_can_be_read_back(tmp_path):
    path = tmp_path / "drive.mp4"
    write_video(path, seconds=0.5, fps=12, seed=1)
    assert [item.name for item in tmp_path.iterdir()] == ["drive.mp4"]
    capture = cv2.VideoCapture(str(path))
    frames = []
    while True:
        there, frame = capture.read()
        if not there:
            break
        frames.append(frame)
    assert len(frames) == 6
    assert frames[0].shape == (360, 640, 3)
    assert np.abs(frames[0].astype(int) - frames[-1]).mean() > 1  # something moves


def test_video_refuses_no_time_at_all(tmp_path):
    with pytest.raises(UserError, match="no frames"):
        write_video(tmp_path / "drive.mp4", seconds=0)
