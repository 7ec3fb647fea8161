"""`lanyard check` finds whatever would stop the gateway, all of it at once, each with file and key."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from demo.epr import Epr
from demo.hospital import servers
from demo.people import patients
from demo.ports import free_port
from demo.provider import Provider
from demo.records import Records
from gateway.app import open_gateway
from gateway.config import load
from gateway.errors import ConfigError
from policies.errors import BundleError
from tests.journey.certificate import certificate

from .installation import Installation, Terminal

Spoil = Callable[[Installation], None]
Alive = Callable[[str], contextlib.AbstractContextManager[None]]


def short_seal(place: Installation) -> None:
    (place.folder / "seal.key").write_text("too short")


def no_journal_key(place: Installation) -> None:
    (place.folder / "journal.key").unlink()


def short_journal_key(place: Installation) -> None:
    (place.folder / "journal.key").write_text("x" * 31)


def empty_client_secret(place: Installation) -> None:
    (place.folder / "client.secret").write_text("\n")


def client_key_that_is_none(place: Installation) -> None:
    place.values["sso"]["client_key"] = place.values["sso"].pop("client_secret")


def unknown_connector(place: Installation) -> None:
    place.system("pas")["connector"] = "webfrom"


def unknown_option(place: Installation) -> None:
    place.system("epr")["options"]["tokn"] = "x"


def no_token(place: Installation) -> None:
    (place.folder / "epr.token").unlink()


def credentials_of_another_system(place: Installation) -> None:
    place.system("pas")["name"] = "ward"


def no_credentials(place: Installation) -> None:
    (place.folder / "pas.credentials").unlink()


def no_authorities(place: Installation) -> None:
    place.values["sso"]["ca_file"] = str(place.folder / "ca.pem")


def no_policies(place: Installation) -> None:
    place.values["policies"] = {"path": str(place.folder / "policies")}


def slip_in_a_policy(place: Installation) -> None:
    no_policies(place)
    folder = place.folder / "policies"
    folder.mkdir()
    (folder / "ward.cedar").write_text(
        '@id("a")\npermit (principal, action, resource)\nwhen { resource.knd == "x" };\n'
    )


def data_dir_that_is_a_file(place: Installation) -> None:
    place.data.write_text("")


SPOILT: dict[Spoil, str] = {
    short_seal: "keys.seal: ",
    no_journal_key: "keys.journal: the secret file `{folder}/journal.key` cannot be read: No such file",
    short_journal_key: "keys.journal: is shorter than 32 bytes: make one with `lanyard key new`",
    empty_client_secret: "sso.client_secret: the secret file `{folder}/client.secret` is empty",
    client_key_that_is_none: "sso: ",
    unknown_connector: "systems.pas.connector: ",
    unknown_option: "systems.epr: ",
    no_token: "systems.epr.options: the secret file `{folder}/epr.token` cannot be read: No such file",
    credentials_of_another_system: "systems.ward.credentials: `{folder}/pas.credentials` does not open under `keys.seal`",
    no_credentials: "systems.pas.credentials: `{folder}/pas.credentials` cannot be read",
    no_authorities: "sso.ca_file: `{folder}/ca.pem` cannot be read: No such file",
    no_policies: "policies.path: {folder}/policies: is no folder",
    slip_in_a_policy: "policies.path: ward.cedar:1: does not fit the schema",
    data_dir_that_is_a_file: "gateway.data_dir: `{folder}/data` is no folder",
}
# The gateway starts all the same, and says it to the clinician whom it concerns.
BEGINS_ALL_THE_SAME = {credentials_of_another_system, no_credentials}


def named(value: object) -> str:
    return getattr(value, "__name__", "")


@pytest.mark.parametrize("spoil", SPOILT, ids=named)
def test_a_problem_is_told_with_file_and_key(place: Installation, lanyard: Terminal, spoil: Spoil) -> None:
    """Exit 1, and one line that an operator can act on."""
    spoil(place)
    place.write()
    said = lanyard("check")
    assert (said.code, said.out) == (1, "")
    (line,) = said.err.splitlines()
    assert line.startswith(f"lanyard: {place.path}: {SPOILT[spoil].replace('{folder}', str(place.folder))}")


@pytest.mark.parametrize("spoil", [s for s in SPOILT if s not in BEGINS_ALL_THE_SAME], ids=named)
def test_what_check_finds_does_stop_the_gateway(place: Installation, spoil: Spoil) -> None:
    """The check cries no wolf: the same configuration does not start."""
    spoil(place)
    place.write()
    with pytest.raises((ConfigError, BundleError)):
        asyncio.run(open_gateway(load(place.path, {})))


@pytest.mark.parametrize("command", ["serve", "audit verify", "audit search"])
def test_whoever_trips_over_it_is_told_in_the_same_words(place: Installation, command: str) -> None:
    """Other commands stop on what they need themselves: exit 2, with file and key all the same."""
    no_journal_key(place)
    # `serve` takes over its process's logging: it gets one of its own.
    words = [sys.executable, "-m", "gateway.cli", *command.split(), "--config", str(place.path)]
    said = subprocess.run(words, capture_output=True, text=True, timeout=60)
    assert (said.returncode, said.stdout) == (2, "")
    (line,) = said.stderr.splitlines()
    assert line.startswith(f"lanyard: {place.path}: keys.journal: the secret file")


def test_a_configuration_that_is_well_does_start(place: Installation) -> None:
    """Canary: nothing but the spoiling stopped it."""

    async def start() -> None:
        await (await open_gateway(load(place.path, {}))).closing.aclose()

    asyncio.run(start())


def test_every_problem_is_told_at_once(place: Installation, lanyard: Terminal) -> None:
    """Whoever sets up a gateway is not sent round again for each."""
    spoilt = [no_journal_key, empty_client_secret, no_credentials, no_token, no_authorities, slip_in_a_policy]
    for spoil in spoilt:
        spoil(place)
    place.write()
    said = lanyard("check")
    assert said.code == 1
    lines = said.err.splitlines()
    assert len(lines) == len(spoilt)
    for spoil in spoilt:
        assert sum(SPOILT[spoil].replace("{folder}", str(place.folder)) in line for line in lines) == 1


def test_a_file_that_is_no_configuration_is_another_exit(place: Installation, lanyard: Terminal) -> None:
    """Exit 2: nothing can be checked; each of its problems is told with the key."""
    place.values["gateway"]["listen"] = "everywhere"
    place.values["sso"]["isuer"] = "x"
    place.write()
    said = lanyard("check")
    assert said.code == 2
    assert f"lanyard: {place.path}: `gateway.listen`: `everywhere` is no listening address" in said.err
    assert "`sso.isuer` is no setting: did you mean `issuer`?" in said.err


@pytest.mark.parametrize("spoilt", ["", "certificate", "key"])
def test_a_certificate_is_checked_with_its_key(
    place: Installation, lanyard: Terminal, tmp_path: Path, spoilt: str
) -> None:
    """A pair that fits is well; one that does not is told before the night of the change."""
    cert, key = certificate(tmp_path)
    if spoilt:
        (cert if spoilt == "certificate" else key).write_text("nothing")
    place.values["gateway"] |= {"tls_cert": str(cert), "tls_key": str(key)}
    place.write()
    said = lanyard("check")
    assert said.code == (1 if spoilt else 0), said.err
    assert not spoilt or f"gateway.tls_cert: `{cert}` and `{key}` are no certificate and its key" in said.err


# With `--live`


@pytest.fixture
def alive(place: Installation) -> Alive:
    """Starts the provider, the EPR or both, where the configuration says that they are."""
    op, records = free_port(), free_port()
    issuer, token = f"http://127.0.0.1:{op}", (place.folder / "epr.token").read_text()
    callback = "http://records.localhost:8080/sign-on/callback"
    provider = Provider(issuer, "lanyard", "a secret", callback, callback, callback)
    epr = Epr(Records.invented(patients(2)), f"http://127.0.0.1:{records}", token)
    place.values["sso"]["issuer"] = issuer
    place.system("epr")["upstream"] = f"http://127.0.0.1:{records}"
    place.values["systems"] = [place.system("epr")]
    place.write()
    apps = {"provider": (op, provider.app()), "epr": (records, epr.app())}

    @contextlib.contextmanager
    def start(names: str) -> Iterator[None]:
        with servers(dict(apps[name] for name in names.split())):
            yield

    return start


def test_a_hospital_that_answers_is_well(lanyard: Terminal, alive: Alive) -> None:
    """Provider and systems are asked, and answer."""
    with alive("provider epr"):
        assert lanyard("check", "--live").code == 0


@pytest.mark.parametrize(
    ("running", "missing"), [("epr", "sso.issuer: "), ("provider", "systems.epr: ")], ids=["provider", "system"]
)
def test_who_does_not_answer_is_named(
    place: Installation, lanyard: Terminal, alive: Alive, running: str, missing: str
) -> None:
    """Exit 1 with the key of each that is down; without `--live` nobody is asked."""
    with alive(running):
        said = lanyard("check", "--live")
        assert lanyard("check").code == 0
    assert said.code == 1
    (line,) = said.err.splitlines()
    assert line.startswith(f"lanyard: {place.path}: {missing}")


def test_all_who_do_not_answer_are_named(lanyard: Terminal, alive: Alive) -> None:
    """One that is down does not hide the next."""
    said = lanyard("check", "--live")
    assert said.code == 1
    assert "sso.issuer: " in said.err
    assert "systems.epr: " in said.err


def test_a_system_that_refuses_us_is_named(place: Installation, lanyard: Terminal, alive: Alive) -> None:
    """A wrong token is found before a clinician finds it; the token itself is not shown."""
    (place.folder / "epr.token").write_text("another-token")
    with alive("provider epr"):
        said = lanyard("check", "--live")
    assert said.code == 1
    assert "systems.epr: its `metadata` answered with status 401" in said.err
    assert "another-token" not in said.err


def test_nobody_is_asked_while_the_configuration_is_wrong(place: Installation, lanyard: Terminal, alive: Alive) -> None:
    """What is wrong here is told alone: who is away may be away because of it."""
    no_journal_key(place)
    said = lanyard("check", "--live")
    assert said.code == 1
    assert len(said.err.splitlines()) == 1


def test_a_system_without_the_guard_script_is_listed_with_its_reason(place: Installation, lanyard: Terminal) -> None:
    """It is no fault; it is said at each check."""
    assert "guard" not in lanyard("check").out
    place.system("pas")["guard"] = "off: its pages are letters for printing"
    place.write()
    said = lanyard("check")
    assert said.code == 0
    assert "systems.pas.guard: pages go out without the guard script, its pages are letters for printing" in said.out
