"""A new connector's distribution passes at once, is what it says, and overwrites nothing."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from connectors.kit import NameTaken, new
from gateway import cli

ROOT = Path(__file__).parents[2]


def test_its_own_suite_passes_at_once(tmp_path: Path) -> None:
    """The contract and what is written beside it, from the folder as it was made."""
    folder = tmp_path / "made"
    new("ward-board", folder)
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(folder), str(folder)],
        cwd=folder, env=os.environ | {"PYTHONPATH": f"{folder}:{ROOT}"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stdout
    assert " passed" in run.stdout


def test_it_is_found_by_its_entry_point(tmp_path: Path) -> None:
    """Name, package and class are the same in each file, and nothing is left to be filled in but what is marked."""
    files = new("a1", tmp_path / "made")
    project = tomllib.loads((tmp_path / "made/pyproject.toml").read_text())
    assert project["project"]["entry-points"]["lanyard.connectors"] == {"a1": "lanyard_a1:A1Connector"}
    assert tomllib.loads((tmp_path / "made/lanyard_a1/manifest.toml").read_text())["name"] == "a1"
    assert {path.relative_to(tmp_path / "made").parts[0] for path in files} == {
        "pyproject.toml",
        "README.md",
        "lanyard_a1",
        "tests",
    }
    assert not any("$" in path.read_text() for path in files)


def test_nothing_is_written_over(tmp_path: Path) -> None:
    """A folder that is there stays as it is."""
    folder = tmp_path / "made"
    folder.mkdir()
    with pytest.raises(NameTaken, match="choose another"):
        new("board", folder)
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("name", ["", "Board", "a", "a--b", "a-", "1a", "../a", "a b", "a" * 40])
def test_a_name_that_is_none_is_told(tmp_path: Path, name: str) -> None:
    """And nothing is written."""
    with pytest.raises(ValueError, match="is no name"):
        new(name, tmp_path / "made")
    assert not (tmp_path / "made").exists()


def test_the_command_says_what_it_wrote_and_what_is_next(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit 0 and the files; 2 for a name that is none, or a folder that is there, with the remedy."""
    folder = tmp_path / "made"
    assert cli.main(["connector", "new", "board", "--folder", str(folder)]) == 0
    said = capsys.readouterr().out
    assert f"{folder}/lanyard_board/connector.py" in said
    assert "pytest" in said
    for arguments, remedy in ((["BAD"], "small letters"), (["board", "--folder", str(folder)], "choose another")):
        assert cli.main(["connector", "new", *arguments]) == 2
        assert remedy in capsys.readouterr().err
