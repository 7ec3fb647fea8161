"""What the tests of the command line share."""

from __future__ import annotations

from pathlib import Path

import pytest

from .installation import Installation, Terminal, installation


@pytest.fixture
def place(tmp_path: Path) -> Installation:
    return installation(tmp_path)


@pytest.fixture
def lanyard(place: Installation, capsys: pytest.CaptureFixture[str]) -> Terminal:
    return Terminal(place, capsys)
