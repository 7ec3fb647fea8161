"""A passkey in a real browser, with its virtual authenticator: made once, and it unlocks; one built into a shared PC does neither."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from .hospital import Hospital, hospital
from .test_locks import signed_on

pytestmark = [pytest.mark.browser, pytest.mark.counterpart]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hospital]:
    """By http at `localhost`: Chromium gives no passkey to a site whose certificate it does not trust. A ward: all PCs are shared."""
    with hospital(tmp_path_factory.mktemp("passkeys"), []) as running:
        yield running


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    context = chromium.new_context()
    yield context.new_page()
    context.close()


def authenticator(page: Page, transport: str) -> Any:
    """The browser's own, which says yes at once."""
    session = page.context.new_cdp_session(page)
    session.send("WebAuthn.enable")
    options = {"protocol": "ctap2", "transport": transport, "hasResidentKey": True, "hasUserVerification": True,
               "isUserVerified": True, "automaticPresenceSimulation": True}  # fmt: skip
    return session, session.send("WebAuthn.addVirtualAuthenticator", {"options": options})["authenticatorId"]


def test_a_security_key_unlocks(place: Hospital, page: Page) -> None:
    """Made on “My shift”; from the lock back to the page by one button, and by no other question."""
    authenticator(page, "usb")
    page.goto(place.url)
    signed_on(page, "n.okoye")
    page.goto(f"{place.url}/shift")
    page.get_by_role("link", name="Make a passkey").click()
    page.get_by_role("button", name="Make a passkey").click()
    page.wait_for_url(f"{place.url}/shift")
    for _ in range(2):
        page.get_by_role("button", name="Lock").click()
        page.wait_for_url(f"{place.url}/unlock?next=/shift")
        page.get_by_role("button", name="Unlock with a passkey").click()
        page.wait_for_url(f"{place.url}/shift")
    assert [e["method"] for e in place.events(type="session.unlocked")] == ["passkey", "passkey"]
    assert [e["method"] for e in place.events(type="credential.kept")] == ["passkey"]
    assert len(place.events(type="session.seated")) == 1


def test_somebody_else_s_security_key_does_not_unlock(place: Hospital, page: Page) -> None:
    """The same browser, the same key, another clinician's session: the page says so and stays locked."""
    authenticator(page, "usb")
    page.goto(place.url)
    signed_on(page, "n.okoye")
    page.goto(f"{place.url}/shift/passkey")
    page.get_by_role("button", name="Make a passkey").click()
    page.wait_for_url(f"{place.url}/shift")
    page.get_by_role("button", name="Not you?").click()
    page.wait_for_url(f"{place.url}/sign-on")
    signed_on(page, "dr.lee")
    page.wait_for_url(f"{place.url}/")
    page.get_by_role("button", name="Lock").click()
    page.get_by_role("button", name="Unlock with a passkey").click()
    expect(page.get_by_role("alert")).to_contain_text("no passkey of this session")
    page.goto(place.url)
    expect(page.get_by_role("heading", name="Locked")).to_be_visible()
    assert place.events(type="login.failed")[-1]["reason"] == "passkey-refused"


def test_what_is_built_into_a_shared_pc_is_not_taken(place: Hospital, page: Page) -> None:
    """The browser is asked for a roaming one; where it gives another all the same, that is refused."""
    authenticator(page, "internal")
    page.goto(place.url)
    signed_on(page, "r.singh")
    page.goto(f"{place.url}/shift/passkey")
    before = len(place.events(type="credential.kept"))
    page.evaluate("""() => {
        const create = navigator.credentials.create.bind(navigator.credentials);
        navigator.credentials.create = (asked) => {
            delete asked.publicKey.authenticatorSelection.authenticatorAttachment;
            return create(asked);
        };
    }""")
    page.get_by_role("button", name="Make a passkey").click()
    expect(page.get_by_role("alert")).to_contain_text("On a shared device use a security key or your phone")
    assert len(place.events(type="credential.kept")) == before
