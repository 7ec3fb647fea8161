"""`lanyard badge`: a list that is taken whole or not at all, and badges that are forgotten; no number is said anywhere."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from gateway.stores.sqlite import SqliteStore
from sso.badge import Badge, Holder
from sso.seal import Seal

from .installation import Installation, Terminal


def badges(place: Installation, holder: Holder) -> list[Badge]:
    async def ask() -> list[Badge]:
        store = SqliteStore(place.data / "sessions.db", Seal.of((place.folder / "seal.key").read_bytes()))
        try:
            return await store.badges_of(holder)
        finally:
            await store.close()

    return asyncio.run(ask())


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "badges.csv"


def events(lanyard: Terminal, kind: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in lanyard("audit", "search", "--json", "--type", kind).out.splitlines()]


def issuer(place: Installation) -> str:
    return str(place.values["sso"]["issuer"])


def test_a_list_is_registered_and_written_down(place: Installation, lanyard: Terminal, file: Path) -> None:
    """One's own issuer where the list names none; a second time nothing is left to do."""
    file.write_text(
        "badge,subject,issuer\n0004512987,n.okoye,\n04:a2:24:5b,n.okoye,\n77001,dr.lee,https://other.example\n"
    )
    place.data.mkdir(exist_ok=True)
    assert lanyard("badge", "import", str(file)).out == "3 badges registered\n"
    assert len(badges(place, Holder(issuer(place), "n.okoye"))) == 2
    assert len(badges(place, Holder("https://other.example", "dr.lee"))) == 1
    made = events(lanyard, "badge.registered")
    assert {(e["subject"], e["by"]) for e in made} == {("n.okoye", "import"), ("dr.lee", "import")}
    assert all(e["operator"] for e in made)
    assert "4512987" not in json.dumps(made)
    assert "0 badges registered; 3 were registered" in lanyard("badge", "import", str(file)).out


BAD = {
    "no heading": "0004512987,n.okoye\n",
    "no number": "badge,subject\n0004512987,n.okoye\n!!,dr.lee\n",
    "nobody": "badge,subject\n0004512987,\n",
    "twice": "badge,subject\n0004512987,n.okoye\n4512987,dr.lee\n",
    "too many": "badge,subject\n" + "".join(f"10000{n},n.okoye\n" for n in range(5)),
}


@pytest.mark.parametrize("case", BAD)
def test_a_list_that_may_not_be_taken_is_refused_whole(
    place: Installation, lanyard: Terminal, file: Path, case: str
) -> None:
    """With the place of what is wrong, and without a number."""
    place.data.mkdir(exist_ok=True)
    file.write_text(BAD[case])
    said = lanyard("badge", "import", str(file))
    assert said.code == 2
    assert "4512987" not in said.err
    assert badges(place, Holder(issuer(place), "n.okoye")) == []
    assert events(lanyard, "badge.registered") == []


def test_a_badge_changes_hands_by_being_forgotten(place: Installation, lanyard: Terminal, file: Path) -> None:
    """Somebody else's is not taken from them by a list; `forget` releases it."""
    place.data.mkdir(exist_ok=True)
    file.write_text("badge,subject\n0004512987,n.okoye\n")
    lanyard("badge", "import", str(file))
    file.write_text("badge,subject\n4512987,dr.lee\n")
    refused = lanyard("badge", "import", str(file))
    assert (refused.code, "badge 1: is registered to somebody else" in refused.err) == (2, True)
    assert lanyard("badge", "forget", "n.okoye").out == "1 badges of `n.okoye` forgotten\n"
    assert lanyard("badge", "forget", "n.okoye").code == 1
    assert lanyard("badge", "import", str(file)).code == 0
    assert [e["subject"] for e in events(lanyard, "badge.forgotten")] == ["n.okoye"]
