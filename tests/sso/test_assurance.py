"""What a provider is asked for, so that a sign-on is as strong as is needed."""

from __future__ import annotations

import pytest

from sso.assurance import least_acr

EITHER, AAL3 = "AAL2_OR_AAL3_ANY", "AAL3_ANY"
PWD, MFA = "urn:acr:pwd", "urn:acr:mfa"

# needed, what the usual question has brought, usual, stronger: asked
ASKED: dict[str, tuple[int, int, tuple[str, ...], tuple[str, ...], tuple[str, ...]]] = {
    "CIS2, fresh only": (2, 2, (EITHER,), (AAL3,), (EITHER,)),
    "CIS2, the smartcard": (3, 2, (EITHER,), (AAL3,), (AAL3,)),
    "CIS2, the smartcard that it was before": (3, 3, (EITHER,), (AAL3,), (AAL3,)),
    "nothing is usual, fresh only": (2, 2, (), ("aal3",), ()),
    "nothing is usual, a second factor": (2, 1, (), ("aal2", "aal3"), ("aal2",)),
    "nothing is usual, and only the strongest is there": (2, 1, (), ("aal3",), ("aal3",)),
    "names that say nothing, fresh only": (1, 1, (PWD,), (MFA,), (PWD,)),
    "names that say nothing, stronger": (2, 1, (PWD,), (MFA,), (MFA,)),
    "names that say nothing beside one that does": (2, 1, (PWD,), (MFA, "urn:acr:aal3"), (MFA, "urn:acr:aal3")),
    "the strongest beside names that say nothing": (3, 2, (PWD,), (MFA, "urn:acr:aal3"), ("urn:acr:aal3",)),
    "nothing to ask by": (3, 2, (), (), ()),
    "the usual is all there is": (3, 2, (EITHER,), (), (EITHER,)),
}


@pytest.mark.parametrize("case", ASKED)
def test_no_more_is_asked_of_the_provider_than_is_needed(case: str) -> None:
    """Of what is configured, the weakest that suffices; where names say no level, as usual or the stronger ones."""
    needed, current, usual, stronger, asked = ASKED[case]
    assert least_acr(needed, current, usual, stronger) == asked
