"""How far the journal of all gateways reaches: said on every page that was read out of it."""

from __future__ import annotations

import asyncio
import secrets
from pathlib import Path

import pytest

from gateway.central.copy import Arrival, reach
from tests.counterparts.postgres import PASSWORD, PostgresServer

from .fleet import DEVICES, guarded, made, officer, used
from .front import Tab

BEHIND, SILENT = Arrival("gateway-b", 100.0, 1234, 0.5), Arrival("gateway-c", 200.0, 0, 60.0)


def said(*found: Arrival) -> list[str]:
    return reach(list(found), lambda at: f"{at:.0f} o'clock")


def test_where_all_have_arrived_it_is_one_sentence() -> None:
    """Up to the earliest of them; nothing for a copy on this machine, which is brought up first."""
    assert said() == []
    assert said(Arrival("a", 100.0, 0, 0.5), Arrival("b", 90.0, 0, 0.5)) == [
        "This is what all gateways wrote up to 90 o'clock."
    ]


def test_who_is_behind_or_silent_is_named() -> None:
    """So that nobody takes an answer for whole that is not."""
    assert said(Arrival("a", 300.0, 0, 0.5), BEHIND, SILENT) == [
        "This is what all other gateways wrote up to 300 o'clock.",
        "“gateway-b” is behind: what it wrote after 100 o'clock is not here yet (1,234 events).",
        "“gateway-c” was last heard of at 200 o'clock: what it may have written since is not here.",
    ]


@pytest.mark.counterpart
async def test_both_pages_say_how_far_they_reach(tmp_path: Path, postgres: PostgresServer) -> None:
    """Of the gateway that answers, and of one that was last heard of yesterday."""
    name = f"reach_{secrets.token_hex(4)}"
    (tmp_path / "database.password").write_text(PASSWORD)
    database = {
        "database_url": postgres.new_database(name),
        "database_password": {"file": str(tmp_path / "database.password")},
    }
    async with guarded(tmp_path, gateway=database) as house:
        tab = await officer(house)
        with postgres.connect(name) as c:
            c.execute(
                "INSERT INTO journal.writer (writer, installation, folder, epoch, seq, at, told)"
                " VALUES ('ward-9', 'another', 'gateway', 1, 0, 86400, now() - interval '1 day')"
            )
        device, _ = await used(house, await made(tab, name="Ward 9 PC 1", ward="Ward 9", ownership="shared"))
        for page in (f"{DEVICES}/report", f"{DEVICES}/{device}/opened"):
            text = await _until_it_says(tab, page, "gateways wrote up to")
            assert "“ward-9” was last heard of at" in text
            assert "`" not in text


async def _until_it_says(tab: Tab, page: str, words: str) -> str:
    """What was just written arrives within a second."""
    async with asyncio.timeout(30):
        while words not in (text := (await tab.get(page)).text):
            await asyncio.sleep(0.1)
    return text
