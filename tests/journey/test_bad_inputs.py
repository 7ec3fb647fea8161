"""Requests over raw sockets through the whole gateway, with a signed-on nurse's cookie: what came back, and what the system saw."""

from __future__ import annotations

import resource
import signal
import socket
import struct
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from .recorder import Seen, reply
from .ward import CANARY, Ward

pytestmark = pytest.mark.counterpart


FORM = "Content-Type: application/x-www-form-urlencoded"

# Headers by which a front server speaks to the one behind it: the address and the verb that were judged are the ones that count.
SPEAKS_FOR_US = {
    "HTTP-053": "X-Forwarded-Path: /admin/users",
    "HTTP-061": "X-Auth-Request-Redirect: /admin/users",
    "HTTP-121": "Authorization: Basic YWRtaW46YWRtaW4=",
    "HTTP-121b": "authorization: Bearer YWRtaW46YWRtaW4=",
    "HTTP-121c": "Proxy-Authorization: Basic YWRtaW46YWRtaW4=",
}


@pytest.mark.parametrize("case", SPEAKS_FOR_US)
def test_what_speaks_for_us_is_not_passed_on(here: Ward, case: str) -> None:
    """The page that was asked for is given, and the system hears nothing of the header."""
    name, _, value = SPEAKS_FOR_US[case].partition(": ")
    assert here.ask("/ward/7/list", f"{name}: {value}").status == 200
    (seen,) = here.asked()
    assert seen.target == "/ward/7/list"
    assert name.lower().encode() not in seen.raw.lower()
    assert value.encode() not in seen.raw


@pytest.mark.parametrize("name", ["X-Method-Override", "X-HTTP-Method-Override", "x_method_override"])
def test_a_verb_is_what_the_request_line_says(here: Ward, name: str) -> None:
    """HTTP-073: a form that is permitted stays a form; the other verb is not passed on."""
    got = here.ask("/ward/7/notes", f"{name}: DELETE", FORM, method="POST", body=b"t=1")
    assert got.status == 200
    (seen,) = here.asked()
    assert (seen.method, seen.body) == ("POST", b"t=1")
    assert b"DELETE" not in seen.raw


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_a_page_that_nobody_declared_is_not_asked_for(here: Ward, method: str) -> None:
    """HTTP-126: where only declared pages are open, another is refused in words, and the system hears nothing."""
    got = here.ask("/never/configured", method=method)
    assert got.status == 403
    assert CANARY not in got.raw
    assert here.upstream.seen == []


UPGRADE = ("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: eA==")
# WebSockets are not brokered, so whoever asks for one is refused alike: what is sent, and what is different about it.
TUNNELS: dict[str, tuple[tuple[str, ...], dict[str, Any]]] = {
    "RAW-161 not said to the connection": (UPGRADE[1:], {}),
    "RAW-162 by POST": ((*UPGRADE, "Content-Length: 0"), {"method": "POST"}),
    "RAW-163 of a version that is none": ((*UPGRADE[:2], "Sec-WebSocket-Version: 777", "Sec-WebSocket-Key: x"), {}),
    "HTTP-249 without a session": (UPGRADE, {"cookie": ""}),
    "HTTP-251 from a sibling": ((*UPGRADE, "Origin: http://wiki.records.localhost"), {}),
    "HTTP-252 from nowhere": (UPGRADE, {}),
}


@pytest.mark.parametrize("case", TUNNELS)
@pytest.mark.parametrize("target", ["/ward/7/list", "/never/configured"])
def test_no_connection_becomes_a_tunnel(here: Ward, case: str, target: str) -> None:
    """HTTP-253 and the rest: refused and closed, and nothing reaches a system, least of all what was sent behind."""
    headers, how = TUNNELS[case]
    behind = here.request("/search?q=smuggled")
    got = here.send(here.request(target, *headers, **how) + behind + b"\x81\x85\0\0\0\0hello")
    assert (got.status, got.closed) == (501, True)
    assert here.upstream.seen == []


@pytest.mark.parametrize(
    "target",
    [
        "/record?id=123&id=900",
        "/record?id=123&%69d=900",
        "/record?%69d=900&id=123",
        "/record?id=123&ID=900",
        "/record?id=123&id[]=900",
        "/record?id=123&id%5B0%5D=900",
        "/record?id=123&id%00=900",
        "/record?Id=900",
    ],
)
def test_one_request_is_about_one_patient(here: Ward, target: str) -> None:
    """HTTP-263, HTTP-264: named twice, in whatever spelling, two patients are a bad request, and nothing is asked."""
    assert here.ask(target).status == 400
    assert here.upstream.seen == []
    assert here.ask("/record?id=123&id=123").status == 200


JSON = "Content-Type: application/json"
BODIES = {
    "HTTP-265 address and form disagree": ("/record?id=123", FORM, b"id=900"),
    "HTTP-264 a form's name in another case": ("/record", FORM, b"id=123&ID=900"),
    "HTTP-269 a form that is said to be text": ("/record", "Content-Type: text/plain", b"id=900"),
    "HTTP-265 a form in parts": ("/record?id=123", "Content-Type: multipart/form-data; boundary=x", b"--x"),
    "HTTP-267 a key twice": ("/api/record", JSON, b'{"id":123,"id":900}'),
    "HTTP-268 a key in two cases": ("/api/record", JSON, b'{"id":123,"Id":900}'),
    "HTTP-268 a key in another case": ("/api/record", JSON, b'{"ID":900}'),
    "HTTP-269 JSON that is said to be text": ("/api/record", "Content-Type: text/plain", b'{"id":900}'),
}


@pytest.mark.parametrize("case", BODIES)
def test_a_body_is_about_one_patient_whoever_reads_it(here: Ward, case: str) -> None:
    """What another reader would understand in another way is a bad request, and nothing is asked."""
    target, kind, body = BODIES[case]
    assert here.ask(target, kind, method="POST", body=body).status == 400
    assert here.upstream.seen == []


def test_a_body_in_good_form_is_about_its_patient(here: Ward) -> None:
    """HTTP-265, HTTP-267, control: the same forms, of which there is one reading."""
    for target, kind, body in (("/record?id=123", FORM, b"id=123"), ("/api/record", JSON, b'{"id":123,"note":"x"}')):
        assert here.ask(target, kind, method="POST", body=body).status == 200
        assert here.place.events(type="access.intent")[-1]["patients"] == [["system:pas", "123"]]
    assert [one.content for one in here.asked()] == [b"id=123", b'{"id":123,"note":"x"}']


def test_nobody_s_cookie_opens_nothing(here: Ward) -> None:
    """Canary of this file: without the nurse's cookie the same request is refused, so the cookie is what opens."""
    for cookie in ("", "__Host-lanyard=" + "s" * 43):
        assert here.ask("/ward/7/list", cookie=cookie).status == 401
    assert here.upstream.seen == []


# Good requests

GOOD = {
    "OK-298": "/ward/7/list",
    "OK-299": "/search?name=O%27Brien%20Ann",
    "OK-300": "/search?name=M%C3%BCller-%C5%81uczak",
    "OK-301": "/search?name=Anna+Maria",
    "OK-302": "/search?ref=A%2FB",
    "OK-303": "/search?q=a;b",
    "OK-304": "/search?q=&flag",
    "OK-305": "/search?q=" + "a" * 7168,
    "OK-314": "/Ward/7/List.asp",
}


@pytest.mark.parametrize("case", GOOD)
def test_a_good_request_passes_as_it_came(here: Ward, case: str) -> None:
    """Once, byte for byte, and its page comes back."""
    got = here.ask(GOOD[case])
    assert (got.status, got.body) == (200, b"<p>" + CANARY)
    assert [one.target for one in here.asked()] == [GOOD[case]]


def test_good_requests_are_in_the_journal_as_they_came(here: Ward) -> None:
    """OK-298 to OK-305, HTTPX-323: what was judged, written down and sent is one and the same target."""
    before = len(here.place.events(type="access.intent"))
    for target in GOOD.values():
        here.ask(target)
    events = here.place.events(type="access.intent")[before:]
    sent = [one.target for one in here.asked()]
    assert sent == list(GOOD.values())
    for event, target in zip(events, sent, strict=True):
        written, cut, _ = event["target"].partition("…")  # the journal keeps the beginning of a very long one
        assert written == target or (cut and target.startswith(written) and len(written) > 200)
    assert {e["subject"] for e in events} == {"n.okoye"}


@pytest.mark.parametrize("spelling", ["/records/123", "/records/%31%32%33", "/%72ecords/12%33", "/records/123?id=900"])
def test_the_route_that_was_judged_is_the_one_that_is_asked(here: Ward, spelling: str) -> None:
    """HTTPX-323: however a patient's page is spelt, the journal has its patient, and the system the same spelling."""
    assert here.ask(spelling).status == 200
    event = here.place.events(type="access.intent")[-1]
    assert (event["target"], event["patients"]) == (spelling, [["system:pas", "123"]])
    assert [one.target for one in here.asked()] == [spelling]


def test_another_spelling_of_a_path_is_another_path(here: Ward) -> None:
    """OK-314: case is kept, and matters: only the spelling that is declared is open."""
    assert here.ask("/WARD/7/LIST").status == 403
    assert here.upstream.seen == []


def test_a_form_in_chunks_arrives_whole(here: Ward) -> None:
    """OK-306: a body whose length nobody said beforehand."""
    got = here.ask(
        "/ward/7/notes", "Transfer-Encoding: chunked", FORM, method="POST", body=b"3\r\nt=1\r\n4\r\n&u=2\r\n0\r\n\r\n"
    )
    assert got.status == 200
    (seen,) = here.asked()
    assert seen.whole
    assert seen.content == b"t=1&u=2"


def test_a_large_scan_arrives_whole(here: Ward) -> None:
    """OK-307: twenty megabytes, byte for byte."""
    scan = bytes(range(256)) * (20 * 4096)
    got = here.ask("/records/123/scan", "Content-Type: multipart/form-data; boundary=x", method="POST", body=scan)
    assert got.status == 200
    (seen,) = here.asked()
    assert seen.whole
    assert seen.body == scan


def ranged(seen: Seen) -> bytes:
    if seen.header("range") == ["bytes=0-3"]:
        return reply(b"\x89PNG", "image/png", "206 Partial Content", Content_Range="bytes 0-3/314572800")
    return reply(b"\x89PNG and all the rest", "image/png")


def test_a_part_of_an_image_is_a_part(here: Ward) -> None:
    """OK-308: a range is asked for and answered where nobody must read the answer; elsewhere the whole is given."""
    here.upstream.answer = ranged
    part = here.ask("/static/image", "Range: bytes=0-3")
    assert (part.status, part.body, part.headers("content-range")) == (206, b"\x89PNG", ["bytes 0-3/314572800"])
    whole = here.ask("/records/123/image", "Range: bytes=0-3")
    assert (whole.status, whole.body) == (200, b"\x89PNG and all the rest")


def test_an_old_client_with_a_host_is_served(here: Ward) -> None:
    """OK-309: HTTP/1.0, one request for each connection."""
    got = here.ask("/ward/7/list", version="1.0")
    assert (got.status, got.closed, got.body) == (200, True, b"<p>" + CANARY)


def test_a_hundred_requests_go_through_one_connection(here: Ward) -> None:
    """OK-310: one after the other, each answered, each seen once."""
    targets = [f"/search?q={number}" for number in range(100)]
    with socket.create_connection(("127.0.0.1", here.place.port), timeout=10) as connection:
        for target in targets:
            connection.sendall(here.request(target))
            data = b""
            while not data.endswith(CANARY):
                data += connection.recv(65536)
            assert data.startswith(b"HTTP/1.1 200")
    assert [one.target for one in here.asked()] == targets


def test_two_tabs_share_one_log_on(here: Ward) -> None:
    """OK-311: opened at the same moment, both have their page; one sign-on here, one log-on there."""
    together = threading.Barrier(2)
    statuses: list[int | None] = []

    def tab() -> None:
        together.wait()
        statuses.append(here.ask("/ward/7/list", at="wiki").status)

    threads = [threading.Thread(target=tab) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [200, 200]
    assert [one.path for one in here.upstream.seen] == ["/ward/7/list"] * 2
    assert len({cookie for one in here.upstream.seen for cookie in one.header("cookie")}) == 1
    assert len(here.place.events(type="login.ok")) == 1


def styled(seen: Seen) -> bytes:
    if seen.header("if-none-match") == ['"v1"']:
        return b'HTTP/1.1 304 Not Modified\r\nETag: "v1"\r\nContent-Length: 0\r\n\r\n'
    return reply(b"p{}", "text/css", ETag='"v1"')


def test_a_style_sheet_is_asked_for_again_by_its_tag(here: Ward) -> None:
    """OK-312: within a session an asset that has not changed is not sent again."""
    here.upstream.answer = styled
    assert here.ask("/static/app.css").headers("etag") == ['"v1"']
    again = here.ask("/static/app.css", 'If-None-Match: "v1"')
    assert (again.status, again.body) == (304, b"")


def test_an_old_charset_is_not_touched(here: Ward) -> None:
    """OK-313: a latin-1 page arrives byte for byte, and is called what the system called it."""
    page = "<p>Übersicht für Zoë".encode("latin-1")
    here.upstream.answer = lambda seen: reply(page, "text/html; charset=ISO-8859-1")
    got = here.ask("/ward/7/list")
    assert (got.body, got.headers("content-type")) == (page, ["text/html; charset=ISO-8859-1"])


def _gone(here: Ward, *parts: bytes, after: int = 0) -> None:
    """Send `parts`, read `after` bytes, and reset the connection."""
    with socket.create_connection(("127.0.0.1", here.place.port), timeout=10) as connection:
        for part in parts:
            connection.sendall(part)
        while after > 0:
            after -= len(connection.recv(after))
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def test_a_look_that_was_broken_off_is_told_as_incomplete(here: Ward) -> None:
    """OK-317, AUD-295: the browser goes away in the middle of a page; the journal says so, and the next one is served."""
    here.upstream.answer = lambda seen: reply(b"x" * 30_000_000)
    before = len(here.place.events(type="record.incomplete"))
    _gone(here, here.request("/records/123"), after=1000)
    here.told(lambda events: len(events) > before, type="record.incomplete")
    here.calm()
    assert here.ask("/ward/7/list").status == 200


# Writes that break off

CHUNKED = ("Transfer-Encoding: chunked", "Content-Type: text/plain")


@pytest.mark.parametrize("how", ["chunked", "length"])
def test_half_a_note_is_never_a_whole_one(here: Ward, how: str) -> None:
    """HTTPX-320: the browser goes away while it sends; the system gets no end to what it has begun to read."""
    before = len(here.place.events(type="write.aborted"))
    half = b"a" * 200_000
    if how == "chunked":
        sent = here.request("/ward/7/notes", *CHUNKED, method="POST") + b"%x\r\n%b\r\n" % (len(half), half)
    else:
        sent = here.request("/ward/7/notes", "Content-Length: 400000", method="POST") + half
    with socket.create_connection(("127.0.0.1", here.place.port), timeout=10) as connection:
        connection.sendall(sent)
        here.upstream.wait(lambda seen: any(one.path == "/ward/7/notes" for one in seen))
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    here.told(lambda events: len(events) > before, type="write.aborted")
    (seen,) = here.asked()
    assert not seen.whole


def test_a_broken_chunk_ends_the_write(here: Ward) -> None:
    """HTTPX-321: a megabyte of good chunks, then one that is none: nothing of it becomes a whole request."""
    good = b"10000\r\n" + b"a" * 65536 + b"\r\n"
    sent = here.request("/records/123/scan", *CHUNKED, method="POST") + good * 16 + b"5\r\nhelloXX0\r\n\r\n"
    got = here.send(sent)
    assert got.closed
    assert CANARY not in got.raw
    assert not any(one.whole for one in here.asked())


# Cookies


def test_a_cookie_of_the_system_stays_with_us(here: Ward) -> None:
    """COOKIE-044: the declared cookie alone reaches the browser, for this host; the rest goes back to that system only."""
    first = "theme=dark; Path=/; Domain=localhost\r\nSet-Cookie: PASID=p1; Path=/"
    here.upstream.answer = lambda seen: reply(b"x", Set_Cookie=first)
    (line,) = here.ask("/ward/7/list").headers("set-cookie")
    assert line.partition(";")[0] == "theme=dark"
    assert "domain" not in line.lower()
    assert "Secure" in line
    here.calm()
    here.ask("/ward/7/list", cookie=here.cookies[here.host("pas")] + "; theme=light")
    here.ask("/ward/7/list", at="wiki")
    pas, wiki = (one.header("cookie")[0] for one in here.asked())
    assert ("PASID=p1" in pas, "theme=light" in pas) == (True, True)
    assert "PASID" not in wiki
    assert "theme" not in wiki


def test_a_cookie_of_the_browser_s_own_is_not_the_system_s(here: Ward) -> None:
    """COOKIE-046, COOKIE-047: a browser cannot choose its log-on there, and our cookie stays here; the system is asked by name."""
    ours = here.cookies[here.host("pas")]
    for cookie in (f"{ours}; JSESSIONID=attacker", f"JSESSIONID=attacker; {ours}"):
        assert here.ask("/ward/7/list", cookie=cookie).status == 200
    for seen in here.asked():
        assert seen.header("host") == [f"localhost:{here.upstream.port}"]
        (sent,) = seen.header("cookie")
        assert "JSESSIONID=upstream-" in sent
        assert b"attacker" not in seen.raw
        assert b"__Host-" not in seen.raw
        assert ours.partition("=")[2].encode() not in seen.raw


# A journal that cannot write


@pytest.fixture
def restarted(here: Ward) -> Iterator[Ward]:
    """What a test does to the gateway's process ends with it."""
    yield here
    here.place.stop(signal.SIGKILL)
    here.place.start()


def full(here: Ward) -> None:
    """From now on no file takes another byte from the gateway: its journal, its store and its log fail."""
    resource.prlimit(here.place.worker, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))


def test_no_record_is_asked_for_when_the_journal_cannot_write(restarted: Ward) -> None:
    """HTTP-124: the disk takes nothing more in the middle of work: 503 with its reason, and the system hears nothing."""
    full(restarted)
    for target in ("/records/123", "/ward/7/list"):
        got = restarted.ask(target)
        assert got.status == 503
        assert b"journal-unavailable" in got.body
        assert CANARY not in got.raw
    assert restarted.upstream.seen == []


def test_no_byte_leaves_when_the_patients_in_it_cannot_be_written(restarted: Ward) -> None:
    """HTTP-124: the disk fails while the system answers, and the page names a patient whom the journal does not have yet."""

    def fails_meanwhile(seen: Seen) -> bytes:
        full(restarted)
        return reply(b"patient=123 patient=900 " + CANARY)

    restarted.upstream.answer = fails_meanwhile
    got = restarted.ask("/records/123")
    assert got.status == 503
    assert CANARY not in got.raw
    assert len(restarted.asked()) == 1


def test_the_journal_is_whole_after_that(here: Ward) -> None:
    """HTTP-124: what was written before is still proved, and work goes on in the same session."""
    assert here.place.lanyard("audit", "verify").returncode == 0
    assert here.ask("/records/123").body == b"<p>" + CANARY
