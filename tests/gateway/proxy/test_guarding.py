"""Where the guard script goes into a page, and which pages it leaves alone."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from connectors.messages import Body, Headers, InboundRequest, UpstreamRequest, UpstreamResponse
from gateway.proxy.guarding import LOOK_AHEAD, XHTML, PageGuard, Splice, session_mark
from gateway.proxy.headers import addressed, outward

from .test_headers import API, PAGE

TAG = b"<script></script>"


def spliced(*parts: bytes, xml: bool = False) -> bytes:
    splice = Splice(TAG, xml=xml)
    return b"".join(splice.feed(part) for part in parts) + splice.end()


# `|` is where the script stands afterwards; a page without one goes out as it came.
PLACES = [
    *"""
<!doctype html><html><head>|<title>x</title></head><body>
<HTML><HEAD>|<TITLE>x</TITLE>
<head data-x=">" class='a>b' async y=1>|<meta charset=utf-8>
<head a"b>|<p title='>'>
<head a==">|<p>
<head a=b"c>|<p>
<head = x>|<p>
<head/>|<p>
<head a=>|<p>
""".strip().splitlines(),
    '<html lang="a>b">|<body>',
    "|<p>no head at all",
    "<html>|<frameset cols=*,*><frame src=a></frameset></html>",
    "<!DOCTYPE HTML PUBLIC '-//W3C//DTD HTML 4.01 Frameset//EN'>\n<html><head>|<title>x</title></head><frameset>",
    "<!-- <head> --><head>|",
    "<!--><head>|--><head>",
    "<!---><head>|-->",
    "<!-- a --!><head>|-->",
    "<!-- <head> - -- ->> <head> --><html><!--x--><head>|",
    "<!-- never closed <head><body>",
    "<?xml version='1.0'?><head>|",
    "<![if !IE]><head>|<![endif]>",
    "<![CDATA[<head>]]><head>|",  # no CDATA in HTML: a comment that ends at the first `>`
    "|<script>'<head>'</script><head>",
    "|<textarea><head></textarea>",
    "|<title><head></title>",
    "|<header><head>",
    "|</p><head>",
    "|<htmlx><head>",
    "1 < 2 <3 << <head>|",
    "only words|",
    " \n|",
    "\xef\xbb\xbf<head>|",
    "<html>|",
    "<head",
    "<hea",
    "words <",
    "",
]
XML_PLACES = [
    '<?xml version="1.0"?><!DOCTYPE html><html xmlns="http://www.w3.org/1999/xhtml"><head>|<title/></head></html>',
    "<html><!-- <head> --><head/>|<body/></html>",
    "<html>|<body/></html>",
    "<html><![CDATA[<head>]]>|<body/></html>",
    "<?x <head> ?><html><head>|",
    "<!DOCTYPE html [<!ENTITY a '<head>'>]><html><head>",
    "<svg><head/></svg>",
    "<HTML><HEAD>",
    "words",
]


@pytest.mark.parametrize("page", PLACES)
def test_the_script_goes_after_the_head_or_before_the_first_other_tag(page: str) -> None:
    """As browsers read it: never inside a comment, a script, a text or an attribute."""
    before, bar, after = page.encode("latin-1").partition(b"|")
    assert spliced(before + after) == before + (TAG if bar else b"") + after


@pytest.mark.parametrize("page", XML_PLACES)
def test_a_page_of_xml_stays_well_formed(page: str) -> None:
    """Inside the root element, or not at all."""
    before, bar, after = page.encode().partition(b"|")
    assert spliced(before + after, xml=True) == before + (TAG if bar else b"") + after


_PIECES = [*"<>'\"= ah/\n\0\xff\xfe-", "<head", "<head>", "<html", "<html>", "<!--", "-->", "--!>", "<!", "<!doctype html>",
           "<?", "?>", "<![CDATA[", "]]>", "<p>", "</", "<script>", "<!DOCTYPE html ["]  # fmt: skip


@given(st.lists(st.sampled_from(_PIECES), max_size=14), st.lists(st.integers(0, 120), max_size=8), st.booleans())
@example(["<head", " ", "a", "=", '"', ">", '"', ">"], [9], False)
@example(["<", "<head>"], [1], False)
def test_the_same_bytes_come_out_however_they_are_cut(pieces: list[str], cuts: list[int], xml: bool) -> None:
    """Nothing is lost, nothing but the tag is added, and chunk borders decide nothing."""
    page = "".join(pieces).encode("latin-1")
    at = [0, *sorted(min(cut, len(page)) for cut in cuts), len(page)]
    whole = spliced(page, xml=xml)
    assert spliced(*(page[a:b] for a, b in pairwise(at)), xml=xml) == whole
    assert spliced(*(page[i : i + 1] for i in range(len(page))), xml=xml) == whole
    assert whole in (page, *(page[:i] + TAG + page[i:] for i in range(len(page) + 1)))


@pytest.mark.parametrize("open_", [b"<!-- ", b"<head a='", b"<!doctype ", b"<?"])
@pytest.mark.parametrize("step", [1000, 10**6])
def test_no_more_than_the_look_ahead_is_held_back(open_: bytes, step: int) -> None:
    """A tag or comment that does not end is let go, whether it ends later or not."""
    page = open_ + b"x" * LOOK_AHEAD * 2 + b"'--?><head>"
    splice, out = Splice(TAG), 0
    for at in range(0, len(page), step):
        out += len(splice.feed(page[at : at + step]))
        assert min(at + step, len(page)) - out <= LOOK_AHEAD
    assert out == len(page)
    assert not splice.placed


def test_what_was_read_goes_out_at_once() -> None:
    """A slow page is seen as it comes."""
    splice = Splice(TAG)
    assert splice.feed(b"<!doctype html><html><!-- a --> text <he") == b"<!doctype html><html><!-- a --> text "
    assert splice.feed(b"ad><title>") == b"<head>" + TAG + b"<title>"
    assert splice.feed(b"<head>") == b"<head>"


def test_a_page_in_crumbs_costs_no_more_than_its_size() -> None:
    """An old system that sends one byte at a time, inside a comment, takes no core with it."""
    splice = Splice(TAG)
    begun = time.process_time()
    splice.feed(b"<!--")
    for _ in range(LOOK_AHEAD - 4):
        splice.feed(b"x")
    assert time.process_time() - begun < 2.0


@pytest.mark.parametrize("page", ["<head>".encode("utf-16"), "<head>".encode("utf-16-be"), "<head>".encode("utf-32"),
                                  "<head>".encode("utf-16-le"), b"\0\0\0<\0\0\0h"])  # fmt: skip
def test_a_page_of_wide_characters_is_left_alone(page: bytes) -> None:
    """Our bytes would be noise in it."""
    assert spliced(page) == page


# What becomes a guarded page

NAVIGATION = ((b"sec-fetch-dest", b"document"),)
HTML = (b"content-type", b"text/html; charset=windows-1252")
TEXT = b"<html><head></head><body>H\xe9l\xe8ne</body></html>"


class Counted(list[str]):
    """Why pages went out as they were."""

    def guard(self) -> PageGuard:
        guard = PageGuard("v1", "sha256-x", b"https://pas.records.example", "https://records.example/", self.append)
        return guard


def asked(*headers: tuple[bytes, bytes], method: str = "GET") -> InboundRequest:
    return InboundRequest(
        "r" * 32, method, b"/list", headers, Body.of(b""), "https", "pas.records.example", session="s1"
    )


def answered(
    *headers: tuple[bytes, bytes], request: InboundRequest | None = None, status: int = 200, body: Body | None = None,
    why: Counted | None = None, asset: bool = False,
) -> UpstreamResponse:  # fmt: skip
    why = Counted() if why is None else why
    answer = UpstreamResponse(status, headers, body or Body.of(TEXT))
    return outward(answer, request or asked(*NAVIGATION), replace(PAGE, guard=why.guard()), asset=asset)


def guarded(answer: UpstreamResponse) -> bool:
    return b"/.lanyard/static/guard.js?v=v1" in (answer.body.whole or b"")


def test_a_page_gets_the_script_and_its_new_length() -> None:
    """The tag says for which session the page was made, and where its people sign off; nothing of the page is touched."""
    answer = answered(HTML, (b"content-length", b"%d" % len(TEXT)), (b"etag", b'"1"'))
    body = answer.body.whole or b""
    tag = body[len(b"<html><head>") : body.index(b"</head>")]
    assert body == TEXT.replace(b"<head>", b"<head>" + tag)
    assert tag == (
        b'<script src="/.lanyard/static/guard.js?v=v1" data-session="%b" data-main="https://records.example/"></script>'
        % session_mark("s1").encode()
    )
    assert dict(answer.headers)[b"content-length"] == b"%d" % len(body)
    assert b"etag" not in dict(answer.headers)


def test_a_page_about_somebody_carries_their_mark() -> None:
    """Where the system keeps the current patient; elsewhere nothing is said."""
    page = replace(PAGE, guard=Counted().guard())
    for about, tags in (("0a1b", 1), ("", 0)):
        answer = outward(
            UpstreamResponse(200, (HTML,), Body.of(TEXT)), asked(*NAVIGATION), page, asset=False, about=about
        )
        assert (answer.body.whole or b"").count(b' data-about="0a1b"') == tags
        assert guarded(answer)


async def test_a_page_that_streams_says_no_length() -> None:
    """It goes on as it comes, chunked."""

    async def slow() -> AsyncIterator[bytes]:
        for at in range(len(TEXT)):
            yield TEXT[at : at + 1]

    answer = answered(HTML, (b"content-length", b"%d" % len(TEXT)), body=Body(slow()))
    assert b"content-length" not in dict(answer.headers)
    body = b"".join([chunk async for chunk in answer.body.chunks()])
    assert b"<head><script src=" in body
    assert body.endswith(b"</head><body>H\xe9l\xe8ne</body></html>")


@pytest.mark.parametrize(
    ("headers", "good"),
    [
        (NAVIGATION, True),
        (((b"sec-fetch-dest", b"iframe"),), True),
        (((b"sec-fetch-dest", b"frame"),), True),
        (((b"sec-fetch-dest", b"empty"), (b"accept", b"text/html,application/xhtml+xml")), False),
        (((b"sec-fetch-dest", b"object"),), False),
        (((b"accept", b"text/html,application/xhtml+xml,*/*;q=0.8"),), True),
        (((b"accept", b"text/html, */*; q=0.01"), (b"x-requested-with", b"XMLHttpRequest")), False),
        ((), False),
    ],
)
def test_only_what_somebody_navigates_to_is_guarded(headers: Headers, good: bool) -> None:
    """An answer to a script of the page's own stays what the script expects."""
    assert guarded(answered(HTML, request=asked(*headers))) is good


@pytest.mark.parametrize(
    ("headers", "status", "counted"),
    [
        ((HTML, (b"content-disposition", b"attachment; filename=x.html")), 200, []),
        (((b"content-type", b"application/pdf"),), 200, []),
        (((b"content-type", b"image/svg+xml"),), 200, []),
        ((HTML,), 206, []),
        ((HTML,), 302, []),
        ((HTML, (b"content-encoding", b"gzip")), 200, ["packed"]),
        (((b"content-type", b'text/html; charset="UTF-16LE"'),), 200, ["charset"]),
        (((b"content-type", b"text/html;charset=iso-2022-jp"),), 200, ["charset"]),
        ((HTML, (b"content-security-policy", b"sandbox allow-forms")), 200, ["sandboxed"]),
    ],
)
def test_what_cannot_carry_the_script_goes_out_as_it_came(headers: Headers, status: int, counted: list[str]) -> None:
    """And is counted, where it is a page that somebody will look at."""
    why = Counted()
    answer = answered(*headers, status=status, why=why)
    assert answer.body.whole == TEXT
    assert why == counted


def test_a_page_without_a_place_is_counted() -> None:
    """An operator sees that pages go out without their guard."""
    why = Counted()
    answered(HTML, body=Body.of(b"<!-- <head>"), why=why)
    assert why == ["no-place"]


@pytest.mark.parametrize(
    "charset", [b"utf-8", b"windows-1252", b"shift_jis", b"gb18030", b"unicode-1-1-utf-8", b"iso-8859-15"]
)
def test_a_page_in_any_charset_of_ascii_is_guarded(charset: bytes) -> None:
    """What stands between the tags is not read."""
    assert guarded(answered((b"content-type", b"text/html; charset=" + charset)))


def test_an_error_s_page_and_an_xhtml_page_are_guarded() -> None:
    """A page is a page, whatever its status."""
    assert guarded(answered(HTML, status=500))
    assert guarded(answered((b"content-type", XHTML)))


def test_a_system_that_opted_out_and_an_api_are_left_alone() -> None:
    """Their pages go out as they came."""
    for passage in (PAGE, API):
        answer = outward(UpstreamResponse(200, (HTML,), Body.of(TEXT)), asked(*NAVIGATION), passage, asset=False)
        assert answer.body.whole == TEXT


def test_a_page_is_asked_for_plain() -> None:
    """A system that packs everything is told not to pack what somebody navigates to; the rest may come packed."""
    passage = replace(PAGE, guard=Counted().guard())
    packs = (b"accept-encoding", b"gzip")
    for headers, plain in ((NAVIGATION, True), (((b"sec-fetch-dest", b"empty"),), False)):
        sent = addressed(UpstreamRequest("GET", b"/list", (packs,)), asked(*headers), passage)
        assert dict(sent.headers)[b"accept-encoding"] == (b"identity" if plain else b"gzip")
