"""What can go wrong in finding out who is asking, named for the reaction it needs.

SignOnError
├── SignOnRefused      the answer may not be believed, or does not suffice: no session; `reason` is a stable code
└── ProviderAway       the identity provider cannot be reached: a live shift goes on, a new one cannot start
StoreUnavailable       sessions cannot be read or written: 503, never "continue"
"""

from __future__ import annotations


class SignOnError(Exception):
    """Base. Messages name no token, code or secret."""


class SignOnRefused(SignOnError):
    def __init__(self, reason: str, message: str, *, remedy: str = "") -> None:
        super().__init__(message)
        # one of `state`, `nonce`, `signature`, `claims`, `iss`, `token`, `assurance`, `role`, `overage`, `denied`
        self.reason = reason
        self.remedy = remedy


class ProviderAway(SignOnError):
    pass


class StoreUnavailable(Exception):
    pass
