"""The session cookie is ours only when it is spelt exactly, and once."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.messages import Headers
from gateway.edge.cookies import SESSION, cookie, expired
from gateway.edge.cookies import given as handed_out

A, B = b"a" * 43, b"b" * 43


def line(*lines: bytes) -> Headers:
    return tuple((b"cookie", one) for one in lines)


# None: no session. What a value is worth (COOKIE-002 to 007: short, long, `*`, paths) is for the sessions' hashed look-up.
SPELLINGS = {
    "plain": (line(SESSION + b"=" + A), A),
    "beside others": (line(b"theme=dark; " + SESSION + b"=" + A + b"; x=y"), A),
    "in a line of its own": (line(b"theme=dark", SESSION + b"=" + A), A),
    "COOKIE-005": (line(SESSION + b"=*"), b"*"),
    "COOKIE-006": (line(SESSION + b"=gw:sess:1%0d%0aDEL%20x"), b"gw:sess:1%0d%0aDEL%20x"),
    "COOKIE-009": (line(SESSION + b'="' + A + b'"'), b'"' + A + b'"'),  # quotes belong to the value: no session has it
    "COOKIE-011": (line(SESSION + b"=" + B + b"; " + SESSION + b"=" + A), None),
    "COOKIE-017": (line(b'$Version=1; a="x; ' + SESSION + b"=" + A + b'; b=y"'), None),
    "COOKIE-020": (line(SESSION + b" =" + A), None),
    "COOKIE-021": (line(SESSION + b"\0x=" + A), None),
    "COOKIE-023": (line(b"__Secure-lanyard=" + A), None),
    "COOKIE-023b": (line(b"__host-lanyard=" + A), None),
    "COOKIE-028": (line(b"a=\\012" + SESSION + b"=" + A), None),
    "COOKIE-029": (line(SESSION + b"=" + A, SESSION + b"=" + B), None),
    "COOKIE-049": (line(b"\x1f" + SESSION + b"=" + A), None),
    "COOKIE-049b": (line(b"\t" + SESSION + b"=" + A), None),
    "COOKIE-049c": (line(b"\x85" + SESSION + b"=" + A), None),
    "COOKIE-050": (line(SESSION + b"=" + A + b"; " + SESSION + b"=" + A), None),
    "a name alone": (line(SESSION), None),
    "no cookie": ((), None),
}


@pytest.mark.parametrize(("headers", "value"), SPELLINGS.values(), ids=SPELLINGS.keys())
def test_a_session_is_one_exact_cookie(headers: Headers, value: bytes | None) -> None:
    """Another spelling, a second one, or one that another grammar would read otherwise, is no session."""
    assert cookie(headers, SESSION) == value


ODD = st.sampled_from([b"\x1f", b"\t", b"\x85", b"\xa0", b"\x0b", b"\x0c", b"\x1c", b"\0", b'"', b"\xc2\xa0"])


@given(before=ODD, after=ODD, first=st.booleans())
def test_a_sibling_host_cannot_shadow_the_session(before: bytes, after: bytes, first: bool) -> None:
    """A name that a lenient reader would trim to ours, which a sibling host may set, never counts for ours."""
    forged = before + SESSION + after + b"=" + B
    own = SESSION + b"=" + A
    pair = (forged, own) if first else (own, forged)
    assert cookie(line(b"; ".join(pair)), SESSION) == A
    assert cookie(line(forged), SESSION) is None


@given(st.lists(st.binary(max_size=40), max_size=4))
def test_any_bytes_are_read_without_a_fault(lines: list[bytes]) -> None:
    """Whatever a browser sends as cookies is read, or not found, and nothing else."""
    found = cookie(line(*lines), b"a")
    assert found is None or any(b"a=" + found in one for one in lines)


@pytest.mark.parametrize(
    "header", [handed_out(SESSION, "v" * 43), handed_out(SESSION, "v", max_age=300), expired(SESSION)]
)
def test_what_we_set_is_for_this_host_alone(header: tuple[bytes, bytes]) -> None:
    """COOKIE-030: Secure, HttpOnly, SameSite, the whole path, no domain, within what every browser keeps."""
    name, value = header
    assert name == b"set-cookie"
    assert value.startswith(b"__Host-")
    attributes = {part.strip().lower() for part in value.split(b";")[1:]}
    assert {b"secure", b"httponly", b"samesite=lax", b"path=/"} <= attributes
    assert not any(attribute.startswith(b"domain") for attribute in attributes)
    assert len(value) <= 4096
