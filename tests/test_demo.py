"""``make demo``: what it says at its end."""

from utils.cli import run
from utils.commands import demo


def test_the_end_names_the_page_to_open_and_every_kind_of_labels(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(demo, "ROOT", tmp_path)
    monkeypatch.setattr(demo, "call", lambda *words: None)
    monkeypatch.setattr(demo, "_test_image_ids", lambda folder: ["scene"])
    assert run(demo.main, []) == 0
    _, end = capsys.readouterr().out.split("Finished in ")
    assert str(tmp_path / "scores" / "report.html") in end
    assert all(kind in end for kind in ("VOC XML", "COCO JSON", "YOLO txt", "Label Studio"))
