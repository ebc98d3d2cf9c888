"""VOC XML: ``parse_annotation``."""

from __future__ import annotations

from tests.bad_input import voc_xml
from tests.fuzz.target import Target, files_of
from tests.fuzz.targets.labels import check_annotation
from utils.data.formats.voc_xml import parse_annotation

_TAGS = (
    "annotation", "object", "name", "bndbox", "xmin", "ymin", "xmax", "ymax", "difficult", "size",
    "width", "height", "filename", "polygon", "robndbox", "cx", "cy", "w", "h", "angle", "pt",
    "segmentation", "part", "pose", "truncated", "confidence", "score",
)  # fmt: skip


def _run(data: bytes) -> None:
    check_annotation(parse_annotation(data, "fuzz.xml"))


TARGET = Target(
    finds=(
        b"<annotation><object><name>&#x9b;31mcat</name><bndbox><xmin>5</xmin><ymin>6</ymin>"
        b"<xmax>30</xmax><ymax>31</ymax></bndbox></object></annotation>",
    ),
    name="voc_xml",
    run=_run,
    seeds=lambda: files_of(voc_xml.cases(), "voc", "odd-one.xml", 20_000),
    refusals=(ValueError,),
    words=(
        *(f"<{tag}>".encode() for tag in _TAGS), *(f"</{tag}>".encode() for tag in _TAGS),
        b"<!DOCTYPE", b"<!ENTITY", b"SYSTEM", b"&#x", b"<![CDATA[", b"]]>", b"NaN", b"inf",
        b'<?xml version="1.0" encoding="', b'UTF-16"?>', b'gbk"?>', b'shift_jis"?>',
    ),
)  # fmt: skip
