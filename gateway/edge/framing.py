"""A request's head, in one reading only (RFC 9112), or the reason why there could be two. Pure.

Stricter than the standard on purpose: nothing is repaired, since whoever stands before or behind us may repair it otherwise.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar

from ..fields import Fields, fields, lines_are_plain

LONGEST_LINE = 8 * 1024
LONGEST_HEAD = 32 * 1024
MOST_HEADERS = 100


class Refused(StrEnum):
    """Why a request goes no further than the socket or the guard."""

    MALFORMED = "malformed-head"  # bytes that are no HTTP/1.1 head in exactly one reading
    LINE_TOO_LONG = "line-too-long"
    HEAD_TOO_LARGE = "head-too-large"
    VERSION = "version"
    LENGTH = "length"  # two lengths, an odd one, or a length beside chunks
    CODING = "transfer-coding"
    EXPECTATION = "expectation"
    UPGRADE = "upgrade"
    BODY = "malformed-body"
    TOO_SLOW = "too-slow"
    TOO_MANY = "too-many-connections"  # more than leave the journal and the systems a descriptor each
    PIPELINED = "pipelined"
    HOST = "host"  # none, two, or malformed
    UNKNOWN_HOST = "unknown-host"
    METHOD = "method"
    TARGET = "target"  # could be read as two different paths
    WEBSOCKET = "websocket"


STATUS = {
    Refused.LINE_TOO_LONG: 414,
    Refused.HEAD_TOO_LARGE: 431,
    Refused.VERSION: 505,
    Refused.CODING: 501,
    Refused.EXPECTATION: 417,
    Refused.UPGRADE: 501,
    Refused.TOO_SLOW: 408,
    Refused.TOO_MANY: 503,
    Refused.UNKNOWN_HOST: 421,
    Refused.METHOD: 405,
    Refused.WEBSOCKET: 403,
}

_LINE = re.compile(rb"([!#$%&'*+\-.^`|~0-9A-Za-z]{1,32}) ([\x21-\x7e]+) HTTP/(\d)\.(\d)\r\n")
_UPGRADES = frozenset({b"upgrade", b"http2-settings"})


@dataclass(slots=True)
class Head:
    """A request's head. The body is `length` bytes, or chunks (-1). Names are lower-case, values trimmed (RFC 9112, section 5)."""

    method: str
    target: bytes
    headers: Fields
    version: str  # "1.0", "1.1"
    length: int = 0
    keep_alive: bool = True
    expects: bool = False  # the client waits for `100 Continue`

    CHUNKED: ClassVar[int] = -1


def status(refused: Refused) -> int:
    return STATUS.get(refused, 400)


def read(head: bytes) -> Head | Refused:
    """`head` ends with its blank line."""
    line = _LINE.match(head)
    if line is None:
        return Refused.LINE_TOO_LONG if head.find(b"\r\n") > LONGEST_LINE else Refused.MALFORMED
    start = line.end()
    if start > LONGEST_LINE:
        return Refused.LINE_TOO_LONG
    method, target, major, minor = line.groups()
    if method == b"CONNECT":
        return Refused.METHOD  # what follows it would be no HTTP
    if major != b"1" or minor not in b"01":
        return Refused.VERSION
    if len(head) > LONGEST_HEAD or head.count(b"\r\n") > MOST_HEADERS + 2:
        return Refused.HEAD_TOO_LARGE
    headers = fields(head[start:-4]) if lines_are_plain(head) else None
    if headers is None:
        return Refused.MALFORMED
    old = minor == b"0"
    return _framed(Head(method.decode("ascii"), target, headers, "1.0" if old else "1.1", keep_alive=not old), old=old)


def _framed(head: Head, *, old: bool) -> Head | Refused:
    last = dict(head.headers)
    if b"host" not in last:
        return Refused.HOST
    if len(last) != len(head.headers) and (doubled := _doubled(head.headers)):
        return doubled
    if not _UPGRADES.isdisjoint(last):
        return Refused.UPGRADE
    if b"connection" in last:
        head.keep_alive = head.keep_alive and not any(
            b"close" in value.lower() for name, value in head.headers if name == b"connection"
        )
    if b"expect" in last:
        if last[b"expect"].lower() != b"100-continue" or old:
            return Refused.EXPECTATION
        head.expects = True
    length, coding = last.get(b"content-length"), last.get(b"transfer-encoding")
    if length is not None:
        if coding is not None or not (length.isdigit() and len(length) < 16):
            return Refused.LENGTH
        head.length = int(length)
    elif coding is not None:
        if coding.lower() != b"chunked" or old:
            return Refused.CODING
        head.length = Head.CHUNKED
    return head


def _doubled(headers: Fields) -> Refused | None:
    names = [name for name, _ in headers]
    if names.count(b"host") > 1:
        return Refused.HOST
    if names.count(b"content-length") > 1 or names.count(b"transfer-encoding") > 1:
        return Refused.LENGTH
    if names.count(b"expect") > 1:
        return Refused.EXPECTATION
    return None
