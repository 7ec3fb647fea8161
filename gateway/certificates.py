"""The certificates that a gateway stands on, and when they end."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from cryptography import x509

from .config import Config

CONTROL = "certificate"
SOON = 14.0  # days
_DAY = 86400.0
_PATIENCE = 3.0  # seconds


@dataclass(frozen=True, slots=True)
class Certificate:
    setting: str  # whose file it stands in
    ends: float  # seconds since the epoch

    def days(self, now: float) -> float:
        return (self.ends - now) / _DAY

    def fields(self, now: float) -> dict[str, Any]:
        return {"setting": self.setting, "days": int(self.days(now) // 1)}


def certificates(config: Config) -> list[Certificate]:
    """One for each file that can be read, by the first of its certificates that ends. Nothing is raised: `check` does that."""
    found = ((setting, ends_of(path)) for setting, path in _files(config) if path is not None)
    return [Certificate(setting, ends) for setting, ends in found if ends is not None]


def state(config: Config, now: float) -> str:
    """The alarm's word: `ok`, `ends-soon` or `ended`."""
    days = min((one.days(now) for one in certificates(config)), default=SOON + 1)
    return "ended" if days <= 0 else "ends-soon" if days <= SOON else "ok"


def ends_of(path: str) -> float | None:
    """When the first of the file's certificates ends."""
    try:
        found = x509.load_pem_x509_certificates(Path(path).read_bytes())
    except (OSError, ValueError):
        return None
    return min((one.not_valid_after_utc.timestamp() for one in found), default=None)


def shown_to_browsers(public_url: str) -> float | None:
    """When the certificate ends that whoever stands in front shows; asked now, and not judged. None: no answer, or plain http."""
    url = urlsplit(public_url)
    if url.scheme != "https" or url.hostname is None:
        return None
    try:
        shown = ssl.get_server_certificate((url.hostname, url.port or 443), timeout=_PATIENCE)
        return x509.load_pem_x509_certificate(shown.encode()).not_valid_after_utc.timestamp()
    except (OSError, ValueError):
        return None


def _files(config: Config) -> Iterator[tuple[str, str | None]]:
    gateway = config.gateway
    yield "gateway.tls_cert", gateway.tls_cert
    yield "gateway.redis_ca_file", gateway.redis_ca_file
    yield "sso.ca_file", config.sso.ca_file
    for table in config.systems:
        yield f"systems.{table.name}.ca_file", table.ca_file
