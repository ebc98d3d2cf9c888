"""``report.html``: the evaluation as one page that needs nothing but a browser.

``write_report`` is all that others need. Inside, ``page`` assembles, ``sections`` words and orders
the numbers, ``plots`` and ``svg`` draw them, ``gallery`` cuts the mistakes out of the photos, and
``page.html``, ``page.css`` and ``page.js`` are what they are put into.
"""

from utils.evaluation.report.page import write_report

__all__ = ["write_report"]
