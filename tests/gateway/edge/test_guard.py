"""A target is passed on unchanged if every reader finds the same path in it."""

from __future__ import annotations

from urllib.parse import unquote_to_bytes

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gateway.edge.guard import Guard, judge_target, normal_host
from tests.gateway.edge import cases, raw

REFUSED = {
    "HTTP-001": b"/ward/../admin/users",
    "HTTP-002": b"/ward/7/../../admin/users",
    "HTTP-004": b"/ward/.%2e/admin/users",
    "HTTP-005": b"/ward/%252e%252e/admin/users",
    "HTTP-005b": b"/ward/%25%32%65%25%32%65/admin",  # decoded once: %2e%2e
    "HTTP-007": b"/ward%2f..%2fadmin/users",
    "HTTP-008": b"/ward/..%5cadmin/users",
    "HTTP-010": b"//admin/users",
    "HTTP-012": b"/ward/./../admin/users",
    "HTTP-016": b"/ward/..;/admin/users",
    "HTTP-017": b"/admin%3bx/users",
    "HTTP-018": b"/admin%2fusers",
    "HTTP-019": b"/admin%5cusers",
    "HTTP-022": b"/admin/users/..",
    "HTTP-024": b"/admin./users",
    "HTTP-024b": b"/admin%20/users",  # Windows drops a blank at the end as it drops a dot
    "HTTP-024c": b"/ward/..%20/admin",
    "HTTP-029": b"/ward/%c0%ae%c0%ae/admin/users",
    "HTTP-029b": b"/ward/%e0%80%ae%e0%80%ae/admin/users",
    "HTTP-030": b"/ward/%u002e%u002e/admin/users",
    "HTTP-034": b"/adm\xc4\xb1n/users",
    "HTTP-036": b"/ward/7/list;/../../admin/users",
    "HTTP-042": b"/admin/users%23/ward",
    "HTTP-043": b"/records/123/..%252f..%252fadmin/users",
}
# These have one reading. Whether they are allowed is for the routes and policies, which see exactly these bytes.
PASSED = {
    "HTTP-035": b"/%ef%bd%81dmin/users",  # full-width: another path, that no route names
    "HTTP-038": b"/publicadmin/users",
    "HTTP-039": b"/admin/users?path=/healthz",
    "HTTP-040": b"/admin/users?/../ward",
    "OK-298": b"/ward/7/list",
    "OK-299": b"/search?name=O%27Brien%20Ann",
    "OK-300": b"/search?name=M%C3%BCller-%C5%81uczak",
    "OK-301": b"/search?name=Anna+Maria",
    "OK-302": b"/search?ref=A%2FB",
    "OK-303": b"/search?q=a;b",
    "OK-304": b"/search?q=&flag",
    "OK-305": b"/search?q=" + b"a" * 7168,
    "OK-314": b"/Ward/7/List.asp",
    "a latin-1 name": b"/patients/M%FCller",
    "a blank within": b"/scans/left%20hand.jpg",
    "a per cent sign": b"/labs/100%25",
    "double slash within": b"/epr//img/x.gif",
    "an id with quotes": b'/fhir/Patient?name="x"',
}


@pytest.mark.parametrize("target", REFUSED.values(), ids=REFUSED.keys())
def test_a_target_with_two_readings_is_refused(target: bytes) -> None:
    """Dot segments, encoded delimiters and whatever becomes one after another decoding are refused."""
    assert not judge_target(target)


@pytest.mark.parametrize("target", PASSED.values(), ids=PASSED.keys())
def test_an_ordinary_target_arrives_unchanged(gate: raw.Listening, target: bytes) -> None:
    """What old systems and clinicians do write arrives as it was sent, byte for byte."""
    assert gate.ask(cases.get(line=b"GET " + target + b" HTTP/1.1")).statuses == [200]
    (request,) = gate.seen
    assert request.target == target


@pytest.mark.parametrize("target", [t for t in REFUSED.values() if t.isascii()])
def test_a_refused_target_is_answered_400(gate: raw.Listening, target: bytes) -> None:
    """The refusal is told and counted, and the app is not asked."""
    assert gate.ask(cases.get(line=b"GET " + target + b" HTTP/1.1")).statuses == [400]
    assert gate.seen == []
    assert [reason for _, reason in gate.rejected] == ["target"]


PIECES = st.sampled_from(
    [b"/", b"//", b".", b"..", b"%2e", b"%2E", b"%25", b"32", b"65", b"%32", b"%2f", b"%5c", b";", b"a", b"?", b"#", b"%", b"%u002e",
     b"%c0%ae", b"\\", b" ", b"%20", b"%00", b"e", b"2e", b"%e0%80%ae", b"\x80", b"x=1"]
)  # fmt: skip


@given(st.lists(PIECES, max_size=12).map(lambda parts: b"/" + b"".join(parts)))
@example(b"/%25%32%65%25%32%65/admin")
@settings(max_examples=1500, deadline=None)
def test_no_reader_climbs_out_of_what_was_judged(target: bytes) -> None:
    """Whatever is let through has no dot segment and no new delimiter after one decoding, nor after a second."""
    if not judge_target(target):
        return
    path = target.partition(b"?")[0]
    once = unquote_to_bytes(path)
    assert once.count(b"/") == path.count(b"/")
    assert not any(c in once for c in (b"\\", b"\0", b"#", b"?"))
    assert once.count(b";") == path.count(b";")
    assert unquote_to_bytes(once) == once
    for segment in once.split(b"/"):
        assert segment.partition(b";")[0].rstrip(b". ") == segment.partition(b";")[0]
    assert not target.startswith(b"//")


@pytest.mark.parametrize(("sent", "scheme", "host"), [
    (b"PAS.Records.Test", "https", b"pas.records.test"),
    (b"pas.records.test:443", "https", b"pas.records.test"),
    (b"pas.records.test:443", "http", b"pas.records.test:443"),
    (b"pas.records.test:8080", "http", b"pas.records.test:8080"),
    (b"[::1]:80", "http", b"[::1]"),
    (b"a..b", "https", None),
    (b"a.b.", "https", None),
    (b"a b", "https", None),
    (b"", "https", None),
])  # fmt: skip
def test_a_host_has_one_spelling(sent: bytes, scheme: str, host: bytes | None) -> None:
    """Case and the scheme's own port make no difference; anything odd is no host."""
    assert normal_host(sent, scheme) == host


async def test_a_websocket_is_closed_and_counted() -> None:
    """WebSockets are not brokered: closed, never passed by."""
    heard: list[tuple[str, str]] = []
    sent: list[dict[str, object]] = []

    async def send(message: dict[str, object]) -> None:
        sent.append(message)

    guard = Guard(raw.Recorder(), raw.SITES, "https", lambda source, reason: heard.append((source, str(reason))))
    await guard({"type": "websocket", "client": ("10.0.0.9", 1)}, None, send)
    assert sent == [{"type": "websocket.close", "code": 1008}]
    assert heard == [("10.0.0.9", "websocket")]


async def test_an_unknown_kind_of_scope_is_an_error() -> None:
    """What the server may one day offer is not served unseen."""
    guard = Guard(raw.Recorder(), raw.SITES, "https", lambda source, reason: None)
    with pytest.raises(RuntimeError, match="not served"):
        await guard({"type": "webtransport"}, None, None)
