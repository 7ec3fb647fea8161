"""What passes between browser and system, and what is stripped: one table, both ways. Pure.

Hop-by-hop headers go before ours are added (RFC 9110, section 7.6.1), so that no `Connection: x-…` can take one of ours away. Names are
compared folded (`_` and `.` as `-`, any case): a system behind CGI or WSGI cannot tell the spellings apart either.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from connectors.errors import SystemMisbehaves
from connectors.messages import ASSET_TYPES, Body, InboundRequest, UpstreamRequest, UpstreamResponse, folded

from . import places
from .guarding import HTML, XHTML, navigates
from .passage import Passage

OURS = b"__Host-lanyard"

# From the browser, never passed on. A trailing `*` is a prefix.
STRIPPED_INWARD = (
    # hop-by-hop, and what only concerns our own connection
    "connection keep-alive proxy-connection te trailer transfer-encoding upgrade proxy-* http2-settings expect host content-length"
    # who asks and from where is ours to say
    " forwarded x-forwarded x-forwarded-* x-real-ip x-client-ip x-cluster-client-ip true-client-ip cf-* fastly-client-ip x-azure-* via"
    " authorization remote-* x-remote-* x-user x-user-* x-username x-auth-* x-authenticated-* x-webauth-* x-email x-groups x-roles x-role"
    " x-lanyard-* x-gw-* x-device-* x-ssl-* ssl-* x-client-cert* client-cert* x-arr-clientcert x-saml-* x-shib* shib-* x-oidc-* oidc-*"
    " x-ms-client-principal* x-ms-token-* x-amzn-oidc-* x-goog-* x-iap-* x-pomerium-* x-vouch-* x-consumer-* x-credential-* sm-* iv-*"
    # another method, another target
    " x-http-method x-http-method-override x-method-override x-original-* x-rewrite-* x-envoy-* x-url-scheme x-scheme x-script-name"
    " script-name path-info x-wsgi-* x-accel-* x-sendfile*"
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
    " server-timing access-control-* www-authenticate x-accel-* x-sendfile* x-lanyard-*"
    # said by us instead
    " set-cookie set-cookie2 cache-control expires pragma referrer-policy cross-origin-resource-policy"
).split()
INLINE_API_TYPES = (
    b"application/json",
    b"application/fhir+json",
    b"application/dicom+json",
    b"text/plain",
    b"image/png",
    b"image/jpeg",
)


def _matcher(table: list[str]) -> Callable[[bytes], bool]:
    exact = frozenset(name.encode() for name in table if not name.endswith("*"))
    prefixes = tuple(name[:-1].encode() for name in table if name.endswith("*"))

    @lru_cache(maxsize=2048)
    def stripped(name: bytes) -> bool:
        plain = folded(name)
        return plain in exact or plain.startswith(prefixes)

    return stripped


_inward = _matcher(STRIPPED_INWARD)
_outward = _matcher(STRIPPED_OUTWARD)


def inward(inbound: InboundRequest, passage: Passage) -> InboundRequest:
    """The request as a connector may see and pass it: nothing in it speaks for us, no cookie but the declared ones."""
    headers = inbound.headers
    if named := _named_by_connection(inbound):
        headers = tuple(pair for pair in headers if pair[0] not in named)
    passed: list[tuple[bytes, bytes]] = []
    for pair in headers:
        if pair[0] in _plain_inward:
            passed.append(pair)
        elif kept := _judged_inward(pair, passage):
            passed.append(kept)
    return InboundRequest(
        inbound.id,
        inbound.method,
        inbound.target,
        tuple(passed),
        inbound.body,
        inbound.scheme,
        inbound.host,
        inbound.prefix,
        inbound.length,
        inbound.session,
        inbound.who,
        inbound.matched,
    )


# Names that have been judged and go through as they are: the same few come with every message.
_plain_inward: set[bytes] = set()
_plain_outward: set[bytes] = set()
_MOST_PLAIN = 2048


def _judged_inward(pair: tuple[bytes, bytes], passage: Passage) -> tuple[bytes, bytes] | None:
    name, value = pair
    if name == b"cookie":
        declared = _declared(value, passage.browser_cookies)
        return (name, declared) if declared else None
    if name == b"authorization" and passage.passes_authorization:
        return pair
    if name in (b"origin", b"referer"):
        return (name, places.as_upstream(value, passage)) if passage.translate else pair
    if _inward(name):
        return None
    if len(_plain_inward) < _MOST_PLAIN:
        _plain_inward.add(name)
    return pair


def addressed(request: UpstreamRequest, inbound: InboundRequest, passage: Passage) -> UpstreamRequest:
    """The connector's request with Host and what the system may know of the way here; ours come last and once."""
    headers = request.headers
    if passage.guard is not None and not request.expects_identity and navigates(inbound):
        request.expects_identity = True  # a page that comes packed, or in part, cannot be guarded
    if request.expects_identity:
        headers = tuple([pair for pair in headers if pair[0] not in CONDITIONAL])
    ours: list[tuple[bytes, bytes]] = [(b"host", passage.host)]
    if request.expects_identity:
        ours.append((b"accept-encoding", b"identity"))
    if not passage.translate:
        ours += [(b"x-forwarded-proto", inbound.scheme.encode()), (b"x-forwarded-host", inbound.host.encode())]
    ours.append((b"x-request-id", inbound.id.encode()))
    request.headers = (*ours, *headers)
    return request


_NOTHING: frozenset[bytes] = frozenset()


def _named_by_connection(message: InboundRequest | UpstreamResponse) -> frozenset[bytes]:
    if message.header(b"connection") is None:
        return _NOTHING
    lines = [value for name, value in message.headers if name == b"connection"]
    named = {token.strip().lower() for line in lines for token in line.split(b",")}
    # Cookies are ours to pass or not; a browser cannot make us drop them. The usual two name no header that passes anyway.
    return frozenset(named - {b"cookie", b"keep-alive", b"close"})


def _declared(cookies: bytes, names: frozenset[bytes]) -> bytes:
    if not names:
        return b""
    pairs = (pair.strip(b" ") for pair in cookies.split(b";"))
    return b"; ".join(p for p in pairs if p.partition(b"=")[0] in names and not _is_ours(p))


def _is_ours(pair: bytes) -> bool:
    return pair.lower().startswith(OURS.lower())


# Outward


def outward(
    response: UpstreamResponse, inbound: InboundRequest, passage: Passage, *, asset: bool, about: str = ""
) -> UpstreamResponse:
    """The answer as the browser may see it; `about` marks whose page it is. Raises SystemMisbehaves where it may not be passed on."""
    kind = _media_type(response)
    body, bodiless = response.body, response.status in (204, 304)
    if asset and response.status < 300 and not kind.startswith(ASSET_TYPES):
        raise SystemMisbehaves("a route declared as an asset answered with something that is none")
    if asset and response.status >= 300:
        # Assets are only counted, so the page of an error or redirect, which could say anything, stays here.
        response.close()
        body, bodiless = Body.of(b""), True
    attached = passage.api and kind not in INLINE_API_TYPES
    headers = response.headers
    if named := _named_by_connection(response):
        headers = tuple(pair for pair in headers if pair[0] not in named)
    passed: list[tuple[bytes, bytes]] = []
    for pair in headers:
        name = pair[0]
        if name in _plain_outward:
            passed.append(pair)
        elif (bodiless and name == b"content-length") or (attached and name == b"content-disposition"):
            continue
        elif kept := _judged_outward(pair, passage):
            passed.append(kept)
    passed += _said_by_us(kind, passage, asset=asset)
    if attached:
        passed.append((b"content-disposition", _attachment(response)))
    answer = UpstreamResponse(response.status, tuple(passed), body, response.reason, response.close)
    if kind in (HTML, XHTML) and passage.guard is not None and not asset:
        return passage.guard.guarded(answer, inbound, kind, about)
    return answer


def _judged_outward(pair: tuple[bytes, bytes], passage: Passage) -> tuple[bytes, bytes] | None:
    name, value = pair
    match name:
        case b"set-cookie":
            line = _own_cookie(value, passage)
            return (name, line) if line else None
        case b"location" | b"content-location":
            return name, places.as_public(value, passage)
        case b"refresh":
            return name, places.refresh(value, passage)
        case b"content-length" | b"content-disposition":
            return pair
    if _outward(name):
        return None
    if len(_plain_outward) < _MOST_PLAIN:
        _plain_outward.add(name)
    return pair


def _media_type(response: UpstreamResponse) -> bytes:
    """Lower-case, without parameters. Raises SystemMisbehaves where two are given: which one a browser takes is its own choice."""
    if [name for name, _ in response.headers].count(b"content-type") > 1:
        raise SystemMisbehaves("the system answered with two content types")
    return response.media_type()


def _attachment(response: UpstreamResponse) -> bytes:
    """The system's own file name is kept, its wish to be shown is not."""
    said = response.header(b"content-disposition") or b""
    return said if said.strip().lower().startswith(b"attachment") else b"attachment"


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
    else:
        if asset:
            said.append((b"x-content-type-options", b"nosniff"))
        # A picture or a document with script in it gets no script; pages keep their own policy beside this.
        active = kind.startswith((b"image/svg", b"text/xml", b"application/xml"))
        said.append(
            (b"content-security-policy", b"sandbox; frame-ancestors 'self'" if active else b"frame-ancestors 'self'")
        )
    return tuple(said)


def _own_cookie(line: bytes, passage: Passage) -> bytes:
    """A declared cookie, for this host only, for as long as the system says. Empty where it is not declared."""
    pair, _, rest = line.partition(b";")
    pair = pair.strip(b" \t")
    if pair.partition(b"=")[0] not in passage.browser_cookies or _is_ours(pair):
        return b""
    kept = [part.strip(b" \t") for part in rest.split(b";")]
    kept = [part for part in kept if part.partition(b"=")[0].lower() in (b"max-age", b"expires", b"httponly")]
    return b"; ".join([pair, *kept, b"Path=" + (passage.prefix or b"/"), b"Secure", b"SameSite=Lax"])


def wants_service_worker(inbound: InboundRequest) -> bool:
    """A service worker would outlive the session and see every page of its origin: its script is not given."""
    return inbound.header(b"service-worker") is not None or inbound.header(b"sec-fetch-dest") == b"serviceworker"
