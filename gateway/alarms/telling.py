"""Which alarms are told, and when: a control that flaps rings once, one that stands rings again, and its end is told too.

Values only: no clock, no thread, no network.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from .controls import Severity, control_of
from .standing import Report

CALM = 60.0  # seconds for which a control must be well before that is told, at first


@dataclass(frozen=True, slots=True)
class Notice:
    """One message: `state` is the failure's word, or `ok`."""

    gateway: str
    control: str
    state: str
    since: float  # when it began to fail
    at: float
    again: bool = False  # it was told before, and stands

    @property
    def severity(self) -> Severity:
        return control_of(self.control).severity


@dataclass(slots=True)
class _Told:
    """What is known of one control."""

    counted: dict[str, int] = field(default_factory=dict)  # failures by process
    standing: bool = False
    since: float = 0.0
    at: float = 0.0
    words: set[str] = field(default_factory=set)
    calm_from: float | None = None
    calm: float = CALM
    ended: float = float("-inf")


class Telling:
    def __init__(self, gateway: str, repeat_after: float, minimum: Severity) -> None:
        """`repeat_after`: seconds after which what still stands is told again."""
        self._gateway = gateway
        self._repeat_after = repeat_after
        self._minimum = minimum
        self._told: dict[str, _Told] = {}

    def look(self, reports: Iterable[Report], now: float) -> list[Notice]:
        """What is to be told now, from what every process of this gateway reports."""
        by_control: dict[str, list[Report]] = {}
        for report in reports:
            by_control.setdefault(report.control, []).append(report)
        notices = []
        for control in sorted(by_control.keys() | self._told.keys()):
            if control_of(control).severity.rank < self._minimum.rank:
                continue
            if (notice := self._one(control, by_control.get(control, []), now)) is not None:
                notices.append(notice)
        return notices

    def _one(self, control: str, reports: list[Report], now: float) -> Notice | None:
        told = self._told.setdefault(control, _Told())
        failing = [report for report in reports if report.failing]
        failed = [report for report in reports if self._counts(told, report)] or failing
        if failing:
            told.calm_from = None
        elif failed or told.calm_from is None:  # it failed and is well again since the last look
            told.calm_from = now
        if not told.standing:
            return self._begins(told, control, failed, now) if failed else None
        if not failing:
            return self._ends(told, control, now)
        word = failing[0].failing
        if word not in told.words or now - told.at >= self._repeat_after:
            told.words.add(word)
            told.at = now
            return Notice(self._gateway, control, word, told.since, now, again=True)
        return None

    @staticmethod
    def _counts(told: _Told, report: Report) -> bool:
        """Whether it failed since the last look. A smaller count is a process that began anew."""
        known = told.counted.get(report.by, 0)
        told.counted[report.by] = report.failures
        return report.failures != known and report.failures > 0

    def _begins(self, told: _Told, control: str, failed: list[Report], now: float) -> Notice:
        if now - told.ended > self._repeat_after:
            told.calm = CALM
        told.standing, told.at, told.words = True, now, {failed[0].word}
        told.since = min(report.since for report in failed)
        return Notice(self._gateway, control, failed[0].word, told.since, now)

    def _ends(self, told: _Told, control: str, now: float) -> Notice | None:
        assert told.calm_from is not None
        if now - told.calm_from < told.calm:
            return None
        # What fails again and again has to be well for longer and longer before it is told to be.
        told.standing, told.ended, told.calm = False, now, min(told.calm * 2, max(self._repeat_after, CALM))
        return Notice(self._gateway, control, "ok", told.since, now)
