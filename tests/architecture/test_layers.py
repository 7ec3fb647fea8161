"""Who may know whom, who may make what, and who alone touches which library."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from .sources import PACKAGES, ROOT, called, imported, sources


def test_imports_point_one_way() -> None:
    """The gateway stands on connectors and sso, both on policies, and nobody looks up."""
    lint = Path(sys.executable).with_name("lint-imports")
    run = subprocess.run([lint, "--no-cache"], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert run.returncode == 0, run.stdout


# Proof types: whoever holds one knows that the step before was taken.
MADE_BY = {
    "Permit": {"policies/engine.py"},
    "Deny": {"policies/engine.py"},
    "AuditReceipt": {"gateway/audit/journal.py"},
    "AssetReceipt": {"gateway/audit/journal.py"},
    "VerifiedClaims": {"sso/tokens.py"},
}


@pytest.mark.parametrize("proof", MADE_BY)
def test_a_proof_is_made_in_one_place(proof: str) -> None:
    """A verdict comes from the engine, a receipt from the journal, claims from the verifier; only tests pretend."""
    makers = {str(path) for path in sources(*PACKAGES) for name, _ in called(path) if name == proof}
    assert makers, f"nobody makes a {proof}: the rule looks for the wrong name"
    assert {maker for maker in makers if not maker.endswith("/testing.py")} <= MADE_BY[proof]


ONLY = {
    "authlib": ("sso/oidc.py",),  # the one untyped border of sign-on
    "cedarpy": ("policies/",),
    "httptools": ("gateway/proxy/", "gateway/edge/server.py"),  # what speaks HTTP/1.1 on a socket
    "joserfc": ("sso/", "connectors/fhir/access.py", "demo/"),  # fhir signs only; the demo is somebody else
    "uvicorn": ("gateway/app.py", "gateway/edge/", "demo/"),
}


@pytest.mark.parametrize("library", ONLY)
def test_a_library_is_known_in_its_place_only(library: str) -> None:
    """What a library decides for us is decided in one place, and can be replaced there."""
    knowing = {str(p) for p in sources(*PACKAGES) if any(m.partition(".")[0] == library for m in imported(p))}
    assert {path for path in knowing if not path.startswith(ONLY[library])} == set()


def test_policies_are_synchronous_and_know_no_clock() -> None:
    """A verdict follows from the question alone."""
    for path in sources("policies"):
        assert {"asyncio", "time", "datetime", "random", "secrets", "socket"}.isdisjoint(imported(path)), path
