"""A session's own questions: may it act, when does it lock, is it live?"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from policies.model import Device
from sso.session import BY_CLINICIAN, FEDERATED, FOLLOW_ME, IDLE, PIN, SWITCHED, Session

IDLE_FOR, STAYS = 300.0, 3600.0


def session(**more: Any) -> Session:
    return Session(**{"id": "s", "shift_id": "shift", "created": 0.0, "last_seen": 0.0, "idle": IDLE_FOR, "device": Device(),
                      "stays": STAYS, **more})  # fmt: skip


@pytest.mark.parametrize(
    ("now", "acts", "live", "left"),
    [(0.0, True, True, 300.0), (299.9, True, True, 0.1), (300.0, False, True, 0.0), (3899.9, False, True, 0.0),
     (3900.0, False, False, 0.0)],
)  # fmt: skip
def test_idle_time_locks_and_the_lock_s_time_ends(now: float, acts: bool, live: bool, left: float) -> None:
    """To the instant, although nobody has told it anything."""
    one = session()
    assert (one.may_act(now), one.live(now)) == (acts, live)
    assert one.locks_in(now) == pytest.approx(left)


def test_a_lock_that_is_noticed_late_began_when_the_idle_time_was_over() -> None:
    """Nobody gains time by not looking."""
    one = session()
    one.lock(1000.0, IDLE)
    assert (one.locked, one.live(300 + STAYS - 1), one.live(300 + STAYS)) == (300.0, True, False)


def test_a_second_lock_moves_no_instant() -> None:
    """A switch long after the idle lock does not give it another four hours."""
    one = session()
    one.lock(100.0, BY_CLINICIAN)
    one.lock(2000.0, SWITCHED)
    assert (one.locked, one.lock_reason) == (100.0, SWITCHED)


def test_a_proof_holds_against_whoever_has_not_heard_of_it() -> None:
    """A PIN that was asked for at one gateway is not taken back by what another writes of the same session; a later one holds."""
    proved, stale = session(proof=PIN, proved=100.0), session(proved=10.0)
    kept = stale.heard_of(proved)
    assert (kept.proof, kept.proved) == (PIN, 100.0)
    assert proved.heard_of(stale) == proved


def test_a_step_up_ends_by_its_time_or_by_a_lock_and_not_by_a_weaker_one() -> None:
    """Who proves themselves once more, and less strongly, takes nothing away that is still good."""
    one = session(proof=PIN)
    one.step_up(10.0, 9.0, 3, 100.0)
    assert (one.proof, one.proved, one.assurance(99.0), one.assurance(100.0)) == (FEDERATED, 9.0, 3, 0)
    one.step_up(50.0, 50.0, 2, 500.0)
    assert (one.proved, one.assurance(99.0), one.assurance(100.0)) == (50.0, 3, 0)
    one.step_up(100.0, 100.0, 2, 500.0)
    assert one.assurance(499.0) == 2
    one.lock(200.0, BY_CLINICIAN)
    one.unlock(210.0, PIN, 210.0)
    assert one.assurance(210.0) == 0


class Life(RuleBasedStateMachine):
    """One browser through a shift, beside the simplest account of it that can be given."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.session = session()
        self.copy = session()  # what another gateway has of it
        self.used = 0.0
        self.locked: float | None = None
        self.over = False
        self.raised_until = 0.0

    def _model(self) -> None:
        if self.locked is None and self.now - self.used >= IDLE_FOR:
            self.locked = self.used + IDLE_FOR
        if self.locked is not None and self.now >= self.locked + STAYS:
            self.over = True

    @rule(seconds=st.sampled_from([0.5, 60.0, 299.0, 300.0, 3599.5]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds
        self._model()

    @precondition(lambda self: self.session.may_act(self.now))
    @rule()
    def acts(self) -> None:
        self.session.last_seen = self.used = self.now

    @precondition(lambda self: self.session.live(self.now))
    @rule(reason=st.sampled_from([IDLE, BY_CLINICIAN, SWITCHED, FOLLOW_ME]))
    def locks(self, reason: str) -> None:
        self.session.lock(self.now, reason)
        self.locked = self.now if self.locked is None else self.locked
        self.raised_until = 0.0

    @precondition(lambda self: self.session.may_act(self.now))
    @rule(lasts=st.sampled_from([60.0, 900.0]))
    def steps_up(self, lasts: float) -> None:
        self.session.step_up(self.now, self.now, 3, self.now + lasts)
        self.raised_until = self.now + lasts

    @precondition(lambda self: self.session.live(self.now) and self.session.locked is not None)
    @rule()
    def unlocks(self) -> None:
        self.session.unlock(self.now, PIN, self.now)
        self.used, self.locked = self.now, None

    @precondition(lambda self: self.session.live(self.now))
    @rule()
    def ends(self) -> None:
        self.session.ended = self.now
        self.over = True

    @rule()
    def another_gateway_reads_it(self) -> None:
        self.copy = session(
            last_seen=self.session.last_seen,
            turn=self.session.turn,
            locked=self.session.locked,
            ended=self.session.ended,
            raised=self.session.raised,
            raised_until=self.session.raised_until,
        )

    @rule()
    def another_gateway_writes_what_it_has(self) -> None:
        """A lock and a step-up hold against whoever has not heard of them."""
        kept = self.copy.heard_of(self.session)
        assert kept.assurance(self.now) == self.session.assurance(self.now)
        assert kept.locked == self.session.locked
        assert kept.turn == self.session.turn

    @invariant()
    def it_acts_only_while_it_is_neither_locked_nor_over(self) -> None:
        assert self.session.may_act(self.now) is (not self.over and self.locked is None)
        assert self.session.live(self.now) is (not self.over)

    @invariant()
    def it_is_raised_no_longer_than_was_said_and_not_beyond_a_lock(self) -> None:
        assert self.session.assurance(self.now) == (3 if self.now < self.raised_until else 0)

    @invariant()
    def the_warning_counts_down_to_the_lock(self) -> None:
        if not self.over:
            left = self.session.locks_in(self.now)
            assert left == (0.0 if self.locked is not None else self.used + IDLE_FOR - self.now)


TestLife = Life.TestCase
