"""``report.html``: the evaluation as one page that needs nothing but a browser.

Use ``write_report``. ``report_page`` fills the template of the same name. ``sections`` writes the
sentences, ``figures`` draws the plots, and ``gallery`` cuts the errors out of the photos.
"""

from utils.evaluation.report.report_page import write_report

__all__ = ["write_report"]
