"""The report's content: every kind of evaluation gives a page, and nothing in it is markup."""

from html.parser import HTMLParser

import pytest
from pycocotools import mask as coco_mask

from tests.evaluation_cases import CASES, analysed, generated
from tests.report_cases import written
from utils.evaluation.formatting import score
from utils.evaluation.report import figures, report_page
from utils.evaluation.report.gallery import choose_cards
from utils.evaluation.report.remaining_errors import remaining_errors


class Tags(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict]] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_every_kind_of_evaluation_gives_a_page(tmp_path, name):
    text = written(tmp_path, **CASES[name]).read_text()
    tags = Tags(text).tags
    ids = [attrs["id"] for _, attrs in tags if "id" in attrs]
    assert len(ids) == len(set(ids))
    assert text.count('<th scope="row" class="text" title="class ') >= CASES[name]["classes"]
    assert len(text.encode()) < report_page.MAX_BYTES
    for tag, attrs in tags:
        source = attrs.get("src") or (attrs.get("href") if tag in ("a", "link") else None) or "#"
        assert source.startswith(("data:", "#"))


def test_names_are_text(tmp_path):
    evil = {0: "<script>alert(1)</script>", 1: '" onload="alert(2)'}
    text = written(tmp_path, evil, ["<img src=x>"], seed=2, images=12, classes=3).read_text()
    tags = Tags(text).tags
    assert sum(tag == "script" for tag, _ in tags) == 1
    assert not any(key.startswith("on") for _, attrs in tags for key in attrs)
    assert not any(attrs.get("src") == "x" for _, attrs in tags)
    assert "&lt;script&gt;alert(1)" in text


def test_crops_are_left_out_at_the_size_limit(tmp_path, monkeypatch):
    whole = written(tmp_path, seed=2, images=20, classes=3)
    size, pictures = len(whole.read_bytes()), whole.read_text().count("<img ")
    monkeypatch.setattr(report_page, "MAX_BYTES", size - 100_000 + report_page._MARGIN)
    less = written(tmp_path, seed=2, images=20, classes=3).read_text()
    assert 0 < less.count("<img ") < pictures
    assert "more would have made this file too large" in less


def test_remaining_errors_are_those_of_the_operating_point():
    truth, results = generated(**CASES["five classes"])
    analysis = analysed(truth, results, resamples=0)
    remaining = remaining_errors(truth, results, analysis.confidence)
    point = analysis.overall.at_confidence
    assert 0 < point.false_positives < len(results)
    boxes = {kind: n for kind, n in remaining.kinds.items() if kind != "missed"}
    assert sum(boxes.values()) == point.false_positives
    # The others that were not found have a box of the wrong class or place.
    assert 0 < remaining.kinds["missed"] <= point.missed
    assert point.missed - remaining.kinds["missed"] <= boxes["class"] + boxes["location"]
    for kind, count in remaining.kinds.items():
        assert sum(photo[kind] for photo in remaining.by_image.values()) == count
    assert len(remaining.missed) <= remaining.kinds["missed"]
    kept = [one for one in results if one["score"] >= analysis.confidence]
    for item in remaining.missed:  # no kept detection of its class lies on it
        x0, y0, x1, y1 = item.true_box
        box = [x0, y0, x1 - x0, y1 - y0]
        of_class = [
            one["bbox"]
            for one in kept
            if one["image_id"] == item.image_id
            and truth["categories"][one["category_id"]]["name"] == item.true_class
        ]
        if of_class:
            assert coco_mask.iou(of_class, [box], [0]).max() < 0.5
    everything = remaining_errors(truth, results, 0.0)
    assert everything.kinds == {kind.kind: kind.count for kind in analysis.errors.kinds}
    for image in analysis.errors.images:
        assert everything.of_image(image.stem) == image.errors


def test_scores_outside_0_to_1_change_neither_boxes_nor_hide_numbers():
    truth, results = generated(**CASES["five classes"])

    def cards(low, high):
        given = [{**one, "score": low + (high - low) * one["score"]} for one in results]
        analysis = analysed(truth, given, resamples=0)
        remaining = remaining_errors(truth, given, analysis.confidence)
        chosen = choose_cards(analysis, remaining.missed, truth, given)
        low_end, high_end = figures._confidence_limits(analysis.overall.curve.confidence)
        assert low_end < analysis.overall.curve.confidence[-1]
        assert high_end > analysis.overall.curve.confidence[0]
        assert (low_end, high_end) == (-0.01, 1.02) or (low, high) != (0, 1)
        return [(card.image_id, card.boxes) for card in chosen]

    expected = cards(0, 1)
    assert any(not box.detection for _, boxes in expected for box in boxes)
    assert cards(0, 100) == expected
    assert cards(-9, -3) == expected
    assert score(-4.25) == "−4.250"


def test_an_unreadable_photo_costs_its_crops_only(tmp_path):
    text = written(tmp_path, unreadable=1, seed=2, images=20, classes=3).read_text()
    assert "1 photo could not be read for the pictures below: 0001." in text
    assert "This photo could not be read." in text
    assert "<img " in text


def test_names_break_between_their_parts_and_stay_text():
    assert report_page.breakable("blood_00-1.jpg") == "blood_<wbr>00-<wbr>1.<wbr>jpg"
    assert report_page.breakable("a<b>_") == "a&lt;b&gt;_"
