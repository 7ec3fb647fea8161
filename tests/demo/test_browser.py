"""The pretend browser of the demo: what it counts, what it proves, and what it sends."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator

import httpx2
import pytest

from demo.browser import Asked, Browser, Key, Page
from sso.device import PublicKey

PUBLIC, ISSUER = "http://records.localhost:8080", "http://127.0.0.1:9000"
PASSWORD = '<form action="/x" method="post"><input type="password" name="{}"></form>'
Answers = Callable[[httpx2.Request], httpx2.Response]


@pytest.fixture
def asked() -> Asked:
    return Asked()


@pytest.fixture
def shows(asked: Asked) -> Iterator[Callable[[Answers], Browser]]:
    """A browser to which everything is answered by a function."""
    made: list[Browser] = []

    def browser(answers: Answers) -> Browser:
        one = Browser(PUBLIC, ISSUER, "test", asked)
        one._http.close()
        one._http = httpx2.Client(transport=httpx2.MockTransport(answers))
        one.who = "nurse"
        made.append(one)
        return one

    yield browser
    for one in made:
        one.close()


def page(html: str, **headers: str) -> Answers:
    return lambda request: httpx2.Response(200, html=html, headers=headers)


@pytest.mark.parametrize(
    ("url", "html", "prompts"),
    [
        (f"{PUBLIC}/unlock", PASSWORD.format("pin"), 0),
        (f"{PUBLIC}/vault/pas", PASSWORD.format("secret"), 1),
        ("http://pas.records.localhost:8080/pas/login", PASSWORD.format("pwd"), 1),
        ("http://pas.records.localhost:8080/pas/login", PASSWORD.format("pin"), 1),
        (f"{ISSUER}/authorize", "<button>Ngozi Okoye</button>", 1),
        (f"{PUBLIC}/", "<p>Your systems", 0),
    ],
)
def test_what_asks_for_a_password_is_a_prompt(
    shows: Callable[[Answers], Browser], asked: Asked, url: str, html: str, prompts: int
) -> None:
    """The provider's pages and every password field; a PIN at a page of the gateway's own is none, and nowhere else."""
    shows(page(html)).get(url)
    assert asked.passwords["nurse"] == prompts


@pytest.mark.parametrize(("status", "counted"), [(200, 1), (403, 0)])
def test_a_pin_that_is_taken_is_counted(
    shows: Callable[[Answers], Browser], asked: Asked, status: int, counted: int
) -> None:
    """Unlocking is no password, and is not hidden either; setting a PIN is not unlocking, nor is a wrong one."""
    browser = shows(lambda request: httpx2.Response(status, html=PASSWORD.format("pin")))
    browser.submit(browser.get("/unlock"), "/x", pin="728194")
    browser.submit(browser.get("/shift/pin"), "/x", pin="728194", again="728194")
    assert asked.pins["nurse"] == counted


def test_a_device_signs_as_a_browser_does() -> None:
    """The gateway's own verifier takes the signature, and none for anything else."""
    key = Key()
    public = PublicKey.read(key.jwk())
    plain = key.signature("http://records.localhost", "sign-on", "id", "challenge")
    signature = base64.urlsafe_b64decode(plain + "=" * (-len(plain) % 4))
    assert public.verifies(signature, b"lanyard-device-proof-1\nhttp://records.localhost\nsign-on\nid\nchallenge")
    assert not public.verifies(signature, b"lanyard-device-proof-1\nhttp://records.localhost\nunlock\nid\nchallenge")


def test_a_form_that_asks_for_it_is_sent_with_a_proof(shows: Callable[[Answers], Browser]) -> None:
    """Where it says for what; a browser without a key sends it as it is."""
    sent: list[httpx2.Request] = []

    def answers(request: httpx2.Request) -> httpx2.Response:
        sent.append(request)
        if request.url.path == "/device/challenge":
            return httpx2.Response(200, json={"challenge": "asked"})
        return httpx2.Response(200, html='<form action="/sign-on/start" data-proves="sign-on"></form>')

    browser = shows(answers)
    browser.submit(browser.get("/"), "/sign-on/start")
    assert (sent[-1].method, sent[-1].url.query) == ("GET", b"")
    browser.device = "ab" * 16
    browser.submit(browser.get("/"), "/sign-on/start")
    assert sent[-2].read() == b'{"device": "%s", "purpose": "sign-on"}' % browser.device.encode()
    assert sent[-1].read().startswith(b"device=%s&challenge=asked&signature=" % browser.device.encode())


def test_a_form_is_sent_in_its_page_s_charset() -> None:
    """Old systems read what they wrote: Windows-1252, and what it lacks as a character reference."""
    old = Page(
        "http://pas", httpx2.Response(200, content=b"", headers={"content-type": "text/html; charset=windows-1252"})
    )
    assert old.encoded({"note": "für Żak"}, "application/x-www-form-urlencoded") == b"note=f%FCr+%26%23379%3Bak"
    assert old.encoded({"kept": "ab"}, "text/plain") == b"kept=ab\r\n"


def test_cookies_that_were_copied_are_held_for_a_while(shows: Callable[[Answers], Browser]) -> None:
    """What somebody copied is sent in place of the browser's own, which comes back afterwards."""
    browser = shows(page("", **{"set-cookie": "a=1"}))
    browser.get("/")
    copied = browser.cookies()
    browser._jars.clear()
    with browser.holding(copied):
        assert browser.cookies() == {"records.localhost:8080": {"a": "1"}}
    assert browser.cookies() == {}


def test_a_device_proves_itself_on_the_way_into_a_system(shows: Callable[[Answers], Browser]) -> None:
    """As the page's script does, without anybody's doing; and goes where it is then led."""

    def answers(request: httpx2.Request) -> httpx2.Response:
        if request.url.path == "/device/challenge":
            return httpx2.Response(200, json={"challenge": "asked"})
        if request.method == "POST":
            sent = json.loads(request.read())
            return httpx2.Response(200, json={"to": f"/{sent['ticket']}/{sent['challenge']}"})
        if request.url.path == "/enter":
            return httpx2.Response(200, html='<p data-ticket="t">One moment')
        return httpx2.Response(200, html="<p>the system")

    browser = shows(answers)
    browser.device = "ab" * 16
    page = browser.get("/enter?ticket=t")
    assert (page.path, page.text) == ("/t/asked", "the system")


def test_a_form_that_was_held_is_sent_at_once(shows: Callable[[Answers], Browser]) -> None:
    """Once the cookie that it met too late is renewed, it goes on by itself."""

    def answers(request: httpx2.Request) -> httpx2.Response:
        if request.method == "POST":
            return httpx2.Response(200, html="<p>sent")
        return httpx2.Response(200, html='<form action="/note" method="post" data-at-once></form>')

    assert shows(answers).get("/.lanyard/kept?id=1").text == "sent"
