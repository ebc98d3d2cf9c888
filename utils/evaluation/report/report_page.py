"""``report.html``: the template filled with an evaluation's numbers, plots and crops."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup, escape

from utils.evaluation import formatting
from utils.evaluation.report import figures, sections
from utils.evaluation.report.gallery import LABEL_ERROR, Card, CropEncoder, choose_cards
from utils.evaluation.report.remaining_errors import RemainingErrors, remaining_errors
from utils.evaluation.schema import Analysis
from utils.files import atomic_write
from utils.html.page import Page
from utils.text import one_line

MAX_BYTES = 15_000_000
_MARGIN = 200_000  # bytes for what is added after the crops are counted
_KIND_NAMES = {
    **formatting.ERROR_NAMES,
    LABEL_ERROR: ("Suspected label error", "a confident detection that contradicts the label"),
}


def write_report(
    path: str | Path,
    *,
    metrics: dict,
    analysis: Analysis,
    ground_truth: dict,
    results: list[dict],
    photos: Mapping[str, Path],
    warnings: Sequence[str] = (),
) -> None:
    """Write the report of an evaluation as one HTML file.

    The file loads nothing else and stays below ``MAX_BYTES``. If the crops are too large together,
    those of the least costly errors are left out, and the page says how many.

    Args:
        path: of the page.
        metrics: of ``utils.evaluation.metrics.compute_metrics``, with ``weights`` and ``split``.
        analysis: of ``utils.evaluation.analysis.analyse``.
        ground_truth: the labels, in COCO's format with ``stem`` in its images.
        results: the detections, COCO results.
        photos: files by the records' ``image_id``. If one is missing or unreadable, its crops are
            left out and the page says so.
        warnings: sentences shown at the top.
    """
    remaining = remaining_errors(ground_truth, results, analysis.confidence)
    cards = choose_cards(analysis, remaining.missed, ground_truth, results)
    drawings = _drawings(analysis)
    sizes = {image["id"]: (image["width"], image["height"]) for image in ground_truth["images"]}
    page = Page(
        Path(__file__).with_suffix(".html"),
        breakable=breakable,
        interval=formatting.interval,
        line=one_line,
        percent=formatting.percent,
        score=formatting.score,
        signed=formatting.signed,
        verdict=formatting.verdict,
    )
    # The size of the page without pictures decides how many bytes are left for them.
    context = _context(metrics, analysis, warnings, drawings, remaining)
    empty = _render(page, context, cards, CropEncoder(photos, 0))
    crops = CropEncoder(photos, MAX_BYTES - _MARGIN - len(empty.encode()))
    text = _render(page, context, crops.fill(cards, sizes), crops)
    with atomic_write(path) as file:
        file.write(text)


def _drawings(analysis: Analysis) -> dict[str, Markup | None]:
    overall, classes = analysis.overall, analysis.classes
    return {
        "pr": figures.precision_recall(overall, classes),
        "confidence": figures.by_confidence(overall),
        "intervals": figures.intervals(overall, classes),
        "calibration": figures.calibration(analysis.reliability),
        "size": figures.by_group("size", overall.ap_by_size, overall.objects_by_size),
        "shape": figures.by_group("shape", overall.ap_by_aspect, overall.objects_by_aspect),
        "overlap": figures.by_overlap(overall),
    }


def _context(
    metrics: dict,
    analysis: Analysis,
    warnings: Sequence[str],
    drawings: Mapping[str, Markup | None],
    remaining: RemainingErrors,
) -> dict[str, Any]:
    """Everything that the template shows except the crops."""
    kinds = analysis.errors.kinds
    any_count = sum(map(sum, analysis.confusion.counts)) > 0
    comparison = analysis.comparison
    return {
        "title": f"Evaluation of {one_line(metrics['weights'])}",
        "metrics": metrics,
        "analysis": analysis,
        "overall": analysis.overall,
        "warnings": [
            *warnings, *sections.interval_warnings(analysis, metrics["images"]),
        ],
        "dataset_size": sections.dataset_size(metrics),
        "sentences": sections.answer(analysis),
        "key_figures": sections.key_figures(analysis),
        "class_notes": sections.class_notes(analysis),
        "differences": [
            ("AP50", comparison.ap50), ("AP", comparison.ap), *comparison.classes.items(),
        ] if comparison else [],
        "plots": drawings,
        "curve_classes": [
            (i, one.name) for i, one in enumerate(analysis.classes) if one.curve.recall
        ],
        "errors": sorted(kinds, key=lambda kind: -(kind.gain or 0)),
        "max_gain": max([kind.gain or 0 for kind in kinds], default=0) or 1,
        "matrix": sections.confusion_table(analysis.confusion) if any_count else None,
        "remaining": remaining,
        "kind_names": _KIND_NAMES,
        "max_classes": figures.MAX_CLASSES,
    }  # fmt: skip


def _render(
    page: Page, context: Mapping[str, Any], cards: Sequence[Card], crops: CropEncoder
) -> str:
    kinds = {
        kind: sum(kind in card.kinds for card in cards)
        for kind in _KIND_NAMES
        if any(kind in card.kinds for card in cards)
    }
    suspected = len(context["analysis"].errors.suspicions) if LABEL_ERROR in kinds else 0
    unreadable = sections.unreadable_photos(crops.unreadable)
    return page.render(
        {
            **context,
            "cards": cards,
            "shown_kinds": kinds,
            "shown_classes": sorted({i for card in cards for i in card.classes}),
            "label_errors": sections.label_errors(suspected),
            "left_out": crops.left_out,
            "warnings": [*context["warnings"], *unreadable],
        }
    )


def breakable(name: str) -> Markup:
    """The name as HTML that may break after ``-``, ``_``, ``.`` and ``/``."""
    parts = re.split(r"(?<=[-_./])(?=.)", one_line(name))
    return Markup("<wbr>").join(escape(part) for part in parts)
