"""Run docs/notebook.ipynb in a plain process and store its outputs: ``python -m bench.notebook``.

Jupyter is not needed. As there, a cell shows what it prints and the value of its last expression.
Pictures are stored as small JPEG files.
"""

from __future__ import annotations

import ast
import base64
import hashlib
import io
import json
import sys
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

from PIL import Image

from utils.files import atomic_write

NOTEBOOK = Path(__file__).resolve().parents[1] / "docs" / "notebook.ipynb"
MAX_WIDTH = 900  # pixels of a stored picture


def run_cells(notebook: dict) -> Iterator[tuple[dict, str, Any]]:
    """Each code cell, what it printed, and the value of its last expression."""
    names: dict[str, Any] = {"__name__": "__main__"}
    for number, cell in enumerate(notebook["cells"]):
        if cell["cell_type"] != "code":
            continue
        body = ast.parse("".join(cell["source"])).body
        shown = body.pop() if body and isinstance(body[-1], ast.Expr) else None
        printed, value, where = io.StringIO(), None, f"cell {number}"
        with redirect_stdout(printed), redirect_stderr(printed):
            exec(compile(ast.Module(body, []), where, "exec"), names)
            if shown:
                value = eval(compile(ast.Expression(shown.value), where, "eval"), names)
        yield cell, printed.getvalue(), value


def code_hash(notebook: dict) -> str:
    """SHA-256 of the code of all cells."""
    code = ["".join(c["source"]) for c in notebook["cells"] if c["cell_type"] == "code"]
    return hashlib.sha256("\0".join(code).encode()).hexdigest()


def outputs(printed: str, value: Any) -> list[dict]:
    """The outputs of a cell in the notebook's format."""
    found = []
    if printed:
        lines = printed.splitlines(keepends=True)
        found.append({"output_type": "stream", "name": "stdout", "text": lines})
    if isinstance(value, Image.Image):
        value.thumbnail((MAX_WIDTH, MAX_WIDTH))
        jpeg = io.BytesIO()
        value.save(jpeg, "JPEG", quality=80)
        data = {"image/jpeg": base64.b64encode(jpeg.getvalue()).decode()}
        found.append({"output_type": "display_data", "data": data, "metadata": {}})
    elif value is not None:
        data = {"text/plain": repr(value).splitlines(keepends=True)}
        found.append({"output_type": "display_data", "data": data, "metadata": {}})
    return found


def main() -> int:
    notebook = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    for number, (cell, printed, value) in enumerate(run_cells(notebook), start=1):
        cell |= {"execution_count": number, "outputs": outputs(printed, value)}
        print(f"cell {number}:\n{printed}", flush=True)
    notebook["metadata"]["code_of_outputs"] = code_hash(notebook)
    with atomic_write(NOTEBOOK) as file:
        file.write(json.dumps(notebook, ensure_ascii=False, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
