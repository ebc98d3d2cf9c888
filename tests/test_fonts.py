"""Names in any script on pictures and plots, with the fonts that come with the project alone."""

from __future__ import annotations

import time
import warnings
from pathlib import Path

import numpy as np
import pytest
from fontTools.ttLib import TTFont
from PIL import Image, ImageFont, features

from utils.data.records import Dataset, Record
from utils.detections import Detections
from utils.drawing import fonts
from utils.drawing.boxes import draw_detections
from utils.drawing.fonts import FOLDER, Typeface, drawable, font_files

NAMES = {
    "Chinese": "交通信号灯",
    "traditional": "紅綠燈",
    "insects": "蜻蜓 蚂蚁",
    "Japanese": "ねこ カメラ 猫",
    "Korean": "고양이",
    "Arabic": "قطة صغيرة",
    "Persian": "گربه",
    "Hebrew": "חתול",
    "Devanagari": "कुत्ता",
    "Bengali": "বিড়াল",
    "Tamil": "பூனை",
    "Telugu": "పిల్లి",
    "Thai": "แมว",
    "emoji": "🐶 dog",
    "joined emoji": "👩‍🚀",
    "skin tone": "👍🏽",
    "flag": "🇫🇷",
    "Cyrillic": "кошка",
    "Greek": "γάτα",
    "accents": "café Ế",
    "symbols": "→ ≥ ½ ①",
}


@pytest.fixture(autouse=True)
def without_the_systems_fonts(monkeypatch):
    monkeypatch.setattr(fonts, "_SYSTEM_FONTS", ())
    cached = (fonts._paths, fonts._font, fonts._font_of, fonts._parts)
    for function in cached:
        function.cache_clear()
    yield
    for function in cached:
        function.cache_clear()


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_every_character_is_drawn_by_a_font_that_has_it(name):
    assert drawable(name, 7) == name
    for part in fonts._parts(name):
        characters = TTFont(font_files()[part.font]).getBestCmap()
        lacking = [c for c in part.text if ord(c) not in characters]
        assert all(c.isspace() or c in "\u200d\ufe0f" for c in lacking)


def test_what_no_font_has_becomes_a_question_mark_with_the_class_id():
    assert drawable("𒀀𒁀 seal", 12) == "12: ? seal"
    assert drawable("𒀀", 3) == "3: ?"
    assert drawable("", 3) == "?"
    assert drawable(" traffic \n light ", 3) == "traffic light"


def test_a_name_of_enormous_length_is_drawn_at_once():
    found = Detections(np.float32([[5, 5, 60, 60]]), np.float32([0.9]), np.int32([0]),
                       ("Straße " * 3000,))  # fmt: skip
    started = time.process_time()
    drawn = draw_detections(np.zeros((80, 500, 3), np.uint8), found)
    assert time.process_time() - started < 1
    assert drawn.any()


def test_a_text_is_cut_to_the_last_letter_that_fits():
    face = Typeface(20)
    for text in ("speed limit 30", "i" * 300, "x"):
        for width in (0, 15, 60, 100, 1000):
            whole = len(text) <= 200 and face.width(text) <= width
            cut = (f"{text[:n]}…" for n in range(min(len(text), 200) - 1, 0, -1))
            longest = next((part for part in cut if face.width(part) <= width), "…")
            assert face.fitting(text, width) == (text if whole else longest)


def test_latin_is_what_pillow_draws():
    font = ImageFont.truetype(font_files()[0], 23)
    for text in ("dog 0.87", "Éd", "traffic light"):
        assert Typeface(23).width(text) == font.getlength(text)
        box = font.getbbox(text, anchor="ls")
        assert Typeface(23).box(text) == (box[1], box[3])


@pytest.mark.skipif(not features.check("raqm"), reason="Pillow cannot join letters here")
@pytest.mark.parametrize("name", ["قطة", "क्षि"])
def test_letters_are_joined(name):
    assert Typeface(40).width(name) < 0.9 * sum(Typeface(40).width(letter) for letter in name)


def test_labels_tell_names_apart():
    """Boxes in place of letters would look the same for names of one length."""
    names = ("猫", "犬", "개", "🐶", "🐱", "𒀀", "𒁀")
    picture = np.full((300, 400, 3), 128, np.uint8)
    drawn = {
        draw_detections(
            picture,
            Detections(np.float32([[50, 100, 300, 200]]), np.float32([0.5]), np.int32([i]), names),
        )[60:100, 50:110].mean(axis=2).round().tobytes()
        for i in range(len(names))
    }  # fmt: skip
    assert len(drawn) == len(names)


def test_plots_have_the_names_and_warn_of_nothing(tmp_path):
    from utils.html.svg import drawing, inline_svg
    from utils.training.curves import draw_curves, draw_labels

    names = (*NAMES.values(), "𒀀𒁀", "$5 a$")
    rows = [
        {"epoch": epoch, "loss": 1.0, "AP50": 0.5, "AP": 0.25, "learning_rate": 0.1}
        | {f"AP/{name}": 0.5 for name in names}
        for epoch in range(2)
    ]
    ids = np.arange(len(names), dtype=np.int32)
    boxes = np.tile(np.float32([10, 10, 60, 60]), (len(names), 1))
    record = Record("a", Path("a.jpg"), 100, 100, boxes, ids, np.zeros(len(names), bool))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        draw_curves(tmp_path / "curves.png", rows)
        draw_labels(tmp_path / "labels.png", Dataset([record], names), np.ones((9, 2)), 416)
        with drawing(300, 600) as figure:
            figure.subplots().barh(names, 1)
            svg = inline_svg(figure, "plot", "names")
    assert all(name in svg for name in names)
    assert "font-family" not in svg  # the page's own
    for name in ("curves.png", "labels.png"):
        assert Image.open(tmp_path / name).size[0] > 1000


def test_the_fonts_are_small_and_their_licence_is_beside_them():
    files = [Path(file) for file in font_files()[1:]]
    assert sum(file.stat().st_size for file in files) < 6e6
    licence = (FOLDER / "OFL.txt").read_text()
    assert "SIL OPEN FONT LICENSE" in licence
    assert all(file.name in licence for file in files)
    for file in files:
        assert "Open Font License" in TTFont(file)["name"].getDebugName(13)
