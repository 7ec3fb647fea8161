"""What clinicians are told of a system that does not answer: on its tile, and on the page in its place."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from .front import MAIN, NOWHERE, Front, front

SYSTEMS = [
    {"name": "pas", "title": "Patient administration", "connector": "header", "upstream": NOWHERE,
     "notice": "Down until 14:00, procedure 7", "options": {"headers": {"X-User": "{subject}"}}},
    {"name": "rota", "title": "Rota", "connector": "linked", "notice": "Slow today", "options": {"address": "https://rota.test/"}},
]  # fmt: skip
PAS = "http://pas.records.localhost:8080"


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[Front]:
    """With a system that nobody reaches."""
    async with front(tmp_path, systems=SYSTEMS) as opened:
        yield opened


async def test_a_notice_is_on_the_tile_and_on_the_page_in_its_place(house: Front) -> None:
    """So that nobody rings the helpdesk for what it knows."""
    tab = house.tab()
    await tab.sign_on()
    home = (await tab.get(f"{MAIN}/")).text
    assert "Down until 14:00, procedure 7" in home
    assert "Slow today" in home
    page, _ = await tab.follow(f"{PAS}/")
    assert page.status_code == 502
    assert "Down until 14:00, procedure 7" in page.text


async def test_a_silent_system_is_said_to_be_and_is_not_asked(house: Front) -> None:
    """After five looks in vain: on the tile, at once on its page, and among what the ops listener says, which stays ready."""
    tab = house.tab()
    await tab.sign_on()
    await tab.follow(f"{PAS}/")
    assert "Does not answer" not in (await tab.get(f"{MAIN}/")).text
    for _ in range(5):
        await tab.get(f"{PAS}/")
    assert "Does not answer" in (await tab.get(f"{MAIN}/")).text
    page = await tab.get(f"{PAS}/")
    assert page.status_code == 502
    assert "nothing was sent" in page.text
    parts = await house.running.readings.parts()
    assert (parts["ready"], parts["silent"]) == (True, ["pas"])
