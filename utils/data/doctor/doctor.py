"""``check_dataset`` runs all checks; ``run_doctor`` reports their findings, for commands."""

from __future__ import annotations

from itertools import chain
from pathlib import Path

from utils.data.doctor.checks import CHECKS
from utils.data.doctor.checks.size_checks import check_sizes, measure_sizes
from utils.data.doctor.doctor_report import DoctorReport, sorted_findings
from utils.data.doctor.examine import examine
from utils.data.doctor.findings_page import write_page
from utils.data.doctor.fix import check_output_folder, fix_dataset
from utils.errors import UserError
from utils.text import counted

PAGE = "doctor.html"
INPUT_SIZE_RANGE = (32, 4096)  # pixels that sizes can be judged at, at least and at most


def check_dataset(
    data: str | Path, *, split: str | None = None, input_size: int | None = None
) -> DoctorReport:
    """Read a whole dataset and run every check; the dataset is not changed.

    Args:
        data: the folder, in any format that training reads.
        split: check only the photos of these lists; default: all.
        input_size: side of the network input in pixels that sizes are judged at; default: what
            training would choose.

    Raises:
        UserError: no such folder, nothing in it that can be used, or no such list; or an input
            size out of ``INPUT_SIZE_RANGE``.
    """
    least, most = INPUT_SIZE_RANGE
    if input_size is not None and not least <= input_size <= most:
        raise UserError(
            f"--input-size {input_size}: sizes are judged at {least} to {most:,} pixels"
        )
    folder = examine(data, split=split, input_size=input_size)
    if not folder.photos:
        raise UserError(f"{data}: no photo of {split!r} has labels")
    sizes = measure_sizes(folder)
    findings = [*chain.from_iterable(check(folder) for check in CHECKS), *check_sizes(sizes)]
    return DoctorReport(folder, sorted_findings(findings), sizes)


def run_doctor(
    data: str | Path,
    *,
    split: str | None = None,
    input_size: int | None = None,
    out: Path | None = None,
    fix: Path | None = None,
) -> DoctorReport:
    """Check, print the report, write the page into ``out`` and the cleaned copy into ``fix``.

    Args:
        data, split, input_size: as ``check_dataset``.
        out: folder for the page, ``doctor.html``; default: ``runs/doctor/NAME``.
        fix: new folder for the cleaned copy; default: none is written.

    Raises:
        UserError: as ``check_dataset`` and ``fix_dataset``; before anything is read where ``fix``
            is not empty, or the page would lie in it; after the report where no photo, or no label
            file, can be read.
    """
    page = (out or Path("runs/doctor") / (Path(data).resolve().name or "data")) / PAGE
    if fix is not None:
        check_output_folder(fix, data)
        if Path(fix).resolve() in page.resolve().parents:
            raise UserError(
                f"--out {page.parent} lies in --fix {fix}; name two folders, one for the page and "
                "one for the cleaned copy"
            )
    report = check_dataset(data, split=split, input_size=input_size)
    print(report.text())
    write_page(report, page)
    print(f"\nWith pictures: {page}")
    if fix is not None:
        print("\n" + fix_dataset(report, fix).text())
    else:
        _refuse_unreadable(report)
    return report


def _refuse_unreadable(report: DoctorReport) -> None:
    """Raises UserError: there is nothing that training could use."""
    folder = report.folder
    if any(folder.usable()):
        return
    if all(photo.content.error for photo in folder.photos):
        what = "photo can"
    elif all(photo.annotation is None for photo in folder.photos):
        what = "label file can"
    else:
        what = "photo can be used: either it or its labels cannot"
    photos = counted(len(folder.photos), "photo")
    raise UserError(f"{folder.name}: {photos}, but no {what} be read; the report says why")
