"""COCO's matching done at once against pycocotools doing it image by image."""

from __future__ import annotations

import contextlib
import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from tests.evaluation_cases import CASES, generated
from utils.evaluation.coco import coco_average_precisions, coco_scores
from utils.evaluation.matching import match_results
from utils.evaluation.pairs import find_pairs
from utils.evaluation.tables import DetectionTable, GroundTruthTable


def by_pycocotools(truth, results):
    with contextlib.redirect_stdout(io.StringIO()):
        index, found = COCO(), COCO()
        index.dataset = {**truth, "annotations": [dict(a) for a in truth["annotations"]]}
        numbered = [
            {**r, "id": i, "area": r["bbox"][2] * r["bbox"][3], "iscrowd": 0}
            for i, r in enumerate(results, 1)
        ]
        found.dataset = {**truth, "annotations": numbered}
        index.createIndex()
        found.createIndex()
        evaluation = COCOeval(index, found, "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return evaluation


def crowded(seed):
    """Boxes of any size in floating point, jammed together, equal scores, image ids with gaps."""
    rng = np.random.default_rng(seed)
    truth, results = generated(seed, images=12, classes=3, objects=25, detections=160)
    ids = {i: int(n) for i, n in enumerate(rng.permutation(500)[:12] + 3, 1)}
    for item in [*truth["annotations"], *results]:
        item["image_id"] = ids[item["image_id"]]
        x, y, w, h = item["bbox"]
        item["bbox"] = [x / 3 + rng.normal(0, 0.3), y / 3, w / 3.3, h / 3.7]
        if "area" in item:
            item["area"] = item["bbox"][2] * item["bbox"][3]
    for image in truth["images"]:
        image["id"] = ids[image["id"]]
    return truth, results


SETS = {name: generated(**case) for name, case in CASES.items()}
SETS |= {f"crowded {seed}": crowded(seed) for seed in (21, 22, 23)}


def nearly_tied(seed, images=400):
    """Boxes with one decimal, two objects a detection: IoUs that differ in their last bits."""
    rng = np.random.default_rng(seed)
    truth, results = generated(seed, images=images, classes=1, objects=0, detections=0)
    annotations, results = [], []
    for i in range(1, images + 1):
        x, y, w, h = (rng.integers(50, 400, 4) / 10).tolist()
        dx, dy = (int(v) for v in rng.integers(0, int(min(w, h)) + 1, 2))
        for sign in (1, -1):  # the same IoU but for rounding
            box = [round(x + 20 + sign * dx / 10, 1), round(y + 20 + sign * dy / 10, 1), w, h]
            annotations.append(
                {"id": len(annotations) + 1, "image_id": i, "category_id": 0, "bbox": box,
                 "area": w * h, "iscrowd": 0}
            )  # fmt: skip
        results.append(
            {"image_id": i, "category_id": 0, "bbox": [x + 20, y + 20, w, h],
             "score": float(rng.random())}
        )  # fmt: skip
    return {**truth, "annotations": annotations}, results


def extreme(seed):
    """Annotated areas that are not width x height, negative, and beyond COCO's largest."""
    rng = np.random.default_rng(seed)
    truth, results = generated(seed, images=12, classes=3, objects=12, detections=60)
    for n, annotation in enumerate(truth["annotations"]):
        kind = n % 4
        if kind == 1:
            annotation["area"] *= rng.uniform(0.1, 0.9)  # of an outline
        elif kind == 2:
            annotation["area"] = -1.0
        elif kind == 3:
            annotation["area"] = float(rng.choice([1e10, 1.1e10]))
    wide = [{**r, "bbox": [0.0, 0.0, 2e5, 1e5]} for r in results[:9]]
    inverted = [{**r, "bbox": [50.0, 50.0, -20.0, 10.0]} for r in results[:9]]
    return truth, [*results, *wide, *inverted]


SETS |= {f"nearly tied {seed}": nearly_tied(seed) for seed in (1, 2)}
SETS |= {f"extreme {seed}": extreme(seed) for seed in (1, 2)}


@pytest.mark.parametrize("name", SETS)
def test_every_precision_equals_pycocotools(name):
    truth, results = SETS[name]
    evaluation = by_pycocotools(truth, results)
    matched = match_results(truth, results)
    for group in range(4):  # all, small, medium, large
        mine = coco_average_precisions(matched, group=group)[..., 0]  # (C, T)
        theirs = evaluation.eval["precision"][:, :, :, group, 2]  # (T, R, C)
        theirs = np.where(theirs < 0, np.nan, theirs).mean(axis=1).T
        np.testing.assert_allclose(mine, theirs, atol=1e-12, err_msg=f"group {group}")
    twelve = list(coco_scores(match_results(truth, results)).summary.values())
    np.testing.assert_allclose(twelve, evaluation.stats, atol=1e-12)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_nearly_tied_objects_are_chosen_as_pycocotools_chooses(seed):
    truth, results = nearly_tied(seed)
    evaluation = by_pycocotools(truth, results)
    matched = match_results(truth, results)
    theirs = np.zeros((10, len(results)), np.int64)
    for one in evaluation.evalImgs[: len(truth["images"])]:  # one class, all sizes
        theirs[:, np.array(one["dtIds"], int) - 1] = one["dtMatches"]
    np.testing.assert_array_equal(matched.matched_gt + 1, theirs)  # annotation ids count from 1
    assert (theirs > 0).any(axis=0).mean() > 0.5


def test_the_crowded_sets_exercise_the_rules():
    truth, results = SETS["crowded 21"]
    matched = match_results(truth, results)
    assert matched.outcome.min() == -1
    assert matched.outcome.max() == 1
    assert len(np.unique(matched.detections.scores)) < len(results)
    assert 0.02 < coco_scores(match_results(truth, results)).summary["AP50"] < 0.9


def test_best_hundred_of_an_image_and_class_count():
    truth, results = SETS["more than 100 detections an image"]
    matched = match_results(truth, results)
    places = np.stack([matched.detections.image_ids, matched.detections.class_ids])
    counts = np.unique(places[:, matched.ranked_rows], axis=1, return_counts=True)[1]
    assert counts.max() == 100 < len(results) / 12


def test_weights_are_images_that_occur_several_times():
    truth, results = generated(**CASES["five classes"])
    rng = np.random.default_rng(3)
    weights = rng.multinomial(60, np.full(60, 1 / 60), size=3).T.astype(np.float64)
    matched = match_results(truth, results)
    mine = coco_average_precisions(matched, weights)
    for column in range(3):
        images = np.repeat(np.arange(1, 61), weights[:, column].astype(int)).tolist()
        drawn = {**truth, "images": [{**truth["images"][0], "id": n} for n in range(1, 61)]}
        drawn["annotations"] = [
            {**a, "image_id": n}
            for n, image in enumerate(images, 1)
            for a in truth["annotations"]
            if a["image_id"] == image
        ]
        for n, annotation in enumerate(drawn["annotations"], 1):
            annotation["id"] = n
        found = [
            {**r, "image_id": n}
            for n, image in enumerate(images, 1)
            for r in results
            if r["image_id"] == image
        ]
        # Equal scores are ordered by image, and the images have other numbers now: a hair apart.
        theirs = by_pycocotools(drawn, found).eval["precision"][:, :, :, 0, 2]
        theirs = np.where(theirs < 0, np.nan, theirs).mean(axis=1).T
        np.testing.assert_allclose(mine[..., column], theirs, atol=0.02)
        distinct = [{**r, "score": r["score"] + 1e-7 * i} for i, r in enumerate(results)]
        found = [
            {**r, "image_id": n}
            for n, image in enumerate(images, 1)
            for r in distinct
            if r["image_id"] == image
        ]
        again = coco_average_precisions(match_results(truth, distinct), weights)
        theirs = by_pycocotools(drawn, found).eval["precision"][:, :, :, 0, 2]
        theirs = np.where(theirs < 0, np.nan, theirs).mean(axis=1).T
        np.testing.assert_allclose(again[..., column], theirs, atol=1e-12)


def test_single_precision_is_close_enough_for_resamples():
    truth, results = generated(**CASES["80 classes"])
    matched = match_results(truth, results)
    weights = np.random.default_rng(0).integers(0, 3, (60, 20))
    exact = coco_average_precisions(matched, weights.astype(np.float64))
    quick = coco_average_precisions(matched, weights.astype(np.float32))
    # COCO's 0.07 and 7/100 are different floats: there single precision counts one recall more.
    np.testing.assert_allclose(quick, exact, atol=0.011)
    assert np.nanmean(np.abs(quick - exact)) < 5e-4


def test_aspect_groups():
    def box(image, w, h):
        return {"image_id": image, "category_id": 0, "bbox": [10.0, 10.0, w, h], "iscrowd": 0}

    shapes = [(20.0, 60.0), (50.0, 50.0), (90.0, 30.0)]  # tall, square, wide
    truth = {
        "images": [
            {"id": i, "file_name": f"{i}.jpg", "stem": str(i), "width": 200, "height": 200}
            for i in (1, 2, 3)
        ],
        "annotations": [
            {**box(i, w, h), "id": i, "area": w * h} for i, (w, h) in enumerate(shapes, 1)
        ],
        "categories": [{"id": 0, "name": "thing"}],
    }
    # The square one is missed; a tall detection on nothing outranks everything.
    results = [{**box(i, *shapes[i - 1]), "score": 0.5} for i in (1, 3)]
    results.append({**box(2, 5.0, 40.0), "bbox": [150.0, 100.0, 5.0, 40.0], "score": 0.9})
    matched = match_results(truth, results)
    tall, square, wide = (coco_average_precisions(matched, group=g)[0, 0, 0] for g in (4, 5, 6))
    assert (tall, square, wide) == (0.5, 0.0, 1.0)


corner = st.tuples(*[st.integers(0, 40)] * 4).map(
    lambda c: [c[0], c[1], c[0] + c[2] / 2, c[1] + c[3] / 2]
)
thing = st.tuples(st.integers(1, 3), st.integers(0, 1), corner, st.booleans())


@given(st.lists(thing, max_size=12), st.lists(thing, max_size=12))
def test_pairs_are_those_of_a_double_loop(objects, detections):
    image, label, box, difficult = zip(*objects, strict=True) if objects else ([], [], [], [])
    truth = GroundTruthTable(
        np.array(image, np.int64), np.array(label, np.int64),
        np.array(box, float).reshape(-1, 4), np.array(difficult, bool),
    )  # fmt: skip
    image, label, box, _ = zip(*detections, strict=True) if detections else ([], [], [], [])
    found = DetectionTable(
        np.array(image, np.int64), np.array(label, np.int64),
        np.array(box, float).reshape(-1, 4), np.zeros(len(image)),
    )  # fmt: skip
    expected = []
    for d, (image, label, a, _) in enumerate(detections):
        for g, (other, other_label, b, crowd) in enumerate(objects):
            width = min(a[2], b[2]) - max(a[0], b[0])
            height = min(a[3], b[3]) - max(a[1], b[1])
            if image != other or width <= 0 or height <= 0:
                continue
            area_a, area_b = ((c[2] - c[0]) * (c[3] - c[1]) for c in (a, b))
            iou = width * height / (area_a + area_b - width * height)
            coco_iou = width * height / area_a if crowd else iou
            if iou >= 0.1 or coco_iou >= 0.5:
                expected.append((d, g, iou, coco_iou, label == other_label))
    got = find_pairs(truth, found)
    columns = zip(*expected, strict=True) if expected else ([],) * 5
    names = ("detection", "truth", "iou", "coco", "same_class")
    for name, column in zip(names, columns, strict=True):
        np.testing.assert_allclose(getattr(got, name), column, atol=1e-15)
