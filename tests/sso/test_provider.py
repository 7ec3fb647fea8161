"""The values between leaving for the provider and coming back."""

from __future__ import annotations

import pytest

from sso.errors import REASONS, SignOnRefused
from sso.logout import read_form
from sso.provider import PENDING_LIFE, Callback, PendingSignOn, ProviderSettings
from sso.testing import BROWSER, pending


def test_a_pending_sign_on_survives_being_kept() -> None:
    """What is sealed and stored comes back equal."""
    begun = pending(1_800_000_000.5, acr_values=("a", "b"), max_age=300, subject="n.okoye", fresh=True)
    assert PendingSignOn.from_json(begun.to_json()) == begun


def test_each_pending_sign_on_has_secrets_of_its_own() -> None:
    """State, nonce and verifier are fresh, long enough, and not printed."""
    one, two = pending(), pending()
    assert len({one.state, one.nonce, one.verifier, two.state, two.nonce, two.verifier}) == 6
    assert min(len(one.state), len(one.nonce)) >= 43
    assert 43 <= len(one.verifier) <= 128
    assert not {secret for secret in (one.state, one.nonce, one.verifier, BROWSER) if secret in repr(one)}


@pytest.mark.parametrize("age", [PENDING_LIFE + 1, -1])
def test_a_pending_sign_on_is_good_for_ten_minutes(age: float) -> None:
    """Not longer, and not before it was begun (a clock that was set back)."""
    begun = pending(1000.0)
    begun.check(begun.state, BROWSER, 1000.0 + PENDING_LIFE)
    with pytest.raises(SignOnRefused) as refused:
        begun.check(begun.state, BROWSER, 1000.0 + age)
    assert refused.value.reason == "state-expired"


def test_a_sign_on_bound_to_no_browser_is_nobodys() -> None:
    """An empty binding never matches, not even an empty one."""
    begun = pending(browser="")
    with pytest.raises(SignOnRefused) as refused:
        begun.check(begun.state, "", begun.created)
    assert refused.value.reason == "state-binding"


def test_a_callback_with_what_providers_add_is_read() -> None:
    """`session_state` and `scope` are passed over; escapes are decoded once."""
    found = Callback.read(b"code=a%2Fb&state=s&session_state=x&scope=openid+profile&iss=https%3A%2F%2Fidp.test%3A443")
    assert found == Callback("s", "a/b", "https://idp.test:443", "")


def test_a_callback_tells_nothing_when_printed() -> None:
    """Neither state nor code stands in a traceback."""
    assert "secret" not in repr(Callback("secret-state", "secret-code"))


def test_settings_tell_no_secret_when_printed() -> None:
    """Client secret and key are left out."""
    shown = repr(ProviderSettings(issuer="https://i.test", client_id="g", client_secret=b"s3cret"))
    assert "s3cret" not in shown


@pytest.mark.parametrize("body", [b"", b"logout_token=a&logout_token=b", b"token=a", b"\xff", b"x" * 100_000])
def test_a_log_out_form_carries_one_token(body: bytes) -> None:
    """None, two, or something else is refused."""
    with pytest.raises(SignOnRefused):
        read_form(body)


def test_a_log_out_form_is_read() -> None:
    """One token, whatever else the provider adds."""
    assert read_form(b"logout_token=a.b.c&x=1") == "a.b.c"


def test_every_reason_has_its_sentence() -> None:
    """Reasons are lower-case codes with a sentence each, for the documentation."""
    assert all(code == code.lower() and " " not in code and sentence for code, sentence in REASONS.items())
