"""`lanyard demo --walk` through the real command line: a nurse's shift, what it took, and whether all was well."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from demo.browser import Key
from demo.hospital import Hospital, hospital
from demo.people import USERS, Patient, User
from demo.ports import free_port
from demo.records import Records
from demo.walk import Figures, walk_through

from .weakened import CONTROLS

KEYS = {
    "log_ons",
    "log_ons_avoided",
    "prompts_after_first",
    "seconds_to_first_record",
    "requests",
    "events",
    "verified",
    "systems",
    "unlocks",
    "hand_offs",
    "switches",
    "colleague_prompts_after_first",
    "kept_writes_sent",
    "stale_writes_refused",
    "refused_on_unknown",
    "revoked_refused_ms",
}
EVERY = {
    "Electronic patient record": "brokered",
    "Patient administration (old)": "brokered",
    "Order entry": "brokered",
    "Image archive": "brokered",
    "Theatre planner": "launch only",
}


def lanyard(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """The installed command, as somebody would type it."""
    command = [str(Path(sys.executable).with_name("lanyard")), "demo", *arguments]
    given = os.environ | environment
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=500, env=given)


def all_well(figures: dict[str, Any]) -> None:
    assert figures.keys() == KEYS
    assert (figures["log_ons"], figures["log_ons_avoided"], figures["prompts_after_first"]) == (1, 8, 0)
    assert (figures["unlocks"], figures["hand_offs"], figures["switches"]) == (3, 2, 2)
    assert figures["colleague_prompts_after_first"] == 0
    assert (figures["kept_writes_sent"], figures["stale_writes_refused"], figures["refused_on_unknown"]) == (1, 1, 5)
    assert 0 <= figures["revoked_refused_ms"] <= 1000
    assert figures["systems"] == EVERY
    assert figures["verified"] is True
    assert figures["seconds_to_first_record"] > 0
    # eight looks in the EPR and the PAS's frames, work list, choice and summary at least; each begins and ends in the journal
    assert figures["requests"] >= 12
    assert figures["events"] >= 2 * figures["requests"]


def test_a_shift_is_walked_and_its_figures_are_kept(tmp_path: Path) -> None:
    """Exit 0, a table for people and the same figures as JSON; nothing is left behind."""
    file, scratch = tmp_path / "walk.json", tmp_path / "scratch"
    scratch.mkdir()
    done = lanyard("--walk", "--json", str(file), "--port", str(free_port()), TMPDIR=str(scratch))
    assert done.returncode == 0, done.stdout + done.stderr
    figures = json.loads(file.read_text())
    all_well(figures)
    assert "all well" in done.stdout
    assert re.search(rf"{figures['events']} +verified", done.stdout)
    assert max(len(line) for line in done.stdout.splitlines()) <= 80
    assert list(scratch.iterdir()) == []


def test_every_figure_is_documented() -> None:
    """Whoever reads the JSON finds what each of its keys is, and no key that is not there."""
    page = (Path(__file__).parents[2] / "docs" / "demo.md").read_text("utf-8")
    rows = set(re.findall(r"^\| `(\w+)` \| .+ \|$", page, re.MULTILINE))
    assert rows == KEYS == {one.name for one in fields(Figures)}


def test_the_demo_is_also_a_module(tmp_path: Path) -> None:
    """`python -m demo` is the same program; with a patient of one's own, the PAS knows that patient too."""
    folder, file = tmp_path / "patients", tmp_path / "walk.json"
    folder.mkdir()
    person = {"resourceType": "Patient", "id": "one", "name": [{"family": "Vance", "given": ["Ada"]}]}
    (folder / "one.json").write_text(json.dumps({"resourceType": "Bundle", "entry": [{"resource": person}]}))
    command = [sys.executable, "-m", "demo", "--walk", "--json", str(file), "--port", str(free_port())]
    done = subprocess.run([*command, "--patients", str(folder)], capture_output=True, text=True, timeout=500)
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


@contextlib.contextmanager
def pas_takes_a_note_twice(place: Hospital) -> Iterator[None]:
    class Twice(list[tuple[str, str, str]]):
        def append(self, note: tuple[str, str, str]) -> None:
            self.extend((note, note))

    place.pas.notes = Twice(place.pas.notes)
    try:
        yield
    finally:
        place.pas.notes = list(place.pas.notes)


@contextlib.contextmanager
def pas_forgets_a_password(place: Hospital) -> Iterator[None]:
    """The nurse's, once she has logged on at the PC."""
    users, log_ons = place.pas.users, place.pas.log_ons

    class Forgotten(tuple[User, ...]):
        def __iter__(self) -> Iterator[User]:
            return iter(users if place.pas.log_ons == log_ons else [replace(u, pas_password="changed") for u in users])

    place.pas.users = Forgotten(users)
    try:
        yield
    finally:
        place.pas.users = users
        place.pas._wrong.clear()


@contextlib.contextmanager
def pc_lost_its_key(place: Hospital) -> Iterator[None]:
    signature = Key.signature
    Key.signature = lambda self, *said: signature(Key(), *said)  # type: ignore[method-assign]  # the fault that is asked for
    try:
        yield
    finally:
        Key.signature = signature  # type: ignore[method-assign]  # as it was


FAULTS: tuple[tuple[Callable[[Hospital], contextlib.AbstractContextManager[None]], str], ...] = (
    (epr_refuses_us, "the EPR answered with status 401"),
    (pas_shows_another_patient, "the PAS shows another patient than the one chosen"),
    (journal_with_a_stranger, "the journal does not verify"),
    (pas_takes_a_note_twice, "a kept note that was sent once by hand arrived 2 times"),
    (pas_forgets_a_password, "Patient administration (old) asks for a log-on"),
    (pc_lost_its_key, "nobody asked who is at the browser: sign-on went to /sign-on"),
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
    assert figures["prompts_after_first"] == (fault is pas_forgets_a_password)


def test_a_password_that_the_old_system_refuses_is_found(brought: Hospital, tmp_path: Path) -> None:
    """The gateway cannot log on there and asks: exit 1, said as that, and tried once."""
    brought.pas.users = tuple(replace(user, pas_password="changed") for user in USERS)
    code, said, figures = walked(brought, tmp_path)
    assert (code, figures["log_ons_avoided"]) == (1, 1)  # the EPR's
    assert "found wanting: Patient administration (old) asks for a log-on" in said
    assert figures["prompts_after_first"] == 1
    assert brought.pas._wrong == {USERS[0].pas_user: 1}


def test_the_same_hospital_without_a_fault_is_well(place: Hospital, tmp_path: Path) -> None:
    """Canary: what the faults above broke was the faults' doing."""
    code, said, figures = walked(place, tmp_path)
    assert (code, figures["systems"]) == (0, EVERY), said


# What the walk says of a gateway that lacks a control.
NOTICED = {
    "locks_that_hold": "the lock does not hold: a page of the PAS is shown",
    "pins_that_fit": "the lock does not hold: another PIN unlocks it",
    "numbers_that_match": "a device is in the shift by a number that is not on the other's screen",
    "forms_of_ones_own": "a form that the nurse left open was sent in the colleague's session",
    "rules_that_are_enforced": "an unknown tablet outside was not refused with `device-off-site`: status 200",
    "word_from_elsewhere": "the phone is still let in",
    "ends_that_hold": "a tablet that was ended from another device is still signed on",
    "sign_offs_that_hold": "the sign-off does not hold: a system answered with status 200",
}


def test_each_control_that_can_be_taken_out_is_missed_by_the_walk() -> None:
    """A way to weaken the gateway that nothing is said of would prove nothing."""
    assert NOTICED.keys() == CONTROLS.keys() - {"nothing"}


@pytest.mark.slow
@pytest.mark.parametrize("control", NOTICED)
def test_a_gateway_without_a_control_is_found_wanting(control: str, tmp_path: Path) -> None:
    """The walk turns red on each, and says what it saw."""
    with hospital(free_port(), program=("tests.demo.weakened", control)) as running:
        code, said, figures = walked(running, tmp_path)
    assert code == 1
    assert f"found wanting: {NOTICED[control]}" in said
    assert figures["verified"] is True


@pytest.mark.slow
def test_the_whole_gateway_started_in_the_same_way_is_well(tmp_path: Path) -> None:
    """The other half of the canary: it is the missing control that is noticed, and not the way of starting."""
    with hospital(free_port(), program=("tests.demo.weakened", "nothing")) as running:
        code, said, figures = walked(running, tmp_path)
    assert code == 0, said
    all_well(figures)
