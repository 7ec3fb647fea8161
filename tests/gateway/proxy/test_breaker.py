"""The breaker: a system that does not answer costs a few people a wait each, and nobody after them."""

from __future__ import annotations

import pytest

from gateway.proxy.breaker import Breaker, SystemPaused


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def opened(clock: Clock) -> Breaker:
    made = Breaker("PAS", clock)
    for _ in range(5):
        assert made.admit(look=True) is False
        made.silent(tried=False)
    assert made.open
    return made


def refused(breaker: Breaker, *, look: bool = True) -> bool:
    try:
        breaker.admit(look=look)
    except SystemPaused:
        return True
    return False


def test_five_silences_in_a_row_open_it_and_an_answer_between_does_not() -> None:
    """One that answers now and then is asked on."""
    breaker = Breaker("PAS", Clock())
    for _ in range(3):
        for _ in range(4):
            breaker.silent(tried=False)
        breaker.answered()
    assert not breaker.open
    assert opened(Clock()).open


def test_one_look_at_a_time_tries_it_and_never_a_write() -> None:
    """After a second; nobody else meanwhile; its answer lets everybody in."""
    clock = Clock()
    breaker = opened(clock)
    assert refused(breaker)
    clock.now = 1.0
    assert refused(breaker, look=False)
    assert breaker.admit(look=True) is True
    with pytest.raises(SystemPaused, match="nothing was sent"):
        breaker.admit(look=True)
    breaker.answered()
    assert breaker.admit(look=False) is False


def test_it_is_tried_ever_more_seldom() -> None:
    """Up to every thirty seconds; then from the beginning again."""
    clock, waits = Clock(), list[float]()
    breaker = opened(clock)
    for _ in range(7):
        began = clock.now
        while refused(breaker):
            clock.now += 0.5
        waits.append(clock.now - began)
        breaker.silent(tried=True)
    assert waits == [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]


def test_who_goes_away_while_trying_leaves_it_to_the_next() -> None:
    """Neither an answer nor a silence."""
    clock = Clock()
    breaker = opened(clock)
    clock.now = 1.0
    assert breaker.admit(look=True)
    breaker.left(tried=True)
    assert breaker.admit(look=True)


def test_those_who_were_on_their_way_change_nothing() -> None:
    """Sixty that hang at once are one opening, and no longer wait."""
    clock = Clock()
    breaker = opened(clock)
    for _ in range(60):
        breaker.silent(tried=False)
    clock.now = 1.0
    assert breaker.admit(look=True)


def test_an_answer_of_one_on_its_way_closes_it() -> None:
    """It is back."""
    breaker = opened(Clock())
    breaker.answered()
    with pytest.raises(AssertionError):
        assert refused(breaker)
