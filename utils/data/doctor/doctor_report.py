"""The doctor's report: all findings with what they were found in, and their text."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from utils.data.doctor.checked import CheckedFolder
from utils.data.doctor.checks.photo_checks import shows_nothing
from utils.data.doctor.checks.size_checks import CELL, Sizes
from utils.data.doctor.findings import KINDS, SEVERITIES, Finding, counts
from utils.text import counted

SHOWN = 5  # findings of a kind in the text
_WIDTH = 96


@dataclass(frozen=True)
class DoctorReport:
    """What the doctor found.

    Attributes:
        folder: the dataset.
        findings: worst first; those of a kind together, in the order of the photos.
        sizes: of the objects at the network input; None without objects.
    """

    folder: CheckedFolder
    findings: tuple[Finding, ...]
    sizes: Sizes | None

    def by_kind(self) -> dict[str, list[Finding]]:
        """The findings by kind, worst kind first."""
        groups: dict[str, list[Finding]] = {}
        for finding in self.findings:
            groups.setdefault(finding.kind, []).append(finding)
        return groups

    def headline(self) -> str:
        """The answer in a line."""
        folder = self.folder
        objects = sum(len(photo.boxes) for photo in folder.usable())
        classes = len(folder.class_counts())
        found = counts(self.findings)
        problems = ", ".join(counted(found[level], level) for level in SEVERITIES if found[level])
        return (
            f"{counted(len(folder.photos), 'photo')}, {counted(objects, 'object')}, "
            f"{counted(classes, 'class', 'classes')}: {problems or 'nothing to complain of'}"
        )

    def nothing(self) -> str:
        """How many photos show no object, as the end of a sentence; "" where all do."""
        count = sum(shows_nothing(photo) for photo in self.folder.photos)
        share = count / max(1, len(self.folder.photos))
        return f"; {counted(count, 'photo')} ({share:.0%}) without objects" if count else ""

    def text(self) -> str:
        """The report for a terminal: the headline, then the first few findings of each kind."""
        split = f", split {self.folder.split}" if self.folder.split else ""
        lines = [f"{self.folder.name}{split}: {self.headline()}"]
        for kind, findings in self.by_kind().items():
            lines += ["", *_kind(kind, findings)]
        return "\n".join([*lines, "", *_overview(self)])


def sorted_findings(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Worst severity first, then by kind in the order of ``KINDS``, then as they were found."""
    order = {kind: place for place, kind in enumerate(KINDS)}
    return tuple(sorted(findings, key=lambda f: (SEVERITIES.index(f.severity), order[f.kind])))


def _kind(kind: str, findings: list[Finding]) -> Iterator[str]:
    about = KINDS[kind]
    yield f"{about.severity.upper()}: {about.title} ({len(findings):,})"
    for finding in findings[:SHOWN]:
        yield from _wrapped(str(finding), "  ", "      ")
    if len(findings) > SHOWN:
        yield f"  … and {len(findings) - SHOWN:,} more"
    yield from _wrapped(f"→ {about.consequence} {about.advice}".strip(), "  ", "    ")


def _overview(report: DoctorReport) -> Iterator[str]:
    """Class balance and sizes, in a few lines."""
    found = report.folder.class_counts()
    total = max(1, sum(found.values()))
    shown = [f"{name} {count:,} ({count / total:.0%})" for name, count in found.most_common(12)]
    more = f", and {len(found) - 12} more" if len(found) > 12 else ""
    if shown:
        yield from _wrapped(f"Classes: {', '.join(shown)}{more}{report.nothing()}", "", "  ")
    if sizes := report.sizes:
        low, middle, high = sizes.percentiles()
        size = report.folder.input_size
        if report.folder.size_note:
            yield from _wrapped(f"As training would choose: {report.folder.size_note}", "", "  ")
        text = (
            f"Sizes at --input-size {size}: half of the objects are smaller than {middle:.0f} "
            f"pixels (square root of the area), one in ten smaller than {low:.0f}, one in ten "
            f"larger than {high:.0f}; {sizes.small:.1%} are smaller than one {CELL}-pixel cell"
        )
        if sizes.advised:
            text += f" (--input-size {sizes.advised} would bring that to 1%)"
        yield from _wrapped(text, "", "  ")
        yield from _wrapped(f"Anchors: {sizes.note}", "", "  ")


def _wrapped(text: str, first: str, rest: str) -> list[str]:
    return textwrap.wrap(
        text, _WIDTH, initial_indent=first, subsequent_indent=rest,
        break_long_words=False, break_on_hyphens=False,
    )  # fmt: skip
