"""A page's own Content Security Policy (CSP Level 3) with room for the guard script, and for nothing else. Pure.

A policy that lets the script run, ask its two addresses and renew the page's cookie in a frame is left as it is. Otherwise
`script-src-elem`, `connect-src` and `frame-src` become what governs them now, and those addresses: inline code, event handlers, `eval`,
workers and every other address are judged as before.
"""

from __future__ import annotations

from functools import lru_cache

from connectors.messages import Headers

SCRIPT, STATE, ACTIVE = "/.lanyard/static/guard.js", "/.lanyard/state", "/.lanyard/active"
# A frame that renews the cookie begins and ends under the first, and goes by way of the second, at the main host.
OURS, ENTER = "/.lanyard/", "/enter"
_NAMES = (b"content-security-policy", b"content-security-policy-report-only")
_SCRIPTS = ("script-src-elem", "script-src", "default-src")
_CONNECTS = ("connect-src", "default-src")
_FRAMES = ("frame-src", "child-src", "default-src")
Policy = list[tuple[str, list[str]]]  # directives in their order, each name once: the first of two counts


def amended(headers: Headers, origin: bytes, main: str, integrity: str) -> tuple[Headers | None, bool]:
    """The headers with room for the script, and whether it must name its hash. None where a page's sandbox forbids it altogether.

    `origin` is the system's, `main` the main host's.
    """
    found: list[tuple[bytes, bytes]] | None = None
    hashed = False
    for at, (name, value) in enumerate(headers):
        if name in _NAMES:
            said, by_hash = _amended(value, name == _NAMES[0], origin, main, integrity)
            if said is None:
                return None, False
            hashed = hashed or by_hash
            if said != value:
                found = found or list(headers)
                found[at] = (name, said)
    return headers if found is None else tuple(found), hashed


@lru_cache(maxsize=256)
def _amended(value: bytes, enforced: bool, origin: bytes, main: str, integrity: str) -> tuple[bytes | None, bool]:
    """One header's policies, joined by commas. Most systems say the same on every page."""
    said, hashed = [], False
    for text in value.decode("latin-1").split(","):
        policy = _read(text)
        if enforced and _sandboxed(policy):
            return None, False
        hashed = _let(policy, origin.decode("latin-1"), main, integrity) or hashed
        said.append(_said(policy, text))
    return ",".join(said).encode("latin-1"), hashed


def _read(text: str) -> Policy:
    policy: Policy = []
    for part in text.split(";"):
        name, *values = part.split() or [""]
        if name and name.lower() not in dict(policy):
            policy.append((name.lower(), values))
    return policy


def _said(policy: Policy, text: str) -> str:
    return text if policy == _read(text) else "; ".join(" ".join([name, *values]) for name, values in policy)


def _sandboxed(policy: Policy) -> bool:
    """Without scripts nothing runs; without its origin the page has no session to ask about."""
    sandbox = dict(policy).get("sandbox")
    allowed = {value.lower() for value in sandbox or ()}
    return sandbox is not None and not {"allow-scripts", "allow-same-origin"} <= allowed


def _let(policy: Policy, origin: str, main: str, integrity: str) -> bool:
    """Change what forbids the script; True where its hash is what is trusted."""
    hashed = False
    governing = _governing(policy, _SCRIPTS)
    if governing is not None and "'strict-dynamic'" in (value.lower() for value in governing):
        hashed = True  # no address counts there, and neither does 'unsafe-inline'
        _put(policy, "script-src-elem", [*governing, f"'{integrity}'"])
    elif governing is not None and not _allows(governing, origin):
        _put(policy, "script-src-elem", [*_real(governing), origin + SCRIPT])
    governing = _governing(policy, _CONNECTS)
    if governing is not None and not _allows(governing, origin):
        _put(policy, "connect-src", [*_real(governing), origin + STATE, origin + ACTIVE])
    governing = _governing(policy, _FRAMES)
    if governing is not None and "*" not in governing:
        _put(policy, "frame-src", [*_real(governing), origin + OURS, main + ENTER])
    return hashed


def _governing(policy: Policy, names: tuple[str, ...]) -> list[str] | None:
    directives = dict(policy)
    return next((directives[name] for name in names if name in directives), None)


def _allows(sources: list[str], origin: str) -> bool:
    """Only what is certain: adding where it was not needed costs nothing."""
    return any(value.lower() in ("'self'", "*", origin, f"{origin}/") for value in sources)


def _real(sources: list[str]) -> list[str]:
    return [value for value in sources if value.lower() != "'none'"]


def _put(policy: Policy, name: str, sources: list[str]) -> None:
    for at, (other, _) in enumerate(policy):
        if other == name:
            policy[at] = (name, sources)
            return
    policy.append((name, sources))
