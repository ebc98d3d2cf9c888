"""``render_page``: the page on which people try a detector. It is whole: it loads nothing more."""

from __future__ import annotations

from pathlib import Path

from utils.html.page import Page

# One subject each, in the order in which they stand in the page.
SCRIPTS = ("server", "boxes", "pictures", "videos", "files")


def render_page() -> str:
    """The text of the page."""
    folder = Path(__file__).parent / "page"
    scripts = [folder / f"{name}.js" for name in SCRIPTS]
    return Page(folder / "page.html", scripts=scripts).render({})
