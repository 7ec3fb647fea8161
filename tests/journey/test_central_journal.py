"""Accesses through a gateway of two workers stand in the central journal before they are answered, and are asked for and proven there."""

from __future__ import annotations

import contextlib
import json
import secrets
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.counterparts.postgres import PASSWORD, PostgresServer

from .browser import Browser
from .fhir_server import Caller, fhir_server
from .hospital import hospital, system

pytestmark = [pytest.mark.counterpart, pytest.mark.slow]

LOOKS = 30


@pytest.mark.parametrize("ack", ["local", "local+central"])
def test_a_look_is_in_the_central_journal(tmp_path: Path, postgres: PostgresServer, ack: str) -> None:
    """From both workers and the command line; proven there after an orderly end, with nothing missing."""
    (tmp_path / "database.password").write_text(PASSWORD)
    (tmp_path / "database.password").chmod(0o600)
    name = f"central-{secrets.token_hex(4)}"
    gateway = {
        "name": "ward",
        "workers": 2,
        "database_url": postgres.new_database(name),
        "database_password": {"file": str(tmp_path / "database.password")},
    }
    with fhir_server() as records, Browser() as browser:
        systems = [system("records", "fhir", records.origin)]
        with hospital(tmp_path, systems, gateway=gateway, audit={"ack": ack}) as place:
            place.sign_on(browser, "n.okoye")
            url = place.system_url("records")
            assert browser.get(f"{url}/Patient/first").status == 200
            with contextlib.closing(Caller(url, browser.cookies[urlsplit(url).netloc])) as caller:
                for number in range(LOOKS):
                    assert caller.get(f"/Patient/look-{number}")[0] == 200
                    caller.close()  # the next may come to the other worker
            if ack == "local+central":
                assert len(looks(postgres, name)) >= LOOKS
            place.stop()
            assert len(looks(postgres, name)) >= LOOKS
            said = place.lanyard("audit", "verify", "--json")
            report = json.loads(said.stdout)
            assert said.returncode == 0, said.stdout + place.log()
            assert {w["name"] for w in report["central"]["writers"]} >= {"ward-1", "ward-2"}
            assert all(w["orderly"] for w in report["central"]["writers"]), report
            found = place.lanyard("audit", "search", "--json", "--type=access.intent", "--limit=1000")
            assert len(found.stdout.splitlines()) >= LOOKS


def looks(postgres: PostgresServer, name: str) -> list[tuple[object, ...]]:
    with contextlib.closing(postgres.connect(name)) as c:
        return c.execute("SELECT seq FROM journal.event WHERE type = 'access.intent' AND system = 'records'").fetchall()
