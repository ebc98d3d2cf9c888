"""The dataset doctor: reads a dataset, and says what is wrong with it and what training does then.

``check_dataset`` gives a ``Report``: its ``text`` is for the terminal, ``write_page`` makes one
HTML page with pictures of it, and ``fix_dataset`` a cleaned copy of the dataset. ``run_doctor``
does all three, for commands.
"""

from utils.data.doctor.doctor import check_dataset, run_doctor
from utils.data.doctor.findings_page import write_page
from utils.data.doctor.fix import fix_dataset
from utils.data.doctor.report import Report

__all__ = ["Report", "check_dataset", "fix_dataset", "run_doctor", "write_page"]
