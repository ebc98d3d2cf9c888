"""Bad exports: ONNX, OpenVINO, LiteRT and SavedModel files that are damaged, or reach for more than
a detector needs."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import struct
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

from .case import Case, content
from .checkpoints import PICKLE, not_weights, special_files

_KEY = "efficient_yolo3"


def exports(sound: Path) -> Iterator[Case]:
    """``sound``: the folder that ``sound_weights`` has filled."""
    for format, cases in (
        ("onnx", _onnx(sound)), ("openvino", _openvino(sound)), ("litert", _litert(sound)),
        ("saved-model", _saved_model(sound)),
    ):  # fmt: skip
        kind = "tensorflow-weights" if format == "saved-model" else "weights"
        for name, write in cases.items():
            stops = None if name.startswith(_MAYBE_HARMLESS) else True
            yield Case(
                kind, f"{format}-{name}", write, (_FILES[format],) * bool(stops), stops=stops
            )


_FILES = {
    "onnx": "odd-one.onnx", "openvino": "odd-one", "litert": "odd-one.tflite",
    "saved-model": "odd-one",
}  # fmt: skip

# Bytes that changed may matter little; names of XML layers need not differ.
_MAYBE_HARMLESS = (
    "odd-",
    "word",
    "noise",
    "network-noise",
    "xml-noise",
    "layer-twice",
    "xml-cut-last",
)

Write = Callable[[Path], None]


def _files(files: dict[str, bytes], name: str) -> dict[str, Write]:
    return {case: content(data, name) for case, data in files.items()}


def bad_descriptions(text: str) -> dict[str, str]:
    """What can be wrong with the JSON that describes a detector; ``text`` is a sound one."""
    values = json.loads(text)

    def changed(**changes: object) -> str:
        return json.dumps({**values, **changes})

    deep = changed(metadata={"deep": "%s"})
    return {
        "facts-cut": text[: len(text) // 2],
        "facts-of-a-list": "[]",
        "facts-deep": "[" * 100_000,
        "facts-metadata-deep": deep.replace('"%s"', "[" * 100_000 + "]" * 100_000),
        "facts-newer": changed(format=99),
        "facts-format-list": changed(format=[1]),
        "facts-other-classes": changed(class_names=["cat", "dog"]),
        "facts-classes-text": changed(class_names="cat"),
        "facts-classes-million": changed(class_names=[str(i) for i in range(1_000_000)]),
        "facts-anchors-nan": changed(anchors=[[float("nan"), 1]] * 9),
        "facts-size-huge": changed(input_size=[1 << 40, 1 << 40]),
        "facts-size-65536": changed(input_size=[65536, 65536]),
        "facts-metadata-text": changed(metadata="text"),
        "facts-metadata-odd": changed(metadata={"hashes": 7, "splits": 7, "training": [1]}),
        "facts-outputs-unknown": changed(outputs="everything"),
        "facts-outputs-list": changed(outputs=["decoded"]),
        "facts-outputs-heads": changed(outputs="heads"),
        "facts-span-infinite": changed(offset_span=float("inf")),
        "facts-precision-long": changed(precision="x" * 100_000),
    }


def _onnx(sound: Path) -> dict[str, Write]:
    data = (sound / "sound.onnx").read_bytes()
    made = {path.name: _copied(path) for path in sorted((sound / "onnx").iterdir())}
    return {**_files(not_weights(data), "odd-one.onnx"), **special_files("odd-one.onnx"), **made}


def _copied(source: Path) -> Write:
    return lambda folder: shutil.copytree(source, folder, dirs_exist_ok=True, symlinks=True)


def _openvino(sound: Path) -> dict[str, Write]:
    xml = (sound / "openvino" / "model.xml").read_text(encoding="utf-8")
    data = (sound / "openvino" / "model.bin").read_bytes()

    def pair(text: str | bytes, weights: bytes | None = data) -> Write:
        def write(folder: Path) -> None:
            content(text, "odd-one/model.xml")(folder)
            if weights is not None:
                content(weights, "odd-one/model.bin")(folder)

        return write

    def special(name: str, make: Write) -> Write:
        def write(folder: Path) -> None:
            pair(xml)(folder)
            (folder / "odd-one" / name).unlink()
            make(folder / "odd-one")

        return write

    laughs = "".join(
        f'<!ENTITY a{i} "{f"&a{i - 1};" * 10 if i else "ha" * 50}">' for i in range(12)
    )
    layer = re.search(r'<layer [^>]*type="ReduceMean".*?</layer>', xml, re.DOTALL)[0]
    body = xml.partition("?>")[2]
    texts: dict[str, str | bytes] = {
        "entities": f'<?xml version="1.0"?><!DOCTYPE net [{laughs}]>'
        + body.replace('name="detector"', 'name="&a11;"', 1),
        "external-entity": '<!DOCTYPE net [<!ENTITY a SYSTEM "file:///etc/hostname">]>'
        + body.replace('name="detector"', 'name="&a;"', 1),
        "external-dtd": '<!DOCTYPE net SYSTEM "/dev/zero">' + body,
        "deep": xml.replace("<layers>", "<layers>" + "<a>" * 200_000, 1),
        "offset-beyond": re.sub(r'offset="\d+"', 'offset="99999999999"', xml),
        "offset-negative": re.sub(r'offset="\d+"', 'offset="-8"', xml),
        "offset-overflow": re.sub(r'offset="\d+"', f'offset="{2**64 - 8}"', xml),
        "size-beyond": re.sub(r' size="\d+"', ' size="99999999999"', xml),
        "size-0": re.sub(r' size="\d+"', ' size="0"', xml),
        "shape-other": re.sub(r'shape="1, ?2, ?4"', 'shape="1,2,400000"', xml),
        "shape-huge": re.sub(r'shape="1, ?2, ?4"', f'shape="{2**62},4,4"', xml),
        "layer-unknown": xml.replace('type="ReduceMean"', 'type="Canary"'),
        "layer-of-an-extension": xml.replace('version="opset1"', 'version="extension"'),
        "layer-twice": xml.replace(layer, layer + layer),
        "layer-missing": xml.replace(layer, ""),
        "edges-in-a-loop": re.sub(r'from-layer="\d+"', 'from-layer="5"', xml),
        "edges-to-nowhere": re.sub(r'to-layer="\d+"', 'to-layer="999"', xml),
        "endless-loop": xml.replace(
            layer, layer.replace('type="ReduceMean"', 'type="TensorIterator"')
        ),
        "version-99": re.sub(r'version="11"', 'version="99"', xml),
        "no-network": "<net/>",
        "onnx-inside": (sound / "sound.onnx").read_bytes(),
    }
    inside = re.search(rf'<{_KEY} value="([^"]*)"', xml)[1]
    for name, text in bad_descriptions(_unescaped(inside)).items():
        texts[name] = xml.replace(inside, _escaped(text))
    texts["no-facts"] = xml.replace(inside, "")
    return {
        **{name: pair(text) for name, text in texts.items()},
        **{f"xml-{name}": pair(text) for name, text in not_weights(xml.encode()).items()},
        "bin-missing": pair(xml, None),
        "bin-empty": pair(xml, b""),
        "bin-cut": pair(xml, data[: len(data) // 2]),
        **{f"xml-{name}": special("model.xml", make)
           for name, make in special_files("model.xml").items()},
        **{f"bin-{name}": special("model.bin", make)
           for name, make in special_files("model.bin").items()},
    }  # fmt: skip


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")


def _unescaped(text: str) -> str:
    return text.replace("&quot;", '"').replace("&lt;", "<").replace("&amp;", "&")


def _litert(sound: Path) -> dict[str, Write]:
    whole = (sound / "sound.tflite").read_bytes()
    with zipfile.ZipFile(io.BytesIO(whole)) as archive:
        text = archive.read(f"{_KEY}.json").decode()
        end = archive.infolist()[0].header_offset
    network = whole[:end]

    def described(data: bytes, words: str = text) -> bytes:
        buffer = io.BytesIO(data)
        with zipfile.ZipFile(buffer, "a", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(f"{_KEY}.json", words)
        return buffer.getvalue()

    def with_word(place: int, value: int) -> bytes:
        found = bytearray(network)
        found[place : place + 4] = struct.pack("<I", value)
        return described(bytes(found))

    root = struct.unpack_from("<I", network)[0]
    files = {
        **not_weights(whole),
        "no-facts": network,
        "root-beyond": with_word(0, 2**31 - 1),
        "root-negative": with_word(0, 2**32 - 8),
        "root-at-the-end": with_word(0, len(network) - 1),
        "table-beyond": with_word(root, 2**31 - 1),
        "other-identifier": described(network[:4] + b"XXXX" + network[8:]),
        "endless-loop": (sound / "endless.tflite").read_bytes(),
        "pickle-described": described(PICKLE),
        "text-described": described(b"no network\n" * 100),
        **{f"network-{name}": described(data)
           for name, data in not_weights(network).items() if data},
        # Each offset in turn: most of these bytes are offsets, lengths and counts.
        **{f"word-{place}": with_word(place, value)
           for value in (0x7FFFFFF0,)
           for place in range(root, len(network) - 4, max(4, len(network) // 60) // 4 * 4)},
        **{name: described(network, words) for name, words in bad_descriptions(text).items()},
    }  # fmt: skip
    return {**_files(files, "odd-one.tflite"), **special_files("odd-one.tflite")}


def _saved_model(sound: Path) -> dict[str, Write]:
    models = sound / "saved_models"
    whole = models / "sound"
    data = (whole / "saved_model.pb").read_bytes()
    text = (whole / "assets.extra" / f"{_KEY}.json").read_text(encoding="utf-8")

    def copied(source: Path) -> Write:
        return lambda folder: shutil.copytree(source, folder / "odd-one")

    def with_file(name: str, new: bytes | str | None) -> Write:
        def write(folder: Path) -> None:
            copied(whole)(folder)
            (folder / "odd-one" / name).unlink()
            if new is not None:
                content(new, f"odd-one/{name}")(folder)

        return write

    def special(name: str, make: Write) -> Write:
        def write(folder: Path) -> None:
            copied(whole)(folder)
            path = folder / "odd-one" / name
            path.unlink()
            make(path.parent)

        return write

    def only_text(folder: Path) -> None:
        copied(whole)(folder)
        os.rename(folder / "odd-one/saved_model.pb", folder / "odd-one/saved_model.pbtxt")

    facts = f"assets.extra/{_KEY}.json"
    return {
        **{path.name: copied(path) for path in sorted(models.iterdir()) if path != whole},
        **{name: with_file("saved_model.pb", file) for name, file in not_weights(data).items()},
        **{name: special("saved_model.pb", make)
           for name, make in special_files("saved_model.pb").items()},
        **{f"facts-{name}": special(facts, make)
           for name, make in special_files(f"{_KEY}.json").items()},
        **{name: with_file(facts, words) for name, words in bad_descriptions(text).items()},
        "no-facts": with_file(facts, None),
        "as-text": only_text,
    }  # fmt: skip
