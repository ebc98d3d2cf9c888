"""Assembling ``report.html`` from an evaluation's numbers, plots and crops."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup

from utils.evaluation.analysis import Analysis
from utils.evaluation.report import figures, formatting, sections
from utils.evaluation.report.gallery import Card, Crops, choose
from utils.evaluation.report.remaining_errors import Kept, mistakes_kept
from utils.files import atomic_write
from utils.html.page import Page
from utils.text import one_line

MAX_BYTES = 15_000_000
_MARGIN = 200_000  # bytes kept for what is written after the crops are counted


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

    The file loads nothing from anywhere and stays below ``MAX_BYTES``: crops beyond that are left
    out, the least mistakes first, and the page says how many.

    Args:
        path: where the page will be.
        metrics: what ``metrics.json`` holds (``utils.evaluation.metrics.evaluate``, with
            ``weights`` and ``split``).
        analysis: how sure the numbers are and what is wrong.
        ground_truth: the labels, in COCO's format with ``stem`` in its images.
        results: the detections, COCO results.
        photos: the file of each photo by its stem; one that is missing or unreadable costs its
            crops only, and the page says so.
        warnings: sentences for people, shown at the top.
    """
    kept = mistakes_kept(ground_truth, results, analysis.confidence)
    cards = choose(analysis, kept.missed, ground_truth, results)
    drawings = _drawings(analysis)
    sizes = {image["id"]: (image["width"], image["height"]) for image in ground_truth["images"]}
    page = Page(
        Path(__file__).with_suffix(".html"),
        breakable=formatting.breakable,
        interval=formatting.interval,
        line=one_line,
        percent=formatting.percent,
        score=formatting.score,
        signed=formatting.signed,
        verdict=sections.verdict,
    )
    # The size of the page without pictures decides how many bytes are left for them.
    context = _context(metrics, analysis, warnings, drawings, kept)
    empty = _render(page, context, cards, Crops(photos, 0))
    crops = Crops(photos, MAX_BYTES - _MARGIN - len(empty.encode()))
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
    kept: Kept,
) -> dict[str, Any]:
    """What the template shows, but for the pictures."""
    kinds = analysis.errors.kinds
    wrong = sum(map(sum, analysis.confusion.counts)) > 0
    comparison = analysis.comparison
    return {
        "title": f"How good is {one_line(metrics['weights'])}?",
        "metrics": metrics,
        "analysis": analysis,
        "overall": analysis.overall,
        "warnings": [
            *warnings, *sections.own_warnings(analysis, metrics["images"]),
        ],
        "lead_rest": sections.lead_rest(metrics),
        "sentences": sections.what_then(analysis),
        "tiles": sections.tiles(metrics, analysis),
        "class_notes": sections.class_notes(analysis),
        "differences": [
            ("AP50", comparison.ap50), ("AP", comparison.ap), *comparison.classes.items(),
        ] if comparison else [],
        "plots": drawings,
        "curve_classes": [
            (i, one.name) for i, one in enumerate(analysis.classes) if one.curve.recall
        ],
        "errors": sorted(kinds, key=lambda kind: -(kind.gain or 0)),
        "most_gain": max([kind.gain or 0 for kind in kinds], default=0) or 1,
        "matrix": sections.matrix(analysis.confusion) if wrong else None,
        "kept": kept,
        "kind_names": formatting.KINDS,
        "most_bars": figures.MOST_BARS,
    }  # fmt: skip


def _render(page: Page, context: Mapping[str, Any], cards: Sequence[Card], crops: Crops) -> str:
    kinds = {
        kind: sum(kind in card.kinds for card in cards)
        for kind in formatting.KINDS
        if any(kind in card.kinds for card in cards)
    }
    suspicious = len(context["analysis"].errors.suspicions) if formatting.SUSPICIOUS in kinds else 0
    return page.render(
        {
            **context,
            "cards": cards,
            "shown_kinds": kinds,
            "shown_classes": sorted({i for card in cards for i in card.classes}),
            "suspicious": sections.suspicious(suspicious),
            "left_out": crops.left_out,
            "warnings": [*context["warnings"], *sections.unread(crops.unreadable)],
        }
    )
