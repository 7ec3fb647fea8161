"""The verdict: a value that carries its reasons, never a bool (XACML, AuthZEN)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Remedy(StrEnum):
    """What would turn a deny into a permit."""

    STEP_UP = "step_up"
    BREAK_GLASS = "break_glass"
    CLAIM_RELATIONSHIP = "claim_relationship"
    UNLOCK = "unlock"
    ENROL_DEVICE = "enrol_device"


@dataclass(frozen=True, slots=True)
class Obligation:
    """What a permit obliges the gateway or the connector to keep, e.g. `read_only`, `no_export`."""

    name: str
    value: str = ""


@dataclass(frozen=True, slots=True)
class Reason:
    """Why: a stable code (documented in docs/reasons.md), a sentence for people, the rules behind it."""

    code: str  # e.g. `no-permit`, `policy-error`, or the rule's own `@reason`
    text: str
    rules: tuple[str, ...] = ()  # `@id`s


@dataclass(frozen=True, slots=True)
class StepUp:
    """The least proof, given now, that would turn a deny into a permit."""

    assurance: int = 0  # of a sign-on at the provider; 0: none would do
    local: tuple[str, ...] = ()  # proofs of the session's own that would do: `passkey`, `pin`


@dataclass(frozen=True, slots=True)
class Permit:
    """Made by policies/engine.py only (an architecture test holds it to that)."""

    rules: tuple[str, ...]
    policy_version: str  # hash of the bundle
    input_hash: str  # hash of the engine's exact input
    obligations: frozenset[Obligation] = frozenset()
    observed: Reason | None = None  # what `enforce` would have refused, while devices.mode = "observe"


@dataclass(frozen=True, slots=True)
class Deny:
    """Made by policies/engine.py only."""

    reason: Reason
    policy_version: str
    input_hash: str
    remedies: tuple[Remedy, ...] = ()
    step_up: StepUp | None = None  # what the remedy `step_up` takes


Decision = Permit | Deny
