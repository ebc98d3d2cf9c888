"""The report's content: every kind of evaluation gives a page, and nothing in it is markup."""

from html.parser import HTMLParser

import pytest
from evaluation_cases import CASES
from report_cases import written

from utils.evaluation.report import page


class Tags(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict]] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))


@pytest.mark.parametrize("name", CASES)
def test_every_kind_of_evaluation_gives_a_page(tmp_path, name):
    text = written(tmp_path, **CASES[name]).read_text()
    tags = Tags(text).tags
    ids = [attrs["id"] for _, attrs in tags if "id" in attrs]
    assert len(ids) == len(set(ids))
    assert text.count('<th scope="row" class="text" title="class ') >= CASES[name]["classes"]
    assert len(text.encode()) < page.MAX_BYTES
    for tag, attrs in tags:
        source = attrs.get("src") or (attrs.get("href") if tag in ("a", "link") else None) or "#"
        assert source.startswith(("data:", "#"))


def test_names_are_text(tmp_path):
    evil = {0: "<script>alert(1)</script>", 1: '" onload="alert(2)'}
    text = written(tmp_path, evil, ["<img src=x>"], seed=2, images=12, classes=3).read_text()
    tags = Tags(text).tags
    assert sum(tag == "script" for tag, _ in tags) == 1
    assert not any(key.startswith("on") for _, attrs in tags for key in attrs)
    assert not any(attrs.get("src") == "x" for _, attrs in tags)
    assert "&lt;script&gt;alert(1)" in text


def test_pictures_stop_at_the_size_limit(tmp_path, monkeypatch):
    whole = written(tmp_path, seed=2, images=20, classes=3)
    size, pictures = len(whole.read_bytes()), whole.read_text().count("<img ")
    monkeypatch.setattr(page, "MAX_BYTES", size - 100_000 + page._MARGIN)
    less = written(tmp_path, seed=2, images=20, classes=3).read_text()
    assert 0 < less.count("<img ") < pictures
    assert "more would have made this file too large" in less
