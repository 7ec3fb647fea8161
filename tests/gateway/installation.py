"""A small installation on disk, for the tests of the command line: a configuration, its keys and secrets, a journal."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import tomli_w

from gateway import cli
from gateway.audit.event import RequestLine
from gateway.audit.journal import Journal
from gateway.credentials import seal_credentials
from policies.bundle import Bundle
from policies.engine import CedarEngine
from policies.testing import ask
from sso.seal import Seal, new_key

ISSUER = "https://login.example.nhs.uk"
CARD = {"issuer": ISSUER, "subject": "n-1", "username": "NOKOYE", "secret": "Winter-42"}
FORM: dict[str, Any] = {
    "login_page": "/login",
    "username_field": "u",
    "password_field": "p",
    "success": {"status": 302},
    "failure": {"status": 403},
    "logged_off": {"status": 302, "location": "/login"},
}
NOBODY = "http://127.0.0.1:60009"  # each test that asks a system names a real one
JOURNALLED = 3  # accesses


@dataclass
class Installation:
    """`values` is the configuration; `write` puts it on disk."""

    folder: Path
    values: dict[str, Any] = field(default_factory=dict)

    @property
    def path(self) -> Path:
        return self.folder / "lanyard.toml"

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def key(self) -> bytes:
        return (self.folder / "journal.key").read_bytes()

    def write(self) -> None:
        self.path.write_text(tomli_w.dumps(self.values))

    def system(self, name: str) -> dict[str, Any]:
        return next(s for s in self.values["systems"] if s["name"] == name)  # type: ignore[no-any-return]  # a table

    def journal(self, *, closed: bool = True) -> list[str]:
        """Three accesses as a gateway writes them: a nurse's two and a receptionist's refused one; their numbers."""
        engine = CedarEngine(Bundle.load(), "observe")
        numbers = [f"5f{n}{'abcdef0123456789' * 2}"[:32] for n in range(JOURNALLED)]

        async def write() -> None:
            journal = Journal.open(self.data, self.key, now=time.time, reserve=1 << 20, segment=256 << 10)
            for number, role in zip(numbers, ("nurse", "nurse", "receptionist"), strict=True):
                access, facts = ask(role, "read", "observation")
                decision = engine.decide(access, facts)
                line = RequestLine(number, "session-1", "shift-1", "GET", b"/Observation?patient=1", "10.0.0.1")
                question = engine.input_record(decision.input_hash)
                await journal.intent(access, facts, decision, line, question)
            await journal.close()

        asyncio.run(write())
        if not closed:
            self._uncloses()
        return numbers

    def _uncloses(self) -> None:
        """As a kill leaves it: the record that ends the segment was never written."""
        newest = max((self.data / "journal" / "gateway").glob("*.seg"))
        whole = newest.read_bytes()
        begins = whole.rindex(b'{"closed":') - 40  # before it: length, checksum, mac
        newest.write_bytes(whole[:begins])


@dataclass
class Said:
    code: int
    out: str
    err: str


class Terminal:
    """Runs a command in this process and remembers what it said."""

    def __init__(self, place: Installation, capsys: pytest.CaptureFixture[str]) -> None:
        self._place = place
        self._capsys = capsys

    def __call__(self, *arguments: str, config: bool = True) -> Said:
        self._capsys.readouterr()
        code = cli.main([*arguments, *(["--config", str(self._place.path)] if config else [])])
        said = self._capsys.readouterr()
        assert "Traceback" not in said.err
        return Said(code, said.out, said.err)


def installation(folder: Path) -> Installation:
    """Everything in it is well."""
    for name in ("seal", "journal"):
        (folder / f"{name}.key").write_text(new_key())
    (folder / "client.secret").write_text("a secret")
    (folder / "epr.token").write_text("a token")
    seal = Seal.of((folder / "seal.key").read_bytes())
    (folder / "pas.credentials").write_text(seal_credentials(json.dumps([CARD]).encode(), "pas", seal))
    place = Installation(folder)
    place.values = {
        "gateway": {
            "public_url": "http://records.localhost:8080",
            "data_dir": str(place.data),
        },
        "keys": {name: {"file": str(folder / f"{name}.key")} for name in ("seal", "journal")},
        "sso": {"issuer": ISSUER, "client_id": "lanyard", "client_secret": {"file": str(folder / "client.secret")}},
        "audit": {"reserve": "1MiB", "segment": "256KiB"},
        "systems": [
            {
                "name": "pas",
                "title": "PAS",
                "connector": "webform",
                "upstream": NOBODY,
                "credentials": str(folder / "pas.credentials"),
                "options": FORM,
            },
            {
                "name": "epr",
                "title": "EPR",
                "connector": "fhir",
                "upstream": NOBODY,
                "options": {"base": "fhir", "auth": "bearer", "token": {"file": str(folder / "epr.token")}},
            },
        ],
    }
    place.write()
    return place
