"""VOC XML: malformed, hostile, of other encodings, with objects and numbers that cannot be."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path

from .case import Case, content, encoded, picture

GOOD = "<name>cat</name><bndbox><xmin>5</xmin><ymin>6</ymin><xmax>30</xmax><ymax>31</ymax></bndbox>"


def cases() -> Iterator[Case]:
    for name, text in {**_malformed(), **_hostile(), **_encodings()}.items():
        yield Case("voc", name, _folder(text), ("odd-one",))
    for name, (objects, count) in _objects().items():
        yield Case("voc", name, _folder(_xml(objects)), ("odd-one",), count)
    for name, filename in _names().items():
        yield Case("voc", name, _folder(_xml(_object(GOOD), filename=filename)), ("odd-one",), 1)
    for name, change in _special().items():
        yield Case("voc", name, _with(change), ("odd-one",))


def write_good(folder: Path) -> None:
    """Three photos with labels, so that some is left when one is bad."""
    for i in range(3):
        photo = encoded(picture(seed=10 + i), "PNG")
        content(photo, f"JPEGImages/good {i}.png")(folder)
        content(_xml(_object(GOOD)), f"Annotations/good {i}.xml")(folder)


def _folder(text: str | bytes) -> Callable[[Path], None]:
    return _with(lambda folder: content(text, "Annotations/odd-one.xml")(folder))


def _with(change: Callable[[Path], None]) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        write_good(folder)
        content(encoded(picture(), "PNG"), "JPEGImages/odd-one.png")(folder)
        change(folder)

    return write


def _object(inside: str) -> str:
    return f"<object>{inside}</object>"


def _xml(objects: str, *, filename: str = "odd-one.png", size: str = "64 48") -> str:
    width, height = size.split()
    return (
        f"<annotation><filename>{filename}</filename><size><width>{width}</width>"
        f"<height>{height}</height></size>{objects}</annotation>"
    )


def _malformed() -> dict[str, str]:
    whole = _xml(_object(GOOD))
    places = ("<filename>", "<width>", "</size>", "<object>", "<name>", "<bndbox>", "<ymax>")
    cut = {f"cut-at-{tag.strip('</>')}": whole[: whole.index(tag) + 3] for tag in places}
    return {
        **cut,
        "empty": "",
        "blank": " \n\n ",
        "only-declaration": '<?xml version="1.0"?>',
        "no-closing-tag": whole.replace("</bndbox>", ""),
        "crossed-tags": whole.replace("</bndbox></object>", "</object></bndbox>"),
        "bare-ampersand": whole.replace("cat", "cat & dog"),
        "control-character": whole.replace("cat", "ca\x01t"),
        "attribute-without-quotes": whole.replace("<object>", "<object id=1>"),
        "attribute-twice": whole.replace("<object>", '<object a="1" a="2">'),
        "two-roots": whole + whole,
        "text-behind": whole + "the end",
        "other-root": "<html><body>404</body></html>",
        "json": '{"annotation": {}}',
        "zeros": "\0" * 1000,
        "deep-nesting": "<annotation>" + "<a>" * 200_000 + "</a>" * 200_000 + "</annotation>",
        "deep-nesting-cut": "<annotation>" + "<a>" * 500_000,
    }


def _hostile() -> dict[str, str]:
    laughs = "".join(f'<!ENTITY l{i} "{f"&l{i - 1};" * 10}">' for i in range(1, 10))
    body = _xml(_object(GOOD.replace("cat", "&x;")))

    def declared(inside: str) -> str:
        return f"<!DOCTYPE annotation [{inside}]>{body}"

    return {
        "entity": declared('<!ENTITY x "cat">'),
        "billion-laughs": declared(f'<!ENTITY l0 "ha">{laughs}<!ENTITY x "&l9;">'),
        "quadratic-blow-up": f'<!DOCTYPE a [<!ENTITY x "{"a" * 50_000}">]>'
        + _xml(_object(GOOD.replace("cat", "&x;" * 50_000))),
        "entity-of-itself": declared('<!ENTITY x "&x;">'),
        "external-entity": declared('<!ENTITY x SYSTEM "file:///etc/passwd">'),
        "external-entity-device": declared('<!ENTITY x SYSTEM "file:///dev/zero">'),
        "external-entity-http": declared('<!ENTITY x SYSTEM "http://127.0.0.1:9/x">'),
        "parameter-entity": declared(
            '<!ENTITY % e SYSTEM "file:///etc/passwd"> %e;<!ENTITY x "cat">'
        ),
        "external-dtd": f'<!DOCTYPE annotation SYSTEM "http://127.0.0.1:9/x.dtd">{body}',
        "plain-dtd": f"<!DOCTYPE annotation>{_xml(_object(GOOD))}",
        "xinclude": '<annotation xmlns:x="http://www.w3.org/2001/XInclude">'
        f'<x:include href="/etc/passwd" parse="text"/>{_object(GOOD)}</annotation>',
        "stylesheet": f'<?xml-stylesheet href="file:///etc/passwd"?>{_xml(_object(GOOD))}',
        "huge-text": _xml(_object(GOOD.replace("cat", "c" * 7_000_000))),
        "too-large": _xml(_object(GOOD)) + " " * (9 << 20),
    }


def _encodings() -> dict[str, bytes]:
    text = _xml(_object(GOOD.replace("cat", "größe")))

    def declared(encoding: str, data: bytes) -> bytes:
        return f'<?xml version="1.0" encoding="{encoding}"?>'.encode() + data

    return {
        "latin1-said-to-be-utf8": declared("UTF-8", text.encode("latin-1")),
        "unknown-encoding": declared("klingon", text.encode()),
        "encoding-that-runs-a-codec": declared("zlib_codec", text.encode()),
        "utf7": declared("UTF-7", text.encode("utf-7")),
        "utf8-with-mark": b"\xef\xbb\xbf" + text.encode(),
        "utf16": text.encode("utf-16"),
        "utf16-without-mark": text.encode("utf-16-le"),
        "utf32": text.encode("utf-32"),
        "half-a-character": text.encode()[:-1] + b"\xc3",
        "lone-surrogate": text.encode().replace(b"cat", b"\xed\xa0\x80"),
    }


def _objects() -> dict[str, tuple[str, int]]:
    """Objects, and how many they are."""
    numbers = {
        "nan": "NaN", "infinity": "inf", "minus-infinity": "-Infinity", "text": "five",
        "empty": "", "huge-exponent": "1e400", "digits": "9" * 5000, "hexadecimal": "0x10",
        "comma": "12,5", "underscore": "1_000", "arabic-digits": "٢٣", "negative": "-5000",
        "beyond": "5000",
    }  # fmt: skip
    found = {
        f"xmax-{name}": (_object(GOOD.replace("30", number)) + _object(GOOD), 2)
        for name, number in numbers.items()
    }
    box = GOOD[GOOD.index("<bndbox>") :]
    one = {
        "swapped": GOOD.replace("5", "x").replace("30", "5").replace("x", "30"),
        "no-name": box,
        "empty-name": f"<name> </name>{box}",
        "name-twice": f"<name>dog</name>{GOOD}",
        "no-box": "<name>cat</name>",
        "box-twice": GOOD + box,
        "xmin-twice": GOOD.replace("<xmin>", "<xmin>1</xmin><xmin>"),
        "no-ymax": GOOD.replace("<ymax>31</ymax>", ""),
        "elements-in-numbers": GOOD.replace("30", "<b>30</b>"),
        "nested-object": f"<object>{GOOD}</object>",
        "long-name": GOOD.replace("cat", "c" * 5000),
        "name-with-lines": GOOD.replace("cat", "cat\n\x85dog"),
        "name-that-is-a-path": GOOD.replace("cat", "../../../tmp/cat"),
        "name-with-terminal-codes": GOOD.replace("cat", "&#x9b;31mcat"),
        "name-right-to-left": GOOD.replace("cat", "\u202eתבחת"),
        "name-that-is-html": GOOD.replace("cat", "&lt;script&gt;alert(1)&lt;/script&gt;"),
        "polygon-of-nan": "<name>cat</name><polygon><x1>NaN</x1><y1>1</y1><x2>3</x2>"
        "<y2>9</y2><x3>5</x3><y3>2</y3></polygon>",
        "polygon-of-nothing": f"<name>cat</name><polygon>{'<x1/>' * 500_000}</polygon>",
        "rotated-infinite": "<name>cat</name><robndbox><cx>1e308</cx><cy>1</cy><w>1e308</w>"
        "<h>2</h><angle>1e308</angle></robndbox>",
        "rotation-infinite": f"{GOOD}<attributes><attribute><name>rotation</name>"
        "<value>1e400</value></attribute></attributes>",
    }
    found |= {f"object-{name}": (_object(inside), 1) for name, inside in one.items()}
    found["object-empty"] = ("<object/>", 1)
    found["no-objects"] = ("", 0)
    found["many-objects"] = (_object(GOOD) * 50_000, 50_000)
    found["a-million-objects"] = ("<object/>" * 800_000, 800_000)
    found["many-classes"] = (
        "".join(_object(GOOD.replace("cat", f"c{i}")) for i in range(9000)),
        9000,
    )
    named = [f"{a}{b}{c}{d}" for a, b, c, d in product("abcdefghi", repeat=4)][:5000]
    found["5000-names-without-digits"] = (
        "".join(_object(GOOD.replace("cat", name)) for name in named), 5000,
    )  # fmt: skip
    found["two-long-names"] = (
        "".join(_object(GOOD.replace("cat", "ab" * 10_000 + end)) for end in "xy"), 2,
    )  # fmt: skip
    return found


def _names() -> dict[str, str]:
    return {
        "filename-up": "../../../../etc/passwd",
        "filename-absolute": "/etc/passwd",
        "filename-windows": "C:\\Windows\\odd-one.png",
        "filename-device": "/dev/zero",
        "filename-url": "http://127.0.0.1:9/odd-one.png",
        "filename-empty": "",
        "filename-long": "x" * 5000 + ".png",
        "filename-non-ascii": "фото\u202e.png",
        "filename-with-nul": "bad.png%00.jpg",
    }


def _special() -> dict[str, Callable[[Path], None]]:
    def folder_named_xml(folder: Path) -> None:
        (folder / "Annotations" / "odd-one.xml").mkdir()

    def no_photo(folder: Path) -> None:
        content(_xml(_object(GOOD)), "Annotations/odd-one.xml")(folder)
        (folder / "JPEGImages" / "odd-one.png").unlink()

    def link_outside(folder: Path) -> None:
        content(_xml(_object(GOOD)), "Annotations/odd-one.xml")(folder)
        (folder / "JPEGImages" / "odd-one.png").unlink()
        (folder / "JPEGImages" / "odd-one.png").symlink_to("/etc/passwd")

    def link_to_itself(folder: Path) -> None:
        content(_xml(_object(GOOD)), "Annotations/odd-one.xml")(folder)
        (folder / "JPEGImages" / "again").symlink_to("..")

    def odd_bytes(folder: Path) -> None:
        content(_xml(_object(GOOD)), "Annotations/odd-one.xml")(folder)
        stem = os.fsdecode(b"bad \xff\n\x1b[31m")
        content(encoded(picture(seed=5), "PNG"), f"JPEGImages/{stem}.png")(folder)
        content(_xml(_object(GOOD)), f"Annotations/{stem}.xml")(folder)

    def links(target: str) -> Callable[[Path], None]:
        return lambda folder: (folder / "Annotations" / "odd-one.xml").symlink_to(target)

    return {
        "folder-named-xml": folder_named_xml,
        "named-pipe": lambda folder: os.mkfifo(folder / "Annotations" / "odd-one.xml"),
        "dangling-link": links("nowhere.xml"),
        "looping-link": links("odd-one.xml"),
        "link-to-a-device": links("/dev/zero"),
        "no-photo": no_photo,
        "photo-is-a-link-outside": link_outside,
        "folder-in-itself": link_to_itself,
        "name-that-is-no-text": odd_bytes,
    }
