"""What passes between browser and system, and what is stripped: one table, both ways. Pure.

Hop-by-hop headers go before ours are added (RFC 9110, section 7.6.1), so that no `Connection: x-…` can take one of ours away. Names are
compared folded (`_` as `-`, any case): a system behind CGI or WSGI cannot tell the spellings apart either.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import lru_cache

from connectors.errors import SystemMisbehaves
from connectors.messages import Headers, InboundRequest, UpstreamRequest, UpstreamResponse

OURS = b"__Host-lanyard"

# From the browser, never passed on. A trailing `*` is a prefix.
STRIPPED_INWARD = (
    # hop-by-hop, and what only concerns our own connection
    "connection keep-alive proxy-connection te trailer transfer-encoding upgrade proxy-* http2-settings expect host content-length"
    # who asks and from where is ours to say
    " forwarded x-forwarded-* x-real-ip x-client-ip x-cluster-client-ip true-client-ip cf-connecting-ip via"
    " authorization remote-* x-remote-* x-user x-user-* x-username x-auth-* x-authenticated-* x-webauth-* x-email x-groups x-roles x-role"
    " x-lanyard-* x-gw-* x-ssl-* ssl-* x-client-cert* x-arr-clientcert x-saml-* x-oidc-* oidc-* x-ms-client-principal* x-amzn-oidc-*"
    # another method, another target
    " x-http-method x-http-method-override x-method-override x-original-* x-rewrite-* x-envoy-* x-url-scheme x-scheme"
    # httpoxy; ids are ours
    " proxy x-request-id x-correlation-id"
).split()
# Asked for only where nobody must read the answer.
CONDITIONAL = frozenset(b"accept-encoding range if-range if-none-match if-modified-since if-unmodified-since".split())
# From the system, never passed on.
STRIPPED_OUTWARD = (
    "connection keep-alive proxy-connection te trailer transfer-encoding upgrade proxy-* alt-svc"
    # what would speak for the whole origin, or for the gateway
    " strict-transport-security clear-site-data service-worker-allowed public-key-pins* nel report-to reporting-endpoints"
    " server-timing access-control-* www-authenticate x-accel-* x-sendfile x-lanyard-*"
    # said by us instead
    " set-cookie cache-control expires pragma referrer-policy cross-origin-resource-policy"
).split()
ASSET_TYPES = (b"text/css", b"text/javascript", b"application/javascript", b"application/x-javascript", b"image/", b"font/",
               b"application/font", b"application/x-font", b"application/vnd.ms-fontobject")  # fmt: skip
INLINE_API_TYPES = (
    b"application/json",
    b"application/fhir+json",
    b"application/dicom+json",
    b"text/plain",
    b"image/png",
    b"image/jpeg",
)


@dataclass(frozen=True, slots=True)
class Passage:
    """What is fixed about one system's traffic."""

    public_origin: bytes  # `https://pas.records.example.nhs.uk`
    prefix: bytes  # `/epr` on a path mount
    upstream_origin: bytes  # `http://pas.internal:8080`
    base_path: bytes
    host: bytes  # the Host that the system gets
    translate: bool  # Origin and Referer are told as the upstream's own (host_header = "upstream")
    api: bool = False
    browser_cookies: frozenset[bytes] = frozenset()
    opened_from: frozenset[str] = frozenset()  # public origins whose pages may send forms here
    https: bool = True
    known_origins: frozenset[bytes] = field(
        default_factory=frozenset
    )  # spellings of the system's own origin in Location


def _matcher(table: list[str]) -> Callable[[bytes], bool]:
    exact = frozenset(name.encode() for name in table if not name.endswith("*"))
    prefixes = tuple(name[:-1].encode() for name in table if name.endswith("*"))

    @lru_cache(maxsize=2048)
    def stripped(name: bytes) -> bool:
        folded = name.lower().replace(b"_", b"-")
        return folded in exact or folded.startswith(prefixes)

    return stripped


_inward = _matcher(STRIPPED_INWARD)
_outward = _matcher(STRIPPED_OUTWARD)


def inward(inbound: InboundRequest, passage: Passage) -> InboundRequest:
    """The request as a connector may see and pass it: nothing in it speaks for us, no cookie but the declared ones."""
    named = _named_by_connection(inbound.headers)
    passed: list[tuple[bytes, bytes]] = []
    for name, value in inbound.headers:
        if _inward(name) or name in named:
            continue
        if name == b"cookie":
            if declared := _declared(value, passage.browser_cookies):
                passed.append((name, declared))
        elif passage.translate and name in (b"origin", b"referer"):
            passed.append((name, _as_upstream(value, passage)))
        else:
            passed.append((name, value))
    return replace(inbound, headers=tuple(passed))


def addressed(request: UpstreamRequest, inbound: InboundRequest, passage: Passage) -> UpstreamRequest:
    """The connector's request with Host and what the system may know of the way here; ours come last and once."""
    headers = request.headers
    if request.expects_identity:
        headers = tuple(pair for pair in headers if pair[0] not in CONDITIONAL)
    ours: list[tuple[bytes, bytes]] = [(b"host", passage.host)]
    if request.expects_identity:
        ours.append((b"accept-encoding", b"identity"))
    if not passage.translate:
        ours += [(b"x-forwarded-proto", inbound.scheme.encode()), (b"x-forwarded-host", inbound.host.encode())]
    ours.append((b"x-request-id", inbound.id.encode()))
    request.headers = (*ours, *headers)
    return request


def _named_by_connection(headers: Headers) -> frozenset[bytes]:
    named: set[bytes] = set()
    for name, value in headers:
        if name == b"connection":
            named |= {token.strip().lower() for token in value.split(b",")}
    return frozenset(named - {b"cookie"})  # cookies are ours to pass or not; a browser cannot make us drop them


def _declared(cookies: bytes, names: frozenset[bytes]) -> bytes:
    if not names:
        return b""
    pairs = (pair.strip(b" ") for pair in cookies.split(b";"))
    return b"; ".join(p for p in pairs if p.partition(b"=")[0] in names and not p.startswith(OURS))


def _as_upstream(value: bytes, passage: Passage) -> bytes:
    """Our public origin as the system's own, where it stands; anything else as it is."""
    if value == passage.public_origin:
        return passage.upstream_origin
    if value.startswith(passage.public_origin + b"/"):
        rest = value[len(passage.public_origin) :].removeprefix(passage.prefix)
        return passage.upstream_origin + passage.base_path + rest
    return value


# Outward


def outward(response: UpstreamResponse, inbound: InboundRequest, passage: Passage, *, asset: bool) -> UpstreamResponse:
    """The answer as the browser may see it. Raises SystemMisbehaves where it may not be passed on at all."""
    kind = b""
    cookies: list[bytes] = []
    passed: list[tuple[bytes, bytes]] = []
    named = _named_by_connection(response.headers)
    for name, value in response.headers:
        if name == b"set-cookie" and passage.browser_cookies:
            cookies.append(value)
        if _outward(name) or name in named:
            continue
        if name in (b"location", b"content-location"):
            passed.append((name, _as_public(value, passage)))
        elif name == b"refresh":
            passed.append((name, _refresh(value, passage)))
        else:
            kind = value.strip().lower() if name == b"content-type" else kind
            passed.append((name, value))
    if asset and response.status < 300 and not kind.startswith(ASSET_TYPES):
        raise SystemMisbehaves("a route declared as an asset answered with something that is none")
    passed += _said_by_us(kind, passage, asset=asset)
    passed += [(b"set-cookie", line) for cookie in cookies if (line := _own_cookie(cookie, passage.browser_cookies))]
    return UpstreamResponse(response.status, tuple(passed), response.body, response.reason, response.close)


@lru_cache(maxsize=1024)
def _said_by_us(kind: bytes, passage: Passage, *, asset: bool) -> tuple[tuple[bytes, bytes], ...]:
    said = [
        # An asset shows nobody's record; all else is gone from the browser's caches when the page is.
        (b"cache-control", b"private, max-age=300" if asset else b"no-store"),
        # Within the origin the whole address: a write's page is known by it. Outside, nothing.
        (b"referrer-policy", b"same-origin"),
        (b"cross-origin-resource-policy", b"same-origin"),
    ]
    if passage.https:
        said.append((b"strict-transport-security", b"max-age=31536000; includeSubDomains"))
    if passage.api:
        said += [
            (b"x-content-type-options", b"nosniff"),
            (b"content-security-policy", b"sandbox; default-src 'none'; frame-ancestors 'none'"),
        ]
        if not kind.startswith(INLINE_API_TYPES):
            said.append((b"content-disposition", b"attachment"))
    else:
        # A picture or a document with script in it gets no script; pages keep their own policy beside this.
        active = kind.startswith((b"image/svg", b"text/xml", b"application/xml"))
        said.append(
            (b"content-security-policy", b"sandbox; frame-ancestors 'self'" if active else b"frame-ancestors 'self'")
        )
    return tuple(said)


def _as_public(value: bytes, passage: Passage) -> bytes:
    """A redirect to the system's own origin as one to its public origin. Raises SystemMisbehaves for `/.lanyard/`."""
    if value.startswith(b"/") and not value.startswith((b"//", b"/\\")):
        path = value
    else:
        origin = next((o for o in passage.known_origins if _is_below(value, o)), None)
        if origin is None:
            return value
        path = value[len(origin) :] or b"/"
    path = path.removeprefix(passage.base_path) if passage.base_path else path
    if path.startswith(b"/.lanyard"):
        raise SystemMisbehaves("the system redirects into what is the gateway's own")
    public = passage.prefix + (path if path.startswith(b"/") else b"/" + path)
    return public if value.startswith(b"/") else passage.public_origin + public


def _is_below(value: bytes, origin: bytes) -> bool:
    return value[: len(origin)].lower() == origin and value[len(origin) : len(origin) + 1] in (b"", b"/", b"?", b"#")


def _refresh(value: bytes, passage: Passage) -> bytes:
    delay, found, target = value.partition(b"=")
    return delay + found + _as_public(target.strip(b" '\""), passage) if found else value


def _own_cookie(line: bytes, names: frozenset[bytes]) -> bytes:
    """A declared cookie, for this host only. Empty where it is not declared."""
    pair = line.partition(b";")[0].strip(b" ")
    name = pair.partition(b"=")[0]
    if name not in names or name.startswith(OURS):
        return b""
    return pair + b"; Path=/; Secure; SameSite=Lax"


def wants_service_worker(inbound: InboundRequest) -> bool:
    """A service worker would outlive the session and see every page of its origin: its script is not given."""
    return inbound.header(b"service-worker") is not None
