"""The hazard log is whole: every control names tests that exist."""

from __future__ import annotations

import ast
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HAZARDS = tomllib.loads((ROOT / "docs/hazards.toml").read_text("utf-8"))["hazard"]


def names_in(path: Path) -> set[str]:
    tree = ast.parse(path.read_text("utf-8"))
    return {n.name for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)}


@pytest.mark.parametrize("hazard", HAZARDS, ids=lambda hazard: hazard["id"])
def test_every_control_names_tests_that_exist(hazard: dict) -> None:
    """A control without its test is a hope: the log fails when the test is gone."""
    assert hazard["controls"]
    for control in hazard["controls"]:
        assert control["tests"], control["what"]
        for named in control["tests"]:
            file, _, name = named.partition("::")
            assert (ROOT / file).exists(), named
            assert name in names_in(ROOT / file), named


@pytest.mark.parametrize("hazard", HAZARDS, ids=lambda hazard: hazard["id"])
def test_every_hazard_is_described_and_weighed(hazard: dict) -> None:
    """DCB0129 fields are filled, and what is only partly controlled says what is to come."""
    for key in ("name", "description", "cause", "effect"):
        assert len(hazard[key]) > 5, key
    for key in ("severity", "likelihood", "residual"):
        assert 1 <= hazard[key] <= 5, key
    assert hazard["status"] in ("controlled", "partly")
    assert (hazard["status"] == "partly") == ("to_come" in hazard)


def test_the_first_seven_hazards_are_there() -> None:
    """The log begins with the seven that the design names."""
    assert {hazard["id"] for hazard in HAZARDS} >= {f"H{n}" for n in range(1, 8)}
