"""Nobody is rung at night for something that has no page."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from gateway.alarms.controls import CONTROLS

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs/alarms.md").read_text("utf-8")


@pytest.mark.parametrize("control", CONTROLS)
def test_every_control_has_its_heading_with_what_it_means_and_what_to_do(control: str) -> None:
    """Under a control's name stand how bad it is, what it means, and steps."""
    found = re.search(rf"^## `{control}`\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    assert found, f"docs/alarms.md has no heading `{control}`"
    assert f"**{CONTROLS[control].severity.value.capitalize()}.**" in found[1]
    assert "**Do:**" in found[1]


def test_no_heading_is_of_a_control_that_does_not_exist() -> None:
    """The page and the closed list are the same list."""
    assert set(re.findall(r"^## `([a-z-]+)`$", PAGE, re.MULTILINE)) == CONTROLS.keys()


def test_no_alarm_is_raised_that_is_not_in_the_list() -> None:
    """Whatever our sources raise by name is a control that somebody wrote a page for."""
    raised = {name for path in (ROOT / "gateway").rglob("*.py") for name in _raised(path)}
    assert {"clock", "journal", "session-store"} <= raised, "the scan finds nothing: it looks in the wrong place"
    assert raised - CONTROLS.keys() == set()


def _raised(path: Path) -> set[str]:
    """First arguments of calls of something called alarm, where they are given as they are."""
    calls = (node for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.Call))
    alarms = [call for call in calls if ast.unparse(call.func).rpartition(".")[2].strip("_") == "alarm" and call.args]
    return {str(call.args[0].value) for call in alarms if isinstance(call.args[0], ast.Constant)}
