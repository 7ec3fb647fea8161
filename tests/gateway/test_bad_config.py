"""Settings and rules that have opened gateways elsewhere: order that hides a rule, values expanded twice, old TLS."""

from __future__ import annotations

import itertools
import ssl
import warnings
from dataclasses import replace
from pathlib import Path

import pytest

from connectors.messages import Body, InboundRequest, UpstreamRequest
from connectors.routes import RouteError, RouteTable
from gateway.assembly import origin_of
from gateway.errors import UpstreamUnavailable
from policies.bundle import BUNDLED, SCHEMA, Bundle
from policies.decision import Deny, Permit
from policies.engine import CedarEngine
from policies.testing import ask
from tests.gateway.proxy.scripted import Peer, transport, upstream
from tests.gateway.proxy.test_tls import Authority
from tests.gateway.test_config import GOOD, read, refusal

GET = UpstreamRequest("GET", b"/", ((b"host", b"pas"),))
RULES = {
    "everything": '@id("everything")\npermit (principal, action, resource);\n',
    "not-sealed": '@id("not-sealed") @reason("restricted") @text("this record is sealed")\n'
    'forbid (principal, action, resource) when { context.restricted == Known::"yes" };\n',
    "nurses": '@id("nurses")\npermit (principal in Role::"nurse", action, resource);\n',
}


@pytest.mark.parametrize("order", list(itertools.permutations(RULES)), ids=" then ".join)
def test_no_rule_hides_another(tmp_path: Path, order: tuple[str, ...]) -> None:
    """CONFIG-028: whatever is permitted before it, a rule that refuses refuses; order decides nothing."""
    (tmp_path / SCHEMA).write_bytes((BUNDLED / SCHEMA).read_bytes())
    for number, name in enumerate(order):
        (tmp_path / f"{number}.cedar").write_text(RULES[name])
    engine = CedarEngine(Bundle.load(tmp_path))
    assert isinstance(engine.decide(*ask("nurse", "read", "observation", restricted="no")), Permit)
    refused = engine.decide(*ask("nurse", "read", "observation", restricted="yes"))
    assert isinstance(refused, Deny)
    assert refused.reason.rules == ("not-sealed",)


def test_two_routes_for_the_same_requests_are_refused() -> None:
    """CONFIG-028: of two routes that say different things of one address, neither is taken in silence."""
    routes = [
        {"id": "open", "path": "/admin/{page}", "action": "enter"},
        {"id": "closed", "path": "/admin/{name}", "action": "write"},
    ]
    for order in (routes, routes[::-1]):
        with pytest.raises(RouteError, match=r"`open`.*`closed`|`closed`.*`open`"):
            RouteTable.declared(order, charset="utf-8", system="pas")


@pytest.mark.parametrize("path", ["/admin/{page}", "/admin/users/{id}", "/admin/{rest...}"])
def test_a_route_that_another_hides_is_refused(path: str) -> None:
    """CONFIG-028: what an earlier `{rest...}` takes never reaches the later route; in the other order both are reached."""
    everything = {"id": "open", "path": "/admin/{any...}", "action": "enter"}
    closed = {"id": "closed", "path": path, "action": "write", "methods": ["GET"]}
    with pytest.raises(RouteError, match="closed"):
        RouteTable.declared([everything, closed], charset="utf-8", system="pas")
    if "..." not in path:
        table = RouteTable.declared([closed, everything], charset="utf-8", system="pas")
        for target, route in ((path.replace("{id}", "1").replace("{page}", "x"), "closed"), ("/admin/x/y/z", "open")):
            match = table.match(InboundRequest("0", "GET", target.encode(), (), Body.of(b"")))
            assert match is not None
            assert match.route.id == route
    # A route that begins with a name waits for those that begin with a word: it hides none of them.
    beside = {"id": "beside", "path": "/{any...}", "action": "enter"}
    RouteTable.declared([beside, closed], charset="utf-8", system="pas")


@pytest.mark.parametrize(
    "text", ["{env.OTHER}", "${OTHER}", "$OTHER", "%OTHER%", "{{ env.OTHER }}", '{ env = "OTHER" }x']
)
def test_a_value_is_never_expanded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """CONFIG-031: what looks like a reference inside a value is its text: in the file, in the environment, in a secret."""
    monkeypatch.setenv("OTHER", "somebody's secret")
    monkeypatch.setenv("JOURNAL_KEY", text)
    (tmp_path / "client").write_text(text)
    environ = {"LANYARD_SSO__CLIENT_ID": text}
    escaped = text.replace("{", "{{").replace("}", "}}")
    config = read(tmp_path, GOOD.replace('title = "Patient administration"', f"title = '{escaped}'"), environ)
    assert config.sso.client_id == text
    assert config.systems[0].title == text
    assert config.sso.client_secret is not None
    assert config.sso.client_secret.read() == config.keys.journal.read() == text.encode()


def only_old(context: ssl.SSLContext) -> ssl.SSLContext:
    """The context, for TLS 1.0 and nothing newer."""
    context.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Python says what the test is about
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1
    return context


async def test_a_system_with_old_tls_gets_nothing(tmp_path: Path) -> None:
    """UP-223: the context that a configured system gets speaks TLS 1.2 or newer, and nothing is sent below that."""
    authority = Authority(tmp_path)

    async def answers(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    async with upstream(answers, only_old(authority.server("pas.internal"))) as up, transport() as carrier:
        place = f'upstream = "https://127.0.0.1:{up.port}"\nsni = "pas.internal"\nca_file = "{authority.pem}"'
        config = read(tmp_path, GOOD.replace('upstream = "https://pas.internal:8443"', place))
        ours = origin_of(config.systems[0])
        with pytest.raises(UpstreamUnavailable) as told:
            await carrier.send(ours, GET)
        assert not told.value.sent
        assert up.peers == []
        # The canary: whoever lowers the bar does reach it, so it was the version that was refused.
        lax = replace(ours, tls=only_old(ssl.create_default_context(cafile=authority.pem)))
        assert (await carrier.send(lax, GET)).body.whole == b"ok"


def test_old_tls_is_not_to_be_had_by_a_setting(tmp_path: Path) -> None:
    """UP-223: there is no key that makes an exception, so a file that names one is refused with the key's name."""
    for key in ("tls_minimum", "insecure_tls", "verify"):
        said = refusal(tmp_path, GOOD + f'{key} = "1.0"\n')
        assert f"systems.0.{key}" in said
