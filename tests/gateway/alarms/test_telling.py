"""Which alarms are told, and when."""

from __future__ import annotations

from gateway.alarms.controls import Severity
from gateway.alarms.standing import Standing
from gateway.alarms.telling import CALM, Notice, Telling

REPEAT = 3600.0


class Night:
    """A gateway of several processes, looked at each second by somebody who is rung."""

    def __init__(self, *workers: str, minimum: Severity = Severity.WARNING) -> None:
        self.now = 1_000_000.0
        self.workers = {name: Standing(name, lambda: self.now) for name in workers or ("gw1",)}
        self.telling = Telling("gw1", REPEAT, minimum)
        self.rung: list[Notice] = []

    def say(self, control: str, state: str, worker: str = "gw1") -> None:
        self.workers[worker].say(control, state)

    def passes(self, seconds: float) -> list[str]:
        """What rings in that time, as `control state`."""
        before = len(self.rung)
        for _ in range(int(seconds)):
            self.now += 1
            reports = [report for standing in self.workers.values() for report in standing.reports()]
            self.rung += self.telling.look(reports, self.now)
        return [f"{notice.control} {notice.state}" for notice in self.rung[before:]]


def test_a_failure_is_told_at_once_and_its_end_after_a_calm_minute() -> None:
    """Whoever is rung hears of the end as well, once it is one."""
    night = Night()
    night.say("session-store", "failing")
    assert night.passes(1) == ["session-store failing"]
    night.say("session-store", "ok")
    assert night.passes(CALM - 1) == []
    assert night.passes(3) == ["session-store ok"]
    assert night.passes(CALM) == []


def test_a_failure_shorter_than_a_look_is_told() -> None:
    """A sync that failed once and went well again has to be known: the disk may be dying."""
    night = Night()
    night.say("journal", "sync-failed")
    night.say("journal", "ok")
    assert night.passes(1) == ["journal sync-failed"]
    assert night.passes(CALM + 2) == ["journal ok"]


def test_a_control_that_flaps_does_not_send_a_hundred_mails() -> None:
    """A hundred failures, one every two minutes: a handful of messages, and the last says how it is."""
    night = Night()
    for _ in range(100):
        night.say("identity-provider", "failing")
        night.passes(30)
        night.say("identity-provider", "ok")
        night.passes(90)
    night.passes(REPEAT + 10)
    assert len(night.rung) <= 12
    assert night.rung[-1].state == "ok"


def test_what_stands_is_told_again() -> None:
    """A mail that nobody read is followed by another, as often as the configuration says."""
    night = Night()
    night.say("search-copy", "failing")
    assert night.passes(2 * REPEAT + 2) == ["search-copy failing"] * 3
    assert [notice.again for notice in night.rung] == [False, True, True]


def test_what_gets_worse_is_told_at_once() -> None:
    """The reserve that is nearly used up is other news than one that is being used."""
    night = Night()
    night.say("journal-reserve", "alarm")
    night.passes(5)
    night.say("journal-reserve", "break-glass-only")
    assert night.passes(1) == ["journal-reserve break-glass-only"]


def test_two_workers_with_one_trouble_ring_once() -> None:
    """What one machine's processes see alike is one thing, and over when none of them sees it."""
    night = Night("gw1-1", "gw1-2")
    for worker in night.workers:
        night.say("session-store", "failing", worker)
    assert night.passes(5) == ["session-store failing"]
    night.say("session-store", "ok", "gw1-1")
    assert night.passes(2 * CALM) == []
    night.say("session-store", "ok", "gw1-2")
    assert night.passes(2 * CALM) == ["session-store ok"]


def test_a_worker_that_is_gone_has_nothing_more_to_say() -> None:
    """Its alarm ends with it; the worker that follows finds what is still so."""
    night = Night()
    night.say("clock", "set-back")
    night.passes(2)
    night.workers.clear()
    assert night.passes(CALM + 2) == ["clock ok"]


def test_warnings_can_be_left_for_the_morning() -> None:
    """With `minimum` = critical nobody is rung for what can wait."""
    night = Night(minimum=Severity.CRITICAL)
    night.say("search-copy", "failing")
    night.say("journal", "disk-full")
    assert night.passes(3) == ["journal disk-full"]


def test_a_state_that_is_no_word_of_ours_goes_to_no_mailbox() -> None:
    """Whatever a careless caller says, a message holds no line of somebody else's."""
    night = Night()
    night.say("journal", "patient 999 000 0018\nBcc: everybody")
    assert night.passes(1) == ["journal failing"]
