"""Sends a notice to a URL as JSON, signed, so that whoever receives it knows who sent it and when. Blocking, as mail is."""

from __future__ import annotations

import hashlib
import hmac
import ssl
import time
from dataclasses import dataclass

import httpx2

from .telling import Notice
from .wording import body

HEADER = "lanyard-signature"
_PATIENCE = 10.0


@dataclass(frozen=True, slots=True)
class Webhook:
    url: str
    trusted: ssl.SSLContext
    key: bytes
    name = "webhook"

    def __call__(self, notice: Notice) -> None:
        """Raises OSError where it was not taken."""
        sent = body(notice)
        headers = {"content-type": "application/json", HEADER: signature(self.key, int(time.time()), sent)}
        try:
            with httpx2.Client(verify=self.trusted, trust_env=False, timeout=_PATIENCE) as client:
                answer = client.post(self.url, content=sent, headers=headers)
        except httpx2.HTTPError as error:
            raise OSError(type(error).__name__) from error
        if not answer.is_success:
            raise OSError(f"answered {answer.status_code}")


def signature(key: bytes, at: int, sent: bytes) -> str:
    """`t=…,v1=…`: the time, and the HMAC-SHA-256 over time, full stop and body. A receiver refuses old times."""
    proof = hmac.new(key, b"%d." % at + sent, hashlib.sha256).hexdigest()
    return f"t={at},v1={proof}"
