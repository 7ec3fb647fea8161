"""Passkeys (W3C Web Authentication, level 2): what a browser is asked, and whether its answer is this clinician's. The only file that
imports webauthn.

A passkey must verify its user (a PIN of its own, a finger) and be discoverable, so that the question names none: nobody learns from it
whether there is one. On a shared device only a roaming authenticator counts: what is built into a PC belongs to the PC. That it roams is
the browser's word, since no attestation is asked for.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import webauthn
from webauthn.helpers import base64url_to_bytes
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AuthenticatorAttachment,
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

MOST = 10  # of one clinician
_TIMEOUT = 60_000  # milliseconds


class PasskeyRefused(ValueError):
    """Not taken. The message is constant or ours; it names no key."""


@dataclass(frozen=True, slots=True)
class Passkey:
    """What is kept of one: nothing that opens anything."""

    id: bytes
    public_key: bytes
    count: int  # of its uses, where it counts them


@dataclass(frozen=True, slots=True)
class Place:
    """Where passkeys are good: our main host, as browsers name it, and whether this browser is on a shared device."""

    host: str  # without a port
    origin: str
    shared: bool


def handle(issuer: str, subject: str) -> bytes:
    """What a clinician's passkeys call them: tells nobody who it is."""
    return hashlib.sha256(json.dumps([issuer, subject]).encode()).digest()


def asked_new(place: Place, issuer: str, subject: str, name: str, challenge: bytes, known: Sequence[Passkey]) -> str:
    """Options for `navigator.credentials.create`, as JSON."""
    options = webauthn.generate_registration_options(
        rp_id=place.host,
        rp_name="Lanyard",
        user_name=name,
        user_id=handle(issuer, subject),
        challenge=challenge,
        timeout=_TIMEOUT,
        authenticator_selection=AuthenticatorSelectionCriteria(
            authenticator_attachment=AuthenticatorAttachment.CROSS_PLATFORM if place.shared else None,
            resident_key=ResidentKeyRequirement.REQUIRED,
            user_verification=UserVerificationRequirement.REQUIRED,
        ),
        exclude_credentials=[PublicKeyCredentialDescriptor(id=one.id) for one in known],
    )
    return webauthn.options_to_json(options)


def made(place: Place, answer: dict[str, Any], challenge: bytes) -> Passkey:
    """The new one. Raises PasskeyRefused."""
    _roams(place, answer)
    try:
        found = webauthn.verify_registration_response(
            credential=answer,
            expected_challenge=challenge,
            expected_rp_id=place.host,
            expected_origin=place.origin,
            require_user_verification=True,
        )
    except (WebAuthnException, ValueError, TypeError, KeyError):
        raise PasskeyRefused("the browser's answer is not what was asked for") from None
    return Passkey(found.credential_id, found.credential_public_key, found.sign_count)


def asked_proof(place: Place, challenge: bytes) -> str:
    """Options for `navigator.credentials.get`, as JSON; the same for everybody."""
    options = webauthn.generate_authentication_options(
        rp_id=place.host,
        challenge=challenge,
        timeout=_TIMEOUT,
        user_verification=UserVerificationRequirement.REQUIRED,
    )
    return webauthn.options_to_json(options)


def proved(place: Place, answer: dict[str, Any], challenge: bytes, known: Sequence[Passkey]) -> Passkey:
    """Which of the clinician's it was, with its new count. Raises PasskeyRefused, also for a copy that counts anew."""
    _roams(place, answer)
    name = answer.get("rawId")
    used = next((one for one in known if isinstance(name, str) and _id(one) == name), None)
    if used is None:
        raise PasskeyRefused("that is no passkey of this session's clinician")
    try:
        found = webauthn.verify_authentication_response(
            credential=answer,
            expected_challenge=challenge,
            expected_rp_id=place.host,
            expected_origin=place.origin,
            credential_public_key=used.public_key,
            credential_current_sign_count=used.count,
            require_user_verification=True,
        )
    except (WebAuthnException, ValueError, TypeError, KeyError):
        raise PasskeyRefused("the browser's answer is not what was asked for") from None
    return replace(used, count=found.new_sign_count)


def written(keys: Sequence[Passkey]) -> bytes:
    """As a store keeps them."""
    return json.dumps([[one.id.hex(), one.public_key.hex(), one.count] for one in keys]).encode()


def read(value: bytes | None) -> list[Passkey]:
    return [Passkey(bytes.fromhex(i), bytes.fromhex(k), count) for i, k, count in json.loads(value or b"[]")]


def says(answer: dict[str, Any]) -> tuple[bytes, bytes]:
    """The challenge that an answer is to, and what its passkey calls its owner. Neither is believed yet. Raises PasskeyRefused."""
    try:
        response = answer["response"]
        challenge = json.loads(base64url_to_bytes(response["clientDataJSON"]))["challenge"]
        return base64url_to_bytes(challenge), base64url_to_bytes(response["userHandle"])
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise PasskeyRefused("the browser's answer does not say whose passkey it is") from None


def _id(key: Passkey) -> str:
    return base64.urlsafe_b64encode(key.id).rstrip(b"=").decode()


def _roams(place: Place, answer: dict[str, Any]) -> None:
    if place.shared and answer.get("authenticatorAttachment") != "cross-platform":
        raise PasskeyRefused("on a shared device use a security key or your phone: what is built into it belongs to it")
