"""The doctor's page in a real browser: its pictures show, its filters work, it loads nothing."""

from __future__ import annotations

import html.parser
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.bad_dataset import CAT, Writer, near, write_bad, write_clean, xml
from tests.browser import (
    DESKTOP,
    PHONE,
    broken_images,
    complaints,
    least_contrast,
    open_page,
    overflow,
    resize,
)
from utils.data.doctor import check_dataset, write_page
from utils.data.doctor.finding_pictures import picture
from utils.data.doctor.findings_page import PICTURES, PICTURES_OF_KIND, page
from utils.images import decode_image

pytestmark = pytest.mark.slow  # each drives a browser

SHOWN = """return [...document.querySelectorAll('section.kind')]
    .filter(section => section.offsetParent !== null).map(section => section.id)"""
FINDINGS = """return [...document.querySelectorAll('.finding')]
    .filter(finding => finding.offsetParent !== null).map(finding => finding.innerText)"""


@pytest.fixture(scope="module")
def bad(tmp_path_factory):
    """The report on a folder with every problem, and its page."""
    root = tmp_path_factory.mktemp("bad")
    write_bad(root / "data")
    report = check_dataset(root / "data")
    write_page(report, root / "doctor.html")
    return report, root / "doctor.html"


def test_the_page_shows_its_pictures_and_complains_of_nothing(bad):
    report, path = bad
    with open_page(path, **DESKTOP) as driver:
        assert broken_images(driver) == []
        pictures = driver.execute_script("return document.images.length")
        with_photo = [f for f in report.findings if f.photo]
        unreadable = [f for f in with_photo if f.kind.startswith(("photo-empty", "photo-unread"))]
        assert len(unreadable) < pictures <= len(with_photo)
        assert driver.execute_script("return document.querySelectorAll('svg').length") == 2
        assert driver.execute_script("return document.getElementById('answer').innerText") == (
            report.headline()
        )
        assert complaints(driver) == []


@pytest.mark.parametrize("dark", [False, True])
def test_the_page_fits_phone_and_desk_and_follows_the_colour_scheme(bad, dark):
    with open_page(bad[1], **PHONE, dark=dark) as driver:
        for size in (PHONE, {"width": 320, "height": 600}, DESKTOP):
            resize(driver, **size)
            assert overflow(driver) == 0
        ink, axes = driver.execute_script(
            "return [document.body, document.querySelector('svg text')]"
            ".map((e, i) => getComputedStyle(e)[i ? 'fill' : 'color'])"
        )
        assert axes == ink
        texts, contrast, words = least_contrast(driver)
        assert texts > 150
        assert contrast >= 4.5, words


def test_the_page_can_be_filtered_by_severity_kind_and_file(bad):
    report, path = bad
    every = list(report.by_kind())
    of = {kind: found[0].severity for kind, found in report.by_kind().items()}
    with open_page(path, **DESKTOP) as driver:
        assert driver.execute_script(SHOWN) == every
        click = "document.querySelector('.chips .{}').click()"
        driver.execute_script(click.format("note"))
        driver.execute_script(click.format("warning"))
        assert driver.execute_script(SHOWN) == [kind for kind in every if of[kind] == "error"]
        driver.execute_script(click.format("warning"))
        assert "note" not in {of[kind] for kind in driver.execute_script(SHOWN)}

        driver.execute_script(
            "const k = document.getElementById('kind'); k.value = 'photo-suffix';"
            "k.dispatchEvent(new Event('change'))"
        )
        assert driver.execute_script(SHOWN) == ["photo-suffix"]  # a note, but asked for by name

        driver.execute_script(
            "const k = document.getElementById('kind'); k.value = '';"
            "k.dispatchEvent(new Event('change'));"
            "const s = document.getElementById('search'); s.value = 'TWO classes';"
            "s.dispatchEvent(new Event('input'))"
        )
        assert driver.execute_script(SHOWN) == ["box-two-classes"]
        (text,) = driver.execute_script(FINDINGS)
        assert "Annotations/two classes.xml, object 2" in text

        driver.execute_script(
            "const s = document.getElementById('search'); s.value = 'no such file';"
            "s.dispatchEvent(new Event('input'))"
        )
        assert driver.execute_script(SHOWN) == []
        assert driver.execute_script("return !document.getElementById('none').hidden")


def test_a_clean_page_says_so(tmp_path):
    write_clean(tmp_path / "data")
    write_page(check_dataset(tmp_path / "data"), tmp_path / "doctor.html")
    with open_page(tmp_path / "doctor.html", **PHONE) as driver:
        text = driver.execute_script("return document.body.innerText")
        assert "every photo opens" in text
        assert complaints(driver) == []
        assert overflow(driver) == 0


def test_names_from_strangers_stay_text(tmp_path):
    writer = Writer(tmp_path / "data")
    evil = "&lt;img src=x onerror='document.title=1'&gt;&lt;/script&gt;{{ 7*7 }}$x_"
    for i in range(3):
        writer.pair(f"<b>{i}", (evil, *near(f"{i}", CAT)[1:]))
    writer.pair("tiny", (evil, 5, 5, 5, 5))
    write_page(check_dataset(tmp_path / "data"), tmp_path / "doctor.html")
    with open_page(tmp_path / "doctor.html", **PHONE) as driver:
        assert "{{ 7*7 }}$x_" in driver.execute_script("return document.body.innerText")
        assert (
            driver.execute_script("return document.querySelectorAll('[onerror], b b').length") == 0
        )
        assert driver.title != "1"
        assert broken_images(driver) == []
        assert complaints(driver) == []


def test_the_page_stays_small_however_much_is_wrong(bad):
    report = bad[0]
    by_kind = report.by_kind()
    many = replace(
        report,
        findings=tuple(f for kind in by_kind for f in by_kind[kind][:1] * 2000),
    )
    text = page(many)
    assert text.count("<img ") <= PICTURES
    assert len(text) < 12_000_000
    assert "1,500 more of this" in text
    assert text.count('id="box-tiny"') == 1
    html.parser.HTMLParser().feed(text)
    start = text.index('id="box-tiny"')
    section = text[start : text.index("</section>", start)]
    assert section.count("<img ") <= PICTURES_OF_KIND


def test_the_box_is_where_the_picture_says(tmp_path):
    """A red object on grey: the drawn outline surrounds it, and a far box reaches off the photo."""
    import base64

    photo = np.full((150, 200, 3), 120, np.uint8)
    photo[50:54, 80:84] = (255, 0, 0)
    writer = Writer(tmp_path)
    writer.photo("a.png", photo)
    writer.labels("a", ("dot", 81, 51, 81, 51), ("dot", 230, 1, 260, 40))
    report = check_dataset(tmp_path)
    photos = {p.image_id: p for p in report.folder.photos}
    tiny, outside = (
        next(f for f in report.findings if f.kind == kind) for kind in ("box-tiny", "box-outside")
    )

    def shown(finding):
        return decode_image(base64.b64decode(picture(finding, photos).partition(",")[2])).astype(
            int
        )

    near_dot = shown(tiny)
    red = np.argwhere((near_dot[..., 0] > 180) & (near_dot[..., 1:].max(axis=2) < 80))
    line = np.argwhere(
        (near_dot[..., 0] > 180) & (near_dot[..., 2] > 110) & (near_dot[..., 1] < 90)
    )
    assert len(red)
    assert len(line)
    assert np.abs(line.mean(axis=0) - red.min(axis=0)).max() < 16  # the object's first pixel
    off = shown(outside)
    line = np.argwhere((off[..., 0] > 180) & (off[..., 2] > 110) & (off[..., 1] < 90))
    assert line[:, 1].min() / off.shape[1] > 200 / 261  # right of the photo's edge


def test_file_names_that_are_no_text_do_not_break_the_page(tmp_path):
    import os

    write_clean(tmp_path / "data")
    name = os.fsencode(tmp_path / "data/JPEGImages") + b"/\xff.jpg"
    try:
        with open(name, "wb") as file:
            file.write(b"no photo")
    except OSError:
        pytest.skip("this file system takes no such names")
    Path(os.fsdecode(os.fsencode(tmp_path / "data/Annotations") + b"/\xff.xml")).write_text(
        xml(CAT)
    )
    write_page(check_dataset(tmp_path / "data"), tmp_path / "doctor.html")
    assert "photo-unreadable" in (tmp_path / "doctor.html").read_text()
