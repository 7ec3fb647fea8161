"""`lanyard demo --walk` through the real command line: a nurse's round, what it took, and whether all was well."""

from __future__ import annotations

import contextlib
import io
import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from demo.hospital import Hospital, free_port, hospital
from demo.people import USERS, Patient
from demo.records import Records
from demo.walk import walk_through

KEYS = {
    "log_ons",
    "log_ons_avoided",
    "prompts_after_first",
    "seconds_to_first_record",
    "requests",
    "events",
    "verified",
    "systems",
}
BOTH = {"Electronic patient record": "brokered", "Patient administration (old)": "brokered"}


def lanyard(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """The installed command, as somebody would type it."""
    command = [str(Path(sys.executable).with_name("lanyard")), "demo", *arguments]
    given = os.environ | environment
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120, env=given)


def all_well(figures: dict[str, Any]) -> None:
    assert figures.keys() == KEYS
    assert (figures["log_ons"], figures["log_ons_avoided"], figures["prompts_after_first"]) == (1, 2, 0)
    assert figures["systems"] == BOTH
    assert figures["verified"] is True
    assert figures["seconds_to_first_record"] > 0
    # eight looks in the EPR and the PAS's frames, work list, choice and summary at least; each begins and ends in the journal
    assert figures["requests"] >= 12
    assert figures["events"] >= 2 * figures["requests"]


def test_a_round_is_walked_and_its_figures_are_kept(tmp_path: Path) -> None:
    """Exit 0, a table for people and the same figures as JSON; nothing is left behind."""
    file, scratch = tmp_path / "walk.json", tmp_path / "scratch"
    scratch.mkdir()
    done = lanyard("--walk", "--json", str(file), "--port", str(free_port()), TMPDIR=str(scratch))
    assert done.returncode == 0, done.stdout + done.stderr
    figures = json.loads(file.read_text())
    all_well(figures)
    assert "all well" in done.stdout
    assert f"{figures['events']}, verified" in done.stdout
    assert list(scratch.iterdir()) == []


def test_the_demo_is_also_a_module(tmp_path: Path) -> None:
    """`python -m demo` is the same program; with a patient of one's own, the PAS knows that patient too."""
    folder, file = tmp_path / "patients", tmp_path / "walk.json"
    folder.mkdir()
    person = {"resourceType": "Patient", "id": "one", "name": [{"family": "Vance", "given": ["Ada"]}]}
    (folder / "one.json").write_text(json.dumps({"resourceType": "Bundle", "entry": [{"resource": person}]}))
    command = [sys.executable, "-m", "demo", "--walk", "--json", str(file), "--port", str(free_port())]
    done = subprocess.run([*command, "--patients", str(folder)], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    all_well(json.loads(file.read_text()))


@pytest.fixture(scope="module")
def brought() -> Iterator[Hospital]:
    """A hospital with one patient, who was brought along."""
    records = Records()
    records.add({"resourceType": "Patient", "id": "one", "name": [{"family": "Vance", "given": ["Ada"]}]})
    with hospital(free_port(), records) as running:
        yield running


def test_the_pas_knows_the_people_of_the_epr(brought: Hospital) -> None:
    """Patients who are brought along are the ones on the old system's work list."""
    assert [(p.family, p.given) for p in brought.pas.people] == [("Vance", "Ada")]


@pytest.mark.slow
def test_real_shaped_records_are_walked_as_well(tmp_path: Path) -> None:
    """A folder of somebody else's FHIR bundles, large ones among them, makes no difference."""
    folder = os.environ.get("LANYARD_REAL_DATA")
    if not folder:
        message = "LANYARD_REAL_DATA is not set: name a folder that holds `fhir-r4/*.json`"
        pytest.fail(message) if os.environ.get("CI") else pytest.skip(message)
    file = tmp_path / "walk.json"
    bundles = str(Path(folder) / "fhir-r4")
    done = lanyard("--walk", "--json", str(file), "--port", str(free_port()), "--patients", bundles)
    assert done.returncode == 0, done.stdout + done.stderr
    all_well(json.loads(file.read_text()))


@pytest.mark.parametrize(
    ("contents", "says"),
    [
        (None, "holds no FHIR bundle with a patient in it: name a folder of FHIR R4 bundles"),
        ("{", "is not valid JSON: take it out of the folder"),
    ],
)
def test_a_folder_without_patients_is_told_with_what_to_do(tmp_path: Path, contents: str | None, says: str) -> None:
    """Exit 2, one line, no figures."""
    folder, file = tmp_path / "patients", tmp_path / "walk.json"
    folder.mkdir()
    if contents is not None:
        (folder / "one.json").write_text(contents)
    done = lanyard("--walk", "--json", str(file), "--patients", str(folder))
    assert done.returncode == 2
    assert says in done.stderr
    assert str(folder) in done.stderr
    assert "Traceback" not in done.stderr
    assert not file.exists()


def test_a_port_that_is_taken_is_told(tmp_path: Path) -> None:
    """Exit 2, with the port, and no figures that look like a walk."""
    file = tmp_path / "walk.json"
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        done = lanyard("--walk", "--json", str(file), "--port", str(port))
    assert done.returncode == 2, done.stdout + done.stderr
    assert f"gateway.listen: cannot listen on `127.0.0.1:{port}`" in done.stderr
    assert "Traceback" not in done.stderr
    assert not file.exists()


@pytest.fixture(scope="module")
def place() -> Iterator[Hospital]:
    with hospital(free_port()) as running:
        yield running


def walked(place: Hospital, folder: Path) -> tuple[int, str, dict[str, Any]]:
    """Exit code, what was printed, the figures."""
    said, file = io.StringIO(), folder / "walk.json"
    code = walk_through(place, Console(file=said, width=200), file)
    return code, said.getvalue(), json.loads(file.read_text())


@contextlib.contextmanager
def epr_refuses_us(place: Hospital) -> Iterator[None]:
    token, place.epr.token = place.epr.token, "another"
    try:
        yield
    finally:
        place.epr.token = token


@contextlib.contextmanager
def pas_shows_another_patient(place: Hospital) -> Iterator[None]:
    def wrong(number: str) -> Patient | None:
        return next(p for p in place.pas.people if p.hospital_number != number)

    place.pas._person = wrong  # type: ignore[method-assign]  # the fault that is asked for
    try:
        yield
    finally:
        del place.pas._person


@contextlib.contextmanager
def journal_with_a_stranger(place: Hospital) -> Iterator[None]:
    stranger = place.folder / "data" / "journal" / "gateway" / "stranger.seg"
    stranger.write_bytes(b"")
    try:
        yield
    finally:
        stranger.unlink()


FAULTS: tuple[tuple[Callable[[Hospital], contextlib.AbstractContextManager[None]], str], ...] = (
    (epr_refuses_us, "the EPR answered with status 401"),
    (pas_shows_another_patient, "the PAS shows another patient than the one chosen"),
    (journal_with_a_stranger, "the journal does not verify"),
)


@pytest.mark.parametrize(("fault", "says"), FAULTS, ids=lambda value: getattr(value, "__name__", ""))
def test_a_round_that_finds_something_wanting_says_what(
    place: Hospital,
    tmp_path: Path,
    fault: Callable[[Hospital], contextlib.AbstractContextManager[None]],
    says: str,
) -> None:
    """Exit 1 and the reason; the figures are kept all the same, and say no more than was seen."""
    with fault(place):
        code, said, figures = walked(place, tmp_path)
    assert code == 1
    assert f"found wanting: {says}" in said
    assert "all well" not in said
    assert figures.keys() == KEYS
    assert figures["verified"] is (fault is not journal_with_a_stranger)


def test_a_password_that_the_old_system_refuses_is_found(brought: Hospital, tmp_path: Path) -> None:
    """The gateway cannot log on there and asks: exit 1, said as that, and tried once."""
    brought.pas.users = tuple(replace(user, pas_password="changed") for user in USERS)
    code, said, figures = walked(brought, tmp_path)
    assert (code, figures["log_ons_avoided"]) == (1, 0)
    assert "found wanting: Patient administration (old) asks for a log-on" in said
    assert brought.pas._wrong == {USERS[0].pas_user: 1}


def test_the_same_hospital_without_a_fault_is_well(place: Hospital, tmp_path: Path) -> None:
    """Canary: what the faults above broke was the faults' doing."""
    code, said, figures = walked(place, tmp_path)
    assert (code, figures["systems"]) == (0, BOTH), said
