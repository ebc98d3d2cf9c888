"""The printed table, ``classes.csv`` and ``summary.md``."""

from __future__ import annotations

import csv
import json
from dataclasses import asdict

import pytest

from tests.evaluation_cases import CASES, analysed, generated, metrics_of
from utils.errors import UserError
from utils.evaluation import summaries
from utils.evaluation.stopwatch import Stopwatch
from utils.evaluation.summaries import format_table, sentences, write_csv, write_summary


def test_table():
    truth, results = generated(**CASES["five classes"])
    truth["categories"][1]["name"] = "消防車\n"
    metrics = metrics_of(truth, results)
    lines = format_table(metrics).splitlines()
    assert lines[0].split("  ")[0].strip() == "class"
    assert len(lines) == 1 + 1 + 5 + 1 + 1 + 2
    row = next(line for line in lines if line.startswith("class 0"))
    expected = [
        metrics["objects"]["class 0"],
        f"{metrics['voc2007']['AP']['class 0']:.3f}",
        f"{metrics['voc2010']['AP']['class 0']:.3f}",
        f"{metrics['coco_classes']['AP']['class 0']:.3f}",
        f"{metrics['coco_classes']['AP50']['class 0']:.3f}",
    ]
    assert row.split()[2:] == [str(e) for e in expected]
    mean = next(line for line in lines if line.startswith("mean"))
    assert mean.split()[1:4] == [
        str(metrics["boxes"]),
        f"{metrics['voc2007']['mAP']:.3f}",
        f"{metrics['voc2010']['mAP']:.3f}",
    ]
    assert (
        next(line for line in lines if line.startswith("class 2")).split()[2:] == ["0"] + ["–"] * 4
    )
    # A wide name shifts nothing: its six columns are three characters.
    wide = next(line for line in lines if line.startswith("消防車"))
    assert len(wide) + 3 == len(row)


@pytest.mark.parametrize("name", CASES)
def test_csv_holds_what_the_analysis_holds(name, tmp_path):
    analysis = analysed(*generated(**CASES[name]), resamples=20)
    write_csv(tmp_path / "classes.csv", analysis)
    with (tmp_path / "classes.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(r["id"]) for r in rows] == [*range(len(analysis.classes)), -1]
    assert [r["class"] for r in rows] == [*(c.name for c in analysis.classes), "all"]
    for row, one in zip(rows, [*analysis.classes, analysis.overall], strict=True):
        assert None not in row
        assert int(row["objects"]) == one.objects
        for key, value in (
            ("ap", one.ap.value), ("ap50_high", one.ap50.high), ("ap_iou_0.75", one.ap_by_iou[5]),
            ("best_f1", one.best.f1), ("voc2010", one.voc2010),
            ("ap_small", one.ap_by_size["small"]),
        ):  # fmt: skip
            assert (float(row[key]) if row[key] else None) == value


def test_class_names_do_not_become_formulas(tmp_path):
    truth, results = generated(**CASES["five classes"])
    truth["categories"][0]["name"] = '=HYPERLINK("http://x")'
    write_csv(tmp_path / "classes.csv", analysed(truth, results, resamples=0))
    with (tmp_path / "classes.csv").open(newline="") as file:
        first = next(csv.DictReader(file))
    assert (first["id"], first["class"]) == ("0", '\'=HYPERLINK("http://x")')


def test_summary_and_sentences(tmp_path):
    truth, results = generated(**CASES["five classes"])
    truth["categories"][1]["name"] = "a|b <script> *x*"
    analysis = analysed(truth, results, resamples=50, other=("my_other.json", results[::2]))
    metrics = {**metrics_of(truth, results), "weights": "my_best.keras", "split": "test"}
    write_summary(tmp_path / "summary.md", metrics, analysis, ["2 photos (*a*, b|c)\nwere"])
    text = (tmp_path / "summary.md").read_text()
    assert text.startswith(
        "# my\\_best.keras on test\n\n> **Warning:** 2 photos (\\*a\\*, b\\|c) were"
    )
    assert "- against my\\_other.json: AP50" in text
    assert "a\\|b \\<script\\> \\*x\\*" in text
    table = [line for line in text.splitlines() if line.startswith("|")]
    assert len(table) == 2 + 5 + 1
    assert all(line.replace("\\|", "").count("|") == 10 for line in table)
    lines = sentences(metrics, analysis)
    assert lines[0].startswith(f"AP50 {metrics['coco']['AP50']:.3f} (")
    assert sum(s.startswith("against my_other.json") for s in lines) == 2
    table = format_table(metrics, analysis).splitlines()
    assert f"{analysis.overall.ap50.low:.3f}–{analysis.overall.ap50.high:.3f}" in table[-3]


def test_metrics_json_holds_the_whole_analysis_with_a_line_a_row_of_the_matrix(tmp_path):
    truth, results = generated(**CASES["five classes"])
    truth["categories"][0]["name"] = '"counts": "matrix"'
    metrics, analysis = metrics_of(truth, results), analysed(truth, results, resamples=20)
    (tmp_path / "report.html").write_text("of an earlier evaluation")
    names = summaries.write_evaluation(
        tmp_path, metrics={**metrics, "weights": "w", "split": "test"}, analysis=analysis,
        ground_truth=truth, results=results, photos={}, warnings=[], stopwatch=Stopwatch(),
        report=False,
    )  # fmt: skip
    assert {path.name for path in tmp_path.iterdir()} == set(names)
    text = (tmp_path / "metrics.json").read_text()
    assert json.loads(text) == {
        **metrics, "weights": "w", "split": "test", "analysis": asdict(analysis)
    }  # fmt: skip
    for row in analysis.confusion.counts:
        assert f"\n    {str(row).replace(' ', '')}" in text


def test_files_that_are_removed_meanwhile_are_named(tmp_path, monkeypatch):
    def write(path, *_):
        path.write_text("x")
        (tmp_path / "ground_truth.json").unlink(missing_ok=True)

    monkeypatch.setattr(summaries, "write_csv", write)
    monkeypatch.setattr(summaries, "write_summary", write)
    truth = {"images": [], "annotations": [], "categories": []}
    with pytest.raises(UserError, match=r"ground_truth\.json was removed"):
        summaries.write_evaluation(
            tmp_path, metrics={}, analysis=analysed(truth, []), ground_truth=truth, results=[],
            photos={}, warnings=[], stopwatch=Stopwatch(), report=False,
        )  # fmt: skip
