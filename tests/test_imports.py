"""Commands that predict and score do not load what trains.

``make lint`` holds the other arrows (``[tool.importlinter]`` in pyproject.toml). It reads packages
only, and these two are single files.
"""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def imported_modules(path: Path) -> set[str]:
    """Every module that a file imports, inside functions too."""
    modules = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            modules.add(node.module)
            modules |= {f"{node.module}.{alias.name}" for alias in node.names}
    return modules


@pytest.mark.parametrize("command", ["predict.py", "get_map.py"])
def test_nothing_of_training_is_imported(command):
    modules = imported_modules(ROOT / command)
    assert "utils.cli" in modules  # the reading works
    assert not [name for name in modules if name.startswith("utils.training")]
