"""The dataset doctor finds what is wrong with a dataset and says what training does about it.

``check_dataset`` returns a ``DoctorReport``, whose ``text`` is for the terminal. ``write_page``
writes it as an HTML page with pictures, ``fix_dataset`` writes a cleaned copy of the dataset.
``run_doctor`` does all three for commands.
"""

from utils.data.doctor.doctor import check_dataset, run_doctor
from utils.data.doctor.doctor_report import DoctorReport
from utils.data.doctor.findings_page import write_page
from utils.data.doctor.fix import fix_dataset

__all__ = ["DoctorReport", "check_dataset", "fix_dataset", "run_doctor", "write_page"]
