"""The analysis as a whole: plain JSON, in agreement with the scores."""

from __future__ import annotations

import json
from dataclasses import asdict

import numpy as np
import pytest

from tests.evaluation_cases import CASES, analysed, generated, metrics_of


@pytest.mark.parametrize("name", CASES)
def test_the_analysis_is_plain_json(name):
    truth, results = generated(**CASES[name])
    analysis = asdict(analysed(truth, results, resamples=20, other=("x", results)))
    assert json.loads(json.dumps(analysis, allow_nan=False)) == analysis


@pytest.mark.parametrize("name", CASES)
def test_the_analysis_agrees_with_the_scores(name):
    truth, results = generated(**CASES[name])
    metrics, analysis = metrics_of(truth, results), analysed(truth, results, resamples=0)
    sizes = analysis.overall.ap_by_size
    for key, value in (
        ("AP", analysis.overall.ap.value), ("AP50", analysis.overall.ap50.value),
        ("AP75", analysis.overall.ap_by_iou[5]), ("APs", sizes["small"]),
        ("APm", sizes["medium"]), ("APl", sizes["large"]),
    ):  # fmt: skip
        assert (-1 if value is None else value) == pytest.approx(metrics["coco"][key], abs=1e-12)
    for one in analysis.classes:
        assert one.voc2007 == metrics["voc2007"]["AP"][one.name]
        assert one.ap50.value == pytest.approx(metrics["coco_classes"]["AP50"][one.name])
    counts = np.array(analysis.confusion.counts)
    assert counts[:-1].sum() == metrics["boxes"]
