"""OpenVINO's XML: ``check_openvino``."""

from __future__ import annotations

import math
import xml.etree.ElementTree as ET
from xml.parsers.expat import ExpatError

from tests.fuzz.target import Target, require, written
from utils.runtime.openvino_check import _BITS, _OPERATIONS, check_openvino

_WEIGHTS = bytes(64)
_SOUND = b"""<?xml version="1.0"?>
<net name="detector" version="11"><layers>
<layer id="0" name="images" type="Parameter" version="opset1">
<data shape="?,?,?,3" element_type="u8"/><output><port id="0" precision="U8"><dim>-1</dim></port>
</output></layer>
<layer id="1" name="w" type="Const" version="opset1">
<data element_type="f32" shape="1, 2, 4" offset="0" size="32"/></layer>
<layer id="2" name="y" type="Multiply" version="opset1"><data auto_broadcast="numpy"/></layer>
<layer id="3" name="boxes" type="Result" version="opset1"/></layers>
<edges><edge from-layer="0" from-port="0" to-layer="2" to-port="0"/></edges>
<rt_info><efficient_yolo3 value="{}"/></rt_info></net>"""


def _run(data: bytes) -> None:
    written(_WEIGHTS, "fuzz.bin")
    check_openvino(written(data, "fuzz.xml"))
    try:
        root = ET.fromstring(data)
    except ET.ParseError:  # it knows name spaces, and is stricter
        return
    require(root.tag == "net", "a network")
    for layer in root.iter("layer"):
        require(layer.get("type", "") in _OPERATIONS, "only known operations")
    for item in root.iter("data"):
        if item.get("offset") is None:
            continue
        offset, size = int(item.get("offset")), int(item.get("size"))
        shape = [int(side) for side in item.get("shape", "").split(",") if side.strip()]
        require(0 <= offset <= offset + size <= len(_WEIGHTS), "constants within the weights")
        require(math.prod(shape) * _BITS[item.get("element_type")] <= 8 * size, "of their size")


TARGET = Target(
    finds=(_SOUND.replace(b"Multiply", b"&#x9b;31m"),),
    name="openvino_xml",
    run=_run,
    seeds=lambda: [
        _SOUND, _SOUND[:300], _SOUND.replace(b"Multiply", b"Loop"),
        _SOUND.replace(b'offset="0"', b'offset="60"'), _SOUND.replace(b"1, 2, 4", b"1,2,4000"),
        b"<!DOCTYPE net>" + _SOUND[21:], _SOUND.replace(b"<net ", b"<a><net ", 1), b"<net/>",
        _SOUND.replace(b"f32", b"string"), _SOUND.decode().encode("utf-16"),
    ],
    refusals=(ValueError, ExpatError),
    words=(b"<layer ", b"</layer>", b"<data ", b'type="', b'version="opset1"', b'offset="',
           b'size="', b'shape="', b'element_type="', b"<body>", b"<!DOCTYPE", b"<!ENTITY", b"&#x",
           b'"i4"', b'"string"', b'"dynamic"', b"<![CDATA[", b'encoding="', b"1_0", b" 1",
           "٣".encode()),
    most_bytes=3000,
)  # fmt: skip
