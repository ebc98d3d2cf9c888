"""Detections: indexing, iteration, drawing and conversion, against rows written by hand."""

import json
import sys
import types
import xml.etree.ElementTree as ET
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from utils.data.formats.voc_xml import read_annotation
from utils.detections import NO_TRACK, Detection, Detections
from utils.drawing.boxes import draw_detections
from utils.errors import UserError
from utils.images import save_image

ROWS = [  # class id, score, box
    (2, 0.875, (1.0, 2.0, 11.0, 22.0)),
    (0, 0.5, (0.0, 0.0, 40.0, 30.0)),
    (2, 0.25, (5.5, 6.25, 7.0, 8.0)),
]
NAMES = ("cat", "dog", "bird")


def detections(rows=ROWS, size=(40, 30)):
    return Detections(
        boxes=np.float32([box for _, _, box in rows]).reshape(-1, 4),
        scores=np.float32([score for _, score, _ in rows]),
        class_ids=np.int32([class_id for class_id, _, _ in rows]),
        class_names=NAMES,
        image_size=size,
    )


def rows_of(found):
    return [(one.class_id, one.score, one.box) for one in found]


def test_a_single_one_is_a_small_named_value_of_plain_python():
    first = detections()[0]
    assert first == Detection("bird", 2, 0.875, (1.0, 2.0, 11.0, 22.0))
    assert detections()[-1].score == 0.25
    assert detections()[np.int64(1)].class_name == "cat"
    assert json.loads(json.dumps(first)) == ["bird", 2, 0.875, [1.0, 2.0, 11.0, 22.0], None]


def test_track_ids_go_with_their_objects():
    tracked = replace(detections(), track_ids=np.array([7, NO_TRACK, 3]))
    assert [one.track_id for one in tracked] == [7, None, 3]
    assert tracked[tracked.scores > 0.3].track_ids.tolist() == [7, NO_TRACK]
    assert detections()[1:].track_ids is None
    with pytest.raises(ValueError, match="track ids"):
        replace(detections(), track_ids=np.array([1]))


def test_iteration_and_length():
    assert rows_of(detections()) == ROWS
    assert len(detections()) == 3
    assert list(detections([])) == []
    assert not detections([])


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        (slice(1, None), [1, 2]), (slice(None, None, -1), [2, 1, 0]), ([2, 0], [2, 0]),
        (np.array([1, 1]), [1, 1]), ([], []),
        ([True, False, True], [0, 2]), (np.array([False] * 3), []), (np.uint8([2]), [2]),
        ((0, 2), [0, 2]), (range(2), [0, 1]),
    ],
)  # fmt: skip
def test_rows_are_selected(key, expected):
    found = detections()[key]
    assert rows_of(found) == [ROWS[i] for i in expected]
    assert found.class_names == NAMES
    assert found.image_size == (40, 30)


@given(st.lists(st.tuples(st.integers(0, 2), st.floats(0, 1, width=32)), max_size=8), st.data())
def test_a_mask_selects_as_a_list_comprehension_does(pairs, data):
    rows = [(class_id, score, (0.0, 0.0, 1.0, 1.0)) for class_id, score in pairs]
    limit = data.draw(st.floats(0, 1, width=32))
    found = detections(rows)
    assert rows_of(found[found.scores > limit]) == [row for row in rows if row[1] > limit]
    birds = found[found.class_ids == 2]
    assert birds.names() == ["bird"] * sum(class_id == 2 for class_id, _ in pairs)


@pytest.mark.parametrize(
    "key", [3, -4, "cat", 1.5, [0.5], [3], None, True, [[0, 1]], [True, False], (slice(0, 1), 0)]
)
def test_what_selects_nothing_is_refused(key):
    with pytest.raises((IndexError, ValueError)):
        detections()[key]


def test_a_selection_is_drawn_on_pixels_or_a_file(tmp_path):
    image = np.full((60, 80, 3), 127, np.uint8)
    found = detections()[:1]
    drawn = found.draw(image)
    np.testing.assert_array_equal(drawn, draw_detections(image, found))
    assert (drawn != image).any()
    assert (image == 127).all()
    path = tmp_path / "grey.png"
    save_image(path, image)
    np.testing.assert_array_equal(found.draw(path), drawn)
    with pytest.raises(UserError, match=r"none\.jpg"):
        found.draw(tmp_path / "none.jpg")


def test_coco_results():
    assert detections().to_coco(7)[1] == {
        "image_id": 7, "category_id": 0, "bbox": [0.0, 0.0, 40.0, 30.0], "score": 0.5,
    }  # fmt: skip
    assert detections().to_coco("photo")[0]["bbox"] == [1.0, 2.0, 10.0, 20.0]
    assert json.loads(json.dumps(detections().to_coco())) == detections().to_coco()
    assert detections([]).to_coco() == []


def test_voc_xml_reads_back(tmp_path):
    path = tmp_path / "photo.xml"
    path.write_text(detections().to_voc("photo.jpg"))
    root = ET.parse(path).getroot()
    assert root.findtext("filename") == "photo.jpg"
    assert [root.findtext(f"size/{side}") for side in ("width", "height")] == ["40", "30"]
    # One-based and inclusive: the first pixel is 1.
    assert [e.text for e in root.find("object/bndbox")] == ["2", "3", "11", "22"]
    np.testing.assert_array_equal(read_annotation(path).boxes, detections().boxes)
    with pytest.raises(ValueError, match="image_size"):
        detections(size=None).to_voc()


@pytest.mark.parametrize(
    ("library", "convert"),
    [("pandas", Detections.to_pandas), ("supervision", Detections.to_supervision)],
)
def test_a_library_that_is_not_there_is_named(library, convert, monkeypatch):
    monkeypatch.setitem(sys.modules, library, None)  # as if it were not installed
    with pytest.raises(UserError, match=f"pip install {library}"):
        convert(detections())


def test_pandas_gets_a_column_a_number(monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", types.SimpleNamespace(DataFrame=dict))
    table = {name: list(column) for name, column in detections().to_pandas().items()}
    assert list(table) == ["class", "class_id", "score", "x0", "y0", "x1", "y1"]
    assert table["class"] == ["bird", "cat", "bird"]
    rows = zip(
        *[table[name] for name in ("class_id", "score", "x0", "y0", "x1", "y1")], strict=True
    )
    assert [(a, b, tuple(box)) for a, b, *box in rows] == ROWS
    tracked = replace(detections(), track_ids=np.array([7, NO_TRACK, 3])).to_pandas()
    assert list(tracked["track_id"]) == [7, NO_TRACK, 3]


def test_supervision_gets_its_own_names(monkeypatch):
    monkeypatch.setitem(sys.modules, "supervision", types.SimpleNamespace(Detections=dict))
    values = detections().to_supervision()
    np.testing.assert_array_equal(values["xyxy"], [box for _, _, box in ROWS])
    assert values["confidence"].tolist() == [0.875, 0.5, 0.25]
    assert values["class_id"].tolist() == [2, 0, 2]
    assert values["data"]["class_name"].tolist() == ["bird", "cat", "bird"]
