"""One proof for one action, through the certified provider: asked for, given, and back to the page, in the same session everywhere."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator
from urllib.parse import urlencode, urljoin

import pytest
from playwright.sync_api import Browser as Chromium
from playwright.sync_api import Page as Tab
from playwright.sync_api import expect

from tests.counterparts.provider import OTP, SMARTCARD, USERS

from .browser import Browser, Page
from .desk import passes, pictured
from .hospital import Hospital, hospital, system
from .recorder import Recorder, Seen, recorder, reply
from .sign_on import answered, fields, signed_on
from .test_passkeys import authenticator
from .ward import CANARY, LOGIN, answers, old_system

pytestmark = pytest.mark.counterpart

MFA, CARD = "urn:acr:mfa", "urn:acr:aal3"
EXPORT, NOTES, RECORD = "/records/9990001112/export", "/records/9990001112/scan", "/records/9990001112"
PAGE = b"<!doctype html><title>PAS</title><p>RECORD<form method=post action=" + NOTES.encode() + (
    b"><textarea name=note></textarea><button>Save</button></form><a href=" + EXPORT.encode() + b">Take a copy</a>"
)  # fmt: skip


@pytest.fixture(scope="module")
def pas() -> Iterator[Recorder]:
    """A page with a form and a way to take a copy of the record out."""

    def pages(seen: Seen) -> bytes:
        return reply(PAGE) if seen.path == RECORD else answers(seen)

    with recorder(pages) as upstream:
        yield upstream


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, pas: Recorder) -> Iterator[Hospital]:
    """The bundled policies; at the provider a password, a second factor and a smartcard."""
    options = old_system(location=LOGIN)
    options["routes"] = [
        {"id": "export", "path": "/records/{id}/export", "kind": "record", "action": "export",
         "patient": {"in": "path", "name": "id"}},
        *options["routes"],
    ]  # fmt: skip
    people = {"pas": {login: (login, "secret") for login in ("dr.lee", "n.okoye")}}
    systems = [system("pas", "webform", pas.origin, options=options)]
    acr = {"acr_values": ["urn:acr:pwd", MFA], "step_up_acr_values": [MFA, CARD]}
    with hospital(tmp_path_factory.mktemp("step-up"), systems, credentials=people, sso=acr) as running:
        yield running


@pytest.fixture
def browsers() -> Iterator[Callable[[], Browser]]:
    """Each call: another browser, on another desk."""
    with contextlib.ExitStack() as open_ones:
        yield lambda: open_ones.enter_context(Browser())


def at_the_record(place: Hospital, browser: Browser, login: str = "dr.lee", otp: str = OTP) -> Page:
    place.sign_on(browser, login, otp=otp)
    return browser.get(f"{place.system_url('pas')}{RECORD}", came_from=f"{place.url}/")


def copied(place: Hospital, browser: Browser) -> Page:
    """What the link on the record's page leads to."""
    return browser.get(f"{place.system_url('pas')}{EXPORT}", came_from=f"{place.system_url('pas')}{RECORD}")


def way_on(page: Page) -> str:
    found = re.search(r'class="button" href="([^"]*/step-up\?ticket=[^"]*)"', page.text)
    assert found is not None, page.text
    return found[1]


def asked(place: Hospital, browser: Browser, page: Page) -> str:
    """By the refusal's one button to the provider: the authorisation request."""
    answer = browser.once("GET", way_on(page), came_from=page.url)
    assert answer.headers["location"].startswith(place.issuer), answer.text
    return answer.headers["location"]


def events(place: Hospital, kind: str, login: str, since: int = 0) -> list[dict[str, object]]:
    return [e for e in place.events(type=kind) if e["subject"] == login][since:]


def log_ons(pas: Recorder) -> set[str]:
    """The system's own sessions that were used for records."""
    return {cookie for seen in pas.asked(beside=(LOGIN, "/")) for cookie in seen.header("cookie")}


def test_a_smartcard_is_asked_for_once_and_the_copy_is_there(
    place: Hospital, pas: Recorder, browsers: Callable[[], Browser]
) -> None:
    """The provider is asked for exactly that; the session, its log-on at the system and the page are the same as before."""
    browser, phone = browsers(), browsers()
    at_the_record(place, browser)
    at_the_record(place, phone)
    used, before = log_ons(pas), {host: dict(jar) for host, jar in browser.cookies.items()}
    refusal = copied(place, browser)
    assert refusal.status == 403
    assert "such as your smartcard" in refusal.text
    request = asked(place, browser, refusal)
    assert (fields(request)["acr_values"], fields(request)["prompt"]) == (CARD, "login")
    page = browser.get(answered(place, browser, request, "dr.lee", otp=SMARTCARD))
    assert (page.url, page.status) == (f"{place.system_url('pas')}{EXPORT}", 200)
    assert CANARY in page.content
    assert log_ons(pas) == used, "no log-on at the system was made for it"
    assert len(events(place, "session.seated", "dr.lee")) == 2
    assert len(events(place, "shift.started", "dr.lee")) == 1
    (event,) = [e for e in events(place, "login.ok", "dr.lee") if e.get("step_up")]
    assert (event["acr"], event["assurance"], event["refused"]) == (CARD, 3, "export-assurance")
    thief = browsers()
    thief.cookies = before
    assert not signed_on(place, thief)
    assert copied(place, phone).status == 403, "the clinician's other session is as it was"


def test_the_provider_s_own_session_raises_nothing_here(place: Hospital, browsers: Callable[[], Browser]) -> None:
    """It knows of the smartcard from then on; a lock and the usual sign-on later the gateway does not take it for one."""
    browser = browsers()
    at_the_record(place, browser)
    browser.get(answered(place, browser, asked(place, browser, copied(place, browser)), "dr.lee", otp=SMARTCARD))
    assert copied(place, browser).status == 200
    locked = browser.post(f"{place.url}/lock", {}, came_from=f"{place.url}/shift")
    form = browser.submit(locked, form="/again")
    page = browser.submit(form, login="dr.lee", password=USERS["dr.lee"]["password"], otp=OTP)
    assert page.url == f"{place.url}/shift"
    assert copied(place, browser).status == 403


NOT_ENOUGH: dict[str, tuple[str, str, str]] = {
    "a weaker proof": ("dr.lee", OTP, "assurance"),
    "cancelled": ("", "", "denied"),
}


@pytest.mark.parametrize("how", NOT_ENOUGH)
def test_what_is_not_enough_leads_back_to_the_refusal(
    place: Hospital, browsers: Callable[[], Browser], how: str
) -> None:
    """A password in place of the smartcard, although the address was changed on the way; and a clinician who thinks better of it."""
    login, otp, reason = NOT_ENOUGH[how]
    browser = browsers()
    at_the_record(place, browser)
    failed = len(events(place, "login.failed", "dr.lee"))
    request = asked(place, browser, copied(place, browser))
    if login:
        page = browser.get(
            answered(place, browser, request.replace(urlencode({"acr_values": CARD}), ""), login, otp=otp)
        )
    else:
        form = browser.get(request)
        page = browser.get(urljoin(form.url, form.document().xpath("//a[text()='Cancel']/@href")[0]))
    assert page.url.startswith(f"{place.url}/step-up?ticket=")
    assert "Nothing was raised, and nothing was sent" in page.text
    assert [e["reason"] for e in events(place, "login.failed", "dr.lee", failed)] == [reason]
    assert copied(place, browser).status == 403
    assert signed_on(place, browser)


def test_a_colleague_s_smartcard_raises_nothing(place: Hospital, browsers: Callable[[], Browser]) -> None:
    """Whoever is at the provider now is not this session's clinician: the session is not theirs to use."""
    browser = browsers()
    at_the_record(place, browser)
    form = browser.get(asked(place, browser, copied(place, browser)))
    switching = browser.submit(form, login="n.okoye", password=USERS["n.okoye"]["password"], otp=SMARTCARD)
    page = browser.submit(switching)  # the provider ends the doctor's session there by a form that sends itself
    assert page.url.startswith((f"{place.url}/unlock", f"{place.url}/sign-on"))
    assert "RECORD" not in page.text
    assert not signed_on(place, browser)
    assert [e for e in events(place, "login.ok", "n.okoye") if e.get("step_up")] == []


def test_a_note_after_a_password_is_kept_over_the_proof_and_sent_by_hand(
    place: Hospital, pas: Recorder, browsers: Callable[[], Browser]
) -> None:
    """The system sees it once, when its writer presses the button, with every character, in the log-on that it was written in."""
    browser = browsers()
    at_the_record(place, browser, "n.okoye", otp="")
    pas.seen.clear()
    text = "Zoë – obs stable, £20\nplan: review"
    page = browser.post(
        f"{place.system_url('pas')}{NOTES}", {"note": text}, came_from=f"{place.system_url('pas')}{RECORD}"
    )
    assert (page.status, "Not sent: nothing was changed" in page.text) == (403, True)
    request = asked(place, browser, page)
    assert fields(request)["acr_values"] == f"{MFA} {CARD}", "the first of them is enough"
    shown = browser.get(answered(place, browser, request, "n.okoye"))
    assert "/.lanyard/kept?id=" in shown.url
    assert text in shown.text.replace("\r\n", "\n")
    assert [seen for seen in pas.seen if seen.method == "POST"] == []
    click = f"lanyard-kept={shown.url[-32:]}\r\n".encode()
    kind = {"content-type": "text/plain"}
    sent = browser.follow("POST", f"{place.system_url('pas')}{NOTES}", came_from=shown.url, headers=kind, body=click)
    assert sent.status == 200
    (seen,) = [seen for seen in pas.seen if seen.method == "POST"]
    assert (seen.target, seen.content.decode()) == (NOTES, urlencode({"note": text}))


# In a real browser


@pytest.fixture
def tab(chromium: Chromium) -> Iterator[Tab]:
    context = chromium.new_context()
    yield context.new_page()
    context.close()


@pytest.mark.browser
def test_a_doctor_takes_a_copy_by_one_button_and_a_smartcard(place: Hospital, tab: Tab) -> None:
    """From the refusal to the provider, once cancelled, once given, and back to the copy; Back from there shows the record."""
    tab.goto(place.url)
    tab.get_by_role("button", name="Sign on").click()
    passes(tab, "dr.lee", OTP)
    tab.goto(f"{place.system_url('pas')}{RECORD}")
    tab.get_by_role("link", name="Take a copy").click()
    expect(tab.get_by_role("heading", name="One more proof is needed")).to_be_visible()
    pictured(tab, "step-up-refusal")
    tab.get_by_role("link", name="Sign on with a stronger proof").click()
    tab.get_by_role("link", name="Cancel").click()
    expect(tab.get_by_role("alert")).to_contain_text("You cancelled")
    pictured(tab, "step-up-cancelled")
    tab.get_by_role("button", name="Sign on with a stronger proof").click()
    passes(tab, "dr.lee", SMARTCARD)
    tab.wait_for_url(f"{place.system_url('pas')}{EXPORT}")
    expect(tab.get_by_text(CANARY.decode())).to_be_visible()


@pytest.mark.browser
def test_what_a_nurse_typed_is_there_after_the_proof(place: Hospital, tab: Tab) -> None:
    """Saved with a password only: not sent, said so, kept, and sent by the nurse's own click."""
    tab.goto(place.url)
    tab.get_by_role("button", name="Sign on").click()
    passes(tab, "n.okoye", "")
    tab.goto(f"{place.system_url('pas')}{RECORD}")
    tab.locator("[name=note]").fill("Comfortable. Review at 18:00")
    tab.get_by_role("button", name="Save").click()
    expect(tab.get_by_role("heading", name="Not sent: nothing was changed")).to_be_visible()
    pictured(tab, "step-up-not-sent")
    tab.get_by_role("link", name="Sign on with a stronger proof").click()
    passes(tab, "n.okoye", OTP)
    expect(tab.locator("textarea")).to_have_value("Comfortable. Review at 18:00")
    tab.get_by_role("button", name="Send it now").click()
    expect(tab.get_by_text(CANARY.decode())).to_be_visible()


FRESH = """@id("doctors") permit (principal in Role::"doctor", action, resource);
@id("passkey") @reason("passkey") @text("taking records out needs your passkey") @remedy("step_up")
forbid (principal, action == Action::"export", resource)
unless { context.proof_fresh && ["passkey", "federated"].contains(context.proof_method) && principal.assurance >= 3 ||
         context.proof_fresh && context.proof_method == "passkey" };
"""


@pytest.mark.browser
def test_a_passkey_does_where_the_rules_take_it(
    tmp_path_factory: pytest.TempPathFactory, pas: Recorder, place: Hospital, tab: Tab
) -> None:
    """A rule of the hospital's own: a security key or the smartcard. By the key nothing is asked of the provider."""
    folder = tmp_path_factory.mktemp("passkey")
    (folder / "rules").mkdir()
    (folder / "rules/a.cedar").write_text(FRESH, encoding="utf-8")
    table = {name: value for name, value in place.config["systems"][0].items() if name != "credentials"}
    people = {"pas": {"dr.lee": ("dr.lee", "secret")}}
    rules = {"path": str(folder / "rules")}
    with hospital(folder, [table], credentials=people, policies=rules, sso={"step_up_acr_values": [CARD]}) as own:
        authenticator(tab, "usb")
        tab.goto(own.url)
        tab.get_by_role("button", name="Sign on").click()
        passes(tab, "dr.lee", OTP)
        tab.goto(f"{own.url}/shift/passkey")
        tab.get_by_role("button", name="Make a passkey").click()
        tab.wait_for_url(f"{own.url}/shift")
        tab.goto(f"{own.system_url('pas')}{EXPORT}")
        tab.get_by_role("link", name="Prove that it is you").click()
        expect(tab.get_by_role("button", name="Sign on with a stronger proof")).to_be_visible()
        pictured(tab, "step-up-passkey")
        tab.get_by_role("button", name="Use your passkey").click()
        tab.wait_for_url(f"{own.system_url('pas')}{EXPORT}")
        expect(tab.get_by_text(CANARY.decode())).to_be_visible()
        (event,) = [e for e in own.events(type="login.ok") if e.get("step_up")]
        assert (event["method"], event["refused"]) == ("passkey", "passkey")
        assert len(own.events(type="session.seated")) == 1
