"""Where a system is, and how long it may take."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field

from .addresses import Network


@dataclass(frozen=True, slots=True, eq=False)
class Origin:
    """A system's place: compared by identity, so that two systems on one host share no connection. Times in seconds."""

    scheme: str
    host: str
    port: int
    base_path: bytes = b""
    sni: str = ""
    tls: ssl.SSLContext | None = field(default=None, repr=False)
    networks: tuple[Network, ...] = ()  # none: any but link-local, multicast and metadata
    connect_timeout: float = 5.0
    read_timeout: float = 30.0  # to the answer's head, and between parts of its body, which must come at 1 KiB/s
    connections: int = 256

    def __post_init__(self) -> None:
        if (self.scheme == "https") != (self.tls is not None):
            raise ValueError(f"an origin of `{self.scheme}` needs a TLS context exactly when that is https")
        if self.tls is not None and not (self.tls.verify_mode is ssl.CERT_REQUIRED and self.tls.check_hostname):
            raise ValueError("a system's certificate and name are always verified")
