"""The basic connector answers a system's password prompt: Basic as it is written, Digest as a server of its own checks it."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import httpx2
import pytest

from connectors.base import Credential, SystemConfig, UpstreamSession
from connectors.basic import BasicConnector
from connectors.basic.challenge import challenges, strongest
from connectors.errors import CredentialRefused, SystemMisbehaves, SystemUnavailable
from connectors.messages import Body, UpstreamResponse
from connectors.samples import Asked, Wire
from policies.decision import Permit
from policies.model import Action

PERMIT = Permit(("rule",), "version", "hash")  # nobody was asked: tests only
LEE = Credential("lee", 'p:a"s\\s')


def connector(**options: Any) -> BasicConnector:
    return BasicConnector(SystemConfig("archive", "Image archive", "http://archive.test", options, 65_536))


async def logged_on(
    system: Callable[[httpx2.Request], httpx2.Response], made: BasicConnector, who: Credential = LEE
) -> UpstreamSession:
    wire = Wire(system)
    await made.open(wire.tools())
    async with wire.client() as client:
        return await made.log_on(who, client)


async def sent(made: BasicConnector, session: UpstreamSession, asked: Asked) -> dict[bytes, bytes]:
    return dict((await made.prepare(asked.inbound(), PERMIT, session)).headers)


def wants(*offers: str, then: int = 200) -> Callable[[httpx2.Request], httpx2.Response]:
    """A system that asks so, and says `then` to whatever it is told."""

    def answer(request: httpx2.Request) -> httpx2.Response:
        if "authorization" in request.headers:
            return httpx2.Response(then)
        return httpx2.Response(401, headers=[("www-authenticate", offer) for offer in offers])

    return answer


@dataclass
class DigestServer:
    """The other side of RFC 7616, by itself: each count once, the answer as the password makes it."""

    algorithm: str | None = "SHA-256"
    qop: str | None = "auth"
    user: Credential = LEE
    nonce: str = "n1"
    counted: set[tuple[str, int]] = field(default_factory=set)

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        said = request.headers.get("authorization", "")
        target = request.url.raw_path.decode()
        return httpx2.Response(
            200 if self.takes(said, request.method, target) else 401, headers={"www-authenticate": self.challenge}
        )

    @property
    def challenge(self) -> str:
        more = [f'qop="{self.qop},auth-int"'] if self.qop else []
        more += [f"algorithm={self.algorithm}"] if self.algorithm else []
        return ", ".join(['Digest realm="Image \\"archive\\""', f'nonce="{self.nonce}"', 'opaque="o"', *more])

    def takes(self, said: str, method: str, target: str) -> bool:
        if not said.startswith("Digest "):
            return False
        given = {m[1]: m[2].replace('\\"', '"').replace("\\\\", "\\") if m[2] is not None else m[3]
                 for m in re.finditer(r'([\w*]+)=(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))', said)}  # fmt: skip
        name = (self.algorithm or "MD5").lower()
        plain = {"md5": "md5", "sha-256": "sha256", "sha-512-256": "sha512_256"}[name.removesuffix("-sess")]

        def h(text: str) -> str:
            return hashlib.new(plain, text.encode()).hexdigest()

        keyed = h(f'{self.user.username}:Image "archive":{self.user.secret}')
        if name.endswith("-sess"):
            keyed = h(f"{keyed}:{self.nonce}:{given['cnonce']}")
        asked = h(f"{method}:{target}")
        if self.qop:
            count = (given["nonce"], int(given["nc"], 16))
            if count in self.counted or given["nonce"] != self.nonce:
                return False
            self.counted.add(count)
            right = h(f"{keyed}:{self.nonce}:{given['nc']}:{given['cnonce']}:auth:{asked}")
        else:
            right = h(f"{keyed}:{self.nonce}:{asked}")
        named = given.get("username") == self.user.username or given.get("username*", "").startswith("UTF-8''")
        return named and given["response"] == right and given["uri"] == target and given["opaque"] == "o"


async def test_basic_is_the_user_name_and_the_password() -> None:
    """RFC 7617: with a colon between, in base64; and what the browser says of it is replaced."""
    made = connector()
    session = await logged_on(wants('Basic realm="Archive", charset="UTF-8"'), made, Credential("lee", "pä:ss"))
    look = Asked(b"/studies", Action.ENTER, headers=((b"authorization", b"Basic YnJvd3Nlcg=="),))
    assert (await sent(made, session, look))[b"authorization"] == b"Basic " + base64.b64encode("lee:pä:ss".encode())


async def test_the_declared_charset_is_used() -> None:
    """Old systems read iso-8859-1; what cannot be written in it is told, and not sent."""
    made = connector(credential_charset="iso-8859-1")
    session = await logged_on(wants("Basic realm=A"), made, Credential("lee", "pä"))
    assert session.state["authorization"] == "Basic " + base64.b64encode(b"lee:p\xe4").decode()
    with pytest.raises(SystemMisbehaves, match="character that it cannot be told"):
        await logged_on(wants("Basic realm=A"), made, Credential("lee", "\u0142"))


@pytest.mark.parametrize("algorithm", [None, "MD5", "MD5-sess", "SHA-256", "SHA-256-sess", "SHA-512-256"])
@pytest.mark.parametrize("qop", ["auth", None])
async def test_each_request_answers_the_digest_challenge(algorithm: str | None, qop: str | None) -> None:
    """For its own method and target, each with a count of its own."""
    made, server = connector(), DigestServer(algorithm, qop)
    session = await logged_on(server, made)
    for look in (
        Asked(b"/studies/1?a=%7b", Action.READ),
        Asked(b"/studies/1?a=%7b", Action.READ),
        Asked(b"/notes", Action.WRITE, method="POST", body=b"a"),
    ):
        word = (await sent(made, session, look))[b"authorization"].decode()
        assert server.takes(word, look.method, look.target.decode())
        assert not server.takes(word, "DELETE", look.target.decode())
    assert LEE.secret not in str(session.state)


async def test_two_gateways_never_count_alike() -> None:
    """They share the session and its nonce; and a name that is not ASCII has its own field."""
    one, other, server = connector(), connector(), DigestServer(user=Credential("lée", "p"))
    session = await logged_on(server, one, server.user)
    wire = Wire(server)
    await other.open(replace(wire.tools(), now=lambda: wire.tools().now() + 0.001))
    for made in (one, other, one):
        assert server.takes(
            (await sent(made, session, Asked(b"/", Action.ENTER)))[b"authorization"].decode(), "GET", "/"
        )


async def test_the_next_nonce_is_used_where_the_system_names_one() -> None:
    """RFC 7616, section 3.5: so that no write is refused for an old one."""
    made, server = connector(), DigestServer()
    session = await logged_on(server, made)
    response = UpstreamResponse(200, ((b"authentication-info", b'qop=auth, nextnonce="n2"'),), Body.of(b""))
    assert await made.absorb(session, Asked(b"/", Action.ENTER).inbound(), response) is True
    server.nonce = "n2"
    assert server.takes((await sent(made, session, Asked(b"/", Action.ENTER)))[b"authorization"].decode(), "GET", "/")


@pytest.mark.parametrize(
    ("offers", "taken"),
    [
        (('Basic realm="a"',), "basic"),
        (('Negotiate, Basic realm="a, Digest b", charset="UTF-8"',), "basic"),
        (('Basic realm="a", Digest realm="a", nonce="n", qop="auth", algorithm=MD5',), "md5"),
        (
            ('Digest realm="a", nonce="n", algorithm=MD5', 'Digest realm="a", nonce="n", algorithm=SHA-256', "Basic"),
            "sha-256",
        ),
        (('Digest realm="a", nonce="n", qop="auth-int"', 'Digest realm="a", nonce="n", algorithm=SHA3'), None),
        (("Negotiate", "NTLM TlRMTVNTUAACAAAA"), None),
        (("",), None),
        (('Basic realm="unfinished',), "basic"),
        (("=,=,;\x00",), None),
    ],
)
def test_the_strongest_offer_that_can_be_answered_is_taken(offers: tuple[str, ...], taken: str | None) -> None:
    """Of several in one line or in many; and what cannot be read is no offer."""
    found = strongest(challenges(offers))
    assert (found and (found.algorithm if found.scheme == "digest" else found.scheme)) == taken


async def test_a_scheme_can_be_demanded() -> None:
    """So that nobody who stands between can make a system ask for the weaker one."""
    with pytest.raises(SystemMisbehaves, match="not known here"):
        await logged_on(wants("Basic realm=a"), connector(scheme="digest"))


@pytest.mark.parametrize(
    ("status", "error"),
    [(401, CredentialRefused), (403, CredentialRefused), (500, SystemUnavailable), (503, SystemUnavailable)],
)
async def test_a_log_on_that_fails_is_told_as_what_it_is(status: int, error: type[Exception]) -> None:
    """And is not tried again."""
    with pytest.raises(error):
        await logged_on(wants("Basic realm=a", then=status), connector())


async def test_a_page_that_wants_no_password_is_no_proof() -> None:
    """Otherwise a wrong password would look right: the declaration is to be corrected."""
    with pytest.raises(SystemMisbehaves, match="wants no password at `/free`"):
        await logged_on(lambda request: httpx2.Response(200), connector(probe="/free"))


async def test_a_name_with_a_colon_cannot_be_told() -> None:
    """RFC 7617, section 2: it would be another name, and another password."""
    with pytest.raises(SystemMisbehaves, match="colon"):
        await logged_on(wants("Basic realm=a"), connector(), Credential("a:b", "c"))


async def test_401_is_a_log_off() -> None:
    """It wants to be told again."""
    made = connector()
    assert await made.is_logged_off(UpstreamResponse(401, (), Body.of(b""))) is True
    assert await made.is_logged_off(UpstreamResponse(403, (), Body.of(b""))) is False


async def test_logging_off_says_who() -> None:
    """The address for it wants the password too."""
    made, asked = connector(log_off={"path": "/bye"}), list[httpx2.Request]()
    session = await logged_on(wants("Basic realm=a"), made)
    wire = Wire(lambda request: asked.append(request) or httpx2.Response(200))
    async with wire.client() as client:
        await made.log_off(session, client)
        await made.health(client)
    assert [request.url.path for request in asked] == ["/bye", "/"]
    assert asked[0].headers["authorization"] == session.state["authorization"]


@pytest.mark.parametrize("options", [{"probe": "app"}, {"credential_charset": "utf-9"}])
def test_a_declaration_that_cannot_hold_is_refused(options: dict[str, Any]) -> None:
    """At the start."""
    with pytest.raises(ValueError, match=r"probe|credential_charset"):
        connector(**options)
