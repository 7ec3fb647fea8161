"""What the bench says that clinicians wait for: each way is walked to its page, and nothing that went wrong is a figure."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from benchmarks import people
from benchmarks.desk import Desk, Got
from benchmarks.provider import code_for, spent, stub_provider
from tests.journey.recorder import Seen, recorder, reply

FORM = b"<form method=post action=/login><input name=user><input name=word type=password></form>"
SIGNED_ON, TURNS = 16 + 60, 12  # of a bench of one second


def old_system(seen: Seen) -> bytes:
    if seen.path == "/login":
        return (
            reply(status="302 Found", Location="/home", Set_Cookie="SID=1; Path=/")
            if seen.method == "POST"
            else reply(FORM)
        )
    return reply(b"<html><body>a record")


def test_every_figure_is_of_ways_that_were_walked_to_their_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Signed on, unlocked and switched as often as was meant, through a gateway of its own and to the system's page."""
    monkeypatch.setattr(people, "SECONDS", 1)
    with recorder(old_system) as upstream:
        figures = people.measure(tmp_path, upstream.port)
    assert figures.keys() == {"signon.cpu_ms", "signon.per_s", "unlock.p95_ms", "switch.p95_ms"}
    assert all(value > 0 for value in figures.values())
    looks = [seen for seen in upstream.seen if seen.target == people.PAGE]
    assert len(looks) >= 2 * TURNS
    journal = b"".join(path.read_bytes() for path in (tmp_path / "people/data/journal").rglob("*.seg"))
    assert journal.count(b'"session.seated"') == SIGNED_ON + 1 + 2, "one at the locked desk, two at the shared one"
    assert journal.count(b'"session.unlocked"') == TURNS + TURNS + 1
    assert journal.count(b'"session.switched"') == TURNS + 2


def test_the_time_of_95_in_100_is_told_and_not_the_mean() -> None:
    """The slowest of twenty is left out; of fewer, the slowest counts."""
    assert people._p95([0.001 * n for n in range(1, 21)]) == pytest.approx(19)
    assert people._p95([0.001, 0.5]) == pytest.approx(500)


def test_a_way_that_leads_elsewhere_is_no_figure() -> None:
    """A fast page that is the wrong one would be the best of all."""
    people._is(Got("http://pas/1", 200, "", b""), "http://pas/1")
    with pytest.raises(RuntimeError, match="led to"):
        people._is(Got("http://records/", 200, "", b""), "http://pas/1")
    desk = Desk(1, "http://records", "http://idp", {})
    with pytest.raises(RuntimeError, match="503"):
        asyncio.run(desk.follow(Got("http://records/", 503, "", b"away")))


def test_the_stub_says_how_long_it_took() -> None:
    """So that its time can be taken out; a code says whose sign-on it is."""
    with stub_provider() as issuer:
        assert spent(issuer) < 1
        first = spent(issuer)
        assert spent(issuer) > first > 0
    assert code_for(f"{issuer}/authorize?nonce=a", "n-1") != code_for(f"{issuer}/authorize?nonce=a", "n-2")
