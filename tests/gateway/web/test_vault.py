"""Asked for once: a system's own log-on is proved at the system, kept, replaced and forgotten."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest
from lxml import html

from tests.counterparts.processes import small_server

from .front import MAIN, NAVIGATION, PAS, Front, Tab, front

CANARY = "Canary-Winter-42!"
RIGHT = {"username": "NOKOYE", "password": CANARY}
WRONG = {"username": "NOKOYE", "password": "Canary-Summer-7"}
PAGE = f"{PAS}/patient?nhs=9990001112"
FORM = "<title>Log in</title>Log in<form method=post><input name=user><input name=pass type=password></form>"


@dataclass
class Old:
    """An old system with a login page: one account, whose password may run out."""

    origin: str = ""
    password: str = CANARY
    run_out: bool = False
    tries: list[str] = field(default_factory=list)
    sessions: set[str] = field(default_factory=set)

    def submitted(self, form: dict[str, list[str]]) -> tuple[int, str, str]:
        """Status, page and cookie."""
        secret = form.get("pass", [""])[0]
        self.tries.append(secret)
        if secret != self.password:
            return 200, "Wrong user name or password" + FORM, ""
        if self.run_out:
            return 200, "Your password has expired. New password: <input name=new>", ""
        key = f"s{len(self.tries)}"
        self.sessions.add(key)
        return 200, "Welcome", key


@pytest.fixture
def old() -> Iterator[Old]:
    made = Old()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            key = re.search(r"SID=(\w+)", self.headers.get("cookie", ""))
            known = key is not None and key[1] in made.sessions
            self._show(200, f"<p>The patient's page, {self.path}" if known and self.path != "/login" else FORM)

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"])).decode()
            self._show(*made.submitted(parse_qs(body)))

        def _show(self, status: int, page: str, key: str = "") -> None:
            body = page.encode()
            self.send_response(status)
            self.send_header("content-type", "text/html; charset=utf-8")
            self.send_header("content-length", str(len(body)))
            if key:
                self.send_header("set-cookie", f"SID={key}; Path=/")
            self.end_headers()
            self.wfile.write(body)

    with small_server(Handler) as origin:
        made.origin = origin
        yield made


@pytest.fixture
async def house(tmp_path: Path, old: Old) -> AsyncIterator[Front]:
    async with opened(tmp_path, old) as made:
        yield made


def opened(folder: Path, old: Old, **more: object):  # type: ignore[no-untyped-def]  # front's own context
    options = {
        "login_page": "/login", "username_field": "user", "password_field": "pass", "success": {"text": "Welcome"},
        "failure": {"text": "Wrong"}, "logged_off": {"text": "Log in"}, "change_password": {"text": "has expired"},
    }  # fmt: skip
    pas = {"name": "pas", "title": "Patient administration", "connector": "webform", "helpdesk": "ext. 4357"}
    pas |= {"upstream": old.origin, "options": options, **more}
    roles = {"nurse": "nurse", "doctor": "doctor", "officer": "privacy-officer"}
    return front(folder, systems=[pas], sso={"roles": roles})


@pytest.fixture
async def tab(house: Front) -> Tab:
    made = house.tab()
    await made.sign_on()
    return made


def asked(answer: httpx2.Response) -> dict[str, str]:
    """The hidden fields of the page that asks."""
    return {field.name: field.value for field in html.fromstring(answer.text).xpath("//input[@type='hidden']")}


async def give(tab: Tab, typed: dict[str, str], url: str = PAGE) -> httpx2.Response:
    """Open the page, and type where one is asked."""
    answer, way = await tab.follow(url)
    assert way[-1].startswith(f"{MAIN}/vault/pas"), way
    return await tab.post(f"{MAIN}/vault/pas", {**asked(answer), **typed})


async def told(tab: Tab, answer: httpx2.Response) -> httpx2.Response:
    """The page that a try led back to: by GET, so that going back sends nothing once more."""
    assert answer.status_code == 303
    assert answer.headers["location"].startswith(f"{MAIN}/vault/pas?page=")
    page = await tab.get(answer.headers["location"])
    assert page.status_code == 200
    assert 'role="alert"' in page.text
    return page


async def test_the_first_opening_asks_with_the_system_s_title_and_helpdesk(tab: Tab) -> None:
    """On the main host; no address of ours names the page that was wanted."""
    answer, way = await tab.follow(PAGE)
    assert answer.status_code == 200
    assert urlsplit(way[-1]).path == "/vault/pas"
    assert all("9990001112" not in step for step in way[1:] if step.startswith(MAIN))
    assert "9990001112" not in answer.text
    assert "Log on to Patient administration" in answer.text
    assert "ext. 4357" in answer.text
    assert answer.headers["cache-control"] == "no-store"
    fields = {i.get("name"): i for i in html.fromstring(answer.text).xpath("//input[not(@type='hidden')]")}
    assert fields["username"].get("autocomplete") == "username"
    assert fields["password"].get("autocomplete") == "current-password"
    assert fields["password"].get("type") == "password"
    assert [i.get("value") for i in fields.values()] == [None, None]


async def test_a_right_one_is_proved_kept_and_leads_to_the_page_that_was_wanted(tab: Tab, old: Old) -> None:
    """One log-on at the system, which is the one that the page comes by; written down as kept."""
    answer = await give(tab, RIGHT)
    assert (answer.status_code, answer.headers["location"]) == (303, PAGE)
    page, _ = await tab.follow(PAGE)
    assert "The patient's page, /patient?nhs=9990001112" in page.text
    assert old.tries == [CANARY]
    (kept,) = await tab.front.events("credential.kept")
    assert (kept["system"], kept["subject"]) == ("pas", "n.okoye")


async def test_the_next_session_opens_unprompted(tab: Tab, old: Old) -> None:
    """Another browser of the same clinician logs on with what is kept."""
    await give(tab, RIGHT)
    other = tab.front.tab()
    await other.sign_on()
    page, _ = await other.follow(PAGE)
    assert "The patient's page" in page.text
    assert old.tries == [CANARY, CANARY]


async def test_a_wrong_one_is_told_and_not_kept(tab: Tab, old: Old) -> None:
    """Nothing that was typed comes back, nothing is tried again by itself, and the next one typed may be tried."""
    answer = await told(tab, await give(tab, WRONG))
    assert "did not take your user name and password" in answer.text
    assert WRONG["password"] not in answer.text
    assert WRONG["username"] not in answer.text
    again, way = await tab.follow(PAGE)
    assert way[-1].startswith(f"{MAIN}/vault/pas")
    assert old.tries == [WRONG["password"]]
    assert await tab.front.events("credential.kept") == []
    wrong = await tab.post(f"{MAIN}/vault/pas", {**asked(again), **WRONG})  # the helpdesk may have unlocked it
    right = await tab.post(f"{MAIN}/vault/pas", {**asked(await told(tab, wrong)), **RIGHT})
    assert right.headers["location"] == PAGE
    assert old.tries == [WRONG["password"], WRONG["password"], CANARY]


async def test_a_double_click_is_one_try(tab: Tab, old: Old) -> None:
    """Each wrong try counts towards a lock-out there."""
    form = asked((await tab.follow(PAGE))[0])
    answers = await asyncio.gather(*(tab.post(f"{MAIN}/vault/pas", {**form, **WRONG}) for _ in range(3)))
    assert [a.status_code for a in answers] == [303] * 3
    assert len(old.tries) == 1


@pytest.mark.parametrize("dest", ["frame", "iframe", "empty"])
async def test_frames_and_scripts_are_told_and_not_asked(tab: Tab, dest: str) -> None:
    """A form for a password inside an old system's frame would teach people to type it there."""
    await tab.follow(f"{PAS}/")
    answer = await tab.get(PAGE, **{**NAVIGATION, "sec-fetch-dest": dest, "sec-fetch-site": "same-origin"})
    assert answer.status_code == 502
    assert "credential-missing" in answer.text
    assert 'type="password"' not in answer.text


async def test_a_page_that_is_not_one_of_the_system_s_is_never_led_to(tab: Tab) -> None:
    """A ticket that is invented, or another session's, leads to the system's first page."""
    other = tab.front.tab()
    await other.sign_on()
    stolen = asked((await other.follow(PAGE))[0])["page"]
    for page in ("https://evil.example/", "//evil.example", "x" * 5000, stolen):
        answer = await tab.post(f"{MAIN}/vault/pas", {"page": page, **RIGHT})
        assert answer.headers["location"] == f"{PAS}/"


async def test_what_went_wrong_is_told_to_whom_it_happened(tab: Tab) -> None:
    """Another session with the address sees the plain form, and gets to no page by it."""
    page = (await give(tab, WRONG)).headers["location"]
    other = tab.front.tab()
    await other.sign_on()
    answer = await other.get(page)
    assert 'role="alert"' not in answer.text
    assert asked(answer) == {}


async def test_it_is_taken_from_our_own_page_only(tab: Tab, old: Old) -> None:
    """A foreign page cannot have a log-on of somebody else's kept here, nor have one forgotten."""
    for path in ("/vault/pas", "/vault/pas/forget"):
        answer = await tab.post(MAIN + path, RIGHT, **{**NAVIGATION, "sec-fetch-site": "same-site"})
        assert answer.status_code == 403
    assert old.tries == []


@pytest.mark.parametrize(
    "typed",
    [
        {"username": "", "password": "x"},
        {"username": "x", "password": ""},
        {"username": "   ", "password": "x"},
        {"username": "u" * 257, "password": "x"},
        {"username": "x", "password": "p" * 1025},
        {"username": "a\r\nb", "password": "x"},
        {"username": "x", "password": "a\x00b"},
        {},
    ],
)
async def test_what_no_system_takes_is_not_sent(tab: Tab, old: Old, typed: dict[str, str]) -> None:
    """Said at once, without a try there."""
    answer = await told(tab, await tab.post(f"{MAIN}/vault/pas", typed))
    assert "Nothing was sent" in answer.text
    assert old.tries == []


@pytest.mark.parametrize("body", [b"username=%ff&password=x", b"\xff", b"a=1&" * 20, b"password=" + b"x" * 20000])
async def test_a_form_that_cannot_be_read_is_refused(tab: Tab, old: Old, body: bytes) -> None:
    """A clear error and nothing else, with nothing of it in the page."""
    headers = {**NAVIGATION, "sec-fetch-site": "same-origin", "content-type": "application/x-www-form-urlencoded"}
    answer = await tab.ask("POST", f"{MAIN}/vault/pas", headers, body)
    assert answer.status_code in (400, 413)
    assert old.tries == []


async def test_nobody_without_a_session_is_asked(house: Front, old: Old) -> None:
    """Signed on first; a form of a session that is over is not tried at the system."""
    tab = house.tab()
    _, way = await tab.follow(f"{MAIN}/vault/pas")
    assert any("/sign-on" in step for step in way)
    stranger = house.tab()
    assert (await stranger.post(f"{MAIN}/vault/pas", RIGHT)).status_code == 401
    assert old.tries == []


@pytest.mark.parametrize("path", ["/vault/nothing", "/vault/epr", "/vault/../pas"])
async def test_only_systems_with_a_log_on_of_their_own_are_asked_for(tab: Tab, path: str) -> None:
    """There is no page for anything else."""
    assert (await tab.get(MAIN + path)).status_code == 404


async def test_nobody_logs_on_where_their_role_may_not_look(house: Front, old: Old) -> None:
    """A privacy officer is not asked, and what they send is not tried there."""
    house.provider.userinfo["roles"] = house.provider.claims["roles"] = ["officer"]
    tab = house.tab()
    assert "Your systems" in (await tab.sign_on()).text
    assert (await tab.get(f"{MAIN}/vault/pas")).status_code == 404
    assert (await tab.post(f"{MAIN}/vault/pas", RIGHT)).status_code == 404
    assert "None of your systems" in (await tab.get(f"{MAIN}/vault")).text
    assert old.tries == []


async def test_a_system_that_does_not_answer_is_said_so(tab: Tab, old: Old) -> None:
    """Nothing is kept, since nothing is proved."""
    old.submitted = lambda form: (500, "ASP error", "")  # type: ignore[method-assign]  # what an old system does
    answer = await told(tab, await give(tab, RIGHT))
    assert "not kept" in answer.text
    assert CANARY not in answer.text
    assert await tab.front.events("credential.kept") == []


async def test_the_page_of_what_is_kept(tab: Tab) -> None:
    """For which systems, since when, last used; never the words."""
    empty = await tab.get(f"{MAIN}/vault")
    assert "you will be asked" in empty.text
    await give(tab, RIGHT)
    page = await tab.get(f"{MAIN}/vault")
    assert re.search(r"kept</strong> since \d+ \w+ \d{4}, \d\d:\d\d,\s+last used \d+ \w+ \d{4}", page.text)
    assert CANARY not in page.text
    assert "NOKOYE" not in page.text


async def test_forgetting_asks_again(tab: Tab, old: Old) -> None:
    """Written down; whoever forgets twice has forgotten once."""
    await give(tab, RIGHT)
    for _ in range(2):
        answer = await tab.post(f"{MAIN}/vault/pas/forget")
        assert answer.headers["location"] == "/vault"
    other = tab.front.tab()
    await other.sign_on()
    _, way = await other.follow(PAGE)
    assert way[-1].startswith(f"{MAIN}/vault/pas")
    assert len(await tab.front.events("credential.forgotten")) == 1


async def test_a_changed_password_is_said_and_the_new_one_asked_for(tab: Tab, old: Old) -> None:
    """Tried once with the old one, in whatever sessions; then not until the new one is given."""
    await give(tab, RIGHT)
    old.password = "Canary-Spring-9"
    for _ in range(2):
        other = tab.front.tab()
        await other.sign_on()
        page, way = await other.follow(PAGE)
        assert way[-1].startswith(f"{MAIN}/vault/pas")
        assert "refused the log-on that is kept for you" in page.text
    assert old.tries == [CANARY, CANARY]
    assert "refused" in (await other.get(f"{MAIN}/vault")).text
    answer = await other.post(f"{MAIN}/vault/pas", {**asked(page), "username": "NOKOYE", "password": old.password})
    assert answer.headers["location"] == PAGE
    assert "The patient's page" in (await other.follow(PAGE))[0].text
    assert len(await tab.front.events("credential.replaced")) == 1


async def test_a_wrong_new_one_leaves_the_kept_one(tab: Tab, old: Old) -> None:
    """Replacing is proved before it replaces; the open log-on stays."""
    await give(tab, RIGHT)
    await told(tab, await tab.post(f"{MAIN}/vault/pas", WRONG))
    assert "The patient's page" in (await tab.follow(PAGE))[0].text
    other = tab.front.tab()
    await other.sign_on()
    assert "The patient's page" in (await other.follow(PAGE))[0].text


async def test_a_forced_password_change_is_told_for_what_it_is(tab: Tab, old: Old) -> None:
    """Nothing kept; where one was kept it is not tried again until the new one is given."""
    old.run_out = True
    answer = await told(tab, await give(tab, RIGHT))
    assert "wants a new password from you" in answer.text
    assert await tab.front.events("credential.kept") == []
    old.run_out = False
    await give(tab, RIGHT)
    old.run_out = True
    other = tab.front.tab()
    await other.sign_on()
    for _ in range(2):
        page, _ = await other.follow(PAGE)
        assert "wants a new password from you" in page.text
    assert old.tries == [CANARY] * 3


async def test_no_secret_stands_anywhere(tab: Tab, old: Old, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Neither right nor wrong ones, in no file of the gateway's, no log, no page and no address."""
    pages = [await give(tab, WRONG)]
    pages.append(await told(tab, pages[0]))
    pages.append(await give(tab, RIGHT))
    pages.append(await tab.get(f"{MAIN}/vault"))
    pages.append((await tab.follow(PAGE))[0])
    old.password = "another"
    other = tab.front.tab()
    await other.sign_on()
    pages.append((await other.follow(PAGE))[0])
    secrets = [CANARY, WRONG["password"], "NOKOYE"]
    for secret in secrets:
        for page in pages:
            assert secret not in page.text + str(page.headers), page.url
        for path in (p for p in tmp_path.rglob("*") if p.is_file()):
            assert secret.encode() not in path.read_bytes(), path
    said = capfd.readouterr()
    assert all(secret not in said.out + said.err for secret in secrets)
