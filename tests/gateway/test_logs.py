"""Operational logs say what happened and where, and nothing that belongs in the journal."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from gateway.logs import FORBIDDEN
from tests.counterparts.provider import USERS, secret_of
from tests.journey.browser import Browser
from tests.journey.held import for_everybody
from tests.journey.recorder import reply
from tests.journey.ward import Ward, ward


def logged(code: str) -> list[dict[str, Any]]:
    """What a process that runs `code` writes to standard error: one JSON object a line, or the test fails."""
    begin = "import logging, sys\nfrom gateway import logs\nlogs.configure()\n"
    done = subprocess.run([sys.executable, "-c", begin + code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == ""
    return [json.loads(line) for line in done.stderr.splitlines()]


def test_a_line_is_one_json_object_with_its_time_and_level() -> None:
    """Whatever characters it holds, a line is a line."""
    (line,) = logged("logs.log().warning('control', control='journal', state='x\\ny\\u2028é')")
    assert (line["event"], line["level"], line["control"], line["state"]) == (
        "control",
        "warning",
        "journal",
        "x\ny\u2028é",
    )
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z", line["timestamp"])


def test_what_could_carry_somebody_s_data_is_not_logged() -> None:
    """A caller who is careless with a key leaks nothing, and it is seen."""
    given = {name: f"secret of {name}" for name in sorted(FORBIDDEN)}
    (line,) = logged(f"logs.log().info('careless', **{given!r})")
    assert {name: line[name] for name in FORBIDDEN} == dict.fromkeys(FORBIDDEN, "(not logged)")


def test_an_exception_is_logged_as_its_kind_and_place() -> None:
    """Its message may quote a patient: it is left out, with that of its cause and its notes."""
    code = """
def fails():
    try:
        raise KeyError("9990000018")
    except KeyError as cause:
        error = ValueError("patient 9990000018")
        error.add_note("9990000018")
        raise error from cause
try:
    fails()
except ValueError as error:
    logs.log().error("request failed", error=error)
"""
    (line,) = logged(code)
    assert line["error"] == "ValueError"
    assert line["at"][-1].endswith(" fails")
    assert "9990000018" not in json.dumps(line)


def test_below_its_level_nothing_is_logged() -> None:
    """Debug lines stay out unless they are asked for."""
    assert logged("logs.log().debug('chatter')") == []
    assert len(logged("logs.configure('debug')\nlogs.log().debug('chatter')")) == 1


def test_a_library_s_warning_is_a_line_like_ours() -> None:
    """Its template, not what it would have filled in; below warning, nothing."""
    code = """
logging.getLogger("httpx2").info("GET %s", "/Patient?identifier=9990000018")
logging.getLogger("uvicorn.error").warning("Unsupported %s", "9990000018")
"""
    (line,) = logged(code)
    assert (line["library"], line["level"], line["says"]) == ("uvicorn.error", "warning", "Unsupported %s")


def test_a_library_s_exception_is_told_without_its_message() -> None:
    """What uvicorn and asyncio say of an exception that nobody caught names no patient either."""
    code = """
import asyncio
async def fails():
    raise ValueError("patient 9990000018")
async def main():
    try:
        await fails()
    except ValueError:
        logging.getLogger("uvicorn.error").exception("Exception in ASGI application\\n")
    task = asyncio.create_task(fails())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    del task
asyncio.run(main())
"""
    lines = logged(code)
    assert [line["library"] for line in lines] == ["uvicorn.error", "asyncio"]
    assert all(line["error"] == "ValueError" and line["at"][-1].endswith(" fails") for line in lines)
    assert "9990000018" not in json.dumps(lines)


@pytest.mark.parametrize("logger", ["logs.log().error('x')", "logging.getLogger('a').error('x')"])
def test_a_log_that_cannot_be_written_stops_nothing(logger: str) -> None:
    """Standard error is full or gone: the line is lost, and whoever logged goes on."""
    code = f"from gateway import logs\nimport logging, sys\nlogs.configure()\n{logger}\nprint('went on')"
    with open("/dev/full", "wb") as full:
        done = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=full, timeout=60)
    assert b"went on" in done.stdout


# A whole gateway, while all sorts of things go wrong

PATIENT, NAME, NOTE = "9990000018", "Brzeczyk", "Comfortable-at-rest"
LEFT_OUT = (
    PATIENT,
    NAME,
    NOTE,
    "12345678901",
    "N Okoye",
    "n.okoye",
    "okoye",
    "upstream-",
    "__Host-",
)


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Ward, Browser]]:
    with ward(tmp_path_factory.mktemp("ward")) as here, Browser() as browser:
        here.place.sign_on(browser, "n.okoye")
        looks(here)
        faults(here, browser)
        yield here, browser


def looks(here: Ward) -> None:
    assert here.ask(f"/records/{PATIENT}").status == 200
    assert here.ask(f"/search?name={NAME}").status == 200
    body = f"note={NOTE}&patient={PATIENT}".encode()
    kind = "Content-Type: application/x-www-form-urlencoded"
    origin = f"Origin: http://{here.host('pas')}"
    assert here.ask("/ward/7/notes", kind, origin, method="POST", body=body).status is not None


def faults(here: Ward, browser: Browser) -> None:
    """Each leaves the gateway something to complain about."""
    pages = [
        reply(f"patient={PATIENT} {NAME}".encode() * 9000, Connection="close").replace(
            b"Content-Length: ", b"Content-Length: 9"
        ),
        f"HTTP/1.1 999999 {NAME}\r\n\r\n".encode(),
        f"{PATIENT} {NAME}".encode(),
        b"",
    ]
    for page in pages:
        here.upstream.answer = lambda seen, page=page: page  # type: ignore[misc]  # default binds this turn's value
        here.ask(f"/records/{PATIENT}")
        here.ask(f"/epr/Patient/{PATIENT}", at="epr")
    here.calm()
    here.ask(f"/records/{PATIENT}/../{NAME}")
    here.ask(f"/epr/Nonsense?name={NAME}", at="epr")
    here.ask(f"/records/{PATIENT}", cookie=f"__Host-lanyard={NOTE}")
    browser.get(f"{here.place.url}/sign-on/callback?code={NOTE}&state={NAME}")
    with for_everybody(here.place.folder / "data" / "sessions.db"):
        assert here.ask(f"/records/{PATIENT}", cookie="__Host-lanyard=12345678901").status == 503
    here.place.lanyard("audit", "search", "--patient", PATIENT)


def secrets(here: Ward, browser: Browser) -> list[str]:
    place = here.place
    kept = [path.read_text().strip() for path in place.folder.glob("*.key")]
    flags = {"1"}  # a cookie that only says yes is no secret
    cookies = [value for jar in browser.cookies.values() for value in jar.values() if value not in flags]
    cookies += [line.partition("=")[2] for line in here.cookies.values()]
    passwords = [str(user["password"]) for user in USERS.values()]
    return [*LEFT_OUT, *kept, *cookies, *passwords, secret_of("lanyard")]


@pytest.mark.counterpart
def test_no_patient_person_or_secret_stands_in_the_log(busy: tuple[Ward, Browser]) -> None:
    """After looks, writes and faults of every kind: the log is JSON throughout, tells the faults, and names nobody."""
    log = busy[0].place.log()
    lines = [json.loads(line) for line in log.splitlines()]
    assert {"listening", "request failed"} <= {line["event"] for line in lines}
    for secret in secrets(*busy):
        assert secret not in log, secret


@pytest.mark.counterpart
def test_the_numbers_for_operators_name_nobody_either(busy: tuple[Ward, Browser]) -> None:
    """Labels are systems, states and reasons."""
    with urllib.request.urlopen(f"http://127.0.0.1:{busy[0].place.ops_port}/metrics", timeout=10) as answer:
        figures = answer.read().decode()
    assert 'lanyard_requests_total{outcome="permitted",state="brokered",system="pas"}' in figures
    for secret in secrets(*busy):
        assert secret not in figures, secret


@pytest.mark.counterpart
def test_the_journal_does_name_the_patient(busy: tuple[Ward, Browser]) -> None:
    """Canary: the patient whom the log leaves out was really there, and is where they belong."""
    assert busy[0].place.events(patient=PATIENT, type="access.intent")
