"""What the provider says of a sign-on's strength into an authentication assurance level of 1 to 3 (NIST SP 800-63B).

What was requested (`acr_values`) is only a request (OpenID Connect Core, section 3.1.2.1): it is verified in what
comes back.
"""

from __future__ import annotations

import re

from .errors import SignOnRefused
from .presets import PRESETS
from .provider import ProviderSettings
from .tokens import VerifiedClaims

IDENTITY_LEVEL = 3  # CIS2: what a clinician's identity must have been proved to
# Names that say a level without a number in them (REFEDS profiles, OpenID Connect EAP).
_NAMED = {"https://refeds.org/profile/sfa": 1, "https://refeds.org/profile/mfa": 2, "phr": 2, "phrh": 3}
_NUMBERED = re.compile(r"(?:^|[^a-z])(?:aal|loa)[-_/:]?([123])(?![0-9])", re.IGNORECASE)
_AAL_URL = re.compile(r"/aal/([123])(?![0-9])", re.IGNORECASE)


def acr_level(acr: str) -> int | None:
    """The level that an `acr` names: the lowest of several (`AAL2_OR_AAL3_ANY`), None where it is opaque."""
    if acr in ("0", "1", "2", "3"):
        return max(1, int(acr))
    if acr in _NAMED:
        return _NAMED[acr]
    levels = [int(digit) for digit in _NUMBERED.findall(acr) + _AAL_URL.findall(acr)]
    return min(levels, default=None)


def least_acr(assurance: int, current: int, usual: tuple[str, ...], stronger: tuple[str, ...]) -> tuple[str, ...]:
    """The `acr_values` to ask for where a sign-on is to have this assurance: those, of what is configured, that ask for it and for
    no more. `current`: what the usual question has brought before, where no name says a level."""
    exact = tuple(value for value in dict.fromkeys((*usual, *stronger)) if acr_level(value) == assurance)
    if exact or assurance <= current:
        return exact or usual
    levels = {value: acr_level(value) for value in stronger}
    least = min((level for level in levels.values() if level and level > assurance), default=None)
    return tuple(value for value, level in levels.items() if level in (None, least)) or usual


def level_of(claims: VerifiedClaims, settings: ProviderSettings) -> int:
    """1 where nothing says more. `mfa` in `amr` (RFC 8176) counts as 2."""
    name = settings.claims.assurance or PRESETS[settings.preset].assurance
    stated = _stated(claims, name)
    if settings.preset == "cis2":
        return stated if stated is not None else (acr_level(claims.acr) or 1)
    return max(stated or 1, 2 if "mfa" in claims.amr else 1)


def check_assurance(claims: VerifiedClaims, level: int, asked: tuple[str, ...], settings: ProviderSettings) -> None:
    """Raises SignOnRefused when the sign-on was weaker than requested or configured."""
    if asked and not _answers(claims.acr, asked, level if settings.preset == "cis2" else None):
        raise SignOnRefused(
            "assurance",
            "the provider did not sign the clinician on in the way that was asked (`acr_values`)",
            remedy="Sign on again with your second factor or smartcard.",
        )
    if level < settings.minimum_assurance:
        raise SignOnRefused(
            "assurance",
            f"the sign-on has assurance level {level}; `sso.minimum_assurance` is {settings.minimum_assurance}",
            remedy="Sign on again with your second factor or smartcard.",
        )
    if settings.preset == "cis2":
        _identity_proved(claims)


def _answers(acr: str, asked: tuple[str, ...], level: int | None) -> bool:
    """One of those asked, or one known to be as strong as the weakest of them; by `level` where it is given."""
    if level is None and acr in asked:
        return True
    found = acr_level(acr) if level is None else level
    wanted = [known for one in asked if (known := acr_level(one)) is not None]
    return found is not None and bool(wanted) and found >= min(wanted)


def _identity_proved(claims: VerifiedClaims) -> None:
    """CIS2 spells it `id_assurance_level` in the ID token and `idassurancelevel` in UserInfo."""
    levels = [
        _whole(claims.values[name]) for name in ("id_assurance_level", "idassurancelevel") if name in claims.values
    ]
    if not levels or any(level is None or level < IDENTITY_LEVEL for level in levels):
        raise SignOnRefused(
            "assurance",
            f"the clinician's identity is not proved to level {IDENTITY_LEVEL}",
            remedy="Ask the registration authority.",
        )


def _stated(claims: VerifiedClaims, name: str) -> int | None:
    if name == "acr":
        return acr_level(claims.acr)
    value = claims.values.get(name)
    if value is None:
        return None
    level = _whole(value)
    if level is None and isinstance(value, str):
        level = acr_level(value)
    if level is None:
        raise SignOnRefused("claims", f"the claim `{name}` names no assurance level")
    return max(1, min(level, 3))


def _whole(value: object) -> int | None:
    """A level sent as number or as text; `true` is neither."""
    if isinstance(value, str) and re.fullmatch(r"[0-9]", value):
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None
