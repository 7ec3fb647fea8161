"""What sso may know of, and who may make its proofs."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

import sso

SOURCES = sorted(Path(sso.__file__).parent.glob("*.py"))
PRODUCT = [path for path in SOURCES if path.name != "testing.py"]
LIBRARIES = {
    "argon2": {"unlock.py"},
    "authlib": {"oidc.py"},
    "httpx2": {"oidc.py", "wire.py", "discovery.py"},
    "webauthn": {"passkey.py"},
}
OTHERS = {"joserfc", "cryptography", "policies", "sso"}


def _imported(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {name.name.partition(".")[0] for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            found.add(node.module.partition(".")[0])
    return found


@pytest.mark.parametrize("path", PRODUCT, ids=lambda path: path.name)
def test_sso_knows_no_web_framework_and_no_store(path: Path) -> None:
    """A module of sso imports the standard library, policies, and the few libraries that are its own."""
    foreign = _imported(path) - set(sys.stdlib_module_names) - OTHERS
    assert not {name for name in foreign if path.name not in LIBRARIES.get(name, set())}


@pytest.mark.parametrize("path", PRODUCT, ids=lambda path: path.name)
def test_verified_claims_are_made_by_the_verifier_only(path: Path) -> None:
    """Whoever holds VerifiedClaims holds something that a signature stands behind."""
    made = {
        node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
    }
    assert path.name == "tokens.py" or not made & {"VerifiedClaims", "LogoutNotice"}
