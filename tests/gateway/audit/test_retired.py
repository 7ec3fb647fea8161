"""Reserves of writers that write no longer."""

from __future__ import annotations

import os
from pathlib import Path

from gateway.audit.retired import give_back_reserves
from gateway.audit.writer import locked


def reserves(data_dir: Path) -> set[str]:
    return {path.parent.name for path in data_dir.glob("journal/*/reserve")}


def test_only_who_writes_holds_a_reserve(tmp_path: Path) -> None:
    """The other crew's and those of fewer workers give theirs back; other gateways and the command line keep their own."""
    names = ["ward", "ward-b", "ward-1", "ward-2", "ward-2-b", "ward-3", "cli", "wards", "other-1"]
    for name in names:
        (tmp_path / "journal" / name).mkdir(parents=True)
        (tmp_path / "journal" / name / "reserve").write_bytes(b"x" * 100)
    held = locked(tmp_path / "journal" / "ward-3")
    try:
        give_back_reserves(tmp_path, "ward", {"ward-1", "ward-2"})
    finally:
        os.close(held)
    assert reserves(tmp_path) == {"ward-1", "ward-2", "ward-3", "cli", "wards", "other-1"}


def test_where_nothing_is_yet_nothing_is_done(tmp_path: Path) -> None:
    """The first start comes before the first journal."""
    give_back_reserves(tmp_path, "ward", set())
    assert reserves(tmp_path) == set()
