"""``report.html``: the evaluation as one page that needs nothing but a browser.

``write_report`` is all that others need. Inside, ``report_page`` assembles the page from its
template, style and script of the same name. ``sections`` words and orders the numbers, ``figures``
draws them, and ``gallery`` cuts the mistakes out of the photos.
"""

from utils.evaluation.report.report_page import write_report

__all__ = ["write_report"]
