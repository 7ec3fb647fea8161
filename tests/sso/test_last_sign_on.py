"""What is kept of a clinician's latest federated sign-on, and what may be said by it."""

from __future__ import annotations

import pytest

from policies.model import Principal
from sso.last_sign_on import LastSignOn, plain_name

NURSE = Principal("https://login.example.nhs.uk", "N.Okoye", "N Okoye", "R8001", frozenset({"nurse"}), "RXX", 3)


@pytest.mark.parametrize(("known", "offline"), [(1, 1), (2, 2), (3, 2)])
def test_nobody_is_more_than_the_provider_said(known: int, offline: int) -> None:
    """Nor as much as a smartcard: two factors at most. All else stays as it was."""
    principal = Principal(NURSE.issuer, NURSE.subject, NURSE.name, NURSE.role, NURSE.roles, NURSE.organisation, known)
    found = LastSignOn(principal, 0.0).offline()
    assert found.assurance == offline
    assert (found.issuer, found.subject, found.role, found.roles) == (
        NURSE.issuer,
        NURSE.subject,
        NURSE.role,
        NURSE.roles,
    )
    assert found.organisation == "RXX"


def test_a_clinician_is_selected_by_subject_or_login_name() -> None:
    """Each in its plain form, once."""
    assert set(LastSignOn(NURSE, 0.0, "NOKOYE").names) == {"n.okoye", "nokoye"}
    assert LastSignOn(NURSE, 0.0, "n.okoye").names == ("n.okoye",)
    assert LastSignOn(NURSE, 0.0).names == ("n.okoye",)


@pytest.mark.parametrize("typed", ["", "  ", "a\x00b", "a\nb", "x" * 256, "\u202eokoye"])
def test_what_can_be_no_name_is_none(typed: str) -> None:
    """Nothing that is empty, too long, or not printable selects anybody."""
    assert plain_name(typed) == ""


def test_a_name_is_compared_as_people_type_it() -> None:
    """Blanks around it, capitals and full-width letters play no part."""
    assert plain_name(" N.Okoye ") == plain_name("n.okoye") == plain_name("ｎ.okoye")


def test_two_issuers_same_subject_are_two_clinicians() -> None:
    """Their passkeys call them differently."""
    other = Principal("https://other.example", NURSE.subject, "X", "r", frozenset())
    assert LastSignOn(NURSE, 0.0).handle != LastSignOn(other, 0.0).handle
