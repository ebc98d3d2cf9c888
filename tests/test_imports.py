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


def test_the_guide_to_the_code_names_every_package():
    guide = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    listed, _ = guide.split("Imports go down this list only")
    packages = [path.parent.name for path in (ROOT / "utils").glob("*/__init__.py")]
    assert len(packages) > 10
    assert [name for name in packages if f"`utils/{name}/`" not in listed] == []
