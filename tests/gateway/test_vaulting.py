"""`lanyard vault`: the first day's import, a release by two persons, and keys that are rotated."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from typing import Any

import pytest

from gateway import vaulting
from gateway.config import load
from gateway.credentials import SealedFiles, personal, seal_credentials
from gateway.vaulting import _room
from policies.model import Principal
from sso.seal import Seal, new_key

from .installation import CARD, ISSUER, Installation, Said, Terminal

CANARY = "Canary-Winter-42"
LIST = [
    {"issuer": ISSUER, "subject": "n-2", "username": "ABELL", "secret": CANARY},
    {"issuer": ISSUER, "subject": "n-3", "username": "CDUNN", "secret": f"{CANARY}-3"},
]


@pytest.fixture(autouse=True)
def nobody_logged_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a container, where the kernel knows no log-in."""
    monkeypatch.setattr(vaulting, "_account", lambda: "lanyard")


def brought(place: Installation, entries: Any = LIST) -> str:
    path = place.folder / "pas.json"
    path.write_text(json.dumps(entries))
    return str(path)


def kept(place: Installation, subject: str, system: str = "pas") -> tuple[str, str] | None:
    async def ask() -> tuple[str, str] | None:
        async with _room(load(place.path, {})) as room:
            found = await room.vault.credential(Principal(ISSUER, subject, "", "", frozenset()), system)
            return (found.username, found.secret) if found else None

    return asyncio.run(ask())


def events(lanyard: Terminal, kind: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in lanyard("audit", "search", "--json", "--type", kind).out.splitlines()]


# Import


def test_the_first_day_s_list_is_kept_and_counted(place: Installation, lanyard: Terminal) -> None:
    """Each opens for its own clinician, and is written down, with who brought it."""
    said = lanyard("vault", "import", brought(place), "--system", "pas")
    assert (said.code, said.out) == (0, "2 credentials kept for `pas`\n")
    assert kept(place, "n-2") == ("ABELL", CANARY)
    assert kept(place, "n-9") is None
    told = events(lanyard, "credential.kept")
    assert {(e["subject"], e["by"]) for e in told} == {("n-2", "import"), ("n-3", "import")}
    assert all(e["operator"] for e in told)


def test_what_a_clinician_has_proved_is_left_alone(place: Installation, lanyard: Terminal) -> None:
    """An old list that is brought again replaces nothing, and says so."""
    lanyard("vault", "import", brought(place), "--system", "pas")
    newer = [{**LIST[0], "secret": "older"}, {**LIST[1], "subject": "n-4", "username": "EFOX"}]
    said = lanyard("vault", "import", brought(place, newer), "--system", "pas")
    assert said.out == "1 credentials kept for `pas`; 1 persons had one already, which was left as it is\n"
    assert kept(place, "n-2") == ("ABELL", CANARY)


@pytest.mark.parametrize(
    ("entries", "says"),
    [
        ([LIST[0], LIST[0]], "names a person twice"),
        ([LIST[0], {**LIST[1], "username": " abell "}], "the system's own audit would name nobody"),
        ([LIST[0], {**LIST[1], "secret": "a\x1b[2J"}], "cannot be printed"),
        ([{"subject": "n-2"}], "not a JSON list of objects"),
        ("text", "not a JSON list of objects"),
    ],
)
def test_a_list_that_may_not_be_kept_is_refused_whole(
    place: Installation, lanyard: Terminal, entries: Any, says: str
) -> None:
    """Doubles, shared user names, another shape: nothing of it is kept, and nothing of it is quoted."""
    said = lanyard("vault", "import", brought(place, entries), "--system", "pas")
    assert said.code == 2
    assert says in said.err
    assert CANARY not in said.err
    assert kept(place, "n-2") is None


@pytest.mark.parametrize(("system", "says"), [("lab", "is no system"), ("epr", "has no log-on of its own")])
def test_nothing_is_kept_for_a_system_that_asks_for_nothing(
    place: Installation, lanyard: Terminal, system: str, says: str
) -> None:
    """A slip in the name is told."""
    said = lanyard("vault", "import", brought(place), "--system", system)
    assert (said.code, says in said.err) == (2, True)


def test_a_list_that_is_not_there_is_told(lanyard: Terminal) -> None:
    """With its name."""
    said = lanyard("vault", "import", "/nowhere.json", "--system", "pas")
    assert said.code == 2
    assert "`/nowhere.json` cannot be read" in said.err


# Shared user names


def test_one_user_name_for_several_is_refused_unless_that_is_said(place: Installation, lanyard: Terminal) -> None:
    """`lanyard check` names file and remedy; the gateway that meets such a file hands nothing out of it."""
    shared = [CARD, {**CARD, "subject": "n-2"}]
    seal = Seal.of((place.folder / "seal.key").read_bytes())
    (place.folder / "pas.credentials").write_text(seal_credentials(json.dumps(shared).encode(), "pas", seal))
    said = lanyard("check")
    assert said.code == 1
    assert "pas.credentials" in said.err
    assert "`insecure_shared_credentials = true`" in said.err
    assert "NOKOYE" not in said.err
    place.system("pas")["insecure_shared_credentials"] = True
    place.write()
    assert lanyard("check").code == 0


def test_a_system_that_changes_nothing_may_be_shared(place: Installation) -> None:
    """Where every route only looks, and what no route names is refused."""
    from gateway.assembly import systems_of

    routes = [{"id": "list", "path": "/list", "kind": "list", "action": "list"}]
    place.system("pas")["options"] = place.system("pas")["options"] | {"routes": routes, "unnamed": "refuse"}
    place.write()
    assert "pas" not in personal(systems_of(load(place.path, {})).values())
    routes[0]["changing"] = True  # type: ignore[assignment]  # a table of TOML
    place.write()
    assert "pas" in personal(systems_of(load(place.path, {})).values())
    assert SealedFiles({}, Seal([b"k" * 32])).check() == []


# Release


def ask(lanyard: Terminal, operator: str = "A Brown", **more: str) -> Said:
    options = {"system": "pas", "subject": "n-2", "operator": operator, "reason": "gateway down, ward 7", **more}
    return lanyard("vault", "release", *(f"--{k}={v}" for k, v in options.items()))


def confirm(lanyard: Terminal, number: str, operator: str = "C Davis", *, terminal: bool = True) -> Said:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys.stdout, "isatty", lambda: terminal)
        return lanyard(
            "vault", "release", "--confirm", number, "--operator", operator, "--reason", "rang ward 7: it is she"
        )


@pytest.fixture
def number(place: Installation, lanyard: Terminal) -> str:
    """A request that one person has made."""
    lanyard("vault", "import", brought(place), "--system", "pas")
    said = ask(lanyard)
    assert said.code == 0, said.err
    assert CANARY not in said.out
    found = re.search(r"request ([0-9A-Z]{4}-[0-9A-Z]{4})", said.out)
    assert found is not None
    return found[1]


def test_two_persons_see_one_credential_once(place: Installation, lanyard: Terminal, number: str) -> None:
    """The second confirms, both names and reasons are written down, and the request is used up."""
    said = confirm(lanyard, number.lower())
    assert said.code == 0, said.err
    assert "ABELL" in said.out
    assert CANARY in said.out
    (told,) = events(lanyard, "credential.released")
    assert (told["system"], told["subject"]) == ("pas", "n-2")
    assert (told["asked_by"], told["confirmed_by"]) == ("A Brown", "C Davis")
    assert (told["asked_reason"], told["confirmed_reason"]) == ("gateway down, ward 7", "rang ward 7: it is she")
    again = confirm(lanyard, number)
    assert (again.code, CANARY in again.out + again.err) == (1, False)
    files = [path for path in place.data.rglob("*") if path.is_file()]
    assert files
    assert all(CANARY.encode() not in path.read_bytes() for path in files)


@pytest.mark.parametrize("name", ["A Brown", "a.brown", " A  BROWN "])
def test_nobody_confirms_their_own_request(lanyard: Terminal, number: str, name: str) -> None:
    """However the name is written; the request is not used up by the try."""
    said = confirm(lanyard, number, name)
    assert said.code == 1
    assert CANARY not in said.out
    assert events(lanyard, "credential.released") == []
    assert confirm(lanyard, number).code == 0


def test_one_log_in_is_one_person(lanyard: Terminal, number: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the kernel knows who logged in, two names from one log-in are one person."""
    monkeypatch.setattr(vaulting, "_account", lambda: "login 1000")
    said = ask(lanyard)
    found = re.search(r"request (\S{9})", said.out)
    assert found is not None
    assert confirm(lanyard, found[1]).code == 1
    monkeypatch.setattr(vaulting, "_account", lambda: "login 1001")
    assert confirm(lanyard, found[1]).code == 0


def test_a_request_is_good_for_fifteen_minutes(lanyard: Terminal, number: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A number on a note is worth nothing the next day."""
    real = vaulting.time.time
    monkeypatch.setattr(vaulting.time, "time", lambda: real() + 901)
    said = confirm(lanyard, number)
    assert (said.code, CANARY in said.out) == (1, False)


def test_it_is_shown_on_a_terminal_only(lanyard: Terminal, number: str) -> None:
    """Led into a file or a log, it would stay there."""
    said = confirm(lanyard, number, terminal=False)
    assert said.code == 2
    assert CANARY not in said.out
    assert events(lanyard, "credential.released") == []


@pytest.mark.parametrize(
    "more", [{"reason": "because"}, {"operator": " . "}, {"subject": ""}, {"system": ""}, {"system": "lab"}]
)
def test_a_release_names_who_what_and_why(place: Installation, lanyard: Terminal, more: dict[str, str]) -> None:
    """A request that an auditor could not read is none."""
    assert ask(lanyard, **more).code == 2


def test_what_is_not_kept_cannot_be_asked_for(lanyard: Terminal) -> None:
    """Said to the first person, before anybody else is called."""
    assert ask(lanyard, subject="nobody").code == 1


def test_the_sealed_file_s_credentials_are_released_in_the_same_way(lanyard: Terminal) -> None:
    """They are clinicians' own too."""
    found = re.search(r"request (\S{9})", ask(lanyard, subject="n-1").out)
    assert found is not None
    assert "NOKOYE" in confirm(lanyard, found[1]).out


# Keys


def test_a_key_of_the_vault_s_own_takes_over_from_the_seal(place: Installation, lanyard: Terminal) -> None:
    """What was kept before opens, is wrapped again, and then opens under the new key alone."""
    lanyard("vault", "import", brought(place), "--system", "pas")
    (place.folder / "vault.key").write_text(new_key())
    place.values["keys"]["vault"] = {"file": str(place.folder / "vault.key")}
    place.write()
    assert kept(place, "n-2") == ("ABELL", CANARY)
    said = lanyard("vault", "rewrap")
    assert (said.code, said.out) == (0, "2 data keys wrapped again; 0 left under an older key\n")
    assert lanyard("vault", "rewrap").out.startswith("0 data keys")
    assert lanyard("check").code == 0


@pytest.mark.parametrize("text", ["", "not a key"])
def test_a_vault_key_that_is_none_is_told(place: Installation, lanyard: Terminal, text: str) -> None:
    """By `lanyard check`, with its name."""
    (place.folder / "vault.key").write_text(text)
    place.values["keys"]["vault"] = {"file": str(place.folder / "vault.key")}
    place.write()
    said = lanyard("check")
    assert said.code == 1
    assert "keys.vault" in said.err
