"""Addresses in headers, told as ours or as the system's own."""

from __future__ import annotations

import pytest

from connectors.errors import SystemMisbehaves
from gateway.proxy.passage import Passage
from gateway.proxy.places import as_public, as_upstream, refresh, without

HOST = Passage(b"https://pas.records.example", b"", b"http://pas.internal:8080", b"", b"pas.internal:8080", True)
BELOW = Passage(b"https://api.records.example", b"/epr", b"https://epr.internal", b"/fhir", b"epr.internal", True)
PUBLIC = Passage(b"https://api.records.example", b"/epr", b"https://epr.internal", b"", b"api.records.example", False)

OUTWARD = [
    (HOST, b"http://pas.internal:8080/a?b#c", b"https://pas.records.example/a?b#c"),
    (HOST, b"HTTP://PAS.INTERNAL:8080/a", b"https://pas.records.example/a"),
    (HOST, b"https://pas.internal:8080/a", b"https://pas.records.example/a"),
    (HOST, b"//pas.internal:8080/a", b"https://pas.records.example/a"),
    (HOST, b"http://user@pas.internal:8080/a", b"https://pas.records.example/a"),
    (HOST, b"http://pas.internal:8080", b"https://pas.records.example/"),
    (HOST, b"http://pas.internal:8080?a", b"https://pas.records.example/?a"),
    (HOST, b"/a", b"/a"),
    (HOST, b"a/b", b"a/b"),
    (HOST, b"", b""),
    (HOST, b"?a=1", b"?a=1"),
    (HOST, b"https://pas.records.example/a", b"https://pas.records.example/a"),
    (HOST, b"http://pas.internal:8081/a", b"http://pas.internal:8081/a"),
    (HOST, b"http://pas.internal:8080.evil.test/a", b"http://pas.internal:8080.evil.test/a"),
    (HOST, b"http://pas.internal:8080@evil.test/a", b"http://pas.internal:8080@evil.test/a"),
    (HOST, b"https://help.example/a", b"https://help.example/a"),
    (HOST, b"/a?next=/.lanyard/sign-off", b"/a?next=/.lanyard/sign-off"),
    (BELOW, b"https://epr.internal:443/fhir/Patient/1", b"https://api.records.example/epr/Patient/1"),
    (BELOW, b"https://epr.internal/fhir", b"https://api.records.example/epr/"),
    (BELOW, b"/fhir/Patient/1", b"/epr/Patient/1"),
    (BELOW, b"/fhirless/x", b"/epr/fhirless/x"),
    (PUBLIC, b"https://api.records.example/epr/x", b"https://api.records.example/epr/x"),
    (PUBLIC, b"https://api.records.example/x", b"https://api.records.example/epr/x"),
    (PUBLIC, b"/epr/x", b"/epr/x"),
]


@pytest.mark.parametrize(("passage", "said", "told"), OUTWARD)
def test_only_the_systems_own_place_is_told_as_ours(passage: Passage, said: bytes, told: bytes) -> None:
    """A redirect to the system itself stays inside the gateway; one to anywhere else is the system's to give."""
    assert as_public(said, passage) == told


INTO_OURS = [
    b"/.lanyard/enter?code=x",
    b"/.lanyard",
    b"/.LANYARD/x",
    b"/%2elanyard/x",
    b"/.lan%79ard/x",
    b"/x/../.lanyard/x",
    b"/x/%2e%2e/.lanyard/x",
    b"/./.lanyard/x",
    b".lanyard/x",
    b"..\\.lanyard\\x",
    b"\\.lanyard\\x",
    b"/.lan\tyard/x",
    b"\t /.lanyard/x",
    b"http://pas.internal:8080/.lanyard/x",
    b"https://records.example/.lanyard/sign-off",
    b"https:/.lanyard/x",
    b"https:.lanyard/x",
    b"//pas.records.example/.lanyard/x",
    b"/.lanyard#x",
    b"/.lanyard?x",
]


@pytest.mark.parametrize("said", INTO_OURS)
def test_no_redirect_leads_into_what_is_ours(said: bytes) -> None:
    """In no spelling that a browser would undo: a system must not sign anybody off, or in."""
    with pytest.raises(SystemMisbehaves):
        as_public(said, HOST)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (b"5", b"5"),
        (b"0;url=http://pas.internal:8080/a?b=c", b"0;url=https://pas.records.example/a?b=c"),
        (b"0; URL = 'http://pas.internal:8080/a'", b"0; URL = https://pas.records.example/a"),
        (b"3, http://pas.internal:8080/a", b"3, https://pas.records.example/a"),
        (b'1;url="/a"', b"1;url=/a"),
    ],
)
def test_a_refresh_is_a_redirect_too(said: bytes, told: bytes) -> None:
    """Old systems move on by it."""
    assert refresh(said, HOST) == told


@pytest.mark.parametrize("said", [b"0;url=/.lanyard/enter", b"0; '/.lanyard/enter'", b"/.lanyard/enter"])
def test_no_refresh_leads_into_what_is_ours(said: bytes) -> None:
    """By this door neither."""
    with pytest.raises(SystemMisbehaves):
        refresh(said, HOST)


@pytest.mark.parametrize(
    ("passage", "said", "told"),
    [
        (HOST, b"https://pas.records.example", b"http://pas.internal:8080"),
        (HOST, b"https://pas.records.example/a", b"http://pas.internal:8080/a"),
        (HOST, b"https://pas.records.example.evil.test/a", b"https://pas.records.example.evil.test/a"),
        (HOST, b"null", b"null"),
        (BELOW, b"https://api.records.example/epr/x?y", b"https://epr.internal/fhir/x?y"),
        (BELOW, b"https://api.records.example/epress/x", b"https://epr.internal/fhir/epress/x"),
    ],
)
def test_only_our_own_name_is_told_as_the_systems(passage: Passage, said: bytes, told: bytes) -> None:
    """Another site's Origin stays another site's: the system may refuse it."""
    assert as_upstream(said, passage) == told


def test_folders_are_cut_off_by_whole_segments() -> None:
    """`/app` is no folder of `/application`."""
    assert [without(p, b"/app") for p in (b"/app/x", b"/app", b"/app?x", b"/application", b"/x")] == [
        b"/x", b"/", b"/?x", b"/application", b"/x",
    ]  # fmt: skip
