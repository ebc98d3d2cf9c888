"""The findings as one HTML page that needs nothing but a browser: ``write_page``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from utils.data.doctor.doctor_report import DoctorReport
from utils.data.doctor.finding_pictures import forget_photos, picture
from utils.data.doctor.findings import KINDS, SEVERITIES, Finding, Kind, counts
from utils.data.doctor.size_charts import shape_plot, size_plot
from utils.files import atomic_write
from utils.html.page import Page
from utils.text import counted

PICTURES = 240  # on the page; about 4 MB
PICTURES_OF_KIND = 36
FINDINGS_OF_KIND = 500  # on the page; those without a picture are lines of text


@dataclass(frozen=True)
class _Section:
    """One kind of finding: those with a picture, those without, and how many are not shown."""

    name: str
    kind: Kind
    count: int
    pictured: list[tuple[Finding, str]]
    plain: list[Finding]
    hidden: int


def write_page(report: DoctorReport, path: str | Path) -> None:
    """Write the report as an HTML file, atomically; its folder is made if missing."""
    with atomic_write(path) as file:
        file.write(page(report))


def page(report: DoctorReport) -> str:
    """The text of the page."""
    found = report.folder.class_counts()
    sizes = report.sizes
    context = {
        "report": report,
        "folder": report.folder,
        "headline": report.headline(),
        "counts": counts(report.findings),
        "severities": SEVERITIES,
        "sections": _sections(report),
        "classes": found.most_common(),
        "most": max(found.values(), default=0) or 1,
        "objects": sum(found.values()) or 1,
        "sizes": sizes,
        "size_plot": size_plot(sizes) if sizes else "",
        "shape_plot": shape_plot(sizes) if sizes else "",
    }
    return Page(Path(__file__).with_suffix(".html"), counted=counted).render(context)


def _sections(report: DoctorReport) -> list[_Section]:
    photos = {photo.image_id: photo for photo in report.folder.photos}
    left = PICTURES
    sections = []
    for name, findings in report.by_kind().items():
        pictured, plain = [], []
        for finding in findings[:FINDINGS_OF_KIND]:
            more = min(left, PICTURES_OF_KIND - len(pictured)) > 0
            address = picture(finding, photos) if more else ""
            if address:
                pictured.append((finding, address))
                left -= 1
            else:
                plain.append(finding)
        hidden = len(findings) - len(pictured) - len(plain)
        sections.append(_Section(name, KINDS[name], len(findings), pictured, plain, hidden))
    forget_photos()
    return sections
