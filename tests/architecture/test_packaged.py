"""What is in the tree is in the wheel: a page or a rule that is left out fails on somebody else's machine first."""

from __future__ import annotations

import tomllib
from fnmatch import fnmatch
from pathlib import Path

import pytest

from .sources import ROOT

SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["setuptools"]
PACKAGES = SETTINGS["packages"]
PATTERNS = SETTINGS["package-data"]["*"]


def packaged(path: Path) -> bool:
    """Whether some package takes this file of the tree along."""
    for package in PACKAGES:
        folder = Path(package.replace(".", "/"))
        if path.is_relative_to(folder):
            inside = path.relative_to(folder)
            if path.suffix == ".py" and len(inside.parts) == 1:
                return True
            if any(fnmatch(str(inside), p) and inside.match(p) for p in PATTERNS):
                return True
    return False


@pytest.mark.parametrize("package", sorted({p.partition(".")[0] for p in PACKAGES}))
def test_every_file_of_a_package_is_in_the_wheel(package: str) -> None:
    """Modules, pages, styles, rules and manifests, however deep they lie."""
    files = [p.relative_to(ROOT) for p in (ROOT / package).rglob("*") if p.is_file() and "__pycache__" not in p.parts]
    assert len(files) > 5
    assert [str(path) for path in files if not packaged(path)] == []


def test_a_file_that_is_left_out_is_seen() -> None:
    """The check can fail: a folder that no pattern reaches."""
    assert not packaged(Path("demo/static/viewer/deeper/page.html"))
    assert packaged(Path("demo/static/viewer/viewer.js"))
