"""The notebook runs, finds signs, and shows pictures; its stored outputs are those of its code."""

import json

import numpy as np
import pytest
from PIL import Image

from bench.notebook import NOTEBOOK, code_hash, outputs, run_cells


def code_cells():
    notebook = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def test_stored_outputs_are_whole_and_small():
    cells = code_cells()
    assert [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1))
    kinds = [kind for cell in cells for out in cell["outputs"] for kind in out.get("data", ())]
    assert kinds.count("image/jpeg") == 2
    assert cells[0]["outputs"] == []  # it only makes the photos
    notebook = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    assert notebook["metadata"]["code_of_outputs"] == code_hash(notebook)
    assert NOTEBOOK.stat().st_size < 600_000
    assert "Traceback" not in NOTEBOOK.read_text(encoding="utf-8")


def test_what_a_cell_shows_is_stored_as_jupyter_does():
    source = ["x = 2\n", "print(x)\n", "x + 1"]
    notebook = {"cells": [{"cell_type": "markdown"}, {"cell_type": "code", "source": source}]}
    [(_, printed, value)] = run_cells(notebook)
    stream, shown = outputs(printed, value)
    assert (stream["text"], shown["data"]) == (["2\n"], {"text/plain": ["3"]})
    assert outputs("", None) == []


@pytest.mark.slow
def test_the_notebook_runs(tmp_path, monkeypatch):
    """With less time to train; then it finds little."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    text = NOTEBOOK.read_text(encoding="utf-8")
    assert "minutes=4" in text
    notebook = json.loads(text.replace("minutes=4", "minutes=1"))
    shown = list(run_cells(notebook))
    assert len(shown) == len(code_cells())
    pictures = [value for _, _, value in shown if isinstance(value, Image.Image)]
    assert len(pictures) == 2
    assert all(np.asarray(picture).std() > 10 for picture in pictures)
    printed = "".join(text for _, text, _ in shown)
    assert "epoch 1: loss" in printed
    assert "AP50 0." in printed
    assert list(tmp_path.glob("*/run/best.keras"))
