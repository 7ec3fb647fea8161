"""Who may say that a colleague is who they say they are: as the policies are asked."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

import pytest

from gateway.audit.journal import Journal
from gateway.sessions import Seat
from gateway.stores.base import Store
from gateway.stores.testing import MAIN, NURSE, T0, session, shift
from gateway.vouching import Vouching
from policies.bundle import Bundle
from policies.decision import Permit
from policies.engine import CedarEngine

SENIOR = replace(NURSE, roles=frozenset({"nurse", "senior"}), assurance=1)


@pytest.mark.parametrize(("raised", "until", "may"), [(0, 0.0, False), (2, T0 + 60, True), (2, T0, False)])
def test_a_senior_s_step_up_counts_while_it_lasts(raised: int, until: float, may: bool) -> None:
    """Signed on by one factor, and by a second one for this session since."""
    engine = CedarEngine(Bundle.load(), "observe")
    vouching = Vouching(engine, cast(Store, None), cast(Journal, None), lambda: T0)
    senior = Seat(session(raised=raised, raised_until=until, proved=T0), shift(principal=SENIOR), MAIN)
    assert isinstance(vouching.may(senior), Permit) is may
