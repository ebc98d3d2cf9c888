"""Synthetic pictures for pretraining: the same for everyone, with boxes true to the pixels."""

import json

import cv2
import numpy as np
import pytest
from PIL import ImageFont

from bench.pretraining import appearance, shapes
from bench.pretraining.class_table import (
    CLASSES,
    SHAPE_CLASSES,
    class_of_clip_art,
    class_of_pictogram,
)
from bench.pretraining.composition import (
    DIFFICULT,
    INVISIBLE,
    MIN_SIDE,
    Assets,
    Composite,
    Item,
    draw_picture,
    lay,
    visible,
)
from bench.pretraining.drawings import Drawing, Pool, of_split, tidy
from bench.pretraining.placement import Patch, Pose, clip, matrix, render, tight_box
from bench.pretraining.textures import Textures, palette
from bench.pretraining.write import encode, write_set
from utils.errors import UserError

PLAIN_LOOK = appearance.Look(colours=np.eye(3, 4))
FINE = 6  # samples a pixel in the slow measurement


def ellipse(height=90, width=140, colour=(40, 200, 230)):
    """Straight BGRA with an ellipse that does not touch the edge."""
    picture = np.zeros((height + 20, width + 20, 4), np.uint8)
    picture[..., :3] = colour
    alpha = np.zeros(picture.shape[:2], np.uint8)
    cv2.ellipse(alpha, (width // 2 + 10, height // 2 + 10), (width // 2, height // 2),
                0, 0, 360, 255, -1, cv2.LINE_AA)  # fmt: skip
    picture[..., 3] = alpha
    return picture


def tiny_pool():
    pixels, drawings, offset = [], [], 0
    for number, label in enumerate(["fruit", "mammal", "tool", "fruit"]):
        ready = tidy(ellipse(60 + 20 * number, 120, (30, 70 * number, 200)))
        pixels.append(ready.ravel())
        drawings.append(Drawing(label, f"subject {number}", offset, *ready.shape[:2]))
        offset += ready.size
    return Pool(np.concatenate(pixels), drawings)


def open_tiny(split):
    rng = np.random.default_rng(3)
    noise = rng.integers(0, 255, (2, 256, 512, 3)).astype(np.uint8)
    views = [cv2.blur(view, (15, 15)) for view in noise]
    fonts = [ImageFont.load_default(48)]
    return Assets(tiny_pool(), Textures(rng, "val", [], [], views, fonts))


@pytest.fixture(scope="module")
def assets():
    return open_tiny("val")


@pytest.fixture
def composite():
    return Composite(np.full((200, 300, 3), 20, np.uint8), np.full((200, 300), -1, np.int16))


# Classes ---------------------------------------------------------------------------------------


def test_classes_are_stable():
    assert len(CLASSES) == len(set(CLASSES)) == 80
    assert (CLASSES[0], CLASSES[15], CLASSES[70], CLASSES[-1]) == ("face", "fruit", "flag", "board")
    assert CLASSES[-9:] == SHAPE_CLASSES


@pytest.mark.parametrize(
    ("subgroup", "name", "label"),
    [
        ("food-fruit", "red apple", "fruit"),
        ("sky & weather", "cloud", "weather"),
        ("sky & weather", "glowing star", "star"),
        ("transport-ground", "bullet train", "train"),
        ("face-smiling", "grinning face", "face"),
        ("animal-mammal", "raccoon", None),
        ("medical", "drop of blood", None),
        ("skin-tone", "light skin tone", None),
    ],
)
def test_class_of_pictogram(subgroup, name, label):
    assert class_of_pictogram(subgroup, name) == label


def test_class_of_clip_art():
    assert class_of_clip_art("food/fruit", "apple_01") == "fruit"
    assert class_of_clip_art("transportation/vehicles", "old_plane") == "aircraft"
    assert class_of_clip_art("transportation/roadsigns", "stop") is None


# Drawings --------------------------------------------------------------------------------------


def test_splits_show_different_things():
    drawings = [Drawing("fruit", f"{n % 10}", 0, 1, 1) for n in range(30)]
    drawings += [Drawing("star", "only", 0, 1, 1)]
    train, val = (of_split(drawings, split) for split in ("train", "val"))
    shown = [{d.subject for d in part if d.label == "fruit"} for part in (train, val)]
    assert not shown[0] & shown[1]
    assert len(shown[0] | shown[1]) == 10
    assert all(any(d.label == "star" for d in part) for part in (train, val))


def test_tidy_leaves_out_what_is_no_single_thing():
    apart = np.zeros((100, 300, 4), np.uint8)
    apart[10:90, 10:90] = apart[10:90, 210:290] = 255
    assert tidy(apart) is None
    assert tidy(np.zeros((50, 50, 4), np.uint8)) is None
    ready = tidy(ellipse())
    assert max(ready.shape[:2]) == 288
    assert (ready[..., :3] <= ready[..., 3:]).all()


@pytest.mark.parametrize("label", SHAPE_CLASSES)
def test_shapes_are_premultiplied_and_cut_out(assets, label):
    for seed in range(5):
        shape = shapes.make(np.random.default_rng(seed), assets.textures, label)
        assert shape.dtype == np.uint8
        assert (shape[..., :3].astype(int) <= shape[..., 3:].astype(int) + 1).all()
        own = shape[..., 3] > 76
        assert all(edge.any() for edge in (own[0], own[-1], own[:, 0], own[:, -1]))


# Boxes -----------------------------------------------------------------------------------------


def measured_slowly(drawing, pose, height, width):
    """The box by asking, ``FINE`` times a pixel each way, whether the drawing is there."""
    y, x = np.mgrid[0 : height * FINE, 0 : width * FINE]
    points = np.stack([(x + 0.5) / FINE, (y + 0.5) / FINE, np.ones_like(x, float)])
    back = np.linalg.inv(matrix(pose, *drawing.shape[:2]))
    u, v, w = np.tensordot(back, points, 1)
    column, row = np.floor(u / w).astype(int), np.floor(v / w).astype(int)
    inside = (column >= 0) & (row >= 0) & (w > 0)
    inside &= (column < drawing.shape[1]) & (row < drawing.shape[0])
    own = np.zeros(inside.shape, bool)
    own[inside] = drawing[row[inside], column[inside], 3] > 127
    columns, rows = np.flatnonzero(own.any(0)), np.flatnonzero(own.any(1))
    return np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]) / FINE


@pytest.mark.parametrize("seed", range(12))
def test_box_is_that_of_the_pixels(seed):
    rng = np.random.default_rng(seed)
    drawing = tidy(ellipse()) if seed % 2 else np.full((200, 240, 4), 255, np.uint8)
    pose = Pose(
        centre=tuple(rng.uniform(20, 160, 2)),
        size=tuple(rng.uniform(25, 110, 2)),
        angle=rng.uniform(-3, 3),
        mirrored=bool(rng.random() < 0.5),
        shear=rng.normal(0, 0.2),
        tilt=tuple(rng.uniform(-0.3, 0.3, 2)),
    )
    box = tight_box(clip(render(drawing, pose), 180, 180))
    np.testing.assert_allclose(box, measured_slowly(drawing, pose, 180, 180), atol=0.75)


def test_box_of_an_upright_rectangle_is_exact():
    for x0, x1 in ((10.0, 50.0), (10.25, 50.5), (9.6, 49.9), (12.5, 20.5)):
        pose = Pose(centre=((x0 + x1) / 2, 40.5), size=(x1 - x0, 21.0))
        box = tight_box(render(np.full((250, 250, 4), 255, np.uint8), pose))
        np.testing.assert_allclose(box, (x0, 30, x1, 51), atol=0.3)


def test_box_follows_opacity_and_ignores_faint_edges():
    pixels = np.zeros((20, 30, 4), np.uint8)
    pixels[5:15, 8:20] = 100
    pixels[5:15, 7] = 20
    assert tight_box(Patch(pixels, 100, 50), opacity=100 / 255) == (108, 55, 120, 65)


def test_boxes_end_at_the_edge_of_the_picture(composite):
    square = np.full((50, 50, 4), 255, np.uint8)
    item = Item("tool", square, PLAIN_LOOK, Pose(centre=(295, 100), size=(40, 40)))
    assert lay(np.random.default_rng(0), composite, item, None)
    np.testing.assert_allclose(visible(composite)[0][0], (275, 80, 300, 120), atol=0.05)


# What is seen ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("hidden", "expected"), [(0.5, [False]), (0.8, [True]), (0.95, [])], ids=str
)
def test_hidden_things_are_difficult_then_nothing(composite, hidden, expected):
    """A square, over which another slides that hides that share of it."""
    rng = np.random.default_rng(0)
    back = np.full((60, 60, 4), 255, np.uint8)
    front = np.zeros((60, 60, 4), np.uint8)
    front[..., 2:] = 255
    lay(rng, composite, Item("tool", back, PLAIN_LOOK, Pose((100, 100), (60, 60))), None)
    x = 100 + 60 * (1 - hidden)
    lay(rng, composite, Item("fruit", front, PLAIN_LOOK, Pose((x, 100), (60, 60))), None)
    boxes, labels, difficult = visible(composite)
    assert [hard for hard, label in zip(difficult, labels, strict=True) if label == "tool"] == (
        expected
    )
    if expected:
        np.testing.assert_allclose(boxes[0], (70, 70, 130, 130), atol=0.05)  # the hidden part too
    assert INVISIBLE < DIFFICULT


def test_too_small_and_outside_is_not_laid(composite):
    rng = np.random.default_rng(0)
    square = np.full((50, 50, 4), 255, np.uint8)
    for pose in (Pose((50, 50), (MIN_SIDE - 1, 30)), Pose((400, 50), (30, 30))):
        assert not lay(rng, composite, Item("tool", square, PLAIN_LOOK, pose), None)
    assert (composite.canvas == 20).all()


def test_what_cannot_be_told_from_behind_is_inverted(composite):
    same = np.full((50, 50, 4), 255, np.uint8)
    same[..., :3] = 20
    item = Item("tool", same, PLAIN_LOOK, Pose((100, 100), (50, 50)))
    assert lay(np.random.default_rng(0), composite, item, open_tiny("val").textures)
    assert composite.canvas[100, 100].min() > 60


# Pictures and files ----------------------------------------------------------------------------


def test_scenes_depend_on_their_numbers_only(assets):
    first = [draw_picture(assets, 0, "train", index) for index in range(6)]
    again = [draw_picture(open_tiny("val"), 0, "train", index) for index in (5, 2)]
    for scene, same in zip((first[5], first[2]), again, strict=True):
        np.testing.assert_array_equal(scene.image, same.image)
        np.testing.assert_array_equal(scene.boxes, same.boxes)
        assert encode(scene, 0, "train", 1) == encode(same, 0, "train", 1)
    assert not np.array_equal(first[0].image, draw_picture(assets, 1, "train", 0).image[:1])


def test_scenes_are_truthful(assets):
    count = 0
    for index in range(25):
        scene = draw_picture(assets, 0, "train", index)
        height, width = scene.image.shape[:2]
        assert scene.image.dtype == np.uint8
        assert max(height, width) <= 512
        assert (scene.boxes >= 0).all()
        assert (scene.boxes <= [width, height] * 2).all()
        assert (scene.boxes[:, 2:] - scene.boxes[:, :2] >= MIN_SIDE).all()
        assert len(scene.boxes) == len(scene.labels) == len(scene.difficult)
        count += len(scene.boxes)
    assert count > 90


def test_palette(assets):
    assert palette(np.random.default_rng(0)).shape == (256, 3)


def test_set_is_coco_and_is_continued(tmp_path):
    out = tmp_path / "set"
    options = {"counts": {"train": 3, "val": 2}, "workers": 1}
    write_set(out, open_tiny, seed=0, **options)
    labels = out / "annotations" / "instances_train.json"
    before = labels.read_bytes()
    listed = json.loads(before)
    assert [image["file_name"] for image in listed["images"]] == [
        f"train/00000{n}.jpg" for n in range(3)
    ]
    assert [entry["name"] for entry in listed["categories"]] == list(CLASSES)
    unchanged = (out / "images" / "val" / "000001.jpg").stat().st_mtime_ns
    labels.unlink()
    (out / ".parts" / "train" / "000001.json").unlink()
    write_set(out, open_tiny, seed=0, **options)
    assert labels.read_bytes() == before
    assert (out / "images" / "val" / "000001.jpg").stat().st_mtime_ns == unchanged
    with pytest.raises(UserError, match="another seed"):
        write_set(out, open_tiny, seed=1, **options)
