"""Objects labelled by an outline alone are used by their bounding box, in every format."""

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools import mask as coco_mask

from tests.label_folders import coco_image, coco_json, coco_object, only, photo, put, xml
from utils.data.doctor.doctor import check_dataset
from utils.data.formats.coco_json import read_coco
from utils.data.formats.outlines import points_box, rle_box, rotated_box
from utils.data.formats.voc_xml import parse_annotation

BOX = [4.0, 5.0, 24.0, 20.0]  # x0, y0, x1, y1
OUTLINED = "outline"


@settings(max_examples=150, deadline=None)
@given(st.integers(1, 9), st.integers(1, 9), st.integers(0, 2**32 - 1), st.floats(0, 1))
def test_the_box_of_a_mask_is_that_of_pycocotools(height, width, seed, share):
    pixels = np.random.default_rng(seed).random((height, width)) < share
    mask = coco_mask.encode(np.asfortranarray(pixels, dtype=np.uint8))
    flat = pixels.flatten(order="F").astype(int)
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flat])))
    runs = np.diff([0, *edges, len(flat)]).tolist()
    for counts in (mask["counts"].decode(), runs):
        if not pixels.any():
            with pytest.raises(ValueError, match="no"):
                rle_box((height, width), counts)
            continue
        x, y, w, h = coco_mask.toBbox(mask)
        assert rle_box((height, width), counts) == (x, y, x + w, y + h)


@pytest.mark.parametrize("counts", ["", "\x00", "oooooooooooooooooo", "0`", [5, 99], [-1, 3], []])
def test_what_is_no_mask_is_refused(counts):
    with pytest.raises(ValueError, match="no"):
        rle_box((4, 4), counts)


@settings(max_examples=100, deadline=None)
@given(*[st.floats(-50, 50)] * 2, *[st.floats(0.5, 40)] * 2, st.floats(-6.2, 6.2))
def test_a_rotated_box_surrounds_its_corners(cx, cy, width, height, angle):
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    corners = np.array([[x, y] for x in (-width / 2, width / 2) for y in (-height / 2, height / 2)])
    corners = corners @ turn.T + (cx, cy)
    expected = (*corners.min(axis=0), *corners.max(axis=0))
    assert np.allclose(rotated_box(cx, cy, width, height, angle), expected)
    degrees = math.degrees(angle)
    if abs(degrees) > 7:
        assert np.allclose(rotated_box(cx, cy, width, height, degrees), expected)


@pytest.mark.parametrize("points", [[], [(1, 1)], [(1, 1), (1, 9)], [(0, 0), (math.nan, 3)]])
def test_points_without_area(points):
    with pytest.raises(ValueError, match=r"no|unpack"):
        points_box(points)


# In each format

X0, Y0, X1, Y1 = BOX
CORNERS = [(X0, 12.0), (14.0, Y0), (X1, 12.0), (14.0, Y1)]  # a diamond
PIXELS = np.zeros((30, 40), np.uint8)
PIXELS[int(Y0) : int(Y1), int(X0) : int(X1)] = 1
RLE = coco_mask.encode(np.asfortranarray(PIXELS))
RUNS = {"size": [30, 40], "counts": [4 * 30 + 5, *[15, 15] * 20]}
RUNS["counts"][-1] = 30 * 40 - sum(RUNS["counts"][:-1])
COCO = {
    "polygon": {"segmentation": [[value for point in CORNERS for value in point]]},
    "two polygons": {"segmentation": [[4, 5, 9, 5, 9, 9], [20, 18, 24, 18, 24, 20]]},
    "flat polygon": {"segmentation": [value for point in CORNERS for value in point]},
    "mask": {"segmentation": {"size": [30, 40], "counts": RLE["counts"].decode()}},
    "runs": {"segmentation": RUNS},
    "zeros": {"bbox": [0, 0, 0, 0], "segmentation": [[4, 5, 24, 5, 24, 20]]},
    "null": {"bbox": None, "segmentation": [[4, 5, 24, 5, 24, 20]]},
    "rotated": {"bbox": [6.5, 2.5, 15, 20], "attributes": {"occluded": False, "rotation": 90.0}},
}
# VOC's corners count from 1, and the last pixel belongs to the box.
POINTS = "".join(
    f"<x{i}>{x + (x == X0)}</x{i}><y{i}>{y + (y == Y0)}</y{i}>"
    for i, (x, y) in enumerate(CORNERS, start=1)
)
PT = "".join(f"<pt><x>{x + (x == X0)}</x><y>{y + (y == Y0)}</y></pt>" for x, y in CORNERS)
ATTRIBUTES = (
    "<attributes><attribute><name>truncated</name><value>7</value></attribute><attribute>"
    "<name>rotation</name><value>90.0</value></attribute></attributes>"
)
ROTATED = "<cx>14</cx><cy>12.5</cy><w>15</w><h>20</h><angle>1.5707963267948966</angle>"
VOC = {
    "polygon": f"<polygon>{POINTS}</polygon>",
    "points": f"<polygon>{PT}</polygon>",
    "bndbox with corners": f"<bndbox>{POINTS}</bndbox>",
    "robndbox": f"<type>robndbox</type><robndbox>{ROTATED}</robndbox>",
    "empty bndbox": f"<bndbox/><polygon>{POINTS}</polygon>",
    "rotated": "<bndbox><xmin>7.5</xmin><ymin>3.5</ymin><xmax>21.5</xmax><ymax>22.5</ymax></bndbox>"
    + ATTRIBUTES,
}
YOLO = {
    "outline": " ".join(f"{x / 40} {y / 30}" for x, y in CORNERS),
    "rotated": " ".join(f"{x / 40} {y / 30}" for x, y in ((4, 5), (24, 5), (24, 20), (4, 20))),
    "triangle": " ".join(f"{x / 40} {y / 30}" for x, y in ((4, 5), (24, 5), (24, 20))),
}


def write(folder, form, kind):
    if form == "coco":
        photo(folder / "a.jpg")
        item = {"id": 1, "image_id": 1, "category_id": 3, **COCO[kind]}
        coco_json(folder / "labels.json", [coco_image(1, "a.jpg")], [item])
    elif form == "voc":
        photo(folder / "JPEGImages" / "a.jpg")
        put(
            folder / "Annotations" / "a.xml",
            f"<annotation><size><width>40</width><height>30</height></size><object><name>cat</name>"
            f"{VOC[kind]}</object></annotation>",
        )
    else:
        photo(folder / "a.jpg")
        put(folder / "a.txt", f"0 {YOLO[kind]}\n")
        put(folder / "classes.txt", "cat\n")


ALL = [(f, k) for f, kinds in (("coco", COCO), ("voc", VOC), ("yolo", YOLO)) for k in kinds]


@pytest.mark.parametrize(("form", "kind"), ALL)
def test_an_outline_is_used_by_its_box_and_said_so(tmp_path, form, kind):
    write(tmp_path, form, kind)
    record, notes = only(tmp_path)
    assert np.allclose(record.boxes, [BOX], atol=1e-4)
    assert any("1 object" in note and OUTLINED in note for note in notes)
    (finding,) = [f for f in check_dataset(tmp_path).findings if f.kind == "object-outline"]
    assert "1 object" in finding.message


def test_an_outline_beside_a_box_changes_nothing(tmp_path):
    photo(tmp_path / "a.jpg")
    item = {"id": 1, "image_id": 1, "category_id": 3, "bbox": [1, 2, 3, 4], **COCO["mask"]}
    coco_json(tmp_path / "labels.json", [coco_image(1, "a.jpg")], [item])
    record, notes = only(tmp_path)
    assert record.boxes.tolist() == [[1, 2, 4, 6]]
    assert not any(OUTLINED in note for note in notes)


@pytest.mark.parametrize(
    "segmentation",
    [[[1, 1, 1, 9]], [[1, 1, 2]], [["a", 2, 3, 4]], [[]], [None], "x", 7, {"a": 1}]
    + [{"size": [3, 3]}, {"size": "x", "counts": 3}, {"size": [0, 0], "counts": [1]}]
    + [{"size": [30, 40], "counts": "~~~~"}],
)
def test_a_broken_outline_leaves_out_one_object(tmp_path, segmentation):
    photo(tmp_path / "a.jpg")
    good = {"id": 1, "image_id": 1, "category_id": 3, "bbox": [1, 2, 3, 4]}
    bad = {"id": 2, "image_id": 1, "category_id": 3, "segmentation": segmentation}
    coco_json(tmp_path / "labels.json", [coco_image(1, "a.jpg")], [good, bad])
    assert json.loads((tmp_path / "labels.json").read_text())
    record, notes = only(tmp_path)
    assert len(record.boxes) == 1
    assert any("object 2" in note and "bbox" in note for note in notes)


# Rectangles that CVAT says are rotated


def boxes_of_rotation(folder, rotation, box=(6.5, 2.5, 15, 20), **more):
    """What COCO and VOC give for a box with that attribute: the boxes, and the errors."""
    item = coco_object(1, list(box), attributes={"rotation": rotation}, **more)
    coco_json(folder / "labels.json", [coco_image(1, "a.jpg")], [item])
    coco = read_coco(folder / "labels.json").annotation([0], "labels.json")
    x, y, width, height = box
    attribute = f"<attribute><name>rotation</name><value>{rotation}</value></attribute>"
    sides = (x + 1, y + 1, x + width, y + height)
    text = xml(("cat", *sides, f"<attributes>{attribute}</attributes>"))
    return coco, parse_annotation(text.encode())


@pytest.mark.parametrize("degrees", [30.0, 45, 300.5, -90.0, 725.0, "30"])
def test_the_box_around_a_rotated_rectangle_is_used(tmp_path, degrees):
    expected = rotated_box(14, 12.5, 15, 20, math.radians(float(degrees) % 360))
    for found in boxes_of_rotation(tmp_path, degrees):
        np.testing.assert_allclose(found.boxes, [expected], atol=1e-4)
        assert found.outlines == 1


@pytest.mark.parametrize("rotation", [0, 0.0, 180.0, 360, "frontal", "", None, True, [45], {}])
def test_an_attribute_that_rotates_nothing_changes_nothing(tmp_path, rotation):
    for found in boxes_of_rotation(tmp_path, rotation):
        assert found.boxes.tolist() == [[6.5, 2.5, 21.5, 22.5]]
        assert found.outlines == 0
        assert found.errors == ()


@pytest.mark.parametrize("rotation", [math.nan, math.inf, 1e308, -(10**400), "nan"])
def test_a_number_that_is_no_angle_leaves_out_one_object(tmp_path, rotation):
    for found in boxes_of_rotation(tmp_path, rotation):
        assert len(found.boxes) == 0
        (error,) = found.errors
        assert error.message == "its attribute rotation is not an angle in degrees"


def test_a_rotated_rectangle_without_area_is_named_as_such(tmp_path):
    for found in boxes_of_rotation(tmp_path, 45, box=(6.5, 2.5, -15, 20)):
        (error,) = found.errors
        assert error.kind == "empty-box"


def test_the_box_of_an_outline_is_not_rotated(tmp_path):
    outline = {"segmentation": [[6.5, 2.5, 21.5, 2.5, 21.5, 22.5]]}
    found, _ = boxes_of_rotation(tmp_path, 45.0, **outline)
    assert found.boxes.tolist() == [[6.5, 2.5, 21.5, 22.5]]
