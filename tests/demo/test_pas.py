"""The pretend PAS is as nasty as real ones: what the gateway is shown against is really there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from lxml import html

from demo.hospital import servers
from demo.pas import Pas
from demo.people import USERS, patients
from demo.ports import free_port

PEOPLE = patients()
NURSE = USERS[0]


class Place:
    """One server; behind it, for each test, a PAS that nobody has used."""

    def __init__(self) -> None:
        self.pas = Pas(PEOPLE, USERS)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self.pas.app()(scope, receive, send)


@pytest.fixture(scope="module")
def place() -> Iterator[tuple[str, Place]]:
    port, made = free_port(), Place()
    with servers({port: made}):
        yield f"http://127.0.0.1:{port}", made


@pytest.fixture
def pas(place: tuple[str, Place]) -> tuple[str, Pas]:
    place[1].pas = Pas(PEOPLE, USERS)
    return place[0], place[1].pas


@pytest.fixture
def browser(pas: tuple[str, Pas]) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=pas[0], trust_env=False) as client:
        yield client


def log_on(browser: httpx2.Client, password: str = NURSE.pas_password, **changes: str) -> httpx2.Response:
    form = html.document_fromstring(browser.get("/pas/login").content).forms[0]
    fields = dict(form.form_values()) | {"userid": NURSE.pas_user, "pwd": password} | changes
    return browser.post("/pas/login", data=fields)


def current(browser: httpx2.Client) -> str:
    page = browser.post("/pas/summary")
    return next((p.hospital_number for p in PEOPLE if f"Hosp No: {p.hospital_number}" in page.text), "")


def asks_to_log_on(page: httpx2.Response) -> bool:
    return b'name="pwd"' in page.content


def test_a_log_on_leads_by_an_absolute_address_to_the_frames(pas: tuple[str, Pas], browser: httpx2.Client) -> None:
    """302 to an address built from Host, and a cookie for `/pas`."""
    answer = log_on(browser)
    assert (answer.status_code, answer.headers["location"]) == (302, f"{pas[0]}/pas/main")
    assert answer.headers["set-cookie"].endswith("; Path=/pas")
    assert pas[1].log_ons == 1


def test_a_log_on_form_counts_once(pas: tuple[str, Pas], browser: httpx2.Client) -> None:
    """Its token is asked for, belongs to a form that was shown, and is spent by the first try."""
    assert log_on(browser, csrf="").status_code == 403
    assert log_on(browser, csrf="made up").status_code == 403
    form = html.document_fromstring(browser.get("/pas/login").content).forms[0]
    fields = dict(form.form_values()) | {"userid": NURSE.pas_user, "pwd": NURSE.pas_password}
    assert browser.post("/pas/login", data=fields).status_code == 302
    assert browser.post("/pas/login", data=fields).status_code == 403
    assert pas[1].log_ons == 1


def test_a_wrong_password_is_told_with_status_200(pas: tuple[str, Pas], browser: httpx2.Client) -> None:
    """Old systems say 200 to everything: only the words tell."""
    answer = log_on(browser, "wrong")
    assert answer.status_code == 200
    assert "Invalid logon" in answer.text
    assert pas[1].log_ons == 0


def test_three_wrong_passwords_lock_the_user_out(pas: tuple[str, Pas], browser: httpx2.Client) -> None:
    """After that the right one does not help either; somebody else still gets in."""
    for _ in range(3):
        log_on(browser, "wrong")
    assert "User locked out" in log_on(browser).text
    other = USERS[1]
    assert log_on(browser, other.pas_password, userid=other.pas_user).status_code == 302
    assert pas[1].log_ons == 1


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/pas/main"),
        ("GET", "/pas/worklist"),
        ("POST", "/pas/select"),
        ("GET", "/pas/patient?hosp=H204000"),
        ("POST", "/pas/summary"),
        ("POST", "/pas/notes/save"),
        ("GET", "/pas/%FCbersicht"),
    ],
)
def test_a_stranger_sees_the_log_on_form_in_a_200(
    pas: tuple[str, Pas], browser: httpx2.Client, method: str, path: str
) -> None:
    """Every page but style and log-on asks who is there, with a good status, and shows nobody."""
    answer = browser.request(method, path)
    assert answer.status_code == 200
    assert asks_to_log_on(answer)
    assert not any(p.hospital_number in answer.text for p in PEOPLE)
    assert pas[1].notes == []


def test_the_current_patient_is_kept_on_the_server(browser: httpx2.Client) -> None:
    """Whoever was chosen last is on every page, and no address says who that is."""
    log_on(browser)
    assert current(browser) == ""
    for person in PEOPLE[:3]:
        answer = browser.post("/pas/select", data={"hosp": person.hospital_number})
        assert answer.headers["location"].endswith("/pas/summary")
        assert current(browser) == person.hospital_number
    browser.get("/pas/patient", params={"hosp": PEOPLE[5].hospital_number})
    assert current(browser) == PEOPLE[5].hospital_number


def test_each_log_on_has_a_current_patient_of_its_own(pas: tuple[str, Pas], browser: httpx2.Client) -> None:
    """Two log-ons do not share one: that is why the gateway gives each session its own."""
    log_on(browser)
    browser.post("/pas/select", data={"hosp": PEOPLE[0].hospital_number})
    with httpx2.Client(base_url=pas[0], trust_env=False) as other:
        log_on(other)
        other.post("/pas/select", data={"hosp": PEOPLE[1].hospital_number})
        assert current(other) == PEOPLE[1].hospital_number
    assert current(browser) == PEOPLE[0].hospital_number


def test_a_session_without_a_click_ends(pas: tuple[str, Pas], browser: httpx2.Client) -> None:
    """After the idle time the log-on form is there instead of the page, and stays there."""
    log_on(browser)
    pas[1].idle = 0.0
    assert asks_to_log_on(browser.get("/pas/worklist"))
    pas[1].idle = 60.0
    assert asks_to_log_on(browser.get("/pas/worklist"))


@pytest.mark.parametrize("how", ["log off", "expire"])
def test_a_session_that_was_ended_is_over(pas: tuple[str, Pas], browser: httpx2.Client, how: str) -> None:
    """After log-off, or when the server forgets everybody, the cookie opens nothing."""
    log_on(browser)
    assert not asks_to_log_on(browser.get("/pas/worklist"))
    if how == "log off":
        browser.get("/pas/logoff")
    else:
        pas[1].expire()
    assert asks_to_log_on(browser.get("/pas/worklist"))


def test_a_note_goes_to_whoever_is_current_when_it_is_sent(pas: tuple[str, Pas], browser: httpx2.Client) -> None:
    """The trap: a form shown for one patient is written to another who was chosen since. Every write is counted."""
    log_on(browser)
    browser.post("/pas/select", data={"hosp": PEOPLE[0].hospital_number})
    form = html.document_fromstring(browser.post("/pas/notes").content).forms[0]
    browser.post("/pas/select", data={"hosp": PEOPLE[1].hospital_number})
    browser.post("/pas/notes/save", data=dict(form.form_values()) | {"note": "for the first"})
    assert pas[1].notes == [(PEOPLE[1].hospital_number, NURSE.pas_user, "for the first")]
    assert browser.get("/pas-admin/count").text == "1 1\n"


def test_a_form_of_an_earlier_session_is_not_taken(pas: tuple[str, Pas], browser: httpx2.Client) -> None:
    """Its token died with the session: nothing is written, and it is said with status 200."""
    log_on(browser)
    browser.post("/pas/select", data={"hosp": PEOPLE[0].hospital_number})
    form = html.document_fromstring(browser.post("/pas/notes").content).forms[0]
    pas[1].expire()
    log_on(browser)
    browser.post("/pas/select", data={"hosp": PEOPLE[0].hospital_number})
    told = browser.post("/pas/notes/save", data=dict(form.form_values()) | {"note": "old"})
    assert (told.status_code, "Invalid view state" in told.text) == (200, True)
    assert pas[1].notes == []


def test_pages_and_one_address_are_windows_1252(browser: httpx2.Client) -> None:
    """Umlauts are one byte, in the page and in the path; letters that the charset lacks become references."""
    log_on(browser)
    page = browser.get("/pas/%FCbersicht")
    assert page.headers["content-type"] == "text/html; charset=windows-1252"
    assert b"\xdcbersicht \x96 ward overview" in page.content
    listed = browser.get("/pas/worklist").content
    assert all(
        f"{p.family.upper()}, {p.given}".encode("windows-1252", "xmlcharrefreplace").replace(b"&#39;", b"'") in listed
        for p in PEOPLE
    )


def test_a_form_s_text_is_read_in_the_same_charset(pas: tuple[str, Pas], browser: httpx2.Client) -> None:
    """A note with an umlaut arrives as it was typed."""
    log_on(browser)
    browser.post("/pas/select", data={"hosp": PEOPLE[0].hospital_number})
    token = dict(html.document_fromstring(browser.post("/pas/notes").content).forms[0].form_values())["__VIEWSTATE"]
    body = b"__VIEWSTATE=" + token.encode() + b"&note=M%FCde+%80"
    kind = {"content-type": "application/x-www-form-urlencoded"}
    browser.post("/pas/notes/save", content=body, headers=kind)
    assert [text for _, _, text in pas[1].notes] == ["Müde €"]


def test_the_main_page_is_a_frameset(browser: httpx2.Client) -> None:
    """Menu and content in frames; the menu's pages are opened by POST, into the other frame."""
    log_on(browser)
    frames = html.document_fromstring(browser.get("/pas/main").content)
    assert frames.xpath("//frame/@src") == ["/pas/menu", "/pas/worklist"]
    menu = html.document_fromstring(browser.get("/pas/menu").content)
    assert {form.get("target") for form in menu.forms} == {"content"}
    assert {form.method for form in menu.forms} == {"POST"}


def test_one_page_is_slow_and_keeps_nobody_else_waiting(pas: tuple[str, Pas], browser: httpx2.Client) -> None:
    """The report takes as long as it is told to; meanwhile other pages are there."""
    log_on(browser)
    browser.post("/pas/select", data={"hosp": PEOPLE[2].hospital_number})
    pas[1].slow = 1.0
    with pytest.raises(httpx2.ReadTimeout):
        browser.get("/pas/report", timeout=0.1)
    assert current(browser) == PEOPLE[2].hospital_number
    pas[1].slow = 0.0
    assert f"Hosp No: {PEOPLE[2].hospital_number}" in browser.get("/pas/report").text


def test_the_work_list_finds_by_name_and_number(browser: httpx2.Client) -> None:
    """Part of a name, or a hospital number; thirty at most, by family name."""
    log_on(browser)
    one = PEOPLE[3]
    for wanted in (one.family[:4].lower(), one.hospital_number):
        assert one.hospital_number in browser.post("/pas/worklist", data={"find": wanted}).text
    assert not any(p.hospital_number in browser.post("/pas/worklist", data={"find": "zz"}).text for p in PEOPLE)
