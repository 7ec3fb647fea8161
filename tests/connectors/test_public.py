"""What somebody else's connector may import: all of it under one name, and nothing of it by chance."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import connectors
from connectors import base, errors, messages
from connectors.testing import ConnectorContract

CHECKS = [name for name in dir(ConnectorContract) if name.startswith("test_")]
DOCS = Path(__file__).parents[2] / "docs" / "connectors.md"


@pytest.mark.parametrize("module", [base, errors, messages], ids=lambda module: module.__name__)
def test_every_value_protocol_and_error_is_public(module: ModuleType) -> None:
    """What these modules define is what a connector is made of."""
    defined = {name for name, kind in inspect.getmembers(module, inspect.isclass) if kind.__module__ == module.__name__}
    assert len(defined) >= 4
    assert {name for name in defined if not name.startswith("_")} <= set(connectors.__all__)


def test_what_is_public_is_there_and_in_order() -> None:
    """Each name of `__all__` once, and nothing else that is no module."""
    assert len(connectors.__all__) == len(set(connectors.__all__))
    there = {name for name, value in vars(connectors).items() if not (name.startswith("_") or inspect.ismodule(value))}
    assert there == set(connectors.__all__)


def test_the_public_names_need_no_connector_and_no_network_library() -> None:
    """Importing `connectors` loads neither ours nor an HTTP client: a manifest can be read in a bare environment."""
    look = (
        "import sys, connectors; "
        "print([m for m in sys.modules if m in ('httpx2', 'lxml', 'joserfc', 'connectors.fhir', 'connectors.webform')])"
    )
    done = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_documented_suite_holds_against_the_board(tmp_path: Path) -> None:
    """The example of docs/connectors.md runs as it stands, and the board passes every check."""
    page = DOCS.read_text("utf-8").partition("## A connector of your own")[2]
    example = re.search(r"```python\n(.*?)```", page, re.S)
    assert example
    (tmp_path / "lanyard_board.py").write_text("from tests.connectors.board import BoardConnector\n")
    text = example[1].replace('package = "lanyard_board"', 'package = "tests.connectors.board"')
    (tmp_path / "test_board.py").write_text(text)
    root = Path(__file__).parents[2]
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(tmp_path), str(tmp_path)],
        cwd=root, env={"PYTHONPATH": f"{tmp_path}:{root}", "PATH": "/usr/bin"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stdout
    assert f"{len(CHECKS) - 1} passed, 1 skipped" in run.stdout  # it logs on, so that nobody is believed
