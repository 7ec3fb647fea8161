"""The command line of one machine asks and proves the journal of all of them, and says where it could not."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from tests.counterparts.postgres import PASSWORD

from ..installation import JOURNALLED, Installation, Terminal, installation
from .places import CentralPlace


@pytest.fixture
def installed(place: CentralPlace, tmp_path: Path) -> Installation:
    """A gateway that keeps its journal here and in the central place."""
    return joined(place, tmp_path)


def joined(place: CentralPlace, folder: Path) -> Installation:
    made = installation(folder)
    password = folder / "database.password"
    password.write_text(PASSWORD + "\n")
    password.chmod(0o600)
    made.values["gateway"]["database_url"] = place.server.url(place.database)
    made.values["gateway"]["database_password"] = {"file": str(password)}
    made.write()
    return made


@pytest.fixture
def lanyard(installed: Installation, capsys: pytest.CaptureFixture[str]) -> Terminal:
    return Terminal(installed, capsys)


def sent(place: CentralPlace, installed: Installation, name: str) -> None:
    with place.shipping(installed.data, name):
        pass


def test_one_search_finds_what_every_gateway_has_journalled(
    place: CentralPlace, installed: Installation, lanyard: Terminal, tmp_path: Path
) -> None:
    """Another machine's accesses beside one's own, with the words up to when each has arrived."""
    other = tmp_path / "other"
    other.mkdir()
    there = joined(place, other)
    for one, name in ((installed, "gw1"), (there, "gw2")):
        one.journal()
        sent(place, one, name)
    said = lanyard("audit", "search", "--json", "--type", "access.intent")
    writers = {json.loads(line)["writer"] for line in said.out.splitlines()}
    assert writers == {"gw1/gateway", "gw2/gateway"}
    assert "of 2 writers" in said.err
    place.do("UPDATE writer SET told = now() - interval '1 hour' WHERE writer LIKE 'gw2%'")
    place.do("UPDATE writer SET seq = seq + 5 WHERE writer LIKE 'gw2%'")
    said = lanyard("audit", "search")
    assert "`gw2/gateway`: up to " in said.err
    assert "5 later events have not arrived" in said.err


def test_a_question_that_could_not_be_asked_is_no_empty_answer(
    place: CentralPlace, installed: Installation, lanyard: Terminal
) -> None:
    """It is said, and the exit says so too."""
    installed.journal()
    place.do("ALTER SCHEMA journal RENAME TO away")
    said = lanyard("audit", "search")
    assert said.code == 2
    assert "the central journal could not be asked" in said.err
    assert said.out == ""


def test_verify_proves_both_and_is_journalled_with_its_counts(
    place: CentralPlace, installed: Installation, lanyard: Terminal
) -> None:
    """What is here, what is there, and that they agree."""
    installed.journal()
    sent(place, installed, "gateway")
    said = lanyard("audit", "verify")
    assert said.code == 0, said.out
    assert f"whole: {JOURNALLED} events in the central journal verified, 0 missing" in said.out
    sent(place, installed, "gateway")
    ((payload,),) = place.rows("SELECT payload FROM event WHERE type = 'audit.verified'")
    counted = json.loads(bytes(payload))["fields"]  # type: ignore[arg-type]  # bytes
    assert counted == {"events": 3, "whole": True, "central": {"events": 3, "missing": 0, "writers": 1}}
    (own,) = place.rows("SELECT writer FROM writer WHERE folder = 'cli'")
    assert own == ("gateway/cli",)


def test_verify_names_what_never_arrived_and_ends_with_one(
    place: CentralPlace, installed: Installation, lanyard: Terminal, tmp_path: Path
) -> None:
    """A machine that is gone had told of more than is there."""
    other = tmp_path / "other"
    other.mkdir()
    there = joined(place, other)
    (other / "journal.key").write_bytes(installed.key)
    there.journal()
    sent(place, there, "gateway")
    place.do("UPDATE writer SET told = now() - interval '1 hour', seq = seq + 37")
    said = lanyard("audit", "verify")
    assert said.code == 1
    assert "writer `gateway`: 37 events, 4 to 40, written until " in said.out
    assert "NOT WHOLE: 3 events in the central journal verified, 37 missing" in said.out
    values = json.loads(lanyard("audit", "verify", "--json").out)
    assert values["whole"] is False
    assert (values["central"]["writers"][0]["missing"], values["central"]["writers"][0]["first_missing"]) == (37, 4)


def test_verify_without_the_central_journal_proves_only_half(
    place: CentralPlace, installed: Installation, lanyard: Terminal
) -> None:
    """The segments here are proven; that the other half was not is said, and is not well."""
    installed.journal()
    sent(place, installed, "gateway")
    place.do("ALTER SCHEMA journal RENAME TO away")
    begun = time.monotonic()
    said = lanyard("audit", "verify")
    assert time.monotonic() - begun < 30
    assert said.code == 1
    assert "NOT PROVEN: the central journal could not be asked" in said.out
