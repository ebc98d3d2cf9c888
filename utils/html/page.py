"""``Page`` fills a template; ``data_address`` puts a picture into it.

What fills the template is escaped. The page loads nothing, and runs no script but its own.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

_BASE = Path(__file__).parent / "base.html"


class Page:
    """A template that extends ``base.html``, with its style and its script.

    Args:
        template: path of the ``.html`` file; its ``.css`` and ``.js`` lie beside it.
        scripts: further scripts, which stand before the template's own.
        filters: what the template may apply to values, by name.
    """

    def __init__(self, template: Path, scripts: Sequence[Path] = (), **filters: Callable) -> None:
        environment = Environment(
            loader=FileSystemLoader([template.parent, _BASE.parent]),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        environment.filters |= filters
        self._template = environment.get_template(template.name)
        css = _joined([path.with_suffix(".css") for path in (_BASE, template)])
        script = _joined([_BASE.with_suffix(".js"), *scripts, template.with_suffix(".js")])
        # The page's policy knows its script by this; the browser runs no other.
        digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        self._own = {
            "css": Markup(css),
            "script": Markup(script),
            "script_hash": f"sha256-{digest}",
        }

    def render(self, context: Mapping[str, Any]) -> str:
        """The text of the page, a complete HTML file."""
        return self._template.render(self._own, **context)


def _joined(paths: Sequence[Path]) -> str:
    return "\n".join(path.read_text("utf-8") for path in paths)


def data_address(image: np.ndarray, quality: int) -> str:
    """A uint8 (H, W, 3) RGB picture as a ``data:`` address, in WebP of that quality (0–100)."""
    done, data = cv2.imencode(
        ".webp", np.ascontiguousarray(image[..., ::-1]), [cv2.IMWRITE_WEBP_QUALITY, quality]
    )
    if not done:
        raise RuntimeError("OpenCV could not encode a picture as WebP")
    return f"data:image/webp;base64,{base64.b64encode(data).decode()}"
