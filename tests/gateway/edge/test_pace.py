"""So many times in so many seconds."""

from __future__ import annotations

from gateway.edge.pace import Pace


def test_one_time_too_many_is_refused_until_the_first_is_old() -> None:
    """For each key apart."""
    pace = Pace(2, 60.0)
    assert [pace.allows("a", t) for t in (0.0, 1.0, 2.0, 59.0)] == [True, True, False, False]
    assert pace.allows("b", 2.0)
    assert pace.allows("a", 60.0)
    assert not pace.allows("a", 60.5)


def test_a_clock_that_was_set_back_does_not_keep_anybody_out() -> None:
    """What was done in the future is forgotten."""
    pace = Pace(1, 60.0)
    assert pace.allows("a", 1000.0)
    assert pace.allows("a", 10.0)


def test_many_keys_do_not_fill_memory() -> None:
    """The oldest key is forgotten."""
    pace = Pace(1, 60.0)
    for number in range(10_001):
        assert pace.allows(str(number), 1.0)
    assert pace.allows("0", 2.0)
    assert not pace.allows("10000", 2.0)
