"""A ward PC in a real browser, one person after another: the second sees nothing of the first, neither by Back nor by Forward."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page

from .certificate import certificate
from .desk import passes
from .hospital import Hospital, hospital, system
from .recorder import Seen, recorder, reply
from .screen import settled
from .ward import LOGIN, answers, old_system

pytestmark = [pytest.mark.browser, pytest.mark.counterpart]

# The system's page says for whom it was made: the same address, another person, another text.
RECORD = "RECORD-OF-{user}"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hospital]:
    """Over https, as in a hospital: browsers treat no-store differently on plain http."""
    folder = tmp_path_factory.mktemp("ward-pc")
    users: dict[str, str] = {}  # by cookie: who was logged on with it

    def by_user(seen: Seen) -> bytes:
        said = answers(seen)
        if seen.path == LOGIN and seen.method == "POST":
            cookie = re.search(rb"JSESSIONID=[^;]+", said)
            assert cookie is not None
            users[cookie[0].decode()] = seen.content.decode().partition("u=")[2].partition("&")[0]
        elif seen.path not in (LOGIN, "/"):
            return reply(f"<p>{RECORD.format(user=users[seen.header('cookie')[0]])}".encode())
        return said

    people = {"pas": {"n.okoye": ("okoye", "a"), "dr.lee": ("lee", "b")}}
    with recorder(by_user) as upstream:
        pas = system("pas", "webform", upstream.origin, options=old_system(location=LOGIN))
        with hospital(folder, [pas], credentials=people, tls=certificate(folder)) as running:
            yield running


def sign_on(place: Hospital, page: Page, login: str) -> None:
    page.goto(place.url)
    page.get_by_role("button", name="Sign on").click()
    passes(page, login, otp="")
    page.wait_for_url(f"{place.url}/")


def sign_off(place: Hospital, page: Page) -> None:
    page.goto(place.url)
    page.get_by_role("button", name="Sign off").click()
    page.wait_for_url(re.compile("/signed-off|session/end"))


def shown(page: Page, way: str) -> str:
    """What is on the screen after one step through the history."""
    getattr(page, way)(wait_until="commit")
    settled(page)
    return page.content()


def test_the_next_person_sees_nothing_of_the_one_before(place: Hospital, chromium: Browser) -> None:
    """BR-236, BR-238: Back, before and after the second sign-on, shows neither the first person's record nor their name."""
    context = chromium.new_context(ignore_https_errors=True)
    page = context.new_page()
    record = f"{place.system_url('pas')}/records/123"
    sign_on(place, page, "n.okoye")
    page.goto(record)
    assert RECORD.format(user="okoye") in page.content()
    sign_off(place, page)
    seen = [shown(page, "go_back") for _ in range(3)]
    sign_on(place, page, "dr.lee")
    page.goto(record)
    assert RECORD.format(user="lee") in page.content()
    seen += [shown(page, "go_back") for _ in range(6)] + [shown(page, "go_forward") for _ in range(5)]
    for text in seen:
        assert RECORD.format(user="okoye") not in text
        assert "N Okoye" not in text
    assert any("Lee Adler" in text or RECORD.format(user="lee") in text for text in seen)
    context.close()


def test_signing_on_over_somebody_shows_nothing_of_them(place: Hospital, chromium: Browser) -> None:
    """BR-238: the first person forgot to sign off; whoever signs on at the same screen gets pages of their own."""
    context = chromium.new_context(ignore_https_errors=True)
    page = context.new_page()
    record = f"{place.system_url('pas')}/records/123"
    sign_on(place, page, "n.okoye")
    page.goto(record)
    assert RECORD.format(user="okoye") in page.content()
    context.clear_cookies(domain=re.compile("127.0.0.1"))  # the provider's own, or it would know the first one again
    page.goto(f"{place.url}/sign-on/start")
    passes(page, "dr.lee", otp="")
    page.wait_for_url(f"{place.url}/")
    page.goto(record)
    assert RECORD.format(user="lee") in page.content()
    assert RECORD.format(user="okoye") not in page.content()
    for _ in range(4):
        assert RECORD.format(user="okoye") not in shown(page, "go_back")
    context.close()
