"""What counts as a change of the configuration on disk, and when it is believed."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from gateway.crew.changes import Changes


@pytest.fixture
def config(tmp_path: Path) -> Any:
    """As much of a configuration as is looked at."""
    (tmp_path / "lanyard.toml").write_text("one")
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "a.cedar").write_text("one")
    for name in ("cert", "key"):
        (tmp_path / name).write_text("one")
    return SimpleNamespace(
        policies=SimpleNamespace(path=str(tmp_path / "rules")),
        gateway=SimpleNamespace(tls_cert=str(tmp_path / "cert"), tls_key=str(tmp_path / "key")),
    )


@pytest.fixture
def changes(tmp_path: Path, config: Any) -> Changes:
    """Looked at since the start, and quiet."""
    made = Changes(str(tmp_path / "lanyard.toml"))
    assert [made.settled(config) for _ in range(3)] == [False, True, False]
    return made


@pytest.mark.parametrize("name", ["lanyard.toml", "rules/a.cedar", "rules/b.cedar", "cert", "key"])
def test_each_part_counts(tmp_path: Path, config: Any, changes: Changes, name: str) -> None:
    """It is told once, and only when it stands still."""
    (tmp_path / name).write_text("another")
    assert [changes.settled(config) for _ in range(3)] == [False, True, False]


def test_whoever_is_still_writing_is_waited_for(tmp_path: Path, config: Any, changes: Changes) -> None:
    """Half a file is not read."""
    told = []
    for turn in range(3):
        (tmp_path / "lanyard.toml").write_text("x" * (turn + 10))
        told.append(changes.settled(config))
    assert [*told, changes.settled(config)] == [False, False, False, True]


def test_a_link_that_is_replaced_counts(tmp_path: Path, config: Any) -> None:
    """As a cluster changes a mounted configuration."""
    for name in ("v1", "v2"):
        (tmp_path / name).write_text("as long")
        os.utime(tmp_path / name, (1, 1))
    link = tmp_path / "link.toml"
    link.symlink_to("v1")
    changes = Changes(str(link))
    assert [changes.settled(config) for _ in range(3)] == [False, True, False]
    link.unlink()
    link.symlink_to("v2")
    assert [changes.settled(config) for _ in range(2)] == [False, True]


def test_a_file_that_goes_away_counts(tmp_path: Path, config: Any, changes: Changes) -> None:
    """What then cannot be read is said by whoever reads it."""
    (tmp_path / "lanyard.toml").unlink()
    assert [changes.settled(config) for _ in range(2)] == [False, True]
