"""Our own sources as syntax trees, for the house's rules."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("policies", "sso", "connectors", "gateway", "demo")


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"), str(path))


def sources(*folders: str) -> list[Path]:
    """The Python files below `folders`, each as a path from the project's root."""
    return sorted(p.relative_to(ROOT) for folder in folders for p in (ROOT / folder).rglob("*.py"))


def imported(path: Path) -> Iterator[str]:
    """The modules that a file imports, wherever in it, relative ones left out."""
    for node in ast.walk(tree(ROOT / path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module


def called(path: Path) -> Iterator[tuple[str, ast.Call]]:
    """Each call with the last name of what is called: `event.AuditReceipt(…)` gives `AuditReceipt`."""
    for node in ast.walk(tree(ROOT / path)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name | ast.Attribute):
            yield node.func.id if isinstance(node.func, ast.Name) else node.func.attr, node
