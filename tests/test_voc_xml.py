"""One VOC XML is read right, what cannot be used is named, and writing reverses reading."""

import os
import time
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.label_folders import CAT, DOG, xml
from utils.data.formats.voc_xml import parse_annotation, read_annotation
from utils.label_files.voc import write_voc_annotation


def test_pixels_are_counted_from_one_and_inclusive():
    found = parse_annotation(xml(("cat", 1, 1, 40, 30), ("dog", 2.5, 3, 3.25, 3)).encode())
    assert found.names == ("cat", "dog")
    assert found.boxes.dtype == np.float32
    assert found.boxes.tolist() == [[0, 0, 40, 30], [1.5, 2, 3.25, 3]]
    assert found.size == (40, 30)
    assert found.errors == ()


def test_parts_are_no_objects():
    part = "<part><name>head</name><bndbox><xmin>1</xmin></bndbox></part>"
    found = parse_annotation(xml((*CAT, part), ("dog", 1, 1, 5, 5)).encode())
    assert found.names == ("cat", "dog")
    assert found.boxes.tolist() == [[0, 0, 20, 20], [0, 0, 5, 5]]


def test_difficult():
    flags = ("0", "1", " 1 ", "true", "no", "")
    objects = [(*CAT, f"<difficult>{flag}</difficult>") for flag in flags]
    found = parse_annotation(xml(*objects, CAT).encode())
    assert found.difficult.tolist() == [False, True, True, True, False, False, False]


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (("cat", 9, 1, 7, 5), "xmax 7 lies before xmin 9"),
        (("cat", 1, 9, 7, 8), "ymax 8 lies before ymin 9"),
        (("cat", "one", 1, 7, 5), "xmin is 'one', not a number"),
        (("cat", "", 1, 7, 5), "no xmin"),
        (("cat", "nan", 1, 7, 5), "xmin is nan"),
        (("cat", 1, 1, "1e400", 5), "xmax is 1e400"),
        (("", 1, 1, 7, 5), "no class name"),
    ],
)
def test_a_bad_object_is_skipped_and_named(bad, reason):
    found = parse_annotation(xml(CAT, bad, DOG).encode())
    assert found.names == ("cat", "dog")
    assert found.numbers == (1, 3)
    (error,) = found.errors
    assert error.number == 2
    assert reason in error.message


def test_an_object_without_box():
    found = parse_annotation(b"<annotation><object><name>a</name></object></annotation>")
    assert found.names == ()
    assert [str(error) for error in found.errors] == [
        "object 1: no bndbox, and no outline; skipped"
    ]
    assert found.size is None


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "not well-formed"),
        ("<annotation>", "not well-formed"),
        ("<html></html>", "<html>"),
        ('<?xml version="1.0" encoding="no-such"?><annotation/>', "not well-formed"),
        ('<!DOCTYPE a [<!ENTITY b "c">]><annotation>&b;</annotation>', "entities"),
        ('<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><annotation>&b;</annotation>', "e"),
    ],
)
def test_what_is_no_annotation(text, reason):
    with pytest.raises(ValueError, match=reason):
        parse_annotation(text.encode())


def test_other_encodings():
    text = '<?xml version="1.0" encoding="{}"?>' + xml(("Kätzchen", 1, 1, 5, 5))
    for encoding in ("utf-8", "utf-8-sig", "utf-16", "latin-1"):
        data = text.format(encoding.removesuffix("-sig")).encode(encoding)
        assert parse_annotation(data).names == ("Kätzchen",)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.binary(max_size=300) | st.text(max_size=300).map(str.encode))
def test_noise_never_gives_another_error(data):
    with pytest.raises(ValueError, match=r"not well-formed|no VOC annotation|entities"):
        parse_annotation(data)


# Writing and reading back

# Below a millionth of a pixel a side is lost when 1 is added to it.
SIDE = st.floats(0, 5000, width=32).map(lambda side: side if side > 1e-6 else 0.0)
SPAN = st.lists(SIDE, min_size=2, max_size=2, unique=True).map(sorted)
NAME = st.text(st.sampled_from("ab Zß数б<>&'\"/;]-🚦"), min_size=1, max_size=12).map(str.strip)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(NAME.filter(bool), SPAN, SPAN, st.booleans()), max_size=6))
def test_written_boxes_read_back_exactly(tmp_path_factory, objects):
    path = tmp_path_factory.getbasetemp() / "round.xml"
    boxes = np.array([[x[0], y[0], x[1], y[1]] for _, x, y, _ in objects], np.float32)
    names, difficult = [" ".join(o[0].split()) for o in objects], [o[3] for o in objects]
    write_voc_annotation(path, "a & b.jpg", 5000, 4000, boxes, names, difficult)
    found = read_annotation(path)
    np.testing.assert_array_equal(found.boxes, boxes.reshape(-1, 4))
    assert found.names == tuple(names)
    assert found.difficult.tolist() == difficult
    assert found.size == (5000, 4000)
    assert found.filename == "a & b.jpg"
    assert found.errors == ()


def test_whole_pixels_are_written_as_integers(tmp_path):
    write_voc_annotation(tmp_path / "a.xml", "a.jpg", 9, 9, np.array([[0, 1, 2.5, 3]]), ["cat"])
    text = (tmp_path / "a.xml").read_text()
    for element in ("<xmin>1<", "<ymin>2<", "<xmax>2.5<", "<ymax>3<", "<difficult>0<"):
        assert element in text
    assert os.listdir(tmp_path) == ["a.xml"]


def test_what_cannot_be_written(tmp_path):
    box = np.array([[0, 0, 1, 1]])
    with pytest.raises(ValueError, match="names"):
        write_voc_annotation(tmp_path / "a.xml", "a.jpg", 9, 9, box, [])
    with pytest.raises(ValueError, match="finite"):
        write_voc_annotation(tmp_path / "a.xml", "a.jpg", 9, 9, box * np.nan, ["cat"])
    with pytest.raises(ValueError, match="XML cannot store"):
        write_voc_annotation(tmp_path / "a.xml", "a.jpg", 9, 9, box, ["c\0t"])
    assert os.listdir(tmp_path) == []


TAGS = ["object", "name", "difficult", "bndbox", "xmin", "ymin", "xmax", "ymax", "part", "size"]
TAGS += ["width", "height", "filename", "upright", "annotation"]
WORDS = st.sampled_from(["", "cat", " dog ", "1", "2.5", "40", "nan", "true", "a&amp;b", "\n7 "])
TREES = st.recursive(
    st.tuples(st.sampled_from(TAGS), WORDS, st.just([])),
    lambda trees: st.tuples(st.sampled_from(TAGS), WORDS, st.lists(trees, max_size=6)),
    max_leaves=25,
)
BOXED = st.tuples(  # often enough a whole object
    st.just("object"),
    WORDS,
    st.tuples(
        st.tuples(st.just("name"), WORDS, st.just([])),
        st.tuples(
            st.just("bndbox"),
            WORDS,
            st.lists(TREES, max_size=2).map(
                lambda more: [
                    *more,
                    *((tag, str(side), []) for side, tag in enumerate(TAGS[4:8], 3)),
                ]
            ),
        ),
    ).map(list),
)


def written(tree):
    tag, text, children = tree
    return f"<{tag}>{text}{''.join(map(written, children))} </{tag}>"


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(TREES | BOXED, max_size=6))
def test_events_say_what_a_tree_says(trees):
    text = written(("annotation", "", trees))
    root = ET.fromstring(text)
    names, boxes, difficult, numbers = [], [], [], []
    for number, item in enumerate(root.findall("object"), 1):
        sides = [item.findtext(f"bndbox[1]/{tag}", "").strip() for tag in TAGS[4:8]]
        name = " ".join(item.findtext("name", "").split())
        try:
            x0, y0, x1, y1 = map(float, sides)
        except ValueError:
            continue
        if name and x1 > x0 - 1 and y1 > y0 - 1:
            names.append(name)
            boxes.append([x0 - 1, y0 - 1, x1, y1])
            difficult.append(item.findtext("difficult", "").strip() in ("1", "true"))
            numbers.append(number)
    found = parse_annotation(text.encode())
    assert found.names == tuple(names)
    assert found.boxes.tolist() == boxes
    assert found.difficult.tolist() == difficult
    assert found.numbers == tuple(numbers)
    assert len(found.errors) == len(root.findall("object")) - len(names)
    assert found.filename == root.findtext("filename", "").strip()
    assert found.upright == (root.findtext("upright", "").strip() in ("1", "true"))


@pytest.mark.parametrize(
    ("declared", "codec", "name"),
    [
        ("GBK", "gbk", "红绿灯"),
        ("gb2312", "gb2312", "行人"),
        ("gb18030", "gb18030", "㐀行人"),
        ("Big5", "big5", "紅綠燈"),
        ("Shift_JIS", "shift_jis", "信号機"),
        ("EUC-JP", "euc_jp", "信号機"),
        ("euc-kr", "euc_kr", "신호등"),
    ],
)
def test_encodings_of_asian_tools(declared, codec, name):
    text = f'<?xml version="1.0" encoding="{declared}"?>\n' + xml((name, 1, 1, 20, 20))
    found = parse_annotation(text.encode(codec))
    assert found.names == (name,)
    with pytest.raises(ValueError, match="not well-formed"):
        parse_annotation(text.encode(codec) + b"\xff")


def test_an_entity_that_only_an_outside_file_could_declare_is_refused():
    text = '<!DOCTYPE annotation SYSTEM "other.dtd">' + xml(("&cat;", 1, 1, 20, 20))
    with pytest.raises(ValueError, match="which are refused"):
        parse_annotation(text.encode())


def test_an_outline_of_many_elements_takes_no_time():
    inside = f"<name>cat</name><polygon>{'<x1/>' * 60_000}</polygon>"
    started = time.process_time()
    found = parse_annotation(f"<annotation><object>{inside}</object></annotation>".encode())
    assert time.process_time() - started < 3
    assert len(found.errors) == 1
