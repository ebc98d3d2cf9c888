"""The error analysis against a detector made wrong on purpose, in known amounts."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from tests.evaluation_cases import analysed
from utils.evaluation import tide
from utils.evaluation.schema import ERROR_KINDS

SIDE, STEP = 20.0, 60.0
AMOUNTS = {
    "class": 7, "location": 11, "both": 5, "duplicate": 13, "background": 17, "missed": 9,
}  # fmt: skip


def planted(seed=0, images=40, per=6, classes=4, score=None):
    """A ground truth, results with ``AMOUNTS`` of errors, and what was planted where."""
    rng = np.random.default_rng(seed)
    objects = [(i, k) for i in range(1, images + 1) for k in range(per)]
    labels = dict(zip(objects, rng.integers(0, classes, len(objects)).tolist(), strict=True))
    truth = {
        "images": [
            {"id": i, "file_name": f"{i}.jpg", "stem": f"p{i}", "width": 400, "height": 400}
            for i in range(1, images + 1)
        ],
        "annotations": [
            {
                "id": n,
                "image_id": i,
                "category_id": labels[i, k],
                "bbox": [k * STEP, 0.0, SIDE, SIDE],
                "area": SIDE * SIDE,
                "iscrowd": 0,
            }
            for n, (i, k) in enumerate(objects, 1)
        ],
        "categories": [{"id": c, "name": f"class {c}"} for c in range(classes)],
    }
    draw = score or (lambda: float(rng.uniform(0.3, 0.9)))
    order = [objects[i] for i in rng.permutation(len(objects))]
    kinds = [k for k in ("class", "location", "both", "missed") for _ in range(AMOUNTS[k])]
    results, where = [], {}

    def add(image, label, x, y, value):
        results.append(
            {"image_id": image, "category_id": label, "bbox": [x, y, SIDE, SIDE], "score": value}
        )

    for n, (i, k) in enumerate(order):
        kind = kinds[n] if n < len(kinds) else None
        label, x = labels[i, k], k * STEP
        wrong = (label + 1) % classes
        if kind is None:
            add(i, label, x, 0.0, draw())
        elif kind == "class":
            add(i, wrong, x, 0.0, draw())
        elif kind == "location":
            add(i, label, x + 10, 0.0, draw())  # IoU 1/3
        elif kind == "both":
            # The object itself is found, so that it is not missed as well.
            add(i, label, x, 0.0, 0.95)
            add(i, wrong, x + 10, 0.0, draw())
        where.setdefault(kind, set()).add((i, k))
    right = order[len(kinds) :]
    for i, k in right[: AMOUNTS["duplicate"]]:
        add(i, labels[i, k], k * STEP + 1, 0.0, 0.1)
        where.setdefault("duplicate", set()).add((i, k))
    for i, k in right[: AMOUNTS["background"]]:
        add(i, labels[i, k], k * STEP, 200.0, draw())
        where.setdefault("background", set()).add((i, k))
    rng.shuffle(results)
    return truth, results, where


@pytest.fixture(scope="module")
def case():
    truth, results, where = planted()
    return truth, results, where, analysed(truth, results, resamples=0)


def test_planted_errors_are_counted(case):
    analysis = case[3]
    assert {k.kind: k.count for k in analysis.errors.kinds} == AMOUNTS
    assert analysis.overall.errors == AMOUNTS
    by_class = Counter()
    for one in analysis.classes:
        by_class.update(one.errors)
    assert dict(by_class) == AMOUNTS


def test_planted_errors_are_found_where_they_are(case):
    _, _, where, analysis = case
    for kind in ("class", "location", "both", "missed"):
        items = [e for e in analysis.errors.worst if e.kind == kind]
        assert {(e.image_id, e.true_box[0] / STEP) for e in items} == where[kind]
    for item in analysis.errors.worst:
        assert item.stem == f"p{item.image_id}"
        assert (item.predicted_class is None) == (item.kind == "missed")
        assert (item.true_box is None) == (item.kind == "background")
        if item.kind in ("class", "both"):
            assert item.predicted_class != item.true_class
        if item.kind in ("location", "both"):
            assert item.iou == pytest.approx(1 / 3)
    costs = [e.cost for e in analysis.errors.worst]
    assert costs == sorted(costs, reverse=True)
    assert min(costs) >= 0


def test_correction_gives_the_score_of_a_corrected_detector(case):
    truth, results, where, analysis = case
    objects = {(a["image_id"], a["bbox"][0] / STEP): a for a in truth["annotations"]}

    def ap50(truth, results):
        return analysed(truth, results, resamples=0).overall.ap50.value

    def nearest(r):
        return objects.get((r["image_id"], (r["bbox"][0] // STEP)))

    def corrected(kind):
        kept = []
        for r in results:
            thing, off = nearest(r), r["bbox"][0] % STEP
            background = r["bbox"][1] > 0
            wrong = r["category_id"] != thing["category_id"]
            is_kind = {
                "background": background,
                "duplicate": off == 1 and not background,
                "both": off == 10 and wrong,
                "location": off == 10 and not wrong,
                "class": off == 0 and wrong and not background,
            }[kind]
            if not is_kind:
                kept.append(r)
            elif kind in ("class", "location"):
                kept.append({**r, "category_id": thing["category_id"], "bbox": thing["bbox"]})
        return kept

    for kind in analysis.errors.kinds:
        if kind.kind == "missed":
            gone = where["missed"]
            fewer = {
                **truth,
                "annotations": [
                    a
                    for a in truth["annotations"]
                    if (a["image_id"], a["bbox"][0] / STEP) not in gone
                ],
            }
            expected = ap50(fewer, results)
        else:
            expected = ap50(truth, corrected(kind.kind))
        assert kind.ap50 == pytest.approx(max(expected, analysis.errors.ap50), abs=1e-9), kind
        assert kind.gain == pytest.approx(kind.ap50 - analysis.errors.ap50)
    assert sum(k.gain for k in analysis.errors.kinds) > 0.05


def test_image_costs_are_the_sums_of_their_errors(case):
    analysis = case[3]
    total = Counter()
    for image in analysis.errors.images:
        total.update(image.errors)
    assert dict(total) == AMOUNTS
    costs = [i.cost for i in analysis.errors.images]
    assert costs == sorted(costs, reverse=True)
    assert sum(costs) == pytest.approx(sum(e.cost for e in analysis.errors.worst))


def test_cost_of_one_false_positive_by_hand():
    # One class, two objects, by falling score: miss, hit, hit. Precision at the hits: 1/2, 2/3;
    # without the miss 1, 1. Mean of the rises over two objects: (1/2 + 1/3) / 2.
    truth, _, _ = planted(images=1, per=2, classes=1)
    boxes = [a["bbox"] for a in truth["annotations"]]
    found = [([0.0, 300.0, SIDE, SIDE], 0.9), (boxes[0], 0.8), (boxes[1], 0.7)]
    results = [{"image_id": 1, "category_id": 0, "bbox": b, "score": s} for b, s in found]
    (item,) = analysed(truth, results, resamples=0).errors.worst
    assert item.kind == "background"
    assert item.cost == pytest.approx((1 / 2 + 1 / 3) / 2)


def test_a_corrected_object_counts_once():
    # Two detections of the wrong class on one object: correction makes the one with the higher
    # score a true positive, and removes the other.
    truth, _, _ = planted(images=1, per=1, classes=2)
    (thing,) = truth["annotations"]
    wrong = 1 - thing["category_id"]
    results = [
        {"image_id": 1, "category_id": wrong, "bbox": thing["bbox"], "score": s} for s in (0.8, 0.6)
    ]
    analysis = analysed(truth, results, resamples=0)
    kinds = {k.kind: k for k in analysis.errors.kinds}
    assert kinds["class"].count == 2
    assert kinds["class"].ap50 == 1.0
    assert kinds["missed"].count == 0


def test_difficult_objects_are_neither_missed_nor_found():
    truth, results, _ = planted()
    for annotation in truth["annotations"]:
        annotation["iscrowd"] = 1
    analysis = analysed(truth, results, resamples=0)
    assert analysis.overall.objects == 0
    assert {k.kind for k in analysis.errors.kinds if k.count} <= {"background"}


def test_suspected_label_errors_are_confident_detections_without_label():
    truth, results, _ = planted(score=lambda: 0.9)
    results = [r for r in results if r["bbox"][1] == 0]  # a detector that is seldom wrong
    # Take labels away whose objects are found, surely: detections there look like background.
    found = {(r["image_id"], r["category_id"], *r["bbox"]) for r in results if r["score"] == 0.9}
    lacking = [
        a for a in truth["annotations"]
        if (a["image_id"], a["category_id"], *a["bbox"]) in found
    ][:3]  # fmt: skip
    truth["annotations"] = [a for a in truth["annotations"] if a not in lacking]
    suspected = analysed(truth, results, resamples=0).errors.suspicions
    boxes = {(s.image_id, s.box[0]) for s in suspected if s.kind == "not labelled"}
    assert {(a["image_id"], a["bbox"][0]) for a in lacking} <= boxes
    assert all(s.precision >= 0.8 for s in suspected)
    # A rival of another class at the same place rules the suspicion out.
    rival = [
        {"image_id": a["image_id"], "category_id": (a["category_id"] + 1) % 4, "bbox": a["bbox"],
         "score": 0.6} for a in lacking
    ]  # fmt: skip
    suspected = analysed(truth, results + rival, resamples=0).errors.suspicions
    boxes = {(s.image_id, s.box[0]) for s in suspected if s.kind == "not labelled"}
    assert not {(a["image_id"], a["bbox"][0]) for a in lacking} & boxes


def test_order_of_the_kinds_is_that_of_the_constants():
    for i, kind in enumerate(ERROR_KINDS):
        assert getattr(tide, kind.upper()) == i


@pytest.mark.parametrize(("false", "corrected"), [(0, 1.0), (3, 0.5)])
def test_a_class_with_every_object_missed(false, corrected):
    truth = {
        "images": [
            {"id": i, "file_name": f"{i}.jpg", "stem": f"{i}", "width": 400, "height": 400}
            for i in (1, 2)
        ],
        "annotations": [
            {"id": i, "image_id": i, "category_id": c, "bbox": [50.0 * c, 0.0, SIDE, SIDE],
             "area": SIDE * SIDE, "iscrowd": 0}
            for i, c in ((1, 0), (2, 1))
        ],
        "categories": [{"id": c, "name": f"class {c}"} for c in (0, 1)],
    }  # fmt: skip
    results = [{"image_id": 1, "category_id": 0, "bbox": [0.0, 0.0, SIDE, SIDE], "score": 0.9}]
    results += [
        {"image_id": 1, "category_id": 1, "bbox": [200.0, 60.0 * n, SIDE, SIDE], "score": 0.5}
        for n in range(false)
    ]
    kinds = {kind.kind: kind for kind in analysed(truth, results, resamples=0).errors.kinds}
    assert (kinds["missed"].count, kinds["background"].count) == (1, false)
    # Without its object, class 1 has no errors left, or only false positives.
    assert kinds["missed"].ap50 == corrected
    assert kinds["missed"].gain == corrected - 0.5
