"""A request's head, in one reading only (RFC 9112), or the reason why there could be two. Pure.

Stricter than the standard on purpose: nothing is repaired, since whoever stands before or behind us may repair it otherwise.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar

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
    Refused.UNKNOWN_HOST: 421,
    Refused.METHOD: 405,
    Refused.WEBSOCKET: 403,
}

_LINE = re.compile(rb"([!#$%&'*+\-.^`|~0-9A-Za-z]{1,32}) ([\x21-\x7e]+) HTTP/(\d)\.(\d)\r\n")
_FIELDS = re.compile(rb"(?:[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[\t\x20-\x7e\x80-\xff]*\r\n)*\r\n")
_FRAMING = re.compile(
    rb"(?:^|\r\n)(host|content-length|transfer-encoding|expect|upgrade|http2-settings):[ \t]*([^\r]*?)[ \t]*(?=\r\n)",
    re.I,
)


@dataclass(frozen=True, slots=True)
class Framing:
    """How the body is delimited: `length` bytes, or chunks (-1)."""

    length: int
    keep_alive: bool

    CHUNKED: ClassVar[int] = -1


def status(refused: Refused) -> int:
    return STATUS.get(refused, 400)


def frame(head: bytes) -> Framing | Refused:
    """`head` ends with its blank line."""
    line = _LINE.match(head)
    if line is None:
        return Refused.LINE_TOO_LONG if head.find(b"\r\n") > LONGEST_LINE else Refused.MALFORMED
    if line.end() > LONGEST_LINE:
        return Refused.LINE_TOO_LONG
    if line[1] == b"CONNECT":
        return Refused.METHOD  # what follows it would be no HTTP
    if line[3] != b"1" or line[4] not in b"01":
        return Refused.VERSION
    if len(head) > LONGEST_HEAD or head.count(b"\r\n") > MOST_HEADERS + 2:
        return Refused.HEAD_TOO_LARGE
    fields = head[line.end() :]
    if not _FIELDS.fullmatch(fields):
        return Refused.MALFORMED
    return _body(fields, old=line[4] == b"0")


def _body(fields: bytes, *, old: bool) -> Framing | Refused:
    lengths: list[bytes] = []
    codings: list[bytes] = []
    hosts = 0
    for name, value in _FRAMING.findall(fields):
        match name.lower():
            case b"content-length":
                lengths.append(value)
            case b"transfer-encoding":
                codings.append(value)
            case b"host":
                hosts += 1
            case b"expect":
                if value.lower() != b"100-continue" or old:
                    return Refused.EXPECTATION
            case _:
                return Refused.UPGRADE
    if hosts != 1:
        return Refused.HOST
    if len(lengths) > 1 or (lengths and codings) or len(codings) > 1:
        return Refused.LENGTH
    if codings:
        return Framing(Framing.CHUNKED, True) if codings[0].lower() == b"chunked" and not old else Refused.CODING
    if lengths and not (lengths[0].isdigit() and len(lengths[0]) < 16):
        return Refused.LENGTH
    return Framing(int(lengths[0]) if lengths else 0, not old)
