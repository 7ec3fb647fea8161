"""What is known of each kind of identity provider, as one table: scopes, claim names, first role mapping.

CIS2's names and codes follow NHS England's developer pages; Imprivata's are those of its OpenID Connect guide as far
as it is public, so that a hospital checks them and overrides what differs under `[sso.claims]` and `[sso.roles]`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

NURSE, DOCTOR, RECEPTIONIST = "nurse", "doctor", "receptionist"
PRIVACY, SECURITY = "privacy-officer", "security-officer"
_OWN_NAMES = {name: name for name in (NURSE, DOCTOR, RECEPTIONIST, PRIVACY, SECURITY)}

# National RBAC job roles (NHS Spine Directory). Those of uncertain reach (R8003, R8008, R8010) are left to the site.
CIS2_ROLES = {
    "R8000": DOCTOR,  # Clinical Practitioner Access Role
    "R0050": DOCTOR,  # Consultant
    "R0110": DOCTOR,  # Specialist Registrar
    "R0130": DOCTOR,  # Registrar
    "R0260": DOCTOR,  # General Medical Practitioner
    "R0270": DOCTOR,  # Salaried GP
    "R6200": DOCTOR,  # GP Registrar
    "R6300": DOCTOR,  # Sessional GP
    "R8001": NURSE,  # Nurse Access Role
    "R8002": NURSE,  # Nurse Manager Access Role
    "R8009": RECEPTIONIST,  # Receptionist Access Role
    "R0001": PRIVACY,  # Privacy Officer
    "R5105": PRIVACY,  # Caldicott Guardian
}


@dataclass(frozen=True, slots=True)
class PresetTable:
    """A claim name with dots goes one object deeper for each; `{client_id}` is filled in."""

    scopes: tuple[str, ...]
    id: str
    name: str
    roles: tuple[str, ...]  # all of these lists, together
    organisation: str
    assurance: str
    mapping: Mapping[str, str]
    userinfo: bool  # whether UserInfo is asked, where the provider has it


PRESETS: dict[str, PresetTable] = {
    "generic": PresetTable(
        ("openid", "profile"), "preferred_username", "name", ("roles",), "organisation", "acr", _OWN_NAMES, True
    ),
    "keycloak": PresetTable(
        ("openid", "profile"),
        "preferred_username",
        "name",
        ("realm_access.roles", "resource_access.{client_id}.roles"),
        "organisation",
        "acr",
        _OWN_NAMES,
        True,
    ),
    # UserInfo is on another host (graph.microsoft.com) and adds nothing to app roles.
    "entra": PresetTable(
        ("openid", "profile"), "preferred_username", "name", ("roles",), "tid", "acr", _OWN_NAMES, False
    ),
    "imprivata": PresetTable(
        ("openid", "profile"), "preferred_username", "name", ("groups",), "organisation", "acr", _OWN_NAMES, True
    ),
    "cis2": PresetTable(
        ("openid", "profile", "nhsperson", "nationalrbacaccess", "selectedrole"),
        "nhsid_useruid",
        "name",
        ("nhsid_nrbac_roles",),
        "org_code",
        "authentication_assurance_level",
        CIS2_ROLES,
        True,
    ),
}
