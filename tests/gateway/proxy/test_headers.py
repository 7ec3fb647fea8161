"""What passes between browser and system, and what is stripped."""

from __future__ import annotations

from dataclasses import replace

import pytest

from connectors.errors import SystemMisbehaves
from connectors.messages import Body, Headers, InboundRequest, UpstreamRequest, UpstreamResponse
from gateway.proxy.headers import addressed, inward, outward, wants_service_worker
from gateway.proxy.passage import Passage

PAGE = Passage(
    public_origin=b"https://pas.records.example",
    prefix=b"",
    upstream_origin=b"http://pas.internal:8080",
    base_path=b"",
    host=b"pas.internal:8080",
    translate=True,
    browser_cookies=frozenset({b"csrftoken"}),
    known_origins=frozenset({b"http://pas.internal:8080", b"https://pas.records.example"}),
)
API = replace(PAGE, public_origin=b"https://api.records.example", prefix=b"/epr", api=True, browser_cookies=frozenset())


def asked(*headers: tuple[bytes, bytes]) -> InboundRequest:
    return InboundRequest("r" * 32, "GET", b"/ward/7/list", headers, Body.of(b""), "https", "pas.records.example")


def sent(*headers: tuple[bytes, bytes], passage: Passage = PAGE, identity: bool = False) -> Headers:
    """The headers that reach the system when a connector passes on what it was given."""
    inbound = asked(*headers)
    passed = inward(inbound, passage)
    request = UpstreamRequest("GET", b"/ward/7/list", passed.headers, expects_identity=identity)
    return addressed(request, inbound, passage).headers


def answered(*headers: tuple[bytes, bytes], status: int = 200, passage: Passage = PAGE, asset: bool = False) -> Headers:
    return outward(UpstreamResponse(status, headers, Body.of(b"x")), asked(), passage, asset=asset).headers


def value(headers: Headers, name: bytes) -> bytes | None:
    found = [v for n, v in headers if n == name]
    assert len(found) < 2, name
    return found[0] if found else None


# From the browser

# Names that somebody's system believes to say who asks, from where, or for what. By case of the catalogue, and more.
NEVER_FROM_OUTSIDE = """
 HTTP-048 X-Rewrite-URL | HTTP-050 X-Forwarded-Uri | HTTP-052 X-Forwarded-Path | HTTP-055 X-Forwarded-Prefix
 HTTP-057 X-Envoy-Original-Path | HTTP-059 X-Accel-Redirect | HTTP-060 X-Auth-Request-Redirect | HTTP-063 X-Script-Name
 HTTP-075 X-Forwarded-User | HTTP-076 X_Forwarded_User | HTTP-077 x-forwarded-user | HTTP-078 X-Forwarded_User
 HTTP-080 X-Forwarded-Groups | HTTP-081 X-Remote-User | HTTP-082 Remote-User | HTTP-083 REMOTE_USER
 HTTP-087 OIDC_CLAIM_sub | HTTP-088 OIDC-Claim-Sub | HTTP-089 X-Gw-User | HTTP-090 X_Gw_User | HTTP-091 X.Gw.User
 HTTP-093 X-Client-Cert | HTTP-096 X_Device_Id | HTTP-098 X-Gw-Roles
 HTTP-104 Keep-Alive | HTTP-104 Proxy-Authorization | HTTP-104 Proxy-Connection | HTTP-104 TE | HTTP-104 Proxy
 HTTP-106 X-Real-IP | HTTP-107 Forwarded | HTTP-109 X-Forwarded-Proto | HTTP-110 X-Forwarded-Host | HTTP-111 X-Forwarded-Port
 HTTP-114 X-Cluster-Client-IP | HTTP-115 X-Forwarded-For
 ours X-Lanyard-User | ours x_lanyard_patient | cgi X-Original-URL | cgi X_Original_Url | override X-HTTP-Method-Override
 override X_Http_Method | override X-Method-Override | webauth X-WEBAUTH-USER | webauth x_webauth_user | auth X-Auth-Token
 tls X-SSL-Client-Verify | tls X-SSL-Client-I-DN | tls X_SSL_Client_S_DN
 tls SSL_CLIENT_S_DN | tls X-SSL-Client-Cert | tls X-ARR-ClientCert | tls Client-Cert | siteminder SM_USER | webseal iv-user
 shibboleth Shib-Session-ID | azure X-MS-CLIENT-PRINCIPAL-NAME | google X-Goog-Authenticated-User-Email | credential Authorization
 hop Transfer-Encoding | hop Upgrade | hop HTTP2-Settings | hop Trailer | body Expect | id X-Request-ID
"""
NAMES = [tuple(each.split()) for each in NEVER_FROM_OUTSIDE.replace("\n", "|").split("|") if each.strip()]


@pytest.mark.parametrize(("case", "name"), NAMES, ids=[" ".join(pair) for pair in NAMES])
def test_what_speaks_for_us_never_comes_from_outside(case: str, name: str) -> None:
    """In no spelling: CGI and WSGI cannot tell `_` from `-`, and some servers fold dots too."""
    for spelling in (name, name.lower(), name.upper(), name.replace("-", "_"), name.replace("_", "-")):
        headers = sent((spelling.encode(), b"consultant.admin"))
        assert b"consultant.admin" not in b"".join(v for _, v in headers)


@pytest.mark.parametrize(
    "named",
    [b"close, x-request-id", b"X-Request-Id", b"host", b"keep-alive, Cookie, Authorization", b"X-Real-Ip",
     b"x-forwarded-host,,x-forwarded-proto"],
    ids=["HTTP-099", "HTTP-100", "HTTP-101", "HTTP-102", "HTTP-103", "forwarded"],
)  # fmt: skip
def test_connection_cannot_take_away_what_we_add(named: bytes) -> None:
    """What a browser names as hop-by-hop goes before ours are added, and takes none of ours with it."""
    headers = sent((b"connection", named), passage=replace(PAGE, translate=False))
    assert value(headers, b"connection") is None
    for ours in (b"host", b"x-request-id", b"x-forwarded-host", b"x-forwarded-proto"):
        assert value(headers, ours) is not None


def test_what_connection_names_goes_with_it() -> None:
    """RFC 9110, section 7.6.1: any case, any list, several lines."""
    headers = sent(
        (b"x-a", b"1"), (b"x-b", b"2"), (b"x-c", b"3"), (b"connection", b"X-A ,x-b"), (b"connection", b"close")
    )
    assert [n for n, _ in headers if n.startswith(b"x-") and n != b"x-request-id"] == [b"x-c"]


def test_ordinary_headers_pass_as_they_came() -> None:
    """Order, repetition and bytes are kept."""
    ordinary = ((b"accept", b"text/html"), (b"x-csrf-token", b"t"), (b"accept", b"*/*"), (b"x-requested-with", b"\xe4"))
    assert sent(*ordinary)[-4:] == ordinary


def test_no_cookie_of_the_browsers_reaches_the_system_save_declared_ones() -> None:
    """The system's own session cookie is ours to send; a browser's is somebody's guess, or ours."""
    cookies = b"__Host-lanyard=secret; JSESSIONID=stolen; csrftoken=t; __host-lanyard=x;csrftoken=u; Csrftoken=v"
    assert value(sent((b"cookie", cookies)), b"cookie") == b"csrftoken=t; csrftoken=u"
    assert value(sent((b"cookie", cookies), passage=API), b"cookie") is None


def test_our_cookie_stays_ours_even_when_a_manifest_names_it() -> None:
    """A manifest's mistake must not hand our session to a system."""
    passage = replace(PAGE, browser_cookies=frozenset({b"__Host-lanyard", b"__HOST-lanyard-nonce"}))
    assert value(sent((b"cookie", b"__Host-lanyard=a; __HOST-lanyard-nonce=b"), passage=passage), b"cookie") is None
    assert value(answered((b"set-cookie", b"__HOST-lanyard-nonce=b"), passage=passage), b"set-cookie") is None


def test_an_apps_own_credential_passes_only_where_the_manifest_says_so() -> None:
    """Otherwise `Authorization` from outside is dropped: which credential a system gets is decided here."""
    assert value(sent((b"authorization", b"Bearer x")), b"authorization") is None
    passing = replace(API, passes_authorization=True)
    assert value(sent((b"authorization", b"Bearer x"), passage=passing), b"authorization") == b"Bearer x"
    assert value(sent((b"proxy-authorization", b"Basic x"), passage=passing), b"proxy-authorization") is None


@pytest.mark.parametrize(("translate", "host"), [(True, b"pas.internal:8080"), (False, b"pas.records.example")])
def test_the_system_gets_one_host(translate: bool, host: bytes) -> None:
    """By `host_header`, its own or the public one; the browser's word is not taken."""
    headers = sent((b"host", b"evil.test"), passage=replace(PAGE, translate=translate, host=host))
    assert value(headers, b"host") == host


def test_origin_and_referer_are_told_as_the_systems_own() -> None:
    """Frameworks compare them with their own name and answer 403 otherwise."""
    headers = sent((b"origin", b"https://pas.records.example"), (b"referer", b"https://pas.records.example/a?b"))
    assert value(headers, b"origin") == b"http://pas.internal:8080"
    assert value(headers, b"referer") == b"http://pas.internal:8080/a?b"


def test_an_answer_that_will_be_read_is_asked_for_whole_and_plain() -> None:
    """No encodings, ranges or conditions where a connector must read what is disclosed."""
    asked_for = [(b"accept-encoding", b"gzip"), (b"range", b"bytes=0-1"), (b"if-none-match", b"x"), (b"if-range", b"x"),
                 (b"if-modified-since", b"x")]  # fmt: skip
    headers = sent(*asked_for, identity=True)
    assert value(headers, b"accept-encoding") == b"identity"
    assert not {b"range", b"if-none-match", b"if-range", b"if-modified-since"} & {n for n, _ in headers}
    assert value(sent(*asked_for), b"range") == b"bytes=0-1"


@pytest.mark.parametrize("header", [(b"service-worker", b"script"), (b"sec-fetch-dest", b"serviceworker")])
def test_a_service_workers_script_is_known_as_one(header: tuple[bytes, bytes]) -> None:
    """It would outlive the session and see every page of its origin."""
    assert wants_service_worker(asked(header))
    assert not wants_service_worker(asked((b"sec-fetch-dest", b"script")))


# From the system

NEVER_FROM_A_SYSTEM = [
    (b"connection", b"upgrade"), (b"upgrade", b"websocket"), (b"keep-alive", b"timeout=5"), (b"proxy-authenticate", b"Basic"),
    (b"transfer-encoding", b"chunked"), (b"trailer", b"x"), (b"alt-svc", b'h3=":443"'), (b"clear-site-data", b'"cookies"'),
    (b"service-worker-allowed", b"/"), (b"public-key-pins", b"x"), (b"nel", b"{}"), (b"report-to", b"{}"), (b"server-timing", b"db;dur=53"),
    (b"access-control-allow-origin", b"https://evil.test"), (b"access-control-allow-credentials", b"true"),
    (b"www-authenticate", b"Basic realm=x"), (b"x-accel-redirect", b"/x"), (b"set-cookie2", b"a=b"), (b"x-lanyard-user", b"x"),
]  # fmt: skip


@pytest.mark.parametrize("header", NEVER_FROM_A_SYSTEM, ids=[name.decode() for name, _ in NEVER_FROM_A_SYSTEM])
def test_a_system_does_not_speak_for_the_origin(header: tuple[bytes, bytes]) -> None:
    """UP-199, BR-225 to 229: what would rule more than this one page is dropped."""
    assert header not in answered(header)
    assert value(answered((header[0].upper().lower(), header[1])), header[0]) is None


def test_what_the_systems_connection_names_goes_with_it() -> None:
    """Hop-by-hop is between the system and us."""
    assert value(answered((b"connection", b"X-Internal"), (b"x-internal", b"1")), b"x-internal") is None


def test_hsts_is_ours() -> None:
    """BR-246: one year and all hosts below, whatever a system says; on plain http (the demo) it would mean nothing."""
    headers = answered((b"strict-transport-security", b"max-age=0"))
    assert value(headers, b"strict-transport-security") == b"max-age=31536000; includeSubDomains"
    assert value(answered(passage=replace(PAGE, https=False)), b"strict-transport-security") is None


def test_record_pages_are_kept_by_nobody() -> None:
    """BR-234: the browser keeps no copy that outlives the session, whatever the system says."""
    headers = answered(
        (b"cache-control", b"public, max-age=86400"), (b"expires", b"Thu, 01 Jan 2099 00:00:00 GMT"), (b"pragma", b"x")
    )
    assert value(headers, b"cache-control") == b"no-store"
    assert value(headers, b"expires") is None
    assert value(headers, b"pragma") is None
    assert value(headers, b"referrer-policy") == b"same-origin"
    assert value(headers, b"cross-origin-resource-policy") == b"same-origin"


def test_no_opener_policy_is_added_to_a_systems_pages() -> None:
    """BR-244: old systems talk to their pop-ups."""
    assert value(answered((b"content-type", b"text/html")), b"cross-origin-opener-policy") is None


def test_an_uploaded_picture_with_script_in_it_gets_no_script() -> None:
    """BR-242: an SVG is a document; opened by itself it runs nothing."""
    headers = answered((b"content-type", b"image/svg+xml; charset=utf-8"))
    assert (value(headers, b"content-security-policy") or b"").startswith(b"sandbox")


def test_no_cookie_of_the_systems_reaches_the_browser_save_declared_ones() -> None:
    """A declared one is narrowed to this host, for as long as the system says."""
    headers = answered(
        (b"set-cookie", b"JSESSIONID=secret; Path=/"),
        (b"set-cookie", b"csrftoken=t; Domain=.nhs.uk; Path=/x; Max-Age=60; HttpOnly; SameSite=None"),
    )
    assert value(headers, b"set-cookie") == b"csrftoken=t; Max-Age=60; HttpOnly; Path=/; Secure; SameSite=Lax"
    assert value(answered((b"set-cookie", b"csrftoken=t"), passage=API), b"set-cookie") is None


def test_the_api_host_shows_no_pages() -> None:
    """A system under a path shares its origin with others: its answers run nothing and are no pages."""
    headers = answered((b"content-type", b"text/html"), (b"content-disposition", b"inline"), passage=API)
    assert value(headers, b"x-content-type-options") == b"nosniff"
    assert value(headers, b"content-security-policy") == b"sandbox; default-src 'none'; frame-ancestors 'none'"
    assert value(headers, b"content-disposition") == b"attachment"


@pytest.mark.parametrize(
    ("kind", "attached"),
    [
        (b"application/fhir+json; charset=utf-8", False),
        (b"APPLICATION/JSON", False),
        (b"application/json+evil", True),
        (b"image/svg+xml", True),
        (b"text/plainly-html", True),
    ],
)
def test_only_listed_media_types_are_shown_on_the_api_host(kind: bytes, attached: bool) -> None:
    """The whole media type is compared, not how it begins."""
    assert (value(answered((b"content-type", kind), passage=API), b"content-disposition") == b"attachment") is attached


def test_an_attachments_name_is_kept() -> None:
    """The file is saved under the name that the system gave it."""
    said = (b"content-disposition", b'Attachment; filename="x.html"')
    assert value(answered((b"content-type", b"text/html"), said, passage=API), b"content-disposition") == said[1]


def test_two_content_types_are_refused() -> None:
    """Which of them a browser believes is not for us to guess."""
    with pytest.raises(SystemMisbehaves):
        answered((b"content-type", b"image/png"), (b"content-type", b"text/html"))


@pytest.mark.parametrize("status", [204, 304])
def test_an_answer_without_body_says_no_length(status: int) -> None:
    """The server below would wait for bytes that never come."""
    assert value(answered((b"content-length", b"13"), status=status), b"content-length") is None
    assert value(answered((b"content-length", b"13")), b"content-length") == b"13"


# Assets


@pytest.mark.parametrize("kind", [b"text/css", b"text/javascript; charset=utf-8", b"image/png", b"font/woff2"])
def test_an_asset_is_what_its_route_says(kind: bytes) -> None:
    """It may be kept for a while: it is nobody's record."""
    headers = answered((b"content-type", kind), asset=True)
    assert value(headers, b"cache-control") == b"private, max-age=300"
    assert value(headers, b"x-content-type-options") == b"nosniff"


@pytest.mark.parametrize(
    "header", [(b"content-type", b"text/html"), (b"content-type", b"application/json"), (b"x-a", b"b")]
)
def test_a_page_on_an_assets_route_is_refused(header: tuple[bytes, bytes]) -> None:
    """Assets are only counted: a record must not come this way."""
    with pytest.raises(SystemMisbehaves):
        answered(header, asset=True)


@pytest.mark.parametrize("status", [302, 404, 500])
def test_what_an_assets_error_page_says_stays_here(status: int) -> None:
    """Its status is passed on, its body is not."""
    closed: list[bool] = []
    answer = UpstreamResponse(
        status,
        ((b"content-type", b"text/html"), (b"content-length", b"13")),
        Body.of(b"RECORD-CANARY"),
        close=lambda: closed.append(True),
    )
    passed = outward(answer, asked(), PAGE, asset=True)
    assert (passed.status, passed.body.whole, value(passed.headers, b"content-length")) == (status, b"", None)
    assert closed == [True]
