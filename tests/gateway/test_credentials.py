"""Clinicians' own credentials: sealed for one system, found for one person, read anew when the file changes."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from connectors.base import Credential
from connectors.errors import CredentialRefused
from gateway.credentials import InOrder, SealedFiles, purpose, seal_credentials
from gateway.errors import ConfigError
from policies.model import Principal
from sso.seal import Seal, new_key

SEAL = Seal.of(new_key().encode())
ISSUER = "https://login.example.nhs.uk"


def entry(subject: str, **changes: Any) -> dict[str, Any]:
    return {"issuer": ISSUER, "subject": subject, "username": f"U-{subject}", "secret": f"pw of {subject}", **changes}


def person(subject: str, issuer: str = ISSUER) -> Principal:
    return Principal(issuer, subject, "Somebody", "R1", frozenset({"nurse"}), "", 2)


class Files:
    """A folder of sealed files, and who reads them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.source = SealedFiles({name: str(folder / name) for name in ("pas", "lab")}, SEAL)
        self._written = 0

    def write(self, system: str, *entries: dict[str, Any], text: str | None = None) -> None:
        sealed = seal_credentials(json.dumps(entries).encode(), system, SEAL) if text is None else text
        path = self.folder / system
        path.write_text(sealed)
        self._written += 1
        os.utime(
            path, ns=(self._written, self._written)
        )  # a clock that is too coarse to tell two writes apart is no news


@pytest.fixture
def files(tmp_path: Path) -> Files:
    made = Files(tmp_path)
    for system in ("pas", "lab"):
        made.write(system, entry("n-1"), entry("n-2"))
    return made


async def test_each_person_gets_their_own(files: Files) -> None:
    """By issuer and subject together."""
    assert await files.source.credential(person("n-1"), "pas") == Credential("U-n-1", "pw of n-1")
    assert await files.source.credential(person("n-2"), "pas") == Credential("U-n-2", "pw of n-2")


@pytest.mark.parametrize(
    ("who", "system"),
    [
        (person("n-3"), "pas"),
        (person("n-1", "https://elsewhere.example"), "pas"),
        (person("N-1"), "pas"),
        (person("n-1"), "ward"),
    ],
    ids=["stranger", "another issuer", "another spelling", "system without a file"],
)
async def test_nobody_gets_another_s(files: Files, who: Principal, system: str) -> None:
    """The same subject at another provider is another person."""
    assert await files.source.credential(who, system) is None


async def test_a_changed_file_is_read_again(files: Files) -> None:
    """A new password counts at the next log-on, without a restart; who was taken out has none."""
    assert await files.source.credential(person("n-1"), "pas")
    files.write("pas", entry("n-1", secret="new"))
    assert await files.source.credential(person("n-1"), "pas") == Credential("U-n-1", "new")
    assert await files.source.credential(person("n-2"), "pas") is None


async def test_an_unchanged_file_is_read_once(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    """A ward that logs on at eight in the morning does not unseal the file for each."""
    opened: list[str] = []
    unseal = Seal.unseal
    monkeypatch.setattr(
        Seal, "unseal", lambda self, text, *, purpose: opened.append(purpose) or unseal(self, text, purpose=purpose)
    )
    for subject in ("n-1", "n-2", "n-1"):
        await files.source.credential(person(subject), "pas")
    assert opened == [purpose("pas")]


async def test_one_system_s_file_opens_nothing_at_another(files: Files) -> None:
    """Put in another's place, a file is refused, and the words do not say what is in it."""
    files.write("lab", text=(files.folder / "pas").read_text())
    with pytest.raises(ConfigError) as told:
        await files.source.credential(person("n-1"), "lab")
    assert f"systems.lab.credentials: `{files.folder / 'lab'}` does not open under `keys.seal` for this system" in str(
        told.value
    )
    assert "n-1" not in str(told.value)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "does not open"),
        ("plain text", "does not open"),
        (json.dumps([entry("n-1")]), "does not open"),
        ("é", "cannot be read"),
        (Seal.of(new_key().encode()).seal(b"[]", purpose=purpose("pas")), "does not open"),
    ],
    ids=["empty", "text", "never sealed", "not ASCII", "under another key"],
)
async def test_a_file_that_does_not_open_is_told_with_its_key(files: Files, text: str, says: str) -> None:
    """The message names the key and the file, for whoever must seal it again; nobody gets an old credential meanwhile."""
    assert await files.source.credential(person("n-1"), "pas")
    files.write("pas", text=text)
    with pytest.raises(ConfigError, match=says) as told:
        await files.source.credential(person("n-1"), "pas")
    assert str(told.value).startswith(f"systems.pas.credentials: `{files.folder / 'pas'}` ")
    assert "pw of" not in str(told.value)


async def test_a_file_that_is_gone_is_told(files: Files) -> None:
    """What was read from it before does not live on."""
    assert await files.source.credential(person("n-1"), "pas")
    (files.folder / "pas").unlink()
    with pytest.raises(ConfigError, match=r"cannot be read: .*No such file"):
        await files.source.credential(person("n-1"), "pas")


def test_the_check_names_every_file_that_is_wrong(files: Files) -> None:
    """Two wrong files are two problems; two good ones none."""
    assert files.source.check() == []
    files.write("pas", text="rubbish")
    (files.folder / "lab").unlink()
    problems = files.source.check()
    assert [problem.partition(":")[0] for problem in problems] == ["systems.pas.credentials", "systems.lab.credentials"]


@pytest.mark.parametrize(
    "plain",
    [
        b"",
        b"{",
        b"null",
        b"{}",
        b"[1]",
        b'["x"]',
        json.dumps([{"issuer": "i", "subject": "s", "username": "u"}]).encode(),
        json.dumps({"issuer": "i", "subject": "s", "username": "u", "secret": "p"}).encode(),
        json.dumps([entry("n-1", username=7)]).encode(),
        json.dumps([entry("n-1", secret=None)]).encode(),
        json.dumps([entry("n-1", secret="")]).encode(),
        json.dumps([entry("n-1") | {"subject": ["n"]}]).encode(),
        json.dumps([entry("n-1"), entry("n-1", secret="other")]).encode(),
        b"[" * 100_000,
    ],
)
def test_what_has_not_the_shape_is_not_sealed(plain: bytes) -> None:
    """A slip is told before the file lies on a server: another type, a missing key, the same person twice."""
    with pytest.raises(ConfigError) as told:
        seal_credentials(plain, "pas", SEAL)
    assert "pw of" not in str(told.value)


def test_what_is_sealed_shows_nothing() -> None:
    """Neither user name nor secret can be read off the file, and two sealings of the same differ."""
    plain = json.dumps([entry("n-1")]).encode()
    first, second = (seal_credentials(plain, "pas", SEAL) for _ in range(2))
    assert first != second
    assert not any(word in first for word in ("n-1", "pw", ISSUER))
    assert json.loads(SEAL.unseal(first, purpose=purpose("pas"))) == [entry("n-1")]


def test_a_credential_does_not_show_its_secret() -> None:
    """One that lands in a log shows no password."""
    assert "pw of n-1" not in repr(Credential("U-n-1", "pw of n-1"))


async def test_the_first_source_that_has_something_counts(files: Files) -> None:
    """What a clinician keeps comes before what operators give; a refusal there is not passed over for the other's."""

    class Own:
        async def credential(self, principal: Principal, system: str) -> Credential | None:
            if principal.subject == "refused":
                raise CredentialRefused("no")
            return Credential("own", "pw") if principal.subject == "n-1" else None

    files.write("pas", entry("n-1"), entry("n-2"), entry("refused"))
    both = InOrder(Own(), files.source)
    first, second = await both.credential(person("n-1"), "pas"), await both.credential(person("n-2"), "pas")
    assert first == Credential("own", "pw")
    assert second == await files.source.credential(person("n-2"), "pas")
    with pytest.raises(CredentialRefused):
        await both.credential(person("refused"), "pas")


@pytest.mark.parametrize("other", ["U-n-1", "u-N-1 "])
async def test_a_user_name_of_several_persons_is_handed_to_none_of_them(files: Files, other: str) -> None:
    """Where only one's own log-on may be used; elsewhere the file is as good as before."""
    files.write("pas", entry("n-1"), entry("n-2", username=other))
    assert await files.source.credential(person("n-2"), "pas")
    strict = SealedFiles({"pas": str(files.folder / "pas")}, SEAL, frozenset({"pas"}))
    with pytest.raises(ConfigError, match="would name nobody"):
        await strict.credential(person("n-1"), "pas")
