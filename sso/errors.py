"""What can go wrong in finding out who is asking, named for the reaction it needs.

SignOnError
├── SignOnRefused          the answer may not be believed, or does not suffice: no session; `reason` is a stable code
│   └── InteractionNeeded  the provider wants to see the clinician: send them through its own page
└── ProviderAway           the identity provider cannot be reached: a live shift goes on, a new one cannot start
    └── ProviderUnfit      its metadata, or our settings for it, may not be used: no sign-on until somebody acts
StoreUnavailable           sessions cannot be read or written: 503, never "continue"
└── StoreFull              there is no room for another one: whoever has one goes on
DeviceRefused              a device could not be enrolled, or could not prove that it is the one: it counts as unknown, or is refused
"""

from __future__ import annotations

# Every `reason` of SignOnRefused and ProviderAway, for the journal and the documentation.
REASONS = {
    "state": "the callback's state is missing, malformed, or not the one we sent",
    "state-binding": "the sign-on was begun in another browser",
    "state-expired": "the sign-on was begun more than ten minutes ago",
    "duplicate-parameter": "the callback carries a parameter twice",
    "unexpected-parameter": "the callback carries what only other flows return, such as a token",
    "iss": "the answer comes from another issuer, or does not say from which one although the provider promises to",
    "denied": "the clinician or the provider refused the sign-on",
    "interaction": "the provider will not answer without showing the clinician a page",
    "provider-error": "the provider answered with an error",
    "token": "the token endpoint refused the code, or its answer lacks what it must have",
    "refresh": "the provider no longer honours the refresh token: account or session have ended there",
    "signature": "a token is malformed, of the wrong type, or not signed by the provider with a key it publishes",
    "claims": "a claim is missing, malformed, out of its time, or meant for somebody else",
    "nonce": "the ID token belongs to another sign-on",
    "other-person": "somebody else than the shift's clinician is signed on at the provider",
    "other-role": "the shift's clinician came back from the provider in another role",
    "replay": "a log-out token was used twice",
    "assurance": "the sign-on was not as strong as was asked",
    "proof-old": "the provider was to ask who is there, and its proof is older than the question",
    "role": "the provider names no role that is known here",
    "overage": "the provider left the roles out of the token since there are too many groups",
    "provider-away": "the provider cannot be reached",
    "provider-timeout": "the provider did not answer in time",
    "provider-answer": "the provider's answer cannot be understood, is too large, or redirects",
    "provider-unfit": "the provider's metadata, or our settings for it, may not be used",
}


class SignOnError(Exception):
    """Base. Messages name no token, code or secret. `reason` is a key of REASONS."""

    reason: str


class SignOnRefused(SignOnError):
    def __init__(self, reason: str, message: str, *, remedy: str = "") -> None:
        super().__init__(message)
        self.reason = reason
        self.remedy = remedy


class InteractionNeeded(SignOnRefused):
    """`prompt=none` or a refresh did not suffice. The remedy is an ordinary sign-on, not an end."""


class ProviderAway(SignOnError):
    def __init__(self, message: str, *, reason: str = "provider-away") -> None:
        super().__init__(message)
        self.reason = reason


class ProviderUnfit(ProviderAway):
    def __init__(self, message: str) -> None:
        super().__init__(message, reason="provider-unfit")


class StoreUnavailable(Exception):
    pass


class StoreFull(StoreUnavailable):
    """No further session can be kept. Those that there are can be read, written and ended."""


# Every `reason` of DeviceRefused, for the journal and the documentation.
DEVICE_REASONS = {
    "device-unknown": "no device is enrolled by this id",
    "device-unproved": "the session is on an enrolled device, and nothing showed that this browser is that device",
    "device-pending": "the device waits for its approval",
    "device-revoked": "the device was taken out of use",
    "device-challenge": "the challenge is not ours, was changed, or was made for another device",
    "device-purpose": "the proof was made for something else",
    "device-origin": "the proof was made for another address",
    "device-expired": "the challenge is older than a minute",
    "device-replayed": "the proof was used before",
    "device-signature": "the signature is not the enrolled key's, or not in the form that browsers make",
    "device-key": "the key is no public P-256 key",
    "device-certificate": "the client certificate has no usable names, or is enrolled already",
    "device-name": "a device's name or ward is missing, too long, or not printable",
    "device-invitation": "the link was used, is older than fifteen minutes, or was never made",
    "device-many": "the clinician has as many devices of their own as one may have",
}


class DeviceRefused(Exception):
    """Messages name no key, proof or invitation. `reason` is a key of DEVICE_REASONS."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
