"""The relying party against a provider in good order, and against one that is not there."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest

from sso import wire
from sso.errors import InteractionNeeded, ProviderAway, ProviderUnfit, SignOnRefused
from sso.oidc import OpenIdProvider
from sso.provider import Callback
from sso.testing import (
    BROWSER,
    CLIENT_ID,
    REDIRECT_URI,
    IdentityProviderContract,
    Reply,
    SeenTokens,
    ToyProvider,
    pending,
    private_pem,
)

from .conftest import SignOn


class TestContract(IdentityProviderContract):
    """OpenIdProvider keeps the contract in front of the toy."""

    @pytest.fixture(autouse=True)
    def _in_front_of_the_toy(self, toy: ToyProvider, provider: OpenIdProvider) -> None:
        self.provider, self.authorise = provider, toy.authorise


async def test_the_request_says_each_thing_once(provider: OpenIdProvider) -> None:
    """The authorisation request has PKCE S256, state and nonce, and every parameter once."""
    begun = pending(acr_values=("urn:acr:mfa", "urn:acr:pwd"), max_age=300)
    asked = parse_qs(urlsplit(await provider.begin(begun, prompt="login", login_hint="n.okoye")).query)
    assert all(len(values) == 1 for values in asked.values())
    assert {name: values[0] for name, values in asked.items()} == {
        "response_type": "code", "client_id": CLIENT_ID, "redirect_uri": REDIRECT_URI, "scope": "openid profile",
        "state": begun.state, "nonce": begun.nonce, "code_challenge": asked["code_challenge"][0],
        "code_challenge_method": "S256", "acr_values": "urn:acr:mfa urn:acr:pwd", "max_age": "300",
        "prompt": "login", "login_hint": "n.okoye",
    }  # fmt: skip


async def test_a_fresh_proof_is_asked_for_by_prompt_and_not_by_age(provider: OpenIdProvider) -> None:
    """`prompt=login`, and no `max_age`, which not every provider keeps to; a silent question stays one."""
    asked = parse_qs(urlsplit(await provider.begin(pending(fresh=True))).query)
    assert (asked["prompt"], "max_age" in asked) == (["login"], False)
    assert "prompt" not in parse_qs(urlsplit(await provider.begin(pending())).query)
    assert parse_qs(urlsplit(await provider.begin(pending(), prompt="none")).query)["prompt"] == ["none"]


async def test_pkce_is_the_standards_own_example(provider: OpenIdProvider) -> None:
    """RFC 7636 appendix B: that verifier gives that challenge."""
    url = await provider.begin(pending(verifier="dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"))
    assert parse_qs(urlsplit(url).query)["code_challenge"] == ["E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"]


async def test_a_sign_on_gives_what_a_shift_is_made_of(toy: ToyProvider, sign_on: SignOn) -> None:
    """Principal, provider session, tokens and time of proof come out of one sign-on."""
    toy.userinfo = {"preferred_username": "nokoye", "organisation": "RBA", "email": "okoye@hospital.test"}
    found = await sign_on()
    assert found.principal.subject == "n.okoye"
    assert found.principal.roles == {"nurse"}
    assert (found.principal.name, found.principal.organisation, found.local_id) == ("N Okoye", "RBA", "nokoye")
    assert (found.provider_session, found.acr, found.amr) == ("s-1", "urn:acr:pwd", ("pwd",))
    assert found.refresh_token
    assert found.auth_time == found.claims.auth_time
    assert found.id_token not in repr(found)
    assert found.refresh_token not in repr(found)


async def test_userinfo_is_asked_only_for_what_the_id_token_left_out(toy: ToyProvider, sign_on: SignOn) -> None:
    """An ID token with name, log-on name, roles and organisation makes a sign-on of one question."""
    toy.claims |= {"preferred_username": "nokoye", "organisation": "RBA"}
    toy.userinfo = {"organisation": "elsewhere"}
    found = await sign_on()
    assert (found.principal.organisation, found.local_id) == ("RBA", "nokoye")
    assert not [one for one in toy.asked if one.path == "/userinfo"]
    del toy.claims["organisation"]
    assert (await sign_on()).principal.organisation == "elsewhere"


async def test_secrets_are_form_encoded_in_the_basic_header(toy: ToyProvider, sign_on: SignOn) -> None:
    """RFC 6749 section 2.3.1: a secret with `+`, `%` and spaces arrives whole."""
    await sign_on()
    sent = next(one for one in toy.asked if one.path == "/token")
    expected = httpx2.BasicAuth(CLIENT_ID, "a%2Bb%2Fc%3Dd+%25%26+secret")
    request = next(expected.auth_flow(httpx2.Request("POST", toy.issuer)))
    assert sent.headers["authorization"] == request.headers["authorization"]
    assert "client_secret" not in sent.form


async def test_the_secret_goes_in_the_form_where_only_that_is_offered(toy: ToyProvider, sign_on: SignOn) -> None:
    """A provider that takes client_secret_post only is given it, at the first try."""
    toy.metadata = {"token_endpoint_auth_methods_supported": ["client_secret_post"]}
    await sign_on()
    sent = next(one for one in toy.asked if one.path == "/token")
    assert sent.form["client_secret"] == "a+b/c=d %& secret"
    assert "authorization" not in sent.headers


async def test_no_cookie_of_the_provider_is_kept(toy: ToyProvider, sign_on: SignOn, client: httpx2.AsyncClient) -> None:
    """A cookie set for one clinician's exchange never goes along with another's."""
    client.cookies.set("balancer", "of somebody else", domain="127.0.0.1")
    await sign_on()
    assert all("cookie" not in one.headers for one in toy.asked)


async def test_a_recheck_by_refresh_token_brings_the_claims_of_now(
    toy: ToyProvider, provider: OpenIdProvider, sign_on: SignOn
) -> None:
    """A role given at the provider meanwhile is seen at the next re-check; strength stays what was proved."""
    first = await sign_on()
    strong = replace(first.principal, assurance=2)
    toy.claims = {"roles": ["nurse", "doctor"], "acr": None, "amr": None}
    again = await provider.refresh(first.refresh_token, strong)
    assert again.principal.roles == {"nurse", "doctor"}
    assert again.principal.assurance == 2
    assert again.refresh_token != first.refresh_token


async def test_a_refresh_token_that_is_not_rotated_stays(
    toy: ToyProvider, provider: OpenIdProvider, sign_on: SignOn
) -> None:
    """Where the provider sends no new refresh token, the one at hand is kept."""
    first = await sign_on()
    toy.answer = {"refresh_token": None}
    assert (await provider.refresh(first.refresh_token, first.principal)).refresh_token == first.refresh_token


async def test_a_provider_without_id_tokens_at_refresh_is_asked_by_the_browser(
    toy: ToyProvider, provider: OpenIdProvider, sign_on: SignOn
) -> None:
    """No ID token at a refresh is no refusal: the next navigation asks with `prompt=none`."""
    first = await sign_on()
    toy.answer = {"id_token": None}
    with pytest.raises(InteractionNeeded):
        await provider.refresh(first.refresh_token, first.principal)


async def test_a_silent_check_that_needs_the_clinician_says_so(provider: OpenIdProvider) -> None:
    """`login_required` is a reason to sign on, not a failure of the sign-on."""
    begun = pending()
    callback = Callback(begun.state, error="login_required", iss=provider.settings.issuer)
    with pytest.raises(InteractionNeeded):
        await provider.finish(callback, begun, browser=BROWSER)


async def test_another_person_at_the_provider_does_not_take_the_shift_over(sign_on: SignOn) -> None:
    """A silent re-check on a shared PC that comes back as somebody else is refused."""
    with pytest.raises(SignOnRefused) as refused:
        await sign_on(subject="dr.lee")
    assert refused.value.reason == "other-person"


async def test_sign_off_at_the_provider_is_a_url(provider: OpenIdProvider) -> None:
    """The browser is sent to the provider's log-out page with the way back; a huge token stays out of the URL."""
    url = await provider.end_session_url("a.b.c", "https://records.example.nhs.uk/signed-off", "xyz")
    assert url is not None
    assert parse_qs(urlsplit(url).query) == {
        "client_id": [CLIENT_ID], "id_token_hint": ["a.b.c"], "state": ["xyz"],
        "post_logout_redirect_uri": ["https://records.example.nhs.uk/signed-off"],
    }  # fmt: skip
    assert "id_token_hint" not in str(await provider.end_session_url("x" * 9000, "https://a.test/", "s"))


async def test_a_provider_without_a_log_out_page_has_no_url(toy: ToyProvider, provider: OpenIdProvider) -> None:
    """Where the provider has no log-out page, sign-off ends with us."""
    toy.metadata = {"end_session_endpoint": None}
    assert await provider.end_session_url("a.b.c", "https://a.test/", "s") is None


async def test_check_finds_a_provider_in_good_order(toy: ToyProvider, provider: OpenIdProvider) -> None:
    """`lanyard check --live` asks for metadata and keys, and nothing else."""
    await provider.check()
    assert {one.path for one in toy.asked} == {"/.well-known/openid-configuration", "/jwks"}


async def test_a_method_that_the_provider_does_not_take_is_told(toy: ToyProvider, provider: OpenIdProvider) -> None:
    """A client authentication that cannot work is named before anyone signs on."""
    toy.metadata = {"token_endpoint_auth_methods_supported": ["tls_client_auth"]}
    with pytest.raises(ProviderUnfit, match="client_auth"):
        await provider.check()


async def test_nobody_there_is_the_provider_away(client: httpx2.AsyncClient, toy: ToyProvider) -> None:
    """A refused connection is ProviderAway, so that live shifts go on."""
    lost = OpenIdProvider(toy.settings(issuer="http://127.0.0.1:1"), client)
    with pytest.raises(ProviderAway):
        await lost.begin(pending())


async def test_what_was_read_serves_while_the_provider_is_away(toy: ToyProvider, client: httpx2.AsyncClient) -> None:
    """Metadata read earlier is used for the sign-on page while discovery fails, and asked for again later."""
    clock = [1_800_000_000.0]
    rely = OpenIdProvider(toy.settings(), client, lambda: clock[0])
    await rely.begin(pending())
    toy.replies["/.well-known/openid-configuration"] = Reply(503)
    clock[0] += 4000
    assert await rely.begin(pending())
    del toy.replies["/.well-known/openid-configuration"]
    clock[0] += 61
    assert await rely.begin(pending())
    assert toy.count("/.well-known/openid-configuration") == 3


async def test_metadata_that_turns_bad_is_not_papered_over(toy: ToyProvider, client: httpx2.AsyncClient) -> None:
    """When the document suddenly names another issuer, the old one is dropped: somebody has to look."""
    clock = [1_800_000_000.0]
    rely = OpenIdProvider(toy.settings(), client, lambda: clock[0])
    await rely.begin(pending())
    toy.metadata = {"issuer": "https://evil.test"}
    clock[0] += 4000
    for _ in range(2):
        with pytest.raises(ProviderUnfit):
            await rely.begin(pending())


@pytest.mark.parametrize("method", ["client_secret_basic", "private_key_jwt"])
def test_settings_that_cannot_work_are_refused_at_once(
    toy: ToyProvider, client: httpx2.AsyncClient, method: str
) -> None:
    """A secret with private_key_jwt, or a key with a secret's method, is a mistake in the configuration."""
    both = {"client_secret_basic": {"client_secret": None, "client_key_pem": private_pem("EC")}}
    with pytest.raises(ValueError, match="client_auth"):
        OpenIdProvider(toy.settings(client_auth=method, **both.get(method, {})), client)


async def test_only_a_backed_up_issuer_may_be_plain_http(toy: ToyProvider, client: httpx2.AsyncClient) -> None:
    """A https issuer with an http endpoint is refused; `*.localhost` is this machine and is reached there."""
    port = urlsplit(toy.issuer).port
    named = f"http://idp.localhost:{port}"
    toy.issuer = named
    rely = OpenIdProvider(toy.settings(), client)
    assert (await rely.begin(pending())).startswith(f"{named}/authorize?")


@pytest.fixture
def everything_logged(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    with caplog.at_level(logging.DEBUG):
        yield caplog


async def test_nothing_secret_is_logged_at_the_lowest_level(
    toy: ToyProvider, provider: OpenIdProvider, everything_logged: pytest.LogCaptureFixture
) -> None:
    """With every logger at DEBUG, no code, verifier, state, nonce, token or client secret stands in the log."""
    begun = pending()
    callback = Callback.read(await toy.authorise(await provider.begin(begun)))
    found = await provider.finish(callback, begun, browser=BROWSER)
    toy.replies["/token"] = Reply.json({"error": "invalid_grant"}, 400)
    with pytest.raises(SignOnRefused):
        await provider.finish(callback, begun, browser=BROWSER)
    sent = next(one for one in toy.asked if one.path == "/token")
    secrets = [begun.verifier, begun.nonce, callback.code, found.id_token, found.refresh_token]
    secrets += [sent.headers["authorization"].removeprefix("Basic ")]
    written = "\n".join(f"{record.getMessage()} {record.args}" for record in everything_logged.records)
    assert not [secret for secret in secrets if secret in written]
    assert logging.getLogger("authlib").getEffectiveLevel() >= logging.INFO


async def test_a_log_out_notice_names_whose_sessions_end(toy: ToyProvider, provider: OpenIdProvider) -> None:
    """A good log-out token names issuer, session and subject; one without `typ` or `exp` from an older provider too."""
    found = await provider.verify_logout_token(toy.logout_token(), SeenTokens())
    assert (found.iss, found.sub, found.sid) == (toy.issuer, "n.okoye", "s-1")
    old = toy.logout_token(header={}, exp=None, sid=None)
    assert (await provider.verify_logout_token(old, SeenTokens())).sub == "n.okoye"


def test_the_client_handed_in_is_made_for_one_provider(tmp_path: object) -> None:
    """A CA file that is not there is told at once."""
    with pytest.raises(OSError, match="No such file"):
        wire.client_for(f"{tmp_path}/missing.pem")
