"""The demo's order entry and image archive: nobody comes in whom the gateway, or a password, does not name."""

from __future__ import annotations

import base64
import time
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest

from demo import orders
from demo.archive import Archive, password_of
from demo.orders import AUDIENCE, HEADER, Orders
from demo.people import USERS, patients
from sso.word import Word

GATEWAY = "http://records.test"
NURSE = {"sub": "nurse", "name": "Ngozi Okoye"}


class Clock:
    now = 2_000_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
async def asked(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[httpx2.AsyncClient, Word]]:
    """Order entry, and whose word it believes; its own questions for keys are answered here."""
    word = Word(GATEWAY, [b"k" * 32], time.time)

    def keys(request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, json={"keys": word.public()})

    made = httpx2.AsyncClient

    def answering(**given: Any) -> httpx2.AsyncClient:
        return made(transport=httpx2.MockTransport(keys), **given)

    app = Orders(patients(), GATEWAY, (f"{GATEWAY}/.well-known/jwks.json", "records.test")).app()
    async with made(transport=httpx2.ASGITransport(app=app), base_url="http://orders.test") as client:
        monkeypatch.setattr(orders.httpx2, "AsyncClient", answering)
        yield client, word


async def test_the_right_word_opens_it(asked: tuple[httpx2.AsyncClient, Word]) -> None:
    """In the name that it says."""
    client, word = asked
    answer = await client.get("/", headers={HEADER: word.assertion(AUDIENCE, NURSE)})
    assert answer.status_code == 200
    assert "Ngozi Okoye" in answer.text


async def test_no_other_word_does(asked: tuple[httpx2.AsyncClient, Word]) -> None:
    """None, nonsense, for another system, by another issuer, by keys that nobody published, and an old one."""
    client, word = asked
    old = Word(GATEWAY, [b"k" * 32], Clock())
    Clock.now = 1_000_000_000.0
    wrong = {
        "none": "",
        "nonsense": "a.b.c",
        "another system's": word.assertion("archive", NURSE),
        "another issuer's": Word("http://evil.test", [b"k" * 32], time.time).assertion(AUDIENCE, NURSE),
        "another key's": Word(GATEWAY, [b"x" * 32], time.time).assertion(AUDIENCE, NURSE),
        "old": old.assertion(AUDIENCE, NURSE),
    }
    answers = {why: (await client.get("/", headers={HEADER: token})).status_code for why, token in wrong.items()}
    assert set(answers.values()) == {401}, answers


async def test_the_archive_wants_its_own_password() -> None:
    """The right one, for the right user, by Basic."""
    app = Archive(patients(), USERS).app()
    nurse = USERS[0]

    def basic(name: str, word: str) -> dict[str, str]:
        return {"authorization": "Basic " + base64.b64encode(f"{name}:{word}".encode()).decode()}

    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url="http://archive.test") as client:
        assert (await client.get("/")).headers["www-authenticate"].startswith("Basic")
        assert nurse.name in (await client.get("/", headers=basic(nurse.pas_user, password_of(nurse)))).text
        for name, word in ((nurse.pas_user, "x"), ("NOBODY", password_of(nurse)), ("", "")):
            assert (await client.get("/", headers=basic(name, word))).status_code == 401
        assert (await client.get("/", headers={"authorization": "Basic %%%"})).status_code == 401
