"""Header field lines, of requests and of answers, in one reading only (RFC 9112, section 5).

Nothing is repaired: a blank before the colon, a folded line, half a line end or a control byte makes all of them unreadable.
"""

from __future__ import annotations

import contextlib
import re

Fields = list[tuple[bytes, bytes]]

_TOKEN = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
# What may stand between line ends: tab, blank, visible ASCII, and opaque bytes (RFC 9110, section 5.5).
_PLAIN = bytes([9, *range(0x20, 0x7F), *range(0x80, 0x100)])
_MOST_NAMES, _LONGEST_NAME = 512, 64
_names: dict[bytes, bytes] = {}  # spellings seen and what they fold to: the same few come with every message


def lines_are_plain(head: bytes) -> bool:
    """Whether a head holds nothing but plain bytes and whole line ends."""
    return head.translate(None, _PLAIN) == b"\r\n" * head.count(b"\r\n")


def fields(lines: bytes) -> Fields | None:
    """Names in lower case with their values trimmed; None where a line is no field.

    `lines` have been found plain and are separated by CRLF, without the last one.
    """
    # Most lines are a name seen before, a colon, one blank and a value: those need no second look.
    if lines and b"\t" not in lines and b":  " not in lines and b" \r\n" not in lines and not lines.endswith(b" "):
        with contextlib.suppress(KeyError):
            return [
                (_names[name], value) for name, _, value in [line.partition(b": ") for line in lines.split(b"\r\n")]
            ]
    found: Fields = []
    if lines:
        for line in lines.split(b"\r\n"):
            name, colon, value = line.partition(b":")
            folded = _names.get(name) or _fold(name)
            if not (folded and colon):
                return None
            found.append((folded, value.strip(b" \t")))
    return found


def _fold(name: bytes) -> bytes:
    """Lower case; empty for what is no name."""
    if not _TOKEN.fullmatch(name):
        return b""
    if len(_names) < _MOST_NAMES and len(name) <= _LONGEST_NAME:
        _names[name] = name.lower()
    return name.lower()
