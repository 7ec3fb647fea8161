"""One system's place as headers speak of it: what it is to the browser, and what it is to itself."""

from __future__ import annotations

from dataclasses import dataclass, field

from .guarding import PageGuard


@dataclass(frozen=True, slots=True, eq=False)
class Passage:
    """What is fixed about one system's traffic. Compared by identity: it is a key of caches."""

    public_origin: bytes  # `https://pas.records.example.nhs.uk`
    prefix: bytes  # `/epr` on a path mount
    upstream_origin: bytes  # `http://pas.internal:8080`
    base_path: bytes
    host: bytes  # the Host that the system gets
    translate: bool  # Origin and Referer are told as the upstream's own (host_header = "upstream")
    api: bool = False
    browser_cookies: frozenset[bytes] = frozenset()
    opened_from: frozenset[str] = frozenset()  # public origins whose pages may send forms here
    https: bool = True
    known_origins: frozenset[bytes] = field(default_factory=frozenset)  # more origins that are the system's own
    passes_authorization: bool = False  # the manifest says that apps bring the system's own credential
    guard: PageGuard | None = None  # puts the guard script into pages
