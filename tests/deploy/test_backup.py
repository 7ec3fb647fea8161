"""docs/backup.md, rehearsed: a dump is restored somewhere else, and a gateway serves from it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import secrets
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from gateway.config import load
from gateway.installation import opened_store
from gateway.keys import vault_seal_of
from gateway.stores.testing import NURSE
from gateway.vault import OperatorKeys, Vault
from sso.seal import new_key
from tests.counterparts.postgres import PASSWORD, USER, PostgresServer
from tests.counterparts.processes import missing
from tests.gateway.installation import FORM
from tests.journey.browser import Browser
from tests.journey.fhir_server import fhir_server
from tests.journey.hospital import Hospital, hospital, system
from tests.journey.sign_on import signed_on

pytestmark = [pytest.mark.counterpart, pytest.mark.slow]
NOBODY = "http://127.0.0.1:60009"  # nobody logs on to it here


@dataclass
class Site:
    """A gateway on PostgreSQL with a clinician in the middle of her shift."""

    place: Hospital
    postgres: PostgresServer
    browser: Browser
    database: str

    def dumped(self) -> Path:
        file = self.place.folder / f"{secrets.token_hex(4)}.dump"
        self._pg("pg_dump", "--format=custom", f"--file={file}", self.database)
        return file

    def restored(self, dump: Path) -> None:
        """Into another database, on which the gateway of a new machine runs: with its keys, and nothing of the old one's disk."""
        self.database = f"restored-{secrets.token_hex(4)}"
        url = self.postgres.new_database(self.database)
        self._pg("pg_restore", "--exit-on-error", f"--dbname={self.database}", str(dump))
        self.place.config["gateway"] |= {
            "database_url": url,
            "name": "gw3",
            "data_dir": str(self.place.folder / self.database),
        }
        self.place.write()

    def reads(self) -> int:
        """The record's status, as the same browser asks for it."""
        return self.browser.get(f"{self.place.system_url('epr')}/Patient/1", came_from=f"{self.place.url}/").status

    def _pg(self, program: str, *arguments: str) -> None:
        if shutil.which(program) is None:
            missing("postgresql-client", command=program)
        where = ["-h", "127.0.0.1", "-p", str(self.postgres.port), "-U", USER]
        done = subprocess.run(
            [program, *where, *arguments], env={**os.environ, "PGPASSWORD": PASSWORD}, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr


@pytest.fixture
def site(tmp_path: Path, postgres: PostgresServer) -> Iterator[Site]:
    """N Okoye has signed on and opened a record; a kiosk is enrolled, and her password for the PAS is kept."""
    database = f"site-{secrets.token_hex(4)}"
    (tmp_path / "database.secret").write_text(PASSWORD)
    gateway = {
        "name": "gw1",
        "database_url": postgres.new_database(database),
        "database_password": {"file": str(tmp_path / "database.secret")},
    }
    with contextlib.ExitStack() as open_ones:
        records = open_ones.enter_context(fhir_server())
        systems = [system("epr", "fhir", records.origin), system("pas", "webform", NOBODY, options=FORM)]
        place = open_ones.enter_context(hospital(tmp_path, systems, gateway=gateway))
        browser = open_ones.enter_context(Browser())
        assert place.sign_on(browser, "n.okoye").status == 200
        made = Site(place, postgres, browser, database)
        assert made.reads() == 200
        kiosk = ["--certificate-issuer", "CN=Device CA", "--certificate-subject", "CN=kiosk", "--ownership", "shared"]
        said = place.lanyard("device", "enrol", "--name", "Theatre 2 kiosk", *kiosk)
        assert said.returncode == 0, said.stderr
        card = {"issuer": place.issuer, "subject": "n.okoye", "username": "NOKOYE", "secret": "Winter-42"}
        (tmp_path / "pas.json").write_text(json.dumps([card]))
        said = place.lanyard("vault", "import", str(tmp_path / "pas.json"), "--system", "pas")
        assert said.returncode == 0, said.stderr
        yield made


def kept_password(place: Hospital) -> str:
    """What the vault opens for N Okoye at the PAS, with the installation's own keys."""
    config = load(place.path, {})

    async def opened() -> str:
        async with opened_store(config) as store:
            vault = Vault(store, OperatorKeys(vault_seal_of(config)), time.time)
            found = await vault.credential(replace(NURSE, issuer=place.issuer, subject="n.okoye"), "pas")
            return found.secret if found is not None else ""

    return asyncio.run(opened())


def test_a_dump_that_is_restored_elsewhere_is_served_from_with_its_keys_and_not_without(site: Site) -> None:
    """Machine and database are gone: dump and keys serve the same shift, device and kept password; the dump alone nobody."""
    dump = site.dumped()
    site.place.stop()
    site.restored(dump)
    site.place.start()
    assert signed_on(site.place, site.browser)
    assert site.reads() == 200
    assert "Theatre 2 kiosk" in site.place.lanyard("device", "list").stdout
    assert kept_password(site.place) == "Winter-42"
    site.place.stop()
    (site.place.folder / "seal.key").write_text(new_key())
    site.place.start()
    assert not signed_on(site.place, site.browser)


def test_a_shift_that_was_ended_since_the_dump_is_back_until_the_shifts_are_deleted(site: Site) -> None:
    """What docs/backup.md warns of is so, and its remedy works: the clinician signs on anew, and nobody goes on as her."""
    dump = site.dumped()
    copied = {host: dict(jar) for host, jar in site.browser.cookies.items()}
    page = site.browser.get(f"{site.place.url}/shift")
    left = site.browser.submit(page, form="/sign-off")
    assert left.status == 200
    site.browser.cookies = copied
    assert not signed_on(site.place, site.browser)
    site.place.stop()
    site.restored(dump)
    site.place.start()
    assert signed_on(site.place, site.browser), "the restored database is yesterday's"
    site.place.stop()
    with site.postgres.connect(site.database) as c:
        c.execute("DELETE FROM shift")
    site.place.start()
    assert not signed_on(site.place, site.browser)
    assert site.place.sign_on(site.browser, "n.okoye").status == 200


def test_yesterday_s_journal_in_place_of_today_s_is_found(site: Site) -> None:
    """A folder that was restored under a writer that had gone on: `verify` says where it ends, and how far it had been."""
    site.place.stop()
    data = site.place.folder / "data"
    shutil.copytree(data / "journal", data / "yesterday")
    site.place.start()
    assert site.reads() == 200
    site.place.stop()
    assert site.place.lanyard("audit", "verify").returncode == 0
    shutil.rmtree(data / "journal")
    (data / "yesterday").rename(data / "journal")
    said = site.place.lanyard("audit", "verify")
    assert said.returncode == 1
    assert "the newest were cut off here" in " ".join(said.stdout.replace("│", " ").split())
