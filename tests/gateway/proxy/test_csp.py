"""A page's own policy with room for our script, and for nothing else."""

from __future__ import annotations

import pytest

from connectors.messages import Headers
from gateway.proxy.csp import amended

ORIGIN = b"https://pas.example"
RECORDS = "https://records.example"
SCRIPT = "https://pas.example/.lanyard/static/guard.js"
ASKS = "https://pas.example/.lanyard/state https://pas.example/.lanyard/active"
FRAMES = "https://pas.example/.lanyard/ https://records.example/enter"
NAME = b"content-security-policy"


def said(policy: str, name: bytes = NAME) -> tuple[str | None, bool]:
    headers: Headers | None
    headers, hashed = amended(((b"x-frame-options", b"DENY"), (name, policy.encode())), ORIGIN, RECORDS, "sha256-abc=")
    if headers is None:
        return None, hashed
    assert headers[0] == (b"x-frame-options", b"DENY")
    return headers[1][1].decode(), hashed


@pytest.mark.parametrize(
    "policy",
    [
        "frame-ancestors 'self'",
        "default-src *",
        "frame-src *; script-src 'self'; connect-src 'self'",
        "script-src 'SELF' 'unsafe-inline';connect-src *",
        "img-src 'none' ;; style-src 'none'",
        f"script-src {ORIGIN.decode()}; object-src 'none'",
        "sandbox allow-scripts allow-same-origin",
        "",
    ],
)
def test_a_policy_that_lets_the_script_run_stays_as_it_is(policy: str) -> None:
    """Byte for byte."""
    assert said(policy) == (policy, False)


@pytest.mark.parametrize(
    ("policy", "becomes"),
    [
        (
            "script-src 'none'",
            f"script-src 'none'; script-src-elem {SCRIPT}",
        ),
        (
            "default-src 'none'; img-src 'self'",
            f"default-src 'none'; img-src 'self'; script-src-elem {SCRIPT}; connect-src {ASKS}; frame-src {FRAMES}",
        ),
        (
            "script-src 'nonce-1' https://cdn.example",
            f"script-src 'nonce-1' https://cdn.example; script-src-elem 'nonce-1' https://cdn.example {SCRIPT}",
        ),
        (
            "script-src-elem https://cdn.example; script-src 'self'",
            f"script-src-elem https://cdn.example {SCRIPT}; script-src 'self'",
        ),
        (
            "default-src 'self'; connect-src https://api.example",
            f"default-src 'self'; connect-src https://api.example {ASKS}; frame-src 'self' {FRAMES}",
        ),
        (
            "script-src 'self'; connect-src 'self'; child-src https://c.example; default-src 'none'",
            f"script-src 'self'; connect-src 'self'; child-src https://c.example; default-src 'none'; frame-src https://c.example {FRAMES}",
        ),
        (
            "script-src 'self', script-src 'none'",
            f"script-src 'self',script-src 'none'; script-src-elem {SCRIPT}",
        ),
        (
            "script-src 'none'; script-src 'self'",  # the first of two counts
            f"script-src 'none'; script-src-elem {SCRIPT}",
        ),
    ],
)
def test_what_forbids_the_script_lets_exactly_it_in(policy: str, becomes: str) -> None:
    """Every policy of several; other directives, and what governs inline code, stay."""
    assert said(policy) == (becomes, False)


def test_a_policy_that_trusts_no_address_gets_the_script_s_hash() -> None:
    """Under `strict-dynamic` an address counts for nothing; there, `unsafe-inline` is off already, so a hash changes nothing else."""
    becomes, hashed = said("script-src 'nonce-1' 'strict-dynamic' 'unsafe-inline'")
    assert hashed
    assert becomes is not None
    assert becomes.endswith("; script-src-elem 'nonce-1' 'strict-dynamic' 'unsafe-inline' 'sha256-abc='")


@pytest.mark.parametrize(
    "policy", ["sandbox", "sandbox allow-scripts", "default-src 'self'; sandbox allow-same-origin"]
)
def test_a_sandbox_stays_shut(policy: str) -> None:
    """It is not ours to open: the page goes out without the script."""
    assert said(policy) == (None, False)


def test_what_is_only_reported_is_not_reported_of_us() -> None:
    """A policy on trial gets the same room, and a sandbox in it shuts nothing."""
    assert said("script-src 'none'", NAME + b"-report-only")[0] == f"script-src 'none'; script-src-elem {SCRIPT}"
    assert said("sandbox", NAME + b"-report-only")[0] == "sandbox"
