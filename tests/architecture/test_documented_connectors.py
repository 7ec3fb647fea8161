"""Nothing undocumented ships: every connector that comes with Lanyard has its heading."""

from __future__ import annotations

from importlib.metadata import entry_points
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize("name", sorted(point.name for point in entry_points(group="lanyard.connectors")))
def test_every_connector_has_its_heading(name: str) -> None:
    """An integration engineer finds what each connector does and wants."""
    page = (DOCS / "connectors.md").read_text("utf-8")
    assert f"## `{name}`\n" in page
