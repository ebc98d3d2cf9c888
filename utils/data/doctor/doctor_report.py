"""``DoctorReport``: all findings about a dataset, and their text."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from utils.data.doctor.checked import CheckedFolder
from utils.data.doctor.checks.photo_checks import has_no_object
from utils.data.doctor.checks.size_checks import Sizes
from utils.data.doctor.findings import KINDS, SEVERITIES, Finding, counts
from utils.text import counted

SHOWN = 5  # findings of a kind in the text
_WIDTH = 96


@dataclass(frozen=True)
class DoctorReport:
    """What the doctor found.

    Attributes:
        folder: the dataset.
        findings: worst severity first; those of a kind together, in the order of the photos.
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
            f"{counted(classes, 'class', 'classes')}: {problems or 'no problems found'}"
        )

    def without_objects(self) -> str:
        """How many photos have no object, as the end of a sentence; "" where all have."""
        count = sum(has_no_object(photo) for photo in self.folder.photos)
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
    order = {kind: i for i, kind in enumerate(KINDS)}
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
    classes = [f"{name} {count:,} ({count / total:.0%})" for name, count in found.most_common(12)]
    more = f", and {len(found) - 12} more" if len(found) > 12 else ""
    if classes:
        yield from _wrapped(
            f"Classes: {', '.join(classes)}{more}{report.without_objects()}", "", "  "
        )
    if sizes := report.sizes:
        if note := report.folder.size_note:
            yield from _wrapped(f"Training would choose {note}", "", "  ")
        yield from _wrapped(sizes.text(), "", "  ")
        yield from _wrapped(sizes.note[0].upper() + sizes.note[1:], "", "  ")


def _wrapped(text: str, first: str, rest: str) -> list[str]:
    return textwrap.wrap(
        text, _WIDTH, initial_indent=first, subsequent_indent=rest,
        break_long_words=False, break_on_hyphens=False,
    )  # fmt: skip
