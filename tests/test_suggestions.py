"""predict.py --suggest: unsure photos that differ, and why each was chosen."""

from __future__ import annotations

import os

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import predict
from tests.browser import (
    DESKTOP,
    PHONE,
    broken_images,
    complaints,
    least_contrast,
    open_page,
    overflow,
)
from tests.media_files import write_picture
from utils.cli import run
from utils.detections import Detections
from utils.files import content_hash
from utils.media.frames import Frame, Source
from utils.media.suggestions.choice import NEAR_COPY, choose
from utils.media.suggestions.suggest import (
    Suggestion,
    find_suggestions,
    unlabelled,
    write_suggestions,
)
from utils.media.suggestions.suggestions_page import write_page
from utils.media.suggestions.uncertainty import class_uncertainty, class_weights, photo_uncertainty

CLASSES = ("cat", "dog", "<b>newt</b>")


def found(*objects):
    """Objects as (class id, score)."""
    ids, scores = zip(*objects, strict=True) if objects else ((), ())
    boxes = np.tile(np.float32([1, 1, 20, 20]), (len(objects), 1)).reshape(-1, 4)
    return Detections(boxes, np.float32(scores), np.int32(ids), CLASSES)


def test_the_uncertainty_of_a_class_is_that_of_its_most_unsure_object():
    by_class = class_uncertainty(found((0, 0.9), (0, 0.5), (0, 0.1), (1, 0.75)))
    np.testing.assert_allclose(by_class, [1, 0.5, 0], atol=1e-6)
    np.testing.assert_allclose(class_uncertainty(found()), 0)


def test_rare_classes_count_more():
    photos = [found((0, 0.5))] * 99 + [found((1, 0.5))]
    weights = class_weights(photos)
    assert weights.mean() == pytest.approx(1)
    assert weights[2] > weights[1] > weights[0]
    by_class = np.array([class_uncertainty(one) for one in photos])
    uncertainty = photo_uncertainty(by_class, weights)
    assert uncertainty.argmax() == 99
    assert uncertainty.max() == 1
    assert photo_uncertainty(np.zeros((2, 3)), weights).tolist() == [0, 0]


def test_of_copies_one_is_chosen():
    rng = np.random.default_rng(0)
    for look in (np.float32([1, 2, 3]), rng.random(1280).astype(np.float32)):
        assert len(choose(np.ones(5), np.tile(look, (5, 1)), 5)) == 1


def test_near_copies_are_not_chosen():
    rng = np.random.default_rng(0)
    scenes = rng.random((10, 32)).astype(np.float32)
    copies = scenes.repeat(5, axis=0) + rng.normal(0, 1e-3, (50, 32)).astype(np.float32)
    chosen = choose(np.linspace(0, 1, 50), copies, 30)
    assert len(chosen) == 10
    assert {one.index // 5 for one in chosen} == set(range(10))
    assert chosen[0].index == 49
    assert chosen[0].nearest is None


def test_the_unsure_come_before_the_sure():
    features = np.eye(6, dtype=np.float32)  # all equally different
    uncertainty = np.array([0.2, 1, 0, 0.6, 0.4, 0.8])
    assert [one.index for one in choose(uncertainty, features, 4)] == [1, 5, 3, 4]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 12), st.integers(1, 15), st.integers(0, 99))
def test_choices_are_distinct_and_as_different_as_they_say(photos, count, seed):
    rng = np.random.default_rng(seed)
    features = rng.random((photos, 4)).astype(np.float32)
    if not photos:
        return
    chosen = choose(rng.random(photos), features, count)
    indices = [one.index for one in chosen]
    assert len(set(indices)) == len(indices) <= min(count, photos)
    centred = features - features.mean(axis=0)
    length = np.linalg.norm(centred, axis=1, keepdims=True)
    directions = centred / np.where(length > 1e-6, length, 1)
    for place, one in enumerate(chosen[1:], start=1):
        distances = np.clip(1 - directions[indices[:place]] @ directions[one.index], 0, 1)
        assert one.difference == pytest.approx(distances.min(), abs=1e-5)
        assert one.difference >= NEAR_COPY


def test_reasons(tmp_path):
    photos = [found((0, 0.5), (1, 0.99))] * 4 + [found((2, 0.4)), found((0, 0.95)), found()]
    frames = [
        Frame(np.full((8, 8, 3), i, np.uint8), Source(f"{i}.jpg", "picture", f"{i}.jpg"))
        for i in range(len(photos))
    ]

    def features(image):
        return np.eye(8, dtype=np.float32)[image[0, 0, 0]]

    suggested = {
        one.path.stem: one
        for one in find_suggestions(zip(frames, photos, strict=True), features, 10)
    }
    assert len(suggested) == 7
    assert suggested["4"].reasons[:2] == (
        "unsure of <b>newt</b> 0.40",
        "rare on these photos: <b>newt</b>",
    )
    assert suggested["0"].reasons[0] == "unsure of cat 0.50"
    assert suggested["5"].reasons[0] == "sure of what it sees"
    assert suggested["6"].reasons[0] == "nothing seen at all"
    first = next(iter(suggested.values()))
    assert (first.nearest, first.difference) == (None, 1)


@pytest.fixture
def command(tmp_path, monkeypatch):
    """predict.py with a network and features that depend on the grey of a picture."""
    from utils.runtime import runtime

    def infer(images):
        boxes = np.tile(np.float32([16, 16, 48, 48]), (len(images), 1, 1))
        scores = images[:, 32, 32, 0].astype(np.float32) / 255
        return boxes, np.stack([scores, 0 * scores, 1 - scores], axis=-1)[:, None]

    def features(image):
        return np.float32([np.sin(image[0, 0, 0]), np.cos(image[0, 0, 0])])

    known = {
        "train": {"seen": content_hash(write_picture(tmp_path / "in" / "seen.jpg", 64, 64, 9))}
    }
    fake = runtime.Runtime(infer, CLASSES, (64, 64), metadata={"hashes": known})
    monkeypatch.setattr("utils.detector.open_runtime", lambda *_, **__: fake)
    monkeypatch.setattr("utils.media.suggestions.run.backbone_features", lambda weights: features)
    weights = tmp_path / "best.keras"
    weights.write_bytes(b"")
    return lambda *arguments: run(predict.main, ["--weights", str(weights), *map(str, arguments)])


@pytest.mark.slow
def test_the_command_writes_list_links_and_page(command, tmp_path, capsys):
    for grey in range(40, 240, 20):
        write_picture(tmp_path / "in" / f"{grey}.jpg", 64, 64, grey)
    write_picture(tmp_path / "in" / "copy of 120.jpg", 64, 64, 120)
    (tmp_path / "in" / "broken.jpg").write_bytes(b"no picture")
    out = tmp_path / "out"
    assert command(tmp_path / "in", "--suggest", 4, "--out", out) == 0
    printed = capsys.readouterr()
    assert "4 photos to label next, chosen from 12" in printed.out
    assert "training knew them: 1 photo" in printed.out
    assert "broken.jpg" in printed.err
    paths = (out / "suggested.txt").read_text().splitlines()
    assert len(set(paths)) == 4
    assert sum("120" in path for path in paths) == 1
    assert not any("seen" in path for path in paths)
    links = sorted((out / "suggested").iterdir())
    assert [str(link.resolve()) for link in links] == paths
    assert links[0].name.startswith("1_")
    assert command(tmp_path / "in", "--suggest", 4, "--out", out) == 2  # nothing is overwritten

    for window, dark in ((PHONE, False), (DESKTOP, True)):
        with open_page(out / "suggested.html", dark=dark, **window) as driver:
            assert driver.execute_script("return document.images.length") == 4
            assert broken_images(driver) == []
            assert complaints(driver) == []
            assert overflow(driver) <= 0
            assert least_contrast(driver)[1] >= 4.5
            assert "newt" in driver.execute_script("return document.body.innerText")


def test_what_cannot_be_suggested(command, tmp_path, capsys):
    (tmp_path / "film.mp4").write_bytes(b"\0")
    assert command(tmp_path / "film.mp4", "--suggest", 3) == 2
    assert "--save-frames" in capsys.readouterr().err
    assert command(tmp_path / "in" / "seen.jpg", "--suggest", 3) == 2
    assert "knew all" in capsys.readouterr().err


def test_known_photos_are_looked_for_among_files_of_any_size(tmp_path):
    for name in ("huge.jpg", "absent.jpg", "seen.jpg", "new.jpg"):
        write_picture(tmp_path / name, value=9 if name == "seen.jpg" else 50)
    (tmp_path / "absent.jpg").unlink()
    os.truncate(tmp_path / "huge.jpg", 1 << 40)  # to read it would take hours
    sources = [
        Source(str(tmp_path / name), "picture", str(tmp_path / name))
        for name in ("huge.jpg", "absent.jpg", "seen.jpg", "new.jpg")
    ]
    left = unlabelled(sources, {content_hash(tmp_path / "seen.jpg")})
    assert [source.output_name for source in left] == ["huge", "absent", "new"]  # reading says why


def test_links_to_photos_with_the_longest_names(tmp_path):
    photo = write_picture(tmp_path / f"{'x' * 251}.jpg")
    one = Suggestion(photo, 1.0, 1.0, None, (), found())
    _, links = write_suggestions([one], tmp_path / "out")
    (link,) = links.iterdir()
    assert link.resolve() == photo
    assert link.name.startswith("1_x")
    assert link.suffix == ".jpg"


def test_exported_files_have_no_features(tmp_path):
    from utils.errors import UserError
    from utils.media.suggestions.features import backbone_features

    with pytest.raises(UserError, match="checkpoint that it was exported from"):
        backbone_features(tmp_path / "best.onnx")


@pytest.mark.slow
def test_features_of_a_copy_are_those_of_the_photo(tmp_path):
    from tests.test_bundled import WEIGHTS
    from utils.data.synthetic.scenes import draw_scene
    from utils.media.suggestions.features import backbone_features

    features = backbone_features(WEIGHTS)
    one, other = (draw_scene(3, "test", i).image for i in range(2))
    copy = np.clip(one.astype(int) + 6, 0, 255).astype(np.uint8)
    looks = np.array([features(image) for image in (one, copy, other)])
    assert looks.dtype == np.float32
    near, far = np.linalg.norm(looks[1:] - looks[0], axis=1)
    assert near < far / 3


def test_the_page_shows_very_long_photos(tmp_path):
    one = Suggestion(tmp_path / "a.png", 1.0, 1.0, None, ("long",), found())
    write_page(
        [one], tmp_path / "page.html", looked_at=1, left_out=0,
        read=lambda path: np.zeros((4, 9000, 3), np.uint8),
    )  # fmt: skip
    assert "data:image/" in (tmp_path / "page.html").read_text()
