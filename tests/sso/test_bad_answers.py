"""What has broken sign-on elsewhere, case by case, against our relying party over real HTTP.

Each case has the id it is known by. Cases about cookies, methods and pages of the gateway's own sign-on (OIDC-008, 012,
081, 082, 085, 086, 088 to 091) are tested where those pages are. A case says what goes wrong and the reason that is
journalled; that no session can come of it is shown by the refusal: `finish` returned nothing.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import resource
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx2
import pytest
from joserfc.jwk import RSAKey

from sso import tokens, wire
from sso.errors import ProviderAway, ProviderUnfit, SignOnError, SignOnRefused
from sso.keys import IssuerKeys
from sso.oidc import OpenIdProvider
from sso.provider import Callback
from sso.testing import (
    BROWSER,
    CLIENT_ID,
    CLIENT_SECRET,
    Reply,
    SeenTokens,
    ToyProvider,
    ec_key,
    encoded,
    pending,
    rsa_key,
    signed,
)

from .conftest import SignOn

NOW = time.time


@dataclass(frozen=True)
class Case:
    """What goes wrong, and the reason it is refused for. `at`: a claim relative to now, in seconds."""

    id: str
    why: str
    reason: str = "claims"
    set: dict[str, Any] = field(default_factory=dict)
    at: dict[str, float] = field(default_factory=dict)

    def claims(self) -> dict[str, Any]:
        return {**self.set, **{name: int(NOW() + seconds) for name, seconds in self.at.items()}}


CLAIMS = [
    Case("OIDC-010", "no nonce", "nonce", {"nonce": None}),
    Case("OIDC-011", "the nonce of another sign-on", "nonce", {"nonce": "other"}),
    Case("OIDC-011b", "a nonce that is no text", "nonce", {"nonce": ["x"]}),
    Case("OIDC-038", "another issuer", set={"iss": "https://evil.test"}),
    Case("OIDC-039", "the issuer with a slash more", set={"iss": "{issuer}/"}),
    Case("OIDC-040", "the issuer as a list", set={"iss": ["{issuer}"]}),
    Case("OIDC-041", "another audience", set={"aud": "other"}),
    Case("OIDC-042", "asked for by another client", set={"aud": ["other", CLIENT_ID], "azp": "other"}),
    Case("OIDC-043", "two audiences, and nobody who asked", set={"aud": [CLIENT_ID, "other"]}),
    Case("OIDC-044", "an object as audience", set={"aud": {}}),
    Case("OIDC-044b", "no audience", set={"aud": None}),
    Case("OIDC-044c", "our own name among things that are no text", set={"aud": [CLIENT_ID, 1], "azp": CLIENT_ID}),
    Case("OIDC-045", "expired beyond the leeway", at={"exp": -61}),
    Case("OIDC-046", "no expiry", set={"exp": None}),
    Case("OIDC-047", "the expiry as a text", set={"exp": "2099"}),
    Case("OIDC-048", "an expiry beyond all bounds", set={"exp": 1e300}),
    Case("OIDC-048b", "an expiry in two days", at={"exp": 172_800}),
    Case("OIDC-049", "true as expiry", set={"exp": True}),
    Case("OIDC-049b", "true as the time from which it is valid", set={"nbf": True}),
    Case("OIDC-049c", "true as the time of proof", set={"auth_time": True}),
    Case("OIDC-050", "not valid yet", at={"nbf": 3600}),
    Case("OIDC-051", "made in the future", at={"iat": 3600}),
    Case("OIDC-052", "made a day ago", at={"iat": -86_400}),
    Case("OIDC-053", "no time of making", set={"iat": None}),
    Case("OIDC-054", "an empty subject", set={"sub": ""}),
    Case("OIDC-055", "a number as subject", set={"sub": 123}),
    Case("OIDC-056", "a subject with a control character", set={"sub": "n.okoye\u0000"}),
    Case("OIDC-056b", "a subject beyond ASCII", set={"sub": "n.okоye"}),
    Case("OIDC-056c", "a subject with a space around it", set={"sub": " n.okoye"}),
    Case("OIDC-057", "a subject of 5,000 characters", set={"sub": "A" * 5000}),
    Case("OIDC-059", "an e-mail address with two @", set={"email": "a@evil.test@hosp.test"}),
    Case("OIDC-061", "roles as a text where a list is expected", set={"roles": "nurse"}),
    Case("OIDC-061b", "roles with a number among them", set={"roles": ["nurse", 1]}),
    Case("OIDC-062", "no role that is known here", "role", {"roles": ["admin"]}),
    Case("OIDC-064", "a name that is no text", set={"name": {"first": "N"}}),
    Case("OIDC-065", "an amr that is no list", set={"amr": "mfa"}),
    Case("OIDC-071", "the hash of another access token", set={"at_hash": "x"}),
    Case("OIDC-127", "a hash of an unknown kind", set={"at_hash": encoded(hashlib.sha512(b"x").digest())}),
    Case("OIDC-065b", "a time of proof in the future", at={"auth_time": 3600}),
]


@pytest.mark.parametrize("case", CLAIMS, ids=lambda case: case.id)
async def test_a_claim_out_of_order_is_refused(toy: ToyProvider, sign_on: SignOn, case: Case) -> None:
    """An ID token with a good signature and one claim out of order signs nobody on."""
    toy.claims = json.loads(json.dumps(case.claims()).replace("{issuer}", toy.issuer))
    with pytest.raises(SignOnRefused) as refused:
        await sign_on()
    assert refused.value.reason == case.reason, case.why


def _none(header: dict[str, Any], claims: dict[str, Any]) -> str:
    return f"{encoded(json.dumps(header).encode())}.{encoded(json.dumps(claims).encode())}."


def _header(**changes: Any) -> Callable[[dict[str, Any], dict[str, Any]], str]:
    """Signed properly with the provider's RSA key, under a header that says something else."""

    def make(header: dict[str, Any], claims: dict[str, Any]) -> str:
        said = {name: value for name, value in {**header, **changes}.items() if value is not None}
        true = signed({"alg": "RS256"}, b"{}", rsa_key())  # only to have an RSA key sign these very bytes
        assert true
        input_ = f"{encoded(json.dumps(said).encode())}.{encoded(json.dumps(claims).encode())}"
        return f"{input_}.{encoded(_rs256(input_))}"

    return make


def _rs256(input_: str) -> bytes:
    from joserfc import jws

    return jws.JWSRegistry(algorithms=["RS256"]).get_alg("RS256").sign(input_.encode(), rsa_key())


def _hmac(secret: bytes) -> Callable[[dict[str, Any], dict[str, Any]], str]:
    def make(header: dict[str, Any], claims: dict[str, Any]) -> str:
        input_ = f"{encoded(json.dumps({**header, 'alg': 'HS256'}).encode())}.{encoded(json.dumps(claims).encode())}"
        return f"{input_}.{encoded(hmac.digest(secret, input_.encode(), 'sha256'))}"

    return make


def _unsigned(alg: str, signature: bytes = b"\0", **header: Any) -> Callable[[dict[str, Any], dict[str, Any]], str]:
    def make(said: dict[str, Any], claims: dict[str, Any]) -> str:
        fields = {**said, "alg": alg, **header}
        return f"{encoded(json.dumps(fields).encode())}.{encoded(json.dumps(claims).encode())}.{encoded(signature)}"

    return make


def _payload(text: str) -> Callable[[dict[str, Any], dict[str, Any]], str]:
    """A payload of exactly this text, signed properly; `{rest}` stands for the true claims."""

    def make(header: dict[str, Any], claims: dict[str, Any]) -> str:
        return signed(header, text.replace("{rest}", json.dumps(claims)[1:-1]).encode(), rsa_key())

    return make


def _stranger(header: dict[str, Any], claims: dict[str, Any]) -> str:
    return signed(header, json.dumps(claims).encode(), rsa_key("a stranger's"))


def _spliced(header: dict[str, Any], claims: dict[str, Any]) -> str:
    """The signature of one token under the payload of another."""
    head, _, signature = signed(header, json.dumps(claims).encode(), rsa_key()).split(".")
    return f"{head}.{encoded(json.dumps({**claims, 'roles': ['doctor']}).encode())}.{signature}"


def _json_general(header: dict[str, Any], claims: dict[str, Any]) -> str:
    return json.dumps({"payload": encoded(json.dumps(claims).encode()), "signatures": []})


def _json_flat(header: dict[str, Any], claims: dict[str, Any]) -> str:
    protected = encoded(json.dumps(header).encode())
    return json.dumps({"payload": encoded(json.dumps(claims).encode()), "protected": protected})


_PUBLIC_PEM = rsa_key().as_pem(private=False)
FORGED: dict[str, tuple[Callable[[dict[str, Any], dict[str, Any]], str], str]] = {
    "OIDC-013": (lambda h, c: _none({**h, "alg": "none"}, c), "signature"),
    "OIDC-014": (lambda h, c: _none({**h, "alg": "None"}, c) + "AA", "signature"),
    "OIDC-015": (lambda h, c: _none({**h, "alg": "nOnE"}, c) + "AA", "signature"),
    "OIDC-016": (_header(alg=None), "signature"),
    "OIDC-017 public key as HMAC secret": (_hmac(_PUBLIC_PEM), "signature"),
    "OIDC-018 client secret as HMAC secret": (_hmac(CLIENT_SECRET), "signature"),
    "OIDC-019 unknown kid": (_header(kid="unknown"), "signature"),
    "OIDC-020 kid is a path": (_header(kid="../../dev/null"), "signature"),
    "OIDC-021 kid is a query": (_header(kid="' OR 1=1 --"), "signature"),
    "OIDC-022 jku": (_header(jku="https://evil.test/jwks"), "signature"),
    "OIDC-023 x5u": (_header(x5u="https://evil.test/c"), "signature"),
    "OIDC-024 jwk": (_header(jwk=rsa_key().as_dict(private=False)), "signature"),
    "OIDC-025 x5c": (_header(x5c=["MIIB"]), "signature"),
    "OIDC-026 unknown crit": (_header(crit=["bork"], bork=1), "signature"),
    "OIDC-027 crit b64": (_header(crit=["b64"], b64=False), "signature"),
    "OIDC-027b b64 without crit": (_header(b64=False), "signature"),
    "OIDC-028 r and s are zero": (_unsigned("ES256", b"\0" * 64), "signature"),
    "OIDC-029 SHA-1": (_header(alg="RS1"), "signature"),
    "OIDC-030 another key of the right kind": (_stranger, "signature"),
    "OIDC-031 EdDSA": (_unsigned("EdDSA", b"\0" * 64), "signature"),
    "OIDC-032 other family, same key": (
        lambda h, c: signed({**h, "alg": "PS256"}, json.dumps(c).encode(), rsa_key()), "signature"
    ),
    "OIDC-033 payload of another token": (_spliced, "signature"),
    "OIDC-034 access token as ID token": (_header(typ="at+jwt"), "signature"),
    "OIDC-035 log-out token as ID token": (_header(typ="logout+jwt"), "signature"),
    "OIDC-036 compressed and encrypted": (_unsigned("dir", enc="A256GCM", zip="DEF"), "signature"),
    "OIDC-037 ten million rounds": (_unsigned("PBES2-HS256+A128KW", p2c=10_000_000), "signature"),
    "OIDC-067 subject twice": (_payload('{"sub":"n.okoye",{rest}}'), "claims"),
    "OIDC-068 array": (_payload("[]"), "claims"),
    "OIDC-068b NaN": (_payload('{{rest},"x":NaN}'), "claims"),
    "OIDC-068c not UTF-8": (
        lambda h, c: signed(h, json.dumps(c).encode()[:-1] + b',"x":"\xff"}', rsa_key()), "claims"
    ),
    "OIDC-123 JSON without signatures": (_json_general, "signature"),
    "OIDC-124 flattened JSON": (_json_flat, "signature"),
    "OIDC-125 four dots": (lambda h, c: signed(h, json.dumps(c).encode(), rsa_key()) + ".e30.e30", "signature"),
    "OIDC-126 empty HMAC key": (_hmac(b""), "signature"),
    "OIDC-128 padding in a part": (lambda h, c: signed(h, json.dumps(c).encode(), rsa_key()) + "=", "signature"),
    "OIDC-128b header key twice": (
        lambda h, c: encoded(b'{"alg":"none","alg":"RS256"}') + ".e30.AAAA", "signature"
    ),
    "OIDC-129 10 MB": (_payload('{"x":"' + "x" * 10_485_760 + '",{rest}}'), "token size"),
    "OIDC-129b 100,000 claims": (
        _payload("{" + "".join(f'"{i}":1,' for i in range(100_000)) + "{rest}}"), "token size"
    ),
    "OIDC-129c depth 10,000": (_payload('{"x":' + "[" * 10_000 + "]" * 10_000 + ",{rest}}"), "claims"),
}  # fmt: skip


@pytest.mark.parametrize("case", FORGED)
async def test_a_forged_token_is_refused(toy: ToyProvider, sign_on: SignOn, case: str) -> None:
    """A token that is forged, malformed or of another kind signs nobody on, and asks for keys at most once more."""
    make, reason = FORGED[case]
    toy.make_token = make
    with pytest.raises(SignOnError) as refused:
        await sign_on()
    # A token answer too large to read is a provider that cannot be understood; smaller ones are read and refused.
    assert refused.value.reason in ({"provider-answer", "signature"} if reason == "token size" else {reason})
    assert toy.count("/jwks") <= 2
    assert {one.path for one in toy.asked} <= {"/.well-known/openid-configuration", "/token", "/jwks"}


async def test_forged_tokens_cost_no_computing(toy: ToyProvider, sign_on: SignOn) -> None:
    """All forged tokens together take less processor time than the bound for one (the bombs do not go off)."""
    toy.key = rsa_key()
    spent = 0.0
    for make, _ in FORGED.values():
        token = make({"alg": "RS256", "kid": toy.key.kid}, {"sub": "n.okoye"})
        verifier = tokens.TokenVerifier(toy.issuer, CLIENT_ID, ("RS256",), _NoKeys())
        before = resource.getrusage(resource.RUSAGE_SELF)
        with pytest.raises(SignOnRefused):
            await verifier.id_token(token, now=NOW(), nonce="n", access_token="")
        after = resource.getrusage(resource.RUSAGE_SELF)
        spent += after.ru_utime - before.ru_utime
    assert spent < 2.0


class _NoKeys:
    async def candidates(self, kid: str | None, algorithm: str) -> list[RSAKey]:
        return [rsa_key()]


async def test_the_suite_turns_red_without_signatures(
    toy: ToyProvider, sign_on: SignOn, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Canary: with the signature check switched off, a stranger's token does sign on, so the suite above can fail."""
    monkeypatch.setattr(tokens, "_holds", lambda parts, key: True)
    toy.make_token = _stranger
    assert (await sign_on()).principal.subject == "n.okoye"


@pytest.mark.parametrize("check", ["_within", "_same_nonce", "_fields", "_access_token_hash"])
async def test_the_suite_turns_red_without_a_check(
    toy: ToyProvider, sign_on: SignOn, monkeypatch: pytest.MonkeyPatch, check: str
) -> None:
    """Canary: each check of claims, switched off alone, lets exactly its own cases through."""
    monkeypatch.setattr(tokens, check, lambda *_: None)
    wrong = {"_within": {"exp": int(NOW()) - 61}, "_same_nonce": {"nonce": "other"}, "_fields": {"aud": "other"}}
    toy.claims = wrong.get(check, {"at_hash": "x"})
    assert (await sign_on()).principal.subject == "n.okoye"


# The callback


async def _answers(toy: ToyProvider, provider: OpenIdProvider, change: Callable[[bytes], bytes], **begun: Any) -> None:
    """One walk whose callback is changed on the way back."""
    waiting = pending(**begun)
    query = change(await toy.authorise(await provider.begin(waiting)))
    await provider.finish(Callback.read(query), waiting, browser=BROWSER)


def _without(name: bytes) -> Callable[[bytes], bytes]:
    return lambda query: b"&".join(pair for pair in query.split(b"&") if not pair.startswith(name + b"="))


CALLBACKS: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "OIDC-001 no state": (_without(b"state"), "state"),
    "OIDC-001b empty state": (lambda q: _without(b"state")(q) + b"&state=", "state"),
    "OIDC-001c another state": (lambda q: _without(b"state")(q) + b"&state=x", "state"),
    "OIDC-005 state twice": (lambda q: q + b"&state=x", "duplicate-parameter"),
    "OIDC-006 code twice": (lambda q: q + b"&code=C2", "duplicate-parameter"),
    "OIDC-006b the same code twice": (lambda q: q + b"&" + q.split(b"&")[0], "duplicate-parameter"),
    "OIDC-007 a state of 100 kB": (lambda q: _without(b"state")(q) + b"&state=" + b"A" * 100_000, "state"),
    "OIDC-007b bytes in the state": (lambda q: _without(b"state")(q) + b"&state=%00%0a", "state"),
    "OIDC-007c bytes that are no text": (lambda q: q + b"&x=%ff", "state"),
    "OIDC-007d a thousand parameters": (lambda q: q + b"".join(b"&p%d=1" % i for i in range(1000)), "state"),
    "OIDC-072 the other provider's name": (
        lambda q: _without(b"iss")(q) + b"&iss=https%3A%2F%2Fother.test", "iss"
    ),
    "OIDC-073 no name although promised": (_without(b"iss"), "iss"),
    "OIDC-080 tokens beside the code": (lambda q: q + b"&id_token=x&access_token=y", "unexpected-parameter"),
    "OIDC-083 an error with HTML": (
        lambda q: _without(b"code")(q) + b"&error=access_denied&error_description=%3Cscript%3Ealert(1)%3C%2Fscript%3E",
        "denied",
    ),
    "OIDC-083b an error that is HTML": (lambda q: _without(b"code")(q) + b"&error=%3Cscript%3E", "provider-error"),
    "OIDC-084 an error beside the code": (lambda q: q + b"&error=access_denied", "unexpected-parameter"),
    "OIDC-084b neither code nor error": (_without(b"code"), "state"),
}  # fmt: skip


@pytest.mark.parametrize("case", CALLBACKS)
async def test_a_callback_out_of_order_is_refused(toy: ToyProvider, provider: OpenIdProvider, case: str) -> None:
    """A callback that is not exactly what the provider sends for this sign-on asks for no tokens."""
    change, reason = CALLBACKS[case]
    with pytest.raises(SignOnRefused) as refused:
        await _answers(toy, provider, change)
    assert refused.value.reason == reason
    assert "<" not in str(refused.value)
    assert toy.count("/token") == 0


async def test_a_sign_on_begun_elsewhere_or_too_long_ago_is_refused(toy: ToyProvider, provider: OpenIdProvider) -> None:
    """OIDC-002 and OIDC-004: the state of another browser, and one older than ten minutes."""
    for reason, begun in (("state-binding", {"browser": "another"}), ("state-expired", {"now": NOW() - 601})):
        with pytest.raises(SignOnRefused) as refused:
            await _answers(toy, provider, lambda query: query, **begun)
        assert refused.value.reason == reason
    assert toy.count("/token") == 0


# Metadata

METADATA: dict[str, dict[str, Any]] = {
    "OIDC-074 another issuer": {"issuer": "https://evil.test"},
    "OIDC-074b the issuer with a slash more": {"issuer": "{issuer}/"},
    "OIDC-075 keys from the cloud's metadata address": {"jwks_uri": "http://169.254.169.254/latest"},
    "OIDC-075b keys over http": {"jwks_uri": "http://idp.example.test/jwks"},
    "OIDC-075c keys from a file": {"jwks_uri": "file:///etc/passwd"},
    "OIDC-076 tokens from another host": {"token_endpoint": "https://evil.test/token"},
    "OIDC-076b a host that only looks the same": {"token_endpoint": "https://127.0.0.1@evil.test/token"},
    "OIDC-076c a backslash": {"token_endpoint": "https://127.0.0.1\\@evil.test/token"},
    "OIDC-077 the sign-on page on another host": {"authorization_endpoint": "https://evil.test/authorize"},
    "OIDC-079 PKCE plain only": {"code_challenge_methods_supported": ["plain"]},
    "OIDC-079b only HMAC and none": {"id_token_signing_alg_values_supported": ["HS256", "none"]},
    "OIDC-079c no token endpoint": {"token_endpoint": None},
    "OIDC-079d algorithms that are no list": {"id_token_signing_alg_values_supported": "RS256"},
}


@pytest.mark.parametrize("case", METADATA)
async def test_metadata_out_of_order_begins_nothing(toy: ToyProvider, provider: OpenIdProvider, case: str) -> None:
    """Metadata that could send our secrets elsewhere is not used, and nothing but it was asked for."""
    toy.metadata = json.loads(json.dumps(METADATA[case]).replace("{issuer}", toy.issuer))
    with pytest.raises(ProviderUnfit):
        await provider.begin(pending())
    assert {one.path for one in toy.asked} == {"/.well-known/openid-configuration"}


async def test_another_host_may_be_named(toy: ToyProvider, client: httpx2.AsyncClient) -> None:
    """OIDC-076, the other half: a host in `endpoint_hosts` is used, over https."""
    toy.metadata = {"authorization_endpoint": "https://login.example.test/authorize"}
    rely = OpenIdProvider(toy.settings(endpoint_hosts=("login.example.test",)), client)
    assert (await rely.begin(pending())).startswith("https://login.example.test/authorize?")


# The provider's answers

ANSWERS: dict[str, tuple[dict[str, Any], str]] = {
    "OIDC-118 no ID token": ({"id_token": None}, "token"),
    "OIDC-118b an ID token that is no text": ({"id_token": {"x": 1}}, "token"),
    "OIDC-119 another token type": ({"token_type": "mac"}, "token"),
    "OIDC-119b no token type": ({"token_type": None}, "token"),
    "OIDC-119c no access token": ({"access_token": None}, "token"),
    "OIDC-119d a line end in the access token": ({"access_token": "a\r\nX-Evil: 1"}, "token"),
}


@pytest.mark.parametrize("case", ANSWERS)
async def test_a_token_answer_out_of_order_is_refused(toy: ToyProvider, sign_on: SignOn, case: str) -> None:
    """A token answer without what it must have signs nobody on."""
    toy.answer, reason = ANSWERS[case]
    with pytest.raises(SignOnRefused) as refused:
        await sign_on()
    assert refused.value.reason == reason


async def test_a_refused_code_is_not_tried_another_way(toy: ToyProvider, sign_on: SignOn) -> None:
    """OIDC-078: `invalid_grant` ends the sign-on after one request; the provider's words are not repeated."""
    toy.replies["/token"] = Reply.json({"error": "invalid_grant", "error_description": "<b>C1</b>"}, 400)
    with pytest.raises(SignOnRefused) as refused:
        await sign_on()
    assert refused.value.reason == "token"
    assert str(refused.value) == "the identity provider refused the code: `invalid_grant`"
    assert toy.count("/token") == 1


async def test_a_refused_client_is_not_tried_another_way(toy: ToyProvider, sign_on: SignOn) -> None:
    """OIDC-078: `invalid_client` is our configuration's fault, and asked once."""
    toy.replies["/token"] = Reply.json({"error": "invalid_client"}, 401)
    with pytest.raises(ProviderUnfit):
        await sign_on()
    assert toy.count("/token") == 1


WIRE: dict[str, Reply] = {
    # We say "the sign-on service does not answer" (503) where the case has 502: a proxy's page is nobody's refusal.
    "OIDC-116 a page of HTML": Reply(body=b"<html>login</html>", headers={"content-type": "text/html"}),
    "OIDC-116b an array": Reply(body=b"[]"),
    "OIDC-116c the same key twice": Reply(body=b'{"id_token":"a","id_token":"b"}'),
    "OIDC-116d a server error": Reply.json({"error": "server_error"}, 500),
    "OIDC-116e a page of HTML with 403": Reply(403, b"<html>blocked</html>"),
    "OIDC-116f a redirect": Reply(302, headers={"location": "/token2"}),
    "OIDC-116g a redirect that keeps the body": Reply(307, headers={"location": "/token2"}),
    "OIDC-116h 50 MB": Reply(body=b"{", size=65536 * 800),
    "OIDC-116i compressed": Reply(headers={"content-encoding": "gzip"}, body=b"\x1f\x8b"),
    "OIDC-116j too many requests": Reply(429, b"{}"),
}


@pytest.mark.parametrize("case", WIRE)
async def test_an_answer_that_is_none_is_the_provider_away(toy: ToyProvider, sign_on: SignOn, case: str) -> None:
    """What is not the provider's own small JSON answer counts as no answer: a live shift goes on."""
    toy.replies["/token"] = WIRE[case]
    with pytest.raises(ProviderAway):
        await sign_on()
    assert toy.count("/token") == 1
    assert toy.count("/token2") == 0


@pytest.mark.parametrize("path", ["/token", "/jwks", "/userinfo", "/.well-known/openid-configuration"])
async def test_a_hang_ends(toy: ToyProvider, sign_on: SignOn, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """OIDC-117: an endpoint that never answers is given up after a deadline, and said."""
    monkeypatch.setattr(wire, "DEADLINE", 0.3)
    toy.replies[path] = Reply(hang=True)
    with pytest.raises(ProviderAway) as away:
        await asyncio.wait_for(sign_on(), 10)
    assert away.value.reason == "provider-timeout"


@pytest.mark.parametrize(
    ("said", "seconds"), [(-1, 0), (10**12, 86_400), ("x", 0), (True, 0), (1e400, 86_400), (300, 300), (None, 0)]
)
async def test_a_lifetime_is_clamped(toy: ToyProvider, sign_on: SignOn, said: object, seconds: int) -> None:
    """OIDC-120: `expires_in` is between nothing and a day, whatever the provider says."""
    toy.answer = {"expires_in": said}
    if said == 1e400:
        toy.replies["/token"] = Reply()  # json.dumps would write `Infinity`, which is refused as no JSON
        with pytest.raises(ProviderAway):
            await sign_on()
        return
    before = NOW()
    found = await sign_on()
    assert before + seconds <= found.expires <= NOW() + seconds


async def test_userinfo_about_somebody_else_is_refused(toy: ToyProvider, sign_on: SignOn) -> None:
    """OIDC-069, and OIDC-058: a subject that differs by case only is somebody else."""
    for sub in ("other", "N.Okoye", None, ["n.okoye"]):
        toy.userinfo = {"sub": sub}
        with pytest.raises(SignOnRefused) as refused:
            await sign_on()
        assert refused.value.reason == "claims"


@pytest.mark.parametrize("body", [b"[]", b'{"sub":"n.okoye","sub":"n.okoye"}', b"<html>", b"null", b'"x"'])
async def test_userinfo_that_is_no_object_is_refused(toy: ToyProvider, sign_on: SignOn, body: bytes) -> None:
    """OIDC-070: an array, a page or an object with one key twice is no UserInfo."""
    toy.replies["/userinfo"] = Reply(body=body)
    with pytest.raises(SignOnRefused) as refused:
        await sign_on()
    assert refused.value.reason == "claims"


async def test_userinfo_never_replaces_what_was_signed(toy: ToyProvider, sign_on: SignOn) -> None:
    """UserInfo adds claims; issuer, strength, times, session and roles of the ID token stand."""
    toy.userinfo = {"acr": "3", "amr": ["mfa"], "sid": "s-2", "iss": "x", "roles": ["doctor"], "ward": "7"}
    found = await sign_on()
    assert (found.acr, found.amr, found.provider_session) == ("urn:acr:pwd", ("pwd",), "s-1")
    assert found.principal.roles == {"nurse"}
    assert found.claims.values["ward"] == "7"


async def test_a_subject_of_other_case_is_another_person(toy: ToyProvider, sign_on: SignOn) -> None:
    """OIDC-058: NURSE1 and nurse1 are two people; no case is folded."""
    toy.claims = {"sub": "NURSE1"}
    assert (await sign_on()).principal.subject == "NURSE1"


async def test_five_thousand_groups_leave_a_small_session(toy: ToyProvider, sign_on: SignOn) -> None:
    """OIDC-063: only roles that are known here are kept, and what a shift keeps of a sign-on stays under 64 KiB."""
    toy.claims = {"roles": ["x"] * 5000 + ["nurse"]}
    found = await sign_on()
    assert found.principal.roles == {"nurse"}
    assert len(found.id_token) + len(repr(found.principal)) < 65_536


async def test_forty_groups_are_ordinary(toy: ToyProvider, sign_on: SignOn) -> None:
    """OK-315: a clinician with 40 groups signs on."""
    toy.claims = {"roles": [f"group-{i}" for i in range(40)] + ["doctor"]}
    assert (await sign_on()).principal.roles == {"doctor"}


async def test_no_second_factor_where_one_is_required(toy: ToyProvider, client: httpx2.AsyncClient) -> None:
    """OIDC-066: an empty `amr` does not reach the level that is required."""
    rely = OpenIdProvider(toy.settings(minimum_assurance=2), client)
    toy.claims = {"amr": []}
    waiting = pending()
    callback = Callback.read(await toy.authorise(await rely.begin(waiting)))
    with pytest.raises(SignOnRefused) as refused:
        await rely.finish(callback, waiting, browser=BROWSER)
    assert refused.value.reason == "assurance"


async def test_an_old_proof_is_no_fresh_one(toy: ToyProvider, sign_on: SignOn) -> None:
    """When a proof within 300 s was asked, an older one, or none at all, is refused."""
    for at in (int(NOW()) - 400, None):
        toy.claims = {"auth_time": at}
        with pytest.raises(SignOnRefused) as refused:
            await sign_on(max_age=300)
        assert refused.value.reason == "assurance"
    toy.claims = {"auth_time": int(NOW()) - 200}
    assert await sign_on(max_age=300)


@pytest.mark.parametrize(("ago", "good"), [(None, True), (0, True), (59, True), (62, False), (90_000, False)])
async def test_a_proof_from_before_the_question_is_no_answer_to_it(
    toy: ToyProvider, sign_on: SignOn, ago: int | None, good: bool
) -> None:
    """`prompt=login` with an older `auth_time` is refused, but for a minute between clocks; none at all is believed."""
    toy.claims = {"auth_time": None if ago is None else int(NOW()) - ago}
    assert await sign_on(), "where it was not asked, it does not matter"
    if good:
        assert await sign_on(fresh=True)
        return
    with pytest.raises(SignOnRefused) as refused:
        await sign_on(fresh=True)
    assert refused.value.reason == "proof-old"
    assert refused.value.remedy


@pytest.mark.parametrize("given", [("urn:acr:pwd",), ("urn:acr:mfa",), ("2",)])
async def test_what_was_asked_is_verified_in_what_comes_back(
    toy: ToyProvider, sign_on: SignOn, given: tuple[str, ...]
) -> None:
    """`acr_values` is a request; the answer is accepted only when it says one of them."""
    if given == ("urn:acr:pwd",):
        assert (await sign_on(acr_values=given)).acr == "urn:acr:pwd"
        return
    with pytest.raises(SignOnRefused) as refused:
        await sign_on(acr_values=given)
    assert refused.value.reason == "assurance"


# Re-check


async def test_a_role_taken_away_ends_the_shift_at_the_recheck(
    toy: ToyProvider, provider: OpenIdProvider, sign_on: SignOn
) -> None:
    """OIDC-105: no known role at the re-check is a refusal with the reason `role`."""
    first = await sign_on()
    toy.claims = {"roles": []}
    with pytest.raises(SignOnRefused) as refused:
        await provider.refresh(first.refresh_token, first.principal)
    assert refused.value.reason == "role"


async def test_an_account_switched_off_ends_the_shift_at_the_recheck(
    toy: ToyProvider, provider: OpenIdProvider, sign_on: SignOn
) -> None:
    """OIDC-106: `invalid_grant` for the refresh token is a refusal, not a provider away."""
    first = await sign_on()
    toy.replies["/token"] = Reply.json({"error": "invalid_grant"}, 400)
    with pytest.raises(SignOnRefused) as refused:
        await provider.refresh(first.refresh_token, first.principal)
    assert refused.value.reason == "refresh"


async def test_a_refresh_about_somebody_else_is_refused(
    toy: ToyProvider, provider: OpenIdProvider, sign_on: SignOn
) -> None:
    """A refreshed token with another subject never changes who a shift belongs to."""
    first = await sign_on()
    toy.claims = {"sub": "dr.lee"}
    with pytest.raises(SignOnRefused) as refused:
        await provider.refresh(first.refresh_token, first.principal)
    assert refused.value.reason == "other-person"


# Keys


async def test_new_keys_cost_no_sign_on(toy: ToyProvider, sign_on: SignOn) -> None:
    """OIDC-112: when the provider signs with a key just published, every sign-on works, after two fetches."""
    await sign_on()
    toy.key = rsa_key("toy-2")
    toy.published = [toy.key.as_dict(private=False)]
    await asyncio.gather(*(sign_on() for _ in range(20)))
    assert toy.count("/jwks") == 2


async def test_invented_key_names_cost_the_provider_nothing(toy: ToyProvider, sign_on: SignOn) -> None:
    """OIDC-113: tokens with random `kid`s make one extra fetch a minute, not one each."""
    for number in range(60):
        toy.header = {"kid": f"random-{number}"}
        with pytest.raises(SignOnRefused):
            await sign_on()
    assert toy.count("/jwks") == 2


async def test_a_flood_of_keys_leaves_the_old_ones(toy: ToyProvider, client: httpx2.AsyncClient) -> None:
    """OIDC-114: a key set of 50 MB is cut off early, memory stays, and the keys at hand go on serving."""
    clock = [NOW()]
    rely = OpenIdProvider(toy.settings(), client, lambda: clock[0])
    await rely.check()
    toy.replies["/jwks"] = Reply(body=b'{"keys":[', size=65536 * 800)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    clock[0] += 3601
    waiting = pending(clock[0])
    toy.claims = {name: int(clock[0] + more) for name, more in (("iat", 0), ("exp", 300), ("auth_time", 0))}
    callback = Callback.read(await toy.authorise(await rely.begin(waiting)))
    assert (await rely.finish(callback, waiting, browser=BROWSER)).principal.subject == "n.okoye"
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 16 * 1024


async def test_keys_fail_closed(toy: ToyProvider, client: httpx2.AsyncClient) -> None:
    """OIDC-113, OIDC-114: without any key at hand, and a day after the last fetch, nobody is believed."""
    clock = [NOW()]
    rely = OpenIdProvider(toy.settings(), client, lambda: clock[0])
    toy.replies["/jwks"] = Reply(503)
    with pytest.raises(ProviderAway):
        await rely.check()
    del toy.replies["/jwks"]
    await rely.check()
    toy.replies["/jwks"] = Reply(503)
    clock[0] += 24 * 3600 + 1
    with pytest.raises(ProviderAway):
        await rely.check()


async def test_only_keys_that_may_verify_are_kept() -> None:
    """OIDC-115: of ten thousand keys, private, symmetric, weak and foreign ones, only public signature keys serve."""
    good, ec = rsa_key().as_dict(private=False), ec_key().as_dict(private=False)
    weak = {**good, "n": encoded(b"\x81" * 128)}
    bad = [
        {"kty": "oct", "k": "AAAA", "kid": "secret"},
        {**rsa_key().as_dict(private=True), "kid": "private"},
        {**good, "use": "enc", "kid": "encryption"},
        {**good, "key_ops": ["sign"], "kid": "signs"},
        {**good, "alg": "RSA-OAEP", "kid": "wraps"},
        {**good, "kid": 7},
        {**weak, "kid": "weak"},
        {**ec, "crv": "secp256k1", "kid": "curve"},
        {**ec, "x": "AAAA", "kid": "off-curve"},
        "text",
        None,
    ]

    async def fetch() -> dict[str, object]:
        return {"keys": [*bad, good, {**ec, "alg": "ES256"}, *([{"kty": "oct"}] * 10_000)]}

    keys = IssuerKeys(fetch, lambda: 0.0)
    for entry in bad:
        kid = entry.get("kid") if isinstance(entry, dict) else None
        for algorithm in ("RS256", "ES256", "HS256"):
            assert not isinstance(kid, str) or await keys.candidates(kid, algorithm) == []
    assert [key.thumbprint() for key in await keys.candidates("toy-1", "RS256")] == [rsa_key().thumbprint()]
    assert await keys.candidates("toy-1", "ES256") == []
    assert [key.thumbprint() for key in await keys.candidates(None, "ES256")] == [ec_key().thumbprint()]


async def test_many_callers_make_one_fetch_and_a_lost_one_takes_nobody_along() -> None:
    """A hundred sign-ons at once ask for keys once, and one whose browser closed does not end the fetch for others."""
    calls, go = [0], asyncio.Event()

    async def fetch() -> dict[str, object]:
        calls[0] += 1
        await go.wait()
        return {"keys": [rsa_key().as_dict(private=False)]}

    keys = IssuerKeys(fetch, lambda: 0.0)
    waiting = [asyncio.create_task(keys.candidates("toy-1", "RS256")) for _ in range(100)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    go.set()
    found = await asyncio.gather(*waiting, return_exceptions=True)
    assert isinstance(found[0], asyncio.CancelledError)
    assert all(isinstance(one, list) and len(one) == 1 for one in found[1:])
    assert calls == [1]


# Log-out tokens

LOGOUT: dict[str, dict[str, Any]] = {
    # Older Keycloak sends `JWT`; the case wants it refused, since an ID token could then be offered as a log-out.
    "OIDC-092 another type": {"header": {"typ": "JWT"}},
    "OIDC-093 no events": {"events": None},
    "OIDC-093b another event": {"events": {"http://schemas.openid.net/event/other": {}}},
    "OIDC-093c events as a list": {"events": [tokens.LOGOUT_EVENT]},
    "OIDC-093d an event that is no object": {"events": {tokens.LOGOUT_EVENT: True}},
    "OIDC-094 a nonce": {"nonce": "x"},
    "OIDC-095 no jti": {"jti": None},
    "OIDC-095b an empty jti": {"jti": ""},
    "OIDC-096 no time of making": {"iat": None},
    "OIDC-098 another audience": {"aud": "other"},
    "OIDC-098b another issuer": {"iss": "https://evil.test"},
    "OIDC-099 nobody named": {"sid": None, "sub": None},
    "OIDC-099b a session that is no text": {"sid": 1},
    "OIDC-100 expired": {"exp": int(NOW()) - 600},
    "OIDC-100b no expiry, and made three minutes ago": {"exp": None, "iat": int(NOW()) - 190},
}


@pytest.mark.parametrize("case", LOGOUT)
async def test_a_log_out_token_out_of_order_is_refused(toy: ToyProvider, provider: OpenIdProvider, case: str) -> None:
    """A log-out token out of order ends nobody's session, and uses up no `jti`."""
    seen = SeenTokens()
    with pytest.raises(SignOnRefused):
        await provider.verify_logout_token(toy.logout_token(**{"jti": "j-1", **LOGOUT[case]}), seen)
    assert await seen("anything", 0) is False
    assert (await provider.verify_logout_token(toy.logout_token(jti="j-1"), seen)).jti == "j-1"


async def test_an_unsigned_log_out_token_is_refused(toy: ToyProvider, provider: OpenIdProvider) -> None:
    """OIDC-101: anybody could write one."""
    toy.make_token = lambda header, claims: _none({**header, "alg": "none"}, claims)
    with pytest.raises(SignOnRefused) as refused:
        await provider.verify_logout_token(toy.logout_token(), SeenTokens())
    assert refused.value.reason == "signature"


async def test_an_id_token_is_no_log_out_token(toy: ToyProvider, provider: OpenIdProvider) -> None:
    """An ID token of the same provider, with or without a type, cannot be used to sign anybody off."""
    for header in ({}, {"typ": "logout+jwt"}):
        toy.header = header
        with pytest.raises(SignOnRefused):
            await provider.verify_logout_token(toy.id_token("n"), SeenTokens())


async def test_a_log_out_token_works_once(toy: ToyProvider, provider: OpenIdProvider) -> None:
    """OIDC-097: the same `jti` again is a replay."""
    seen, token = SeenTokens(), toy.logout_token()
    assert (await provider.verify_logout_token(token, seen)).sid == "s-1"
    with pytest.raises(SignOnRefused) as refused:
        await provider.verify_logout_token(token, seen)
    assert refused.value.reason == "replay"


async def test_a_log_out_token_is_refused_while_replays_cannot_be_told(
    toy: ToyProvider, provider: OpenIdProvider
) -> None:
    """When the memory of used tokens is away, the notice fails closed with that memory's own error."""

    async def away(key: str, until: float) -> bool:
        raise ConnectionError

    with pytest.raises(ConnectionError):
        await provider.verify_logout_token(toy.logout_token(), away)


def test_base64_is_what_the_cases_think() -> None:
    """The cases' own encoding has no padding, as compact tokens have none."""
    assert encoded(b"\xff\xfe") == base64.urlsafe_b64encode(b"\xff\xfe").decode().rstrip("=")
