"""The page of predict.py --serve in a real browser."""

from __future__ import annotations

import io
import json
import time
import zipfile

import cv2
import numpy as np
import pytest
from PIL import Image

from tests.browser import (
    DESKTOP,
    PHONE,
    complaints,
    least_contrast,
    open_page,
    overflow,
    resize,
    set_dark,
)
from tests.serving_cases import detector_of, running, three_signs

pytestmark = pytest.mark.slow

FAKE_CAMERA = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")


@pytest.fixture(scope="module")
def server():
    with running(detector_of(three_signs)) as address:
        yield address


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Two pictures of one name, a text that is called a picture, and a film."""
    folder = tmp_path_factory.mktemp("files")
    for name, size in (("one/a.jpg", (400, 300)), ("two/a.png", (200, 600))):
        (folder / name).parent.mkdir()
        Image.new("RGB", size, (40, 90, 140)).save(folder / name)
    (folder / "b.jpg").write_bytes(b"no picture")
    codec = cv2.VideoWriter_fourcc(*"VP80")
    film = cv2.VideoWriter(str(folder / "film.webm"), codec, 10, (160, 96))
    for shade in range(20):
        film.write(np.full((96, 160, 3), 10 * shade, np.uint8))
    film.release()
    return {path.name if path.parent == folder else str(path.relative_to(folder)): str(path)
            for path in folder.rglob("*.*")}  # fmt: skip


def until(driver, condition: str, seconds: float = 60):
    """What the JavaScript says, once it is true."""
    end = time.monotonic() + seconds
    while not (result := driver.execute_script(f"return {condition}")):
        assert time.monotonic() < end, f"{condition} within {seconds} s"
        time.sleep(0.05)
    return result


@pytest.fixture(scope="module")
def browser(server):
    with open_page(server, flags=FAKE_CAMERA) as driver:
        yield driver


@pytest.fixture
def driver(browser, server):
    """The page as it is when it was just opened; no test may leave an error in its script."""
    resize(browser, **DESKTOP)
    set_dark(browser, False)
    browser.get(server)
    until(browser, "model !== null")
    # Downloads are kept here instead of on the disk.
    browser.execute_script(
        "window.saved = {}; save = (blob, name) => { window.saved[name] = blob; };"
    )
    complaints(browser, server)
    yield browser
    refused = "the server responded with a status of 4"
    assert not [text for text in complaints(browser, server) if refused not in text]


def add(driver, *paths):
    driver.find_element("id", "files").send_keys("\n".join(paths))
    until(driver, "items.length && items.every(i => i.state === 'done' || i.state === 'failed')")


def saved(driver, button, name) -> bytes:
    driver.execute_script(f"one('#{button}').click()")
    until(driver, f"window.saved['{name}']")
    values = driver.execute_async_script(
        "const [name, done] = arguments;"
        "window.saved[name].arrayBuffer().then(b => done([...new Uint8Array(b)]))",
        name,
    )
    return bytes(values)


def shown(driver) -> list[str]:
    return driver.execute_script(
        "return [...document.querySelectorAll('#objects li')].map(row => row.textContent)"
    )


@pytest.mark.parametrize(("size", "dark"), [(DESKTOP, False), (PHONE, True)])
def test_fits_reads_well_and_asks_only_its_server(driver, files, size, dark):
    resize(driver, **size)
    set_dark(driver, dark)
    for paths in ([], [files["one/a.jpg"], files["two/a.png"], files["film.webm"]]):
        if paths:
            add(driver, *paths)
        driver.execute_script("one('#programs').open = true")
        for width, height in ((320, 640), (size["width"], size["height"])):
            resize(driver, width, height)
            assert overflow(driver) == 0
        texts, contrast, words = least_contrast(driver)
        assert texts > 8
        assert contrast >= 4.5, words
    set_dark(driver, not dark)
    assert least_contrast(driver)[1] >= 4.5


def test_confidence_and_classes_need_no_new_run(driver, files):
    add(driver, files["one/a.jpg"])
    assert shown(driver) == ["stop0.90", "yield0.60", "stop0.30"]
    asked = driver.execute_script("return performance.getEntriesByType('resource').length")
    slide = "one('#conf').value = arguments[0]; one('#conf').dispatchEvent(new Event('input'))"
    before = driver.execute_script("return one('#overlay').toDataURL()")
    driver.execute_script(slide, 0.5)
    assert shown(driver) == ["stop0.90", "yield0.60"]
    assert driver.execute_script("return one('#overlay').toDataURL()") != before
    driver.execute_script(slide, 0.05)
    assert shown(driver) == ["stop0.90", "yield0.60", "stop0.30", "no entry0.15"]
    driver.execute_script("one('#classes button').click()")
    assert shown(driver) == ["yield0.60", "no entry0.15"]
    label = driver.execute_script("return one('#overlay').getAttribute('aria-label')")
    assert label == "1 yield, 1 no entry"
    assert asked == driver.execute_script("return performance.getEntriesByType('resource').length")


def test_downloads(driver, files):
    add(driver, files["one/a.jpg"], files["two/a.png"])
    entries = json.loads(saved(driver, "save-json", "objects.json"))
    assert [(e["source"], e["width"], e["height"]) for e in entries] == [
        ("a.jpg", 400, 300), ("a.png", 200, 600),
    ]  # fmt: skip
    assert [round(one["score"], 2) for one in entries[0]["detections"]] == [0.9, 0.6, 0.3]
    x0, y0, x1, y1 = entries[0]["detections"][0]["box"]

    yolo = zipfile.ZipFile(io.BytesIO(saved(driver, "save-yolo", "yolo-labels.zip")))
    assert yolo.testzip() is None
    assert sorted(yolo.namelist()) == ["classes.txt", "labels/a-2.txt", "labels/a.txt"]
    assert yolo.read("classes.txt").split(b"\n")[:3] == [b"stop", b"yield", b"no entry"]
    rows = [line.split() for line in yolo.read("labels/a.txt").decode().splitlines()]
    assert [row[0] for row in rows] == ["0", "1", "0"]
    centre = [(x0 + x1) / 800, (y0 + y1) / 600, (x1 - x0) / 400, (y1 - y0) / 300]
    assert [float(value) for value in rows[0][1:]] == pytest.approx(centre, abs=1e-6)

    voc = zipfile.ZipFile(io.BytesIO(saved(driver, "save-voc", "voc-labels.zip")))
    assert sorted(voc.namelist()) == ["Annotations/a-2.xml", "Annotations/a.xml"]
    text = voc.read("Annotations/a.xml").decode()
    assert f"<xmax>{x1:g}</xmax>" in text
    assert f"<ymin>{y0 + 1:g}</ymin>" in text

    drawn = Image.open(io.BytesIO(saved(driver, "save-drawn", "a-objects.jpg")))
    assert drawn.size == (400, 300)
    corner = drawn.convert("RGB").getpixel((round(x0) + 1, round(y0) - 5))  # of the label
    assert np.abs(np.subtract(corner, (230, 159, 0))).max() < 40  # the class's colour


def test_what_cannot_be_read_is_said(driver, files):
    add(driver, files["b.jpg"], files["one/a.jpg"])
    assert "not an image" in driver.find_element("id", "problem").text
    assert "1 picture failed" in driver.find_element("id", "status").text


def test_keyboard_goes_from_picture_to_picture(driver, files):
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys

    add(driver, files["one/a.jpg"], files["two/a.png"])
    body = driver.find_element(By.TAG_NAME, "body")
    for key, name in ((Keys.ARROW_RIGHT, "a.png"), (Keys.ARROW_LEFT, "a.jpg")):
        body.send_keys(key)
        assert driver.find_element(By.ID, "name").text == name
    reached = set()
    for _ in range(30):
        driver.switch_to.active_element.send_keys(Keys.TAB)
        reached.add(driver.execute_script("return document.activeElement.id"))
    assert {"choose", "camera", "clear", "conf", "save-json", "save-drawn"} <= reached


def test_a_film_is_looked_through(driver, files):
    add(driver, files["film.webm"])
    times = driver.execute_script("return items[0].entries.map(entry => entry.time_s)")
    assert times == pytest.approx([i / 5 for i in range(10)])
    assert shown(driver) == ["stop0.90", "yield0.60", "stop0.30"]
    entries = json.loads(saved(driver, "save-json", "objects.json"))
    assert (entries[3]["source"], entries[3]["width"], entries[3]["time_s"]) == (
        "film.webm", 160, 0.6,
    )  # fmt: skip
    driver.execute_script("one('#keep').click()")
    until(driver, "items.length === 2 && items[1].state === 'done'")
    assert driver.execute_script("return items[1].name").startswith("film-")


def test_the_camera(driver):
    driver.execute_script("one('#camera').click()")
    until(driver, "items[0]?.entries.length && items[0].progress")
    assert "a second" in driver.find_element("id", "rate").text
    driver.execute_script("one('#keep').click()")
    until(driver, "items.length === 2 && items[1].state === 'done'")
    driver.execute_script("select(items[0]); one('#stop').click()")
    until(driver, "items.length === 1 && current.name === 'camera-1.jpg'")


def test_the_token_is_asked_for_and_taken_from_the_address(files):
    token = "0123456789abcdef"
    with running(detector_of(three_signs), token=token) as server, open_page(server) as driver:
        until(driver, "!one('#unlock').hidden")
        field = driver.find_element("id", "token")
        field.send_keys("wrong-wrong-wrong\n")
        until(driver, "one('#problem').textContent === 'That is not the token.'")
        field.clear()
        field.send_keys(f"{token}\n")
        until(driver, "model !== null")
        add(driver, files["one/a.jpg"])
        assert len(shown(driver)) == 3
        driver.execute_script("sessionStorage.clear()")
        driver.get(f"{server}?again#token={token}")
        until(driver, "model !== null")
        assert token not in driver.current_url
