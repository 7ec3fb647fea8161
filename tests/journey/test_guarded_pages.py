"""Pages with the guard script in them, as they leave the gateway's socket."""

from __future__ import annotations

import re

import pytest

from .recorder import Seen, reply
from .ward import LOGIN, Ward, answers

TAG = re.compile(
    rb'<script src="/\.lanyard/static/guard\.js\?v=[0-9a-f]{12}" data-session="[0-9a-f]{16}" data-main="[^"]+"></script>'
)
SMALL = b"<!DOCTYPE HTML>\r\n<html><head><title>\xdcbersicht</title></head><body>RECORD</body></html>"
LONG = SMALL.replace(b"RECORD", b"RECORD " * 40_000)  # more than is read ahead


def page(here: Ward, body: bytes, dest: str) -> tuple[bytes, list[str]]:
    """What is sent of a page, without its chunks' framing, and the length that was said."""
    here.upstream.answer = lambda seen: _answer(seen, body)
    got = here.ask("/ward/7/list", f"Sec-Fetch-Dest: {dest}", "Sec-Fetch-Mode: navigate", "Connection: close")
    assert got.status == 200
    sent = got.body
    if got.headers("transfer-encoding"):
        rest, sent = sent, b""
        while size := int((line := rest.partition(b"\r\n"))[0], 16):
            sent, rest = sent + line[2][:size], line[2][size + 2 :]
    return sent, got.headers("content-length")


def _answer(seen: Seen, body: bytes) -> bytes:
    if seen.path in (LOGIN, "/"):
        return answers(seen)
    return reply(body, "text/html; charset=windows-1252")


@pytest.mark.parametrize("dest", ["document", "frame", "iframe"])
def test_a_page_leaves_with_one_script_and_its_true_length(here: Ward, dest: str) -> None:
    """Everything else of it is as the system sent it."""
    sent, length = page(here, SMALL, dest)
    assert TAG.sub(b"", sent) == SMALL
    assert len(TAG.findall(sent)) == 1
    assert length == [str(len(sent))]


def test_a_long_page_streams_with_the_script_in_it(here: Ward) -> None:
    """It is not held, so nobody knows its length beforehand."""
    sent, length = page(here, LONG, "document")
    assert TAG.sub(b"", sent) == LONG
    assert len(TAG.findall(sent)) == 1
    assert length == []


@pytest.mark.parametrize("body", [SMALL, LONG], ids=["small", "long"])
def test_what_a_page_s_script_asks_for_comes_as_it_is(here: Ward, body: bytes) -> None:
    """Byte for byte, with the system's own length."""
    assert page(here, body, "empty") == (body, [str(len(body))])
