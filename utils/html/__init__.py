"""HTML pages that need nothing but a browser: ``page`` assembles them, ``svg`` draws their plots.

The doctor's findings and the evaluation report are such pages. They share the frame, the theme
and the script in ``base.html``, ``base.css`` and ``base.js``.
"""
