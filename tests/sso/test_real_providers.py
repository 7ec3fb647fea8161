"""The relying party against providers that nobody here wrote: the certified oidc-provider, and one that lies."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest

from sso import logout, tokens, wire
from sso.assertion import ALGORITHMS, ClientKey
from sso.errors import InteractionNeeded, ProviderAway, SignOnError, SignOnRefused
from sso.oidc import OpenIdProvider
from sso.provider import Callback, PendingSignOn, ProviderSettings, SignedOn
from sso.testing import BROWSER, REDIRECT_URI, IdentityProviderContract, SeenTokens, pending, private_pem
from tests.counterparts.provider import OTP, USERS, Browser, LyingProvider, OidcProvider, client, secret_of

pytestmark = pytest.mark.counterpart
HOME = "https://records.example.nhs.uk/"
SIGNED_OFF = f"{HOME}signed-off"
PASSWORD, FACTORS = "urn:acr:pwd", "urn:acr:mfa"


class LogoutReceiver:
    """Where the provider posts its log-out tokens: a socket that keeps the forms."""

    def __init__(self) -> None:
        self.forms: asyncio.Queue[bytes] = asyncio.Queue()

    async def __aenter__(self) -> LogoutReceiver:
        self._server = await asyncio.start_server(self._take, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/backchannel-logout"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        await self._server.wait_closed()

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = int(head.partition("content-length:")[2].split()[0])
        self.forms.put_nowait(await reader.readexactly(length))
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
        await writer.drain()
        writer.close()


def _key_clients(keys: dict[str, ClientKey]) -> list[dict[str, Any]]:
    return [
        client(
            f"key-{algorithm}",
            REDIRECT_URI,
            client_secret=None,
            token_endpoint_auth_method="private_key_jwt",
            token_endpoint_auth_signing_alg=algorithm,
            jwks={"keys": [key.public()]},
        )
        for algorithm, key in keys.items()
    ]


@pytest.fixture(scope="module")
def pems() -> dict[str, bytes]:
    return {algorithm: private_pem(kind) for algorithm, kind in ALGORITHMS.items()}


@pytest.fixture(scope="module")
def op(oidc_provider: Callable[..., OidcProvider], pems: dict[str, bytes]) -> OidcProvider:
    """One provider with a client for each way of proving who we are, and for each family of ID token."""
    by_secret = [
        # Only clients that hear of log-outs are told a `sid`; nobody listens at this address.
        client(
            "basic",
            REDIRECT_URI,
            post_logout_redirect_uris=[SIGNED_OFF],
            backchannel_logout_uri="http://127.0.0.1:9/",
            backchannel_logout_session_required=True,
        ),
        client("post", REDIRECT_URI, token_endpoint_auth_method="client_secret_post"),
        client("es", REDIRECT_URI, id_token_signed_response_alg="ES256"),
        client("ps", REDIRECT_URI, id_token_signed_response_alg="PS256"),
    ]
    keys = {algorithm: ClientKey(pem, algorithm) for algorithm, pem in pems.items()}
    return oidc_provider([*by_secret, *_key_clients(keys)])


@dataclass
class Walk:
    """A browser, a relying party, and the pages between them."""

    rely: OpenIdProvider
    browser: Browser

    async def answered(self, begun: PendingSignOn, *, prompt: str | None = None, **fields: str) -> Callback:
        """The callback; the sign-on page is filled in where it is shown."""
        return Callback.read(await self.query(await self.rely.begin(begun, prompt=prompt), **fields))

    async def query(self, url: str, **fields: str) -> bytes:
        page = await self.browser.visit(url)
        if not isinstance(page, str):
            page = await self.browser.submit(page, **fields)
        assert isinstance(page, str), page.text
        return urlsplit(page).query.encode()

    async def sign_on(self, login: str = "n.okoye", otp: str = "", prompt: str | None = None, **begun: Any) -> SignedOn:
        waiting = pending(**begun)
        password = USERS[login]["password"]
        answered = await self.answered(waiting, prompt=prompt, login=login, password=password, otp=otp)
        return await self.rely.finish(answered, waiting, browser=BROWSER)


Walker = Callable[..., Walk]


@pytest.fixture
async def walk(op: OidcProvider) -> AsyncIterator[Walker]:
    """Makes walks as one of the provider's clients."""
    async with wire.client_for(None) as http:
        browsers: list[Browser] = []

        def make(client_id: str = "basic", **changes: Any) -> Walk:
            settings = ProviderSettings(issuer=op.issuer, client_id=client_id)
            if "client_key_pem" not in changes:
                changes.setdefault("client_secret", secret_of(client_id).encode())
            browsers.append(Browser(HOME))
            return Walk(OpenIdProvider(replace(settings, **changes), http), browsers[-1])

        yield make
        for browser in browsers:
            await browser.close()


class TestContract(IdentityProviderContract):
    """OpenIdProvider keeps the contract in front of the certified provider."""

    @pytest.fixture(autouse=True)
    def _in_front_of_it(self, walk: Walker) -> None:
        walking = walk()
        self.provider = walking.rely

        async def authorise(url: str) -> bytes:
            return await walking.query(url, login="n.okoye", password=USERS["n.okoye"]["password"])

        self.authorise = authorise


async def test_a_nurse_signs_on(walk: Walker) -> None:
    """Name, role, strength, session and tokens come from the certified provider's own answers."""
    found = await walk().sign_on()
    assert found.principal.subject == "n.okoye"
    assert found.principal.roles == {"nurse"}
    assert found.principal.name == "N Okoye"
    assert (found.acr, found.amr) == (PASSWORD, ("pwd",))
    assert found.provider_session
    assert found.refresh_token


async def test_a_guest_without_a_role_is_refused(walk: Walker) -> None:
    """An account whose roles are not known here does not get in, and is told what to do."""
    with pytest.raises(SignOnRefused) as refused:
        await walk().sign_on("x.guest")
    assert refused.value.reason == "role"
    assert refused.value.remedy


async def test_a_silent_check(walk: Walker) -> None:
    """`prompt=none` needs a page at first, none while the provider's session lasts, and confirms the same person."""
    walking = walk()
    with pytest.raises(InteractionNeeded):
        await walking.sign_on(prompt="none")
    first = await walking.sign_on()
    again = await walking.sign_on(prompt="none", subject="n.okoye")
    assert again.provider_session == first.provider_session
    with pytest.raises(SignOnRefused) as refused:
        await walking.sign_on(prompt="none", subject="dr.lee")
    assert refused.value.reason == "other-person"


async def test_a_step_up(walk: Walker) -> None:
    """A second factor asked by `acr_values` is proved and lifts the level; without it the sign-on is refused."""
    walking = walk()
    assert (await walking.sign_on()).principal.assurance == 1
    strong = await walking.sign_on(otp=OTP, acr_values=(FACTORS,))
    assert (strong.acr, strong.principal.assurance) == (FACTORS, 2)


async def test_a_step_up_cannot_be_talked_down(walk: Walker) -> None:
    """A browser that takes `acr_values` out of the request signs on weakly at the provider, and not at all with us."""
    walking = walk()
    waiting = pending(acr_values=(FACTORS,))
    url = (await walking.rely.begin(waiting)).replace("acr_values", "ignored")
    query = await walking.query(url, login="n.okoye", password=USERS["n.okoye"]["password"])
    with pytest.raises(SignOnRefused) as refused:
        await walking.rely.finish(Callback.read(query), waiting, browser=BROWSER)
    assert refused.value.reason == "assurance"


async def test_a_fresh_proof(walk: Walker) -> None:
    """`max_age=0` makes the provider ask again, and the time of proof moves."""
    walking = walk()
    first = await walking.sign_on()
    again = await walking.sign_on(max_age=0)
    assert again.claims.auth_time is not None
    assert again.auth_time >= first.auth_time


async def test_a_refresh(walk: Walker) -> None:
    """The re-check by refresh token confirms the same clinician; a used or invented one is refused."""
    walking = walk()
    first = await walking.sign_on()
    again = await walking.rely.refresh(first.refresh_token, first.principal)
    assert again.principal == first.principal
    with pytest.raises(SignOnRefused) as refused:
        await walking.rely.refresh("invented", first.principal)
    assert refused.value.reason == "refresh"


async def test_sign_off_at_the_provider(walk: Walker) -> None:
    """RP-initiated log-out comes back to our page with our state, and the provider's session is over."""
    walking = walk()
    found = await walking.sign_on()
    page = await walking.browser.visit(str(await walking.rely.end_session_url(found.id_token, SIGNED_OFF, "bye")))
    assert isinstance(page, httpx2.Response)
    back = await walking.browser.submit(page, logout="yes")
    assert back == f"{SIGNED_OFF}?state=bye"
    with pytest.raises(InteractionNeeded):
        await walking.sign_on(prompt="none")


async def test_the_provider_says_that_a_session_ended(oidc_provider: Callable[..., OidcProvider]) -> None:
    """The log-out token that the provider posts is believed once, and names the session that signed on."""
    async with LogoutReceiver() as receiver, wire.client_for(None) as http:
        hears = client(
            "hears", REDIRECT_URI, post_logout_redirect_uris=[SIGNED_OFF],
            backchannel_logout_uri=receiver.url, backchannel_logout_session_required=True,
        )  # fmt: skip
        settings = ProviderSettings(
            issuer=oidc_provider([hears]).issuer, client_id="hears", client_secret=secret_of("hears").encode()
        )
        walking = Walk(OpenIdProvider(settings, http), Browser(HOME))
        found = await walking.sign_on()
        page = await walking.browser.visit(str(await walking.rely.end_session_url(found.id_token, SIGNED_OFF, "bye")))
        assert isinstance(page, httpx2.Response)
        await walking.browser.submit(page, logout="yes")
        token = logout.read_form(await asyncio.wait_for(receiver.forms.get(), 10))
        seen = SeenTokens()
        said = await walking.rely.verify_logout_token(token, seen)
        assert (said.iss, said.sid) == (found.claims.issuer, found.provider_session)
        with pytest.raises(SignOnRefused) as refused:
            await walking.rely.verify_logout_token(token, seen)
        assert refused.value.reason == "replay"
        with pytest.raises(SignOnRefused):
            await walking.rely.verify_logout_token(found.id_token, seen)
        await walking.browser.close()


async def test_the_secret_in_the_form(walk: Walker) -> None:
    """client_secret_post works when configured; a wrong secret is our fault, and is said to be."""
    assert (await walk("post", client_auth="client_secret_post").sign_on()).principal.roles == {"nurse"}
    with pytest.raises(ProviderAway, match="invalid_client"):
        await walk("post", client_auth="client_secret_post", client_secret=b"wrong").sign_on()


@pytest.mark.parametrize(("client_id", "algorithm"), [("es", "ES256"), ("ps", "PS256")])
async def test_another_family_of_signature(walk: Walker, client_id: str, algorithm: str) -> None:
    """ES256 and PS256 ID tokens are taken where that family is chosen, and refused where it is not."""
    found = await walk(client_id, id_token_alg=algorithm).sign_on()
    header = json.loads(base64.urlsafe_b64decode(found.id_token.split(".")[0] + "=="))
    assert header["alg"] == algorithm
    with pytest.raises(SignOnRefused) as refused:
        await walk(client_id).sign_on()
    assert refused.value.reason == "signature"
    assert "id_token_alg" in refused.value.remedy


class _Overhearing(httpx2.AsyncHTTPTransport):
    """Keeps the client assertions that go by."""

    def __init__(self) -> None:
        super().__init__(trust_env=False)
        self.assertions: list[dict[str, Any]] = []

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        form = parse_qs(request.content.decode()) if request.method == "POST" else {}
        for assertion in form.get("client_assertion", []):
            parts = [json.loads(base64.urlsafe_b64decode(part + "==")) for part in assertion.split(".")[:2]]
            self.assertions.append({**parts[0], **parts[1]})
        return await super().handle_async_request(request)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
async def test_our_key_signs_each_request_afresh(
    op: OidcProvider, pems: dict[str, bytes], algorithm: str, walk: Walker
) -> None:
    """private_key_jwt: two requests carry two short-lived assertions with two `jti`, for the token endpoint exactly."""
    overhears = _Overhearing()
    async with httpx2.AsyncClient(transport=overhears) as http:
        settings = ProviderSettings(
            issuer=op.issuer, client_id=f"key-{algorithm}", client_key_pem=pems[algorithm], client_alg=algorithm
        )
        walking = replace(walk(), rely=OpenIdProvider(settings, http))
        found = await walking.sign_on()
        await walking.rely.refresh(found.refresh_token, found.principal)
    one, two = overhears.assertions
    assert one["jti"] != two["jti"]
    for said in (one, two):
        assert said["alg"] == algorithm
        assert said["kid"] == walking.rely.jwks()["keys"][0]["kid"]
        assert said["iss"] == said["sub"] == f"key-{algorithm}"
        assert said["aud"] == f"{op.issuer}/token"
        assert 0 < said["exp"] - said["iat"] <= 300


async def test_an_assertion_with_another_algorithm_is_refused_there(walk: Walker, pems: dict[str, bytes]) -> None:
    """The provider holds us to the algorithm that is registered (NHS CIS2 does, too), and we say whose fault it is."""
    with pytest.raises(ProviderAway, match="invalid_client"):
        await walk("key-RS512", client_key_pem=pems["RS512"], client_alg="RS256").sign_on()


# The provider that lies

REASONS = {
    "other-userinfo": "claims", "bad-aud": "claims", "bad-iss": "claims", "bad-nonce": "nonce", "no-nonce": "nonce",
    "expired": "claims", "future": "claims", "no-sub": "claims", "no-exp": "claims", "no-role": "role",
    "token-500": "provider-answer", "token-400": "token", "no-id-token": "token", "alg-none": "signature",
    "bad-sig": "signature", "other-payload": "signature", "token-type": "token", "bad-state": "state",
    "no-state": "state", "two-states": "duplicate-parameter", "denied": "denied", "other-iss": "iss",
    "with-token": "unexpected-parameter",
}  # fmt: skip


@pytest.fixture
async def lied_to(lying_provider: LyingProvider) -> AsyncIterator[Walk]:
    async with wire.client_for(None) as http:
        settings = ProviderSettings(issuer=lying_provider.issuer, client_id="gateway", client_secret=b"any")
        # Its metadata offers `none` only, and it takes anything: the method is set, not found out.
        settings = replace(settings, client_auth="client_secret_basic")
        walking = Walk(OpenIdProvider(settings, http), Browser(HOME))
        yield walking
        await walking.browser.close()


@pytest.fixture
def tell(lying_provider: LyingProvider) -> Iterator[Callable[[str], None]]:
    yield lying_provider.tell
    lying_provider.tell("ok")


async def test_the_lying_provider_is_believed_when_it_tells_the_truth(
    lied_to: Walk, tell: Callable[[str], None]
) -> None:
    """Without a lie the same provider signs a nurse on: the refusals below are for the lies."""
    tell("ok")
    assert (await lied_to.sign_on()).principal.roles == {"nurse"}


def test_every_lie_is_in_the_table(lying_provider: LyingProvider) -> None:
    """A lie that the provider knows and the table does not would go untested."""
    assert set(lying_provider.modes) == {"ok", *REASONS}


@pytest.mark.parametrize("lie", REASONS)
async def test_a_lie_is_refused(lied_to: Walk, tell: Callable[[str], None], lie: str) -> None:
    """Each lie signs nobody on, for its own reason."""
    tell(lie)
    with pytest.raises(SignOnError) as refused:
        await lied_to.sign_on()
    assert refused.value.reason == REASONS[lie]


@pytest.mark.parametrize("lie", ["bad-sig", "other-payload"])
async def test_the_lies_would_be_believed_without_signatures(
    lied_to: Walk, tell: Callable[[str], None], lie: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Canary: with the signature check switched off the lie signs on, so the suite above can turn red."""
    monkeypatch.setattr(tokens, "_holds", lambda parts, key: True)
    tell(lie)
    assert (await lied_to.sign_on()).principal.roles <= {"nurse", "doctor"}
