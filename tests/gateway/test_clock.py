"""A clock that is set back makes nothing live longer. (F18)"""

from __future__ import annotations

from gateway.clock import SteadyClock


class Clocks:
    """A wall clock that may be set, and a steady one."""

    def __init__(self) -> None:
        self.wall, self.steady = 1_000_000.0, 50.0

    def passes(self, seconds: float) -> None:
        self.wall += seconds
        self.steady += seconds


def made() -> tuple[SteadyClock, Clocks, list[str]]:
    clocks, said = Clocks(), list[str]()
    clock = SteadyClock(lambda: clocks.wall, lambda: clocks.steady)
    clock.alarm = lambda control, state: said.append(f"{control} {state}")
    return clock, clocks, said


async def test_an_hour_that_is_lived_twice_is_not_given_to_anybody() -> None:
    """Time goes on from where it was, and the step is said once it is seen."""
    clock, clocks, said = made()
    clocks.passes(10)
    await clock.look()
    clocks.wall -= 3600
    clocks.passes(1)
    await clock.look()
    assert clock() == 1_000_011.0
    for _ in range(600):
        clocks.passes(1)
        await clock.look()
    assert clock() == 1_000_611.0
    assert set(said) == {"clock set-back"}


async def test_when_the_wall_clock_has_caught_up_it_is_believed_again() -> None:
    """And said to be well."""
    clock, clocks, said = made()
    clocks.wall -= 300
    clocks.passes(1)
    await clock.look()
    assert clock() == 1_000_001.0
    clocks.wall += 301
    clocks.passes(1)
    await clock.look()
    assert clock() == clocks.wall
    assert said[-1] == "clock ok"


async def test_a_step_forward_is_believed_at_once() -> None:
    """Things end early: nothing is released by that, and nothing is said."""
    clock, clocks, said = made()
    clocks.wall += 86_400
    assert clock() == clocks.wall
    clocks.passes(1)
    await clock.look()
    assert clock() == clocks.wall
    assert said == []


async def test_a_slewed_clock_is_no_alarm() -> None:
    """A millisecond a second is what time daemons do."""
    clock, clocks, said = made()
    for _ in range(600):
        clocks.wall -= 0.001
        clocks.passes(1)
        await clock.look()
    assert clock() == clocks.wall
    assert said == []
