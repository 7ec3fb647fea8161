"""The command line: what it says, what it exits with, and that its own looks at the journal are journalled."""

from __future__ import annotations

import argparse
import asyncio
import io
import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway import auditing, cli
from gateway.audit.writer import locked
from gateway.config import load
from gateway.credentials import SealedFiles
from policies.model import Principal
from sso.seal import Seal

from .audit.accesses import of_type
from .installation import CARD, ISSUER, JOURNALLED, Installation, Terminal

QUESTION = {"who": "doctor", "does": "read", "what": "observation", "given": {"restricted": "yes"}}


def commands(parser: argparse.ArgumentParser, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Every command that there is, by its words."""
    below = [a for a in parser._actions if isinstance(a, argparse._SubParsersAction)]
    if not below:
        yield path
    for name, made in [item for action in below for item in action.choices.items()]:
        yield from commands(made, (*path, name))


COMMANDS = list(commands(cli._parser()))


def helped(capsys: pytest.CaptureFixture[str], *path: str) -> str:
    with pytest.raises(SystemExit) as ended:
        cli.main([*path, "--help"])
    assert ended.value.code == 0
    return capsys.readouterr().out


def test_the_commands_are_known() -> None:
    """A command that goes, or comes without a test, is noticed."""
    assert {" ".join(path) for path in COMMANDS} == {
        "demo",
        "serve",
        "check",
        "badge import",
        "badge forget",
        "emergency list",
        "emergency reviewed",
        "emergency forget",
        "key new",
        "key seal-credentials",
        "policy check",
        "policy explain",
        "audit verify",
        "audit search",
        "downtime",
        "alarm test",
        "status",
        "vault import",
        "vault release",
        "vault rewrap",
        "device list",
        "device enrol",
        "device approve",
        "device revoke",
        "device report",
        "database status",
        "database migrate",
        "connector learn",
        "connector new",
    }


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_each_command_has_help_with_an_example_that_works(
    path: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    """The example is of this command and is understood by it, word for word."""
    example = helped(capsys, *path).partition("example: ")[2].strip()
    assert example.startswith("lanyard ")
    words = shlex.split(re.split(r"\n|[<>|]", example)[0])
    assert words[1 : 1 + len(path)] == list(path)
    assert callable(cli._parser().parse_args(words[1:]).run.function())


def test_no_command_waits_for_what_others_import() -> None:
    """Asking how the gateway is takes no store, no web pages and no provider's library."""
    asked = "import sys; from gateway import cli; cli._parser(); print(*sys.modules)"
    said = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True, timeout=60).stdout
    assert not {"sqlalchemy", "psycopg", "starlette", "jinja2", "joserfc", "uvloop"} & set(said.split())


def test_the_installed_command_lists_them(capsys: pytest.CaptureFixture[str]) -> None:
    """`lanyard --help` names every first word, and the installed script is this program."""
    program = Path(sys.executable).with_name("lanyard")
    said = subprocess.run([program, "--help"], capture_output=True, text=True, check=True, timeout=60).stdout
    assert all(re.search(rf"^ +{path[0]}(?: |$)", said, re.MULTILINE) for path in COMMANDS)


@pytest.mark.parametrize(
    "words", [[], ["nonsense"], ["audit"], ["audit", "search", "--limit", "many"], ["serve", "-x"]]
)
def test_what_is_no_command_cannot_run(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Exit 2, and how it is used."""
    with pytest.raises(SystemExit) as ended:
        cli.main(words)
    assert ended.value.code == 2
    assert "usage: lanyard" in capsys.readouterr().err


# The configuration


CONFIGURED = [path for path in COMMANDS if path[0] in ("serve", "check", "audit")]


@pytest.mark.parametrize("path", CONFIGURED, ids=" ".join)
def test_a_missing_configuration_is_told_with_its_remedy(
    path: tuple[str, ...], place: Installation, lanyard: Terminal
) -> None:
    """Exit 2, one line: which file, and what to do."""
    place.path.unlink()
    said = lanyard(*path)
    assert (said.code, said.out) == (2, "")
    assert said.err.splitlines() == [
        f"lanyard: {place.path}: cannot be read: No such file or directory: name your file with `--config`"
    ]


@pytest.mark.parametrize("path", CONFIGURED, ids=" ".join)
def test_an_unknown_variable_is_refused(
    path: tuple[str, ...], place: Installation, lanyard: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A misspelt `LANYARD_` variable stops every command, with the one that was meant; nothing is written."""
    monkeypatch.setenv("LANYARD_SSO__ISUER", "https://elsewhere.example")
    said = lanyard(*path)
    assert said.code == 2
    assert "`LANYARD_SSO__ISUER` names no setting: did you mean `LANYARD_SSO__ISSUER`?" in said.err
    assert not place.data.exists()


def test_a_known_variable_lies_over_the_file(lanyard: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the environment says is what is checked."""
    monkeypatch.setenv("LANYARD_KEYS__JOURNAL", '{ env = "NO_SUCH_SECRET" }')
    said = lanyard("check")
    assert said.code == 1
    assert "keys.journal: the environment variable `NO_SUCH_SECRET` is not set" in said.err


# Keys and credentials


def test_each_new_key_is_another_and_is_good(lanyard: Terminal) -> None:
    """A key of one's own each time, which seals and unseals."""
    first, second = (lanyard("key", "new", config=False) for _ in range(2))
    assert (first.code, second.code) == (0, 0)
    assert first.out != second.out
    seal = Seal.of(first.out.strip().encode())
    assert seal.unseal(seal.seal(b"x", purpose="a"), purpose="a") == b"x"
    assert len(first.out.strip()) >= 32


def test_sealed_credentials_open_for_their_system_and_show_nothing(
    place: Installation, lanyard: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the command prints is what the gateway reads, and no secret stands in it."""
    monkeypatch.setattr(sys, "stdin", Standard(json.dumps([CARD | {"secret": "Another-1"}])))
    said = lanyard("key", "seal-credentials", "pas")
    assert (said.code, said.err) == (0, "")
    assert "Another-1" not in said.out
    (place.folder / "pas.credentials").write_text(said.out)
    files = SealedFiles(
        {"pas": str(place.folder / "pas.credentials")}, Seal.of((place.folder / "seal.key").read_bytes())
    )
    nurse = Principal(ISSUER, "n-1", "N", "", frozenset(), "", 1)
    found = asyncio.run(files.credential(nurse, "pas"))
    assert found is not None
    assert (found.username, found.secret) == ("NOKOYE", "Another-1")


@pytest.mark.parametrize(
    ("system", "given", "says"),
    [
        ("ward", "[]", "`ward` is no system of"),
        ("pas", "{", "not a JSON list"),
        ("pas", '[{"issuer": "x"}]', "`secret`"),
    ],
)
def test_credentials_that_make_no_sense_are_not_sealed(
    lanyard: Terminal, monkeypatch: pytest.MonkeyPatch, system: str, given: str, says: str
) -> None:
    """Exit 2, the reason, nothing on standard output that could be mistaken for a file."""
    monkeypatch.setattr(sys, "stdin", Standard(given))
    said = lanyard("key", "seal-credentials", system)
    assert (said.code, said.out) == (2, "")
    assert says in said.err


class Standard(io.StringIO):
    """Standard input."""

    @property
    def buffer(self) -> io.BytesIO:
        return io.BytesIO(self.getvalue().encode())


# Policies


def test_the_bundled_policies_are_well(lanyard: Terminal) -> None:
    """Exit 0 with their number and version."""
    said = lanyard("policy", "check", config=False)
    assert said.code == 0
    assert re.search(r"\d+ rules, version [0-9a-f]+, every example holds", said.out)


def test_a_bundle_with_a_slip_is_told_by_file_and_line(tmp_path: Path, lanyard: Terminal) -> None:
    """Exit 1, where it stands and what is wrong; no example is asked of it."""
    (tmp_path / "ward.cedar").write_text(
        '@id("a")\npermit (principal, action, resource) when { resource.knd == "x" };\n'
    )
    said = lanyard("policy", "check", str(tmp_path), config=False)
    assert (said.code, said.out) == (1, "")
    assert "lanyard: ward.cedar:1: " in said.err


def test_an_example_that_does_not_hold_is_found_wanting(tmp_path: Path, lanyard: Terminal) -> None:
    """Exit 1, with the example's name."""
    (tmp_path / "ward.cedar").write_text('@id("a")\npermit (principal in Role::"nurse", action, resource);\n')
    (tmp_path / "examples.toml").write_text(
        '[[example]]\nname = "nobody reads"\nwho = "nurse"\ndoes = "read"\nwhat = "note"\nin = "epr"\nexpect = "no-permit"\n'
    )
    said = lanyard("policy", "check", str(tmp_path), config=False)
    assert said.code == 1
    assert "nobody reads" in said.err


def test_a_question_is_explained_from_a_file(tmp_path: Path, lanyard: Terminal) -> None:
    """Verdict, rule and remedy, on standard output; a refusal explained is no failure."""
    (tmp_path / "question.json").write_text(json.dumps(QUESTION))
    said = lanyard("policy", "explain", str(tmp_path / "question.json"))
    assert (said.code, said.err) == (0, "")
    assert "DENY restricted: this record is sealed" in said.out
    assert "What would help: break_glass" in said.out


def test_a_question_is_explained_from_standard_input(lanyard: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the words of the examples, without any configuration."""
    monkeypatch.setattr(sys, "stdin", Standard('who = "nurse"\ndoes = "read"\nwhat = "observation"'))
    said = lanyard("policy", "explain", "--config", "/nowhere/lanyard.toml", config=False)
    assert said.code == 0
    assert "\nPERMIT\n" in said.out


@pytest.mark.parametrize(
    ("given", "says"), [("who is it", "neither JSON nor TOML"), ('who = "nurse"', "`does` is missing")]
)
def test_a_question_that_makes_no_sense_is_told(
    lanyard: Terminal, monkeypatch: pytest.MonkeyPatch, given: str, says: str
) -> None:
    """Exit 2, in words; a slip is no verdict."""
    monkeypatch.setattr(sys, "stdin", Standard(given))
    said = lanyard("policy", "explain")
    assert (said.code, said.out) == (2, "")
    assert f"standard input: {says}" in said.err or says in said.err


@pytest.mark.parametrize("length", [32, 12], ids=["whole", "as the page shows it"])
def test_a_refused_request_is_explained_out_of_the_journal(place: Installation, lanyard: Terminal, length: int) -> None:
    """By the number on the page; and that it was looked up is in the journal."""
    refused = place.journal()[-1]
    said = lanyard("policy", "explain", "--request", refused[:length])
    assert said.code == 0, said.err
    assert "receptionist asks to read `observation` in `epr`" in said.out
    assert "DENY no-permit" in said.out
    (read,) = of_type(place.data, "audit.read")
    assert read["question"] == {"input": True, "request": refused[:length]}
    assert read["user"]


def test_the_same_request_is_asked_of_other_policies(place: Installation, tmp_path: Path, lanyard: Terminal) -> None:
    """What a candidate would have said of what really happened; the second of two like questions finds its input too."""
    (tmp_path / "candidate").mkdir()
    (tmp_path / "candidate" / "all.cedar").write_text(
        '@id("nurses-out")\npermit (principal in Role::"receptionist", action, resource);\n'
    )
    _, second, refused = place.journal()
    asked = ["policy", "explain", "--policies", str(tmp_path / "candidate"), "--request"]
    assert "\nPERMIT\n" in lanyard(*asked, refused).out
    assert "DENY no-permit" in lanyard(*asked, second).out


def test_a_request_that_the_journal_does_not_know_is_found_wanting(place: Installation, lanyard: Terminal) -> None:
    """Exit 1, no verdict; neither for a beginning that several requests share."""
    place.journal()
    for number in ("ffff", "5f"):
        said = lanyard("policy", "explain", "--request", number)
        assert said.code == 1
        assert f"no access with the request `{number}` is in the journal" in said.out


# The journal


def test_there_is_nothing_to_prove_yet(lanyard: Terminal) -> None:
    """Exit 1: no journal is no proof."""
    said = lanyard("audit", "verify")
    assert said.code == 1
    assert "there is no journal here yet" in said.out


def test_a_whole_journal_is_proven(place: Installation, lanyard: Terminal) -> None:
    """Exit 0, how many, and that it was verified is an event of its own."""
    place.journal()
    said = lanyard("audit", "verify")
    assert said.code == 0
    assert f"whole: {JOURNALLED} events verified" in said.out
    assert "3 intents without an end" not in said.out  # one was refused, and a refusal needs no end
    assert "2 intents without an end: they count as released" in said.out
    assert "good order" not in said.out
    assert of_type(place.data, "audit.verified") == [{"events": JOURNALLED, "whole": True}]


def test_a_changed_event_is_found(place: Installation, lanyard: Terminal) -> None:
    """Exit 1 with the place; the search for the cause goes on from there."""
    place.journal()
    segment = next((place.data / "journal" / "gateway").glob("*.seg"))
    segment.write_bytes(segment.read_bytes().replace(b'"action":"read"', b'"action":"list"', 1))
    said = lanyard("audit", "verify")
    assert said.code == 1
    assert "NOT WHOLE" in said.out
    assert of_type(place.data, "audit.verified")[0]["whole"] is False
    report = json.loads(lanyard("audit", "verify", "--json").out)
    gateway = next(w for w in report["writers"] if w["name"] == "gateway")
    assert report["whole"] is False
    assert gateway["bad"].startswith(f"{segment.name}, byte ")


def test_an_end_that_nothing_marks_is_said_to_the_auditor(place: Installation, lanyard: Terminal) -> None:
    """Killed, the journal is whole as far as it goes; that nothing followed cannot be proven, and is not claimed."""
    place.journal(closed=False)
    said = lanyard("audit", "verify")
    assert said.code == 0
    assert "`gateway` was not closed in good order" in said.out
    assert "cannot prove that none followed" in said.out
    writers = {w["name"]: w for w in json.loads(lanyard("audit", "verify", "--json").out)["writers"]}
    assert writers["gateway"]["orderly"] is False
    assert writers["cli"]["orderly"] is True


def test_a_journal_that_is_being_written_is_not_called_unclosed(place: Installation, lanyard: Terminal) -> None:
    """Beside a running gateway the open end is as it should be."""
    place.journal(closed=False)
    lock = locked(place.data / "journal" / "gateway")
    try:
        said = lanyard("audit", "verify")
    finally:
        os.close(lock)
    assert said.code == 0
    assert "being written" in said.out
    assert "good order" not in said.out


def test_a_search_is_journalled_before_it_is_answered(place: Installation, lanyard: Terminal) -> None:
    """Who asked what, whatever was found; the search finds itself."""
    place.journal()
    said = lanyard("audit", "search", "--who", "nobody of that name")
    assert (said.code, said.out) == (1, "nothing found\n")
    (read,) = of_type(place.data, "audit.read")
    assert read["question"] == {"who": "nobody of that name"}
    assert read["user"]
    assert lanyard("audit", "search", "--type", "audit.read").code == 0


def test_what_is_found_is_told_as_a_table_or_as_json(place: Installation, lanyard: Terminal) -> None:
    """Exit 0; one JSON object a line, newest first; the number's beginning is enough."""
    numbers = place.journal()
    assert "access.denied" in lanyard("audit", "search", "--system", "epr").out
    lines = lanyard("audit", "search", "--system", "epr", "--json").out.splitlines()
    assert [json.loads(line)["request"] for line in lines] == numbers[::-1]
    (one,) = lanyard("audit", "search", "--request", numbers[1][:12], "--json").out.splitlines()
    assert json.loads(one)["request"] == numbers[1]
    assert len(lanyard("audit", "search", "--limit", "2", "--json").out.splitlines()) == 2


@pytest.mark.parametrize("option", ["--since", "--until"])
def test_a_time_that_is_none_is_told(place: Installation, lanyard: Terminal, option: str) -> None:
    """Exit 2 with how to write one; nothing was asked, so nothing is journalled."""
    place.journal()
    said = lanyard("audit", "search", option, "yesterday")
    assert said.code == 2
    assert "`yesterday` is no time: write `2026-11-27`" in said.err
    assert of_type(place.data, "audit.read") == []


def test_times_bound_the_search(place: Installation, lanyard: Terminal) -> None:
    """Since a time to come nothing was; until then, everything."""
    place.journal()
    assert lanyard("audit", "search", "--system", "epr", "--since", "2999-01-01").code == 1
    assert lanyard("audit", "search", "--system", "epr", "--until", "2999-01-01T00:00").code == 0


@pytest.mark.parametrize("command", [("audit", "verify"), ("audit", "search"), ("policy", "explain", "--request", "1")])
def test_a_look_that_cannot_be_journalled_is_not_given(
    place: Installation, lanyard: Terminal, command: tuple[str, ...]
) -> None:
    """With another key the command's own event cannot be chained: exit 2, and nothing is shown."""
    place.journal()
    lanyard("audit", "search")
    place.values["keys"]["journal"] = place.values["keys"]["seal"]
    place.write()
    said = lanyard(*command)
    assert (said.code, said.out) == (2, "")
    assert "`keys.journal` is another key" in said.err


def test_two_commands_at_once_wait_for_each_other(place: Installation) -> None:
    """Six auditors ask at the same moment: each is answered, and each question is in the journal."""
    place.journal()
    command = [
        sys.executable,
        "-m",
        "gateway.cli",
        "audit",
        "search",
        "--json",
        "--system=epr",
        f"--config={place.path}",
    ]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(6)]
    for process in running:
        out, err = process.communicate(timeout=60)
        assert process.returncode == 0, err
        assert len(out.splitlines()) == JOURNALLED
    assert len(of_type(place.data, "audit.read")) == 6


def test_a_lock_that_is_never_given_back_is_told(
    place: Installation, lanyard: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After some patience: exit 2, why, and nothing is shown."""
    place.journal()
    monkeypatch.setattr(auditing, "_PATIENCE", 0.2)
    lock = locked(place.data / "journal" / "cli")
    try:
        said = lanyard("audit", "search")
    finally:
        os.close(lock)
    assert (said.code, said.out) == (2, "")
    assert "another process writes to" in said.err


def test_a_reader_who_has_seen_enough_is_no_fault(place: Installation) -> None:
    """`lanyard … | head` ends without a complaint."""
    place.journal()
    command = f"{sys.executable} -m gateway.cli audit search --json --config {place.path} | true"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, timeout=60)
    assert done.stderr == ""


def test_the_configuration_on_disk_is_good(place: Installation, lanyard: Terminal) -> None:
    """Canary: what the tests above spoil is well before."""
    assert load(place.path, {}).systems
    said = lanyard("check")
    assert (said.code, said.out) == (0, f"{place.path}: 2 systems, all well\n"), said.err
