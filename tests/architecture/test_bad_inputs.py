"""The list of bad inputs is whole: each is carried by a test that names it, or deferred for a reason that is said."""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from pathlib import Path

import pytest

from .sources import ROOT, sources

CLASSES = tomllib.loads((ROOT / "tests/bad_inputs.toml").read_text("utf-8"))
CARRIED = [id_ for table in CLASSES.values() for id_ in table["carried"]]
DEFERRED = {id_: reason for table in CLASSES.values() for id_, reason in table.get("deferred", {}).items()}
# A case may be carried in more than one form, each with a letter behind its number.
_ID = re.compile(r"\b([A-Z][A-Z0-9]*-\d{3})(?![0-9])")


def named_in(paths: list[Path]) -> set[str]:
    """The ids that stand in these files."""
    return {found for path in paths for found in _ID.findall((ROOT / path).read_text("utf-8"))}


NAMED = named_in(
    [path for path in sources("tests") if path.name != Path(__file__).name or path.parts[1] != "architecture"]
)


def test_every_input_is_in_one_place() -> None:
    """Five hundred and twenty-three of them, none listed twice."""
    assert [id_ for id_, times in Counter([*CARRIED, *DEFERRED]).items() if times > 1] == []
    assert len(CARRIED) + len(DEFERRED) == 523


@pytest.mark.parametrize("name", CLASSES)
def test_what_is_carried_is_named_by_a_test(name: str) -> None:
    """A case whose test is gone is not carried any more."""
    assert [id_ for id_ in CLASSES[name]["carried"] if id_ not in NAMED] == []


@pytest.mark.parametrize("id_", DEFERRED)
def test_what_is_deferred_says_why(id_: str) -> None:
    """A reason of a few words, not a blank or a dash."""
    assert len(DEFERRED[id_].split()) >= 5
    assert id_ not in NAMED, "a test names it: list it as carried"


def test_a_name_is_found_as_it_is_written(tmp_path: Path) -> None:
    """The canary: a letter behind the number is a form of the case, another digit is another case."""
    file = tmp_path / "cases.py"
    file.write_text("'RAW-001b words' HTTP-0490 XRAW-002 'UP-2'")
    assert named_in([file]) == {"RAW-001", "XRAW-002"}
