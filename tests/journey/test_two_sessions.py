"""Two sessions of one shift, two patients, one PAS that keeps the current patient on the server."""

from __future__ import annotations

import contextlib
import re
import threading
from collections.abc import Callable, Iterator

import pytest

from demo.hospital import Hospital, hospital
from demo.ports import free_port

from .browser import Browser, Page


@pytest.fixture(scope="module")
def place() -> Iterator[Hospital]:
    with hospital(free_port()) as running:
        yield running


@pytest.fixture(autouse=True)
def fresh_notes(place: Hospital) -> None:
    place.pas.notes.clear()


@pytest.fixture
def nurses(place: Hospital) -> Iterator[Callable[[], Browser]]:
    """Each call: another device, signed on as the same nurse, in the same shift."""
    with contextlib.ExitStack() as open_ones:
        yield lambda: nurse(place, open_ones.enter_context(Browser()))


def nurse(place: Hospital, browser: Browser) -> Browser:
    browser.get(f"{place.url}/")
    form = browser.get(f"{place.url}/sign-on/start", came_from=f"{place.url}/sign-on")
    page = browser.submit(form, login="nurse")
    assert page.url == f"{place.url}/"
    return browser


def pas(place: Hospital, path: str) -> str:
    return f"http://pas.records.localhost:{place.port}{path}"


def select(place: Hospital, browser: Browser, number: str) -> Page:
    listed = browser.get(pas(place, "/pas/worklist"))
    return browser.post(pas(place, "/pas/select"), {"hosp": number}, came_from=listed.url)


def shown(page: Page) -> str:
    found = re.search(r"Hosp No: (H\d+)", page.text)
    assert found, page.text
    return found[1]


def note(place: Hospital, browser: Browser, page: Page, text: str) -> Page:
    return browser.submit(page, note=text)


def test_two_sessions_of_one_shift_never_see_each_other_s_patient(
    place: Hospital, nurses: Callable[[], Browser]
) -> None:
    """Interleaved on two devices, every page and every write is about the patient chosen on that device."""
    one, two = nurses(), nurses()
    a, b = place.pas.people[0].hospital_number, place.pas.people[1].hospital_number
    select(place, one, a)
    select(place, two, b)
    for round_ in range(4):
        assert shown(one.get(pas(place, "/pas/summary"))) == a
        assert shown(two.get(pas(place, "/pas/summary"))) == b
        for browser, number in ((one, a), (two, b)):
            page = browser.get(pas(place, "/pas/notes"))
            saved = note(place, browser, page, f"round {round_} {number}")
            assert saved.status == 200
    assert {(number, text.split()[-1]) for number, _, text in place.pas.notes} == {(a, a), (b, b)}
    assert len(place.pas.notes) == 8


def test_the_same_at_the_same_time(place: Hospital, nurses: Callable[[], Browser]) -> None:
    """Sixty looks from each of two devices at once: not one shows the other's patient."""
    browsers = {p.hospital_number: nurses() for p in place.pas.people[2:4]}
    wrong: list[str] = []

    def look(number: str, browser: Browser) -> None:
        select(place, browser, number)
        wrong.extend(seen for _ in range(60) if (seen := shown(browser.get(pas(place, "/pas/summary")))) != number)

    threads = [threading.Thread(target=look, args=item) for item in browsers.items()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_shared_log_ons_would_show_the_wrong_patient(place: Hospital, nurses: Callable[[], Browser]) -> None:
    """Canary: the PAS itself, with one log-on for two devices, does mix patients up; so the tests above can fail."""
    one = nurses()
    a, b = place.pas.people[0].hospital_number, place.pas.people[1].hospital_number
    select(place, one, a)
    select(place, one, b)
    assert shown(one.get(pas(place, "/pas/summary"))) == b


@pytest.mark.parametrize("when", ["before the form is opened", "before the form is sent"])
def test_no_write_arrives_twice_whatever_expires_when(
    place: Hospital, nurses: Callable[[], Browser], when: str
) -> None:
    """The PAS forgets everybody at the worst moment: a note is written once, or told as not sent and not written."""
    browser = nurses()
    number = place.pas.people[5].hospital_number
    select(place, browser, number)
    if when == "before the form is opened":
        place.pas.expire()
        select(place, browser, number)
    page = browser.get(pas(place, "/pas/notes"))
    if when == "before the form is sent":
        place.pas.expire()
    told = note(place, browser, page, "once only")
    if when == "before the form is sent":
        assert told.status == 409
        assert "Not sent" in told.text
        assert place.pas.notes == []
    else:
        assert told.status == 200
        assert [text for _, _, text in place.pas.notes] == ["once only"]


def test_a_form_of_a_dead_log_on_is_not_sent_into_another_patient(
    place: Hospital, nurses: Callable[[], Browser]
) -> None:
    """A note typed for A, whose log-on died, is not written when B has become current in the next log-on."""
    browser = nurses()
    a, b = place.pas.people[6].hospital_number, place.pas.people[7].hospital_number
    select(place, browser, a)
    typed = browser.get(pas(place, "/pas/notes"))
    place.pas.expire()
    select(place, browser, b)
    told = note(place, browser, typed, "meant for A")
    assert told.status == 409
    assert place.pas.notes == []


def test_a_look_after_the_log_off_is_repeated_by_itself(place: Hospital, nurses: Callable[[], Browser]) -> None:
    """A page that changes nothing is asked for again after the system logged off; the clinician notices nothing."""
    browser = nurses()
    browser.get(pas(place, "/pas/worklist"))
    place.pas.expire()
    page = browser.get(pas(place, "/pas/worklist"))
    assert page.status == 200
    assert "Work list" in page.text
    assert 'name="pwd"' not in page.text


def test_a_windows_1252_path_and_page_pass_byte_for_byte(place: Hospital, nurses: Callable[[], Browser]) -> None:
    """The old charset arrives as it left, in the address and in the page."""
    page = nurses().get(pas(place, "/pas/%FCbersicht"))
    assert page.status == 200
    assert "Übersicht".encode("windows-1252") in page.content
    assert "charset=windows-1252" in page.headers["content-type"]
