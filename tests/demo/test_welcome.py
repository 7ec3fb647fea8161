"""What a newcomer reads: everybody, every device, what to try, and lines that can be copied."""

from __future__ import annotations

import io
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from rich.console import Console

from demo.hospital import Hospital
from demo.people import USERS
from demo.welcome import welcome

LINK = "http://records.localhost:8080/device/enrol?invitation=" + "x" * 43
PLACE = SimpleNamespace(url="http://records.localhost:8080", config=Path("/tmp/lanyard-demo-abcdefgh/lanyard.toml"))


@pytest.fixture
def lines() -> list[str]:
    said = io.StringIO()
    welcome(cast(Hospital, PLACE), LINK, Console(file=said, width=80))
    return said.getvalue().splitlines()


def test_it_fits_80_columns_but_for_what_is_copied(lines: list[str]) -> None:
    """A link and a command stay whole, however long; nothing else is wider than a terminal."""
    wide = [line.strip() for line in lines if len(line.rstrip()) > 80]
    assert all(line == LINK or "audit search --config" in line for line in wide)
    assert f"  {LINK}" in lines
    assert any(line.endswith(f"audit search --config {PLACE.config}") for line in lines)


def test_it_says_who_one_may_be_and_what_to_try(lines: list[str]) -> None:
    """Everybody by name; the bank nurse's log-on, which she is asked for; the address last."""
    said = " ".join(" ".join(lines).split())
    assert all(user.name in said for user in USERS)
    asked = next(user for user in USERS if user.first_day)
    assert f"{asked.pas_user}, {asked.pas_password}" in said
    for word in ("PIN", "phone", "Not you?", "Vault", "Ward 7 PC 3", "Ctrl-C"):
        assert word in said
    assert any(PLACE.url in line for line in lines[-4:])
