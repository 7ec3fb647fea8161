"""Opening what the gateway does not see into: decided, written down before it happens, and honest about what it is."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urljoin

import pytest

from gateway.assembly import launches_of, systems_of
from gateway.config import load
from gateway.errors import ConfigError

from .front import MAIN, NOWHERE, Front, Tab, config_in, front

NUMBER, OTHER = "9990000018", "9990000026"
SYSTEMS = [
    {"name": "epr", "title": "Records", "connector": "fhir", "mount": "path", "upstream": NOWHERE},
    {"name": "viewer", "title": "Image viewer", "connector": "launch", "helpdesk": "ext. 22",
     "options": {"address": "radviewer://open?u={account}", "at_patient": "radviewer://patient/{nhs_number}"}},
    {"name": "rota", "title": "Rota", "connector": "linked", "options": {"address": "https://rota.test/login?sso=1"}},
]  # fmt: skip


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[Front]:
    """One with a program, an application with its own single sign-on, and a Citrix file."""
    (tmp_path / "pacs.ica").write_text("[WFClient]\nUserName={account}\nLongCommandLine={nhs_number}\n")
    citrix = {"name": "pacs", "title": "PACS", "connector": "launch", "options": {"file": str(tmp_path / "pacs.ica")}}
    async with front(tmp_path, systems=[*SYSTEMS, citrix]) as opened:
        yield opened


@pytest.fixture
async def nurse(house: Front) -> Tab:
    tab = house.tab()
    await tab.sign_on()
    return tab


async def test_tiles_say_what_each_is(nurse: Tab) -> None:
    """Brokered, linked and launch only, each in its words."""
    page = (await nurse.get(f"{MAIN}/")).text
    for words in ("launch only", "you sign on there", "linked", "its own sign-on", "brokered"):
        assert words in page
    assert 'action="/open/viewer" method="post"' in page
    assert page.count("Open at a patient") == 2  # the rota cannot be


async def test_a_click_is_written_down_and_then_opened(house: Front, nurse: Tab) -> None:
    """By its link, for whoever clicked; the journal says that it was opened, and nothing of what is in it."""
    answer = await nurse.post(f"{MAIN}/open/viewer")
    assert answer.status_code == 303
    assert re.fullmatch(r"radviewer://open\?u=[\w%.-]+", answer.headers["location"])
    (intent,) = [e for e in await house.events("access.intent") if e["system"] == "viewer"]
    assert (intent["action"], intent["patients"], intent["target"]) == ("launch", [], "/open/viewer")
    answer = await nurse.post(f"{MAIN}/open/rota")
    assert answer.headers["location"] == "https://rota.test/login?sso=1"


async def test_a_patient_is_opened_and_the_number_stays_to_be_checked(house: Front, nurse: Tab) -> None:
    """With spaces or without; the page shows it large, says to check, and the journal names the patient."""
    answer = await nurse.post(f"{MAIN}/open/viewer", {"nhs_number": "999 000 0018"})
    assert answer.status_code == 200
    assert f'href="radviewer://patient/{NUMBER}"' in answer.text
    assert "999 000 0018" in answer.text
    assert "Check who is shown there" in answer.text
    (intent,) = [e for e in await house.events("access.intent") if e["system"] == "viewer"]
    assert intent["patients"] == [["nhs-number", NUMBER]]
    assert NUMBER not in intent["target"]


async def test_a_program_that_cannot_be_told_the_patient_says_so(nurse: Tab) -> None:
    """The number is to be found there by hand."""
    answer = await nurse.post(f"{MAIN}/open/rota", {"nhs_number": NUMBER})
    assert "It opens where it was left" in answer.text
    assert "at this patient" not in answer.text


@pytest.mark.parametrize("number", ["9990000019", "999000001", "1234567890", "x", "1111111111"])
async def test_a_number_that_cannot_be_one_opens_nothing(house: Front, nurse: Tab, number: str) -> None:
    """A slip of a digit is another patient: it is asked for again, and nothing is written down as opened."""
    answer = await nurse.post(f"{MAIN}/open/viewer", {"nhs_number": number})
    assert answer.status_code == 400
    assert "That is not an NHS number" in answer.text
    assert not [e for e in await house.events("access.intent") if e["system"] == "viewer"]


async def test_a_file_is_given_once_to_whom_it_was_made_for(house: Front, nurse: Tab) -> None:
    """As an attachment with its own media type; the address names no patient, and nobody else's session gets it."""
    direct = await nurse.post(f"{MAIN}/open/pacs")
    assert direct.headers["content-type"] == "application/x-ica"
    assert direct.headers["content-disposition"] == 'attachment; filename="pacs.ica"'
    assert "LongCommandLine=\n" in direct.text
    page = await nurse.post(f"{MAIN}/open/pacs", {"nhs_number": NUMBER})
    found = re.search(r'href="(/open/pacs/file\?ticket=[\w-]+)"', page.text)
    assert found is not None
    assert NUMBER not in found[1]
    again = await nurse.post(f"{MAIN}/open/pacs", {"nhs_number": OTHER})
    another = re.search(r'href="(/open/pacs/file\?ticket=[\w-]+)"', again.text)
    assert another is not None
    stranger = house.tab()
    await stranger.sign_on()
    assert (await stranger.get(urljoin(MAIN, another[1]))).status_code == 404
    assert f"LongCommandLine={NUMBER}\n" in (await nurse.get(urljoin(MAIN, found[1]))).text
    assert (await nurse.get(urljoin(MAIN, found[1]))).status_code == 404


async def test_who_may_not_open_it_is_told_and_has_no_tile(house: Front) -> None:
    """A receptionist may not open a viewer that nobody sees into."""
    house.provider.claims["roles"] = ["receptionist"]
    tab = house.tab()
    await tab.sign_on()
    assert "/open/viewer" not in (await tab.get(f"{MAIN}/")).text
    answer = await tab.post(f"{MAIN}/open/viewer")
    assert answer.status_code == 403
    (denied,) = [e for e in await house.events("access.denied") if e["system"] == "viewer"]
    assert denied["action"] == "launch"


async def test_nobody_opens_by_another_site_s_form_or_without_a_session(house: Front, nurse: Tab) -> None:
    """And what is none of ours is not found."""
    crossing = await nurse.post(f"{MAIN}/open/viewer", **{"sec-fetch-site": "cross-site", "sec-fetch-dest": "document"})
    assert crossing.status_code == 403
    assert (await house.tab().post(f"{MAIN}/open/viewer")).status_code == 401
    assert (await nurse.post(f"{MAIN}/open/nothing")).status_code == 404
    assert (await nurse.post(f"{MAIN}/open/epr")).status_code == 404
    assert (await nurse.get(f"{MAIN}/open/nothing")).status_code == 404


@pytest.mark.parametrize(
    ("system", "says"),
    [
        (
            {"connector": "launch", "upstream": "http://x.test", "options": {"address": "rad://a"}},
            "leave `upstream` out",
        ),
        ({"connector": "launch", "options": {"address": "javascript:a"}}, "systems.x.options: `address`"),
        ({"connector": "linked", "options": {}}, "`options.address` is missing"),
        ({"connector": "fhir"}, "systems.x.upstream: is missing"),
    ],
)
def test_a_declaration_that_cannot_hold_is_told(tmp_path: Path, system: dict[str, object], says: str) -> None:
    """By its key, at the start."""
    config = load(config_in(tmp_path, "https://sso.test", systems=[{"name": "x", "title": "X", **system}]), {})
    problems = []
    for read in (systems_of, launches_of):
        try:
            read(config)
        except ConfigError as error:
            problems += error.problems
    assert len(problems) == 1
    assert says in problems[0]
