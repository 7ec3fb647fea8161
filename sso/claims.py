"""VerifiedClaims into a Principal: who it is, in which role, how surely.

The user is (issuer, subject), exactly: nothing is folded or trimmed, and no e-mail address ever authorises. A clinician
without a role that is known here is refused with what to do about it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from policies.model import Principal

from .assurance import check_assurance, level_of
from .errors import SignOnRefused
from .presets import PRESETS, PresetTable
from .provider import ProviderSettings
from .tokens import VerifiedClaims

_MOST_ROLES = 10_000
_JOB_ROLE = re.compile(r"R\d{4}")


@dataclass(frozen=True, slots=True)
class _Role:
    """A role as the provider names it, whole, and where it is held."""

    name: str
    ours: str | None
    organisation: str = ""


class ClaimReader:
    """Reads the claims of one provider as its preset and settings say."""

    def __init__(self, settings: ProviderSettings) -> None:
        self._settings = settings
        self._preset: PresetTable = PRESETS[settings.preset]
        laid_over = {**self._preset.mapping, **settings.roles}
        self._mapping = {theirs: ours for theirs, ours in laid_over.items() if ours}  # "" takes a bundled one out

    @property
    def asks_userinfo(self) -> bool:
        return self._preset.userinfo

    def lacks(self, claims: VerifiedClaims) -> bool:
        """Whether an ID token leaves anything out that is read here, so that UserInfo may add to it: what it does say stands."""
        if self._settings.preset == "cis2":
            return True
        wanted = [self._path(what) for what in ("id", "name", "organisation", "assurance")]
        said = {"acr", *claims.values}
        return any(path not in said and path.partition(".")[0] not in said for path in (*wanted, *self._role_paths))

    @property
    def scopes(self) -> tuple[str, ...]:
        return self._settings.scopes or self._preset.scopes

    def principal(
        self, claims: VerifiedClaims, *, asked: tuple[str, ...] = (), known: Principal | None = None
    ) -> Principal:
        """Raises SignOnRefused: `role`, `overage`, `assurance`, `claims`.

        `asked`: the `acr_values` requested. `known`: the principal of the shift, at a re-check: a refreshed token may
        leave `acr` out, and the strength of the sign-on is then what it was.
        """
        _plausible_email(claims)
        roles = self._roles(claims)
        found = [role for role in roles if role.ours is not None]
        if not found:
            raise _no_role(roles)
        silent = known is not None and not claims.acr
        level = known.assurance if known is not None and silent else level_of(claims, self._settings)
        if not silent:
            check_assurance(claims, level, asked, self._settings)
        return Principal(
            issuer=claims.issuer,
            subject=claims.subject,
            name=self._name(claims),
            role=", ".join(sorted({role.name for role in found})),
            roles=frozenset(role.ours for role in found if role.ours is not None),
            organisation=found[0].organisation or self._short(claims, "organisation"),
            assurance=level,
        )

    def local_id(self, claims: VerifiedClaims) -> str:
        """The name by which local systems may know the clinician (log-on name, smartcard user); "" without one."""
        return self._short(claims, "id")

    def _name(self, claims: VerifiedClaims) -> str:
        return self._short(claims, "name") or self.local_id(claims) or claims.subject

    def _path(self, what: str) -> str:
        named: str = getattr(self._settings.claims, what) or getattr(self._preset, what)
        return named

    @property
    def _role_paths(self) -> tuple[str, ...]:
        return (self._settings.claims.roles,) if self._settings.claims.roles else self._preset.roles

    def _short(self, claims: VerifiedClaims, what: str) -> str:
        """A text for people, on one line."""
        value = _at(claims.values, self._path(what))
        if value is None:
            return ""
        if not isinstance(value, str) or len(value) > 255:
            raise SignOnRefused("claims", f"the claim for `sso.claims.{what}` is no short text")
        return "".join(c if c.isprintable() else " " for c in value).strip()

    def _roles(self, claims: VerifiedClaims) -> list[_Role]:
        if self._settings.preset == "entra":
            _no_overage(claims)
        if self._settings.preset == "cis2" and self._settings.claims.roles is None:
            return [self._selected_role(claims)]
        names: list[str] = []
        for path in self._role_paths:
            names += _names(_at(claims.values, path, self._settings.client_id))
        return [_Role(name, self._mapping.get(name)) for name in dict.fromkeys(names)]

    def _selected_role(self, claims: VerifiedClaims) -> _Role:
        """CIS2: the role chosen at sign-on, which must be one that the clinician holds."""
        held = claims.values.get("nhsid_nrbac_roles", [])
        if not isinstance(held, list) or len(held) > _MOST_ROLES or not all(isinstance(one, dict) for one in held):
            raise SignOnRefused("claims", "the claim `nhsid_nrbac_roles` is no list of roles")
        selected = claims.values.get("selected_roleid")
        chosen = [role for role in held if role.get("person_roleid") == selected]
        if selected is None and len(held) == 1:
            chosen = held
        if len(chosen) != 1:
            raise SignOnRefused(
                "role",
                "the role selected at sign-on is not one that the clinician holds",
                remedy="Sign on again and choose a role; the registration authority can say which ones you hold.",
            )
        code, organisation = chosen[0].get("role_code"), chosen[0].get("org_code", "")
        if not isinstance(code, str) or len(code) > 64 or not isinstance(organisation, str) or len(organisation) > 64:
            raise SignOnRefused("claims", "the selected role has no usable `role_code` and `org_code`")
        jobs = [part for part in code.split(":") if _JOB_ROLE.fullmatch(part)]
        ours = self._mapping.get(code) or (self._mapping.get(jobs[0]) if len(jobs) == 1 else None)
        return _Role(code, ours, organisation)


def _at(values: Mapping[str, object], path: str, client_id: str = "") -> object:
    """The value at a claim name: the whole name first (some are URLs with dots in them), then object by object."""
    if path in values:
        return values[path]
    value: object = values
    for part in path.split("."):
        if not isinstance(value, Mapping):
            raise SignOnRefused("claims", f"the claim `{path}` is no object where one is expected")
        name = part.replace("{client_id}", client_id)  # filled in after taking apart: a client id may have dots
        if name not in value:
            return None
        value = value[name]
    return value


def _names(value: object) -> list[str]:
    """A list of role names; a single text is not taken for one (it might be parsed apart elsewhere)."""
    if value is None:
        return []
    if not isinstance(value, list) or len(value) > _MOST_ROLES or not all(isinstance(one, str) for one in value):
        raise SignOnRefused("claims", "the roles claim is no list of texts: let the provider send a list")
    return value


def _no_overage(claims: VerifiedClaims) -> None:
    """Entra replaces group lists that are too long by a pointer elsewhere: what is missing cannot be decided on."""
    if "_claim_names" in claims.values or claims.values.get("hasgroups") not in (None, False, "false"):
        raise SignOnRefused(
            "overage",
            "the clinician is in too many groups for the token, so that it does not say what they may do",
            remedy="In Entra, use app roles and take the groups claim out of the token configuration.",
        )


def _plausible_email(claims: VerifiedClaims) -> None:
    """Never used, but an address that two readers would read differently says that the account is not in order."""
    email = claims.values.get("email")
    if email is not None and (not isinstance(email, str) or email.count("@") > 1):
        raise SignOnRefused("claims", "the claim `email` is no e-mail address")


def _no_role(roles: list[_Role]) -> SignOnRefused:
    count = "no role" if not roles else f"{len(roles)} role(s), none of which is known here"
    return SignOnRefused(
        "role",
        f"the provider names {count}: map one under `[sso.roles]`, or name another claim in `sso.claims.roles`",
        remedy="Ask the helpdesk which role your account should have.",
    )
