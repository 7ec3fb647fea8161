"""What a browser or a system can send to do harm, made out of what a connector expects: bytes for the contract's checks."""

from __future__ import annotations

import re
from collections.abc import Iterator

_VALUE = re.compile(rb'(?:[:\[]\s*"|=)([^"&]*)')  # of JSON, of a form

# One path segment, or the value of one parameter.
WORDS = (
    b"", b"%", b"%zz", b"%00", b"%0d%0aset-cookie:x=1", b"%2e%2e", b"%2F%2e%2e", b"%25%32%66", b"%c0%ae", b"%ff%fe", b"\xff\xfe",
    b"%ed%a0%80", b"%F0%9F%92%89", b"%E2%80%AE", b"%EF%BC%91", b"a%20b", b"+", b"'\"<script>", b"{}", b"$x", b"_search", b"*", b"|", b",",
    b"a,b", b"urn:uuid:0", b"http://elsewhere.test/Patient/1", b"//elsewhere.test", b"-1", b"9" * 5000, b"\xc2\xb2", b"A" * 3000,
    b".", b"..",
)  # fmt: skip
TARGETS = (
    b"/", b"//", b"///", b"/?", b"/??", b"/?&", b"/?=", b"/?=&=", b"/?a", b"/?a=%", b"/%", b"/%2f", b"/;", b"/?" + b"&" * 3000,
    b"/?" + b"a=1&" * 1000, b"/" * 2000, b"/\xff", b"/a/../b", b"/.", b"/:80", b"/@elsewhere.test/", b"/?x=http://elsewhere.test/",
)  # fmt: skip
BODIES = (
    b"\x00", b"\xff\xfe\x00", b"{", b"}", b"null", b"true", b"0", b'"x"', b"[]", b"{}", b"NaN", b"1" * 5000, b"[" * 60_000,
    b'{"a":' * 10_000, b'{"a":1,"a":2}', b'{"a":"\\ud800"}', b"\xef\xbb\xbf{}", '{"a":"é"}'.encode("utf-16"), b'{"a":"\xe9"}', b"=",
    b"&" * 5000, b"%", b"a=%ff&b", b"a=1&a=2", b"<a", b"<!DOCTYPE x [<!ENTITY e SYSTEM 'file:///etc/passwd'>]><x>&e;</x>", 
    b"--x\r\n\r\n--x--", b"\r\n" * 1000,
)  # fmt: skip
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "BREW")
KINDS = (
    b"", b"text/html", b"text/html; charset=utf-16", b"text/html; charset=nonsense", b"application/json; charset=latin-1",
    b"application/fhir+json", b"application/octet-stream", b"a", b";", b"\xff", b"text/html, application/json",
)  # fmt: skip


def targets(target: bytes) -> Iterator[bytes]:
    """`target` with one segment or one parameter's value exchanged, a parameter doubled, and targets that nobody expects."""
    yield from TARGETS
    path, mark, query = target.partition(b"?")
    segments = path.split(b"/")
    for number in range(1, len(segments)):
        for word in WORDS:
            yield b"/".join([*segments[:number], word, *segments[number + 1 :]]) + mark + query
    parameters = query.split(b"&") if query else []
    for number, parameter in enumerate(parameters):
        name = parameter.partition(b"=")[0]
        for word in WORDS:
            changed = [*parameters[:number], name + b"=" + word, *parameters[number + 1 :]]
            yield path + b"?" + b"&".join(changed)
            yield target + b"&" + name + b"=" + word


def bodies(body: bytes) -> Iterator[bytes]:
    """`body` cut off, in another charset, with a piece of it exchanged or doubled, and bodies that nobody expects."""
    yield from BODIES
    for part in (1, 2, 3, 7):
        yield body[: len(body) * part // 8]
    yield body[:-1]
    yield body[1:]
    yield body + body
    yield body + b"\x00"
    yield body.replace(b'"', b"")
    yield body.replace(b":", b":[", 1)
    for word in (b"\xff", b"\\ud800", b"\x00", b"<"):
        yield body.replace(b"a", word)
    for value in _VALUE.finditer(body):
        for word in (b"\\ud800", b"\\u0000", b"%ed%a0%80", b"A" * 3000, b" ", b""):
            yield body[: value.start(1)] + word + body[value.end(1) :]
    text = body.decode("latin-1")
    for charset in ("utf-16", "utf-32", "utf-7", "cp037"):
        yield text.encode(charset, "replace")
