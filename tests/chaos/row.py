"""A row of the table of faults: what breaks, what is promised, how it is done to a running hospital, and whether the promise held."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from .load import Load, Look
from .stage import Stage, subject


@dataclass(frozen=True)
class Dose:
    """How much of a fault: `times` it strikes, `rate` requests a second, `seconds` between strikes or in all."""

    times: int = 1
    rate: float = 100.0
    seconds: float = 1.0
    clinicians: int = 20
    events: int = 0  # in the journal before
    build: str = ""  # another of tests/chaos/builds.py than the row's own, which is known to be bad


SLACK = 3.0  # how much longer than promised a machine may take that does other things as well; the long form sets 1


@dataclass
class Outcome:
    """What came of it. `broken` says, in sentences, what of the promise did not hold."""

    requests: int = 0
    failed: int = 0
    shifts_lost: int = 0
    unaudited: int = 0
    seen: Counter[str] = field(default_factory=Counter)  # what clinicians saw, and how often
    figures: dict[str, float] = field(default_factory=dict)
    broken: list[str] = field(default_factory=list)
    wrong: int = 0  # answers to somebody else's question

    @property
    def kept(self) -> bool:
        return not self.broken

    def must(self, true: object, otherwise: str) -> None:
        """A part of the promise."""
        if not true:
            self.broken.append(otherwise)

    def within(self, name: str, value: float, most: float) -> None:
        """A part of the promise that is a figure."""
        self.figures[name] = round(value, 3)
        self.must(value <= most * SLACK, f"{name}: {value:.3f}, where at most {most:g} is promised")

    def alone(self, name: str, value: float, most: float) -> None:
        """A part of the promise of a moment, which other tests' work would take: shown, and judged in the long form."""
        self.figures[name] = round(value, 3)
        self.must(SLACK > 1 or value <= most, f"{name}: {value:.3f}, where at most {most:g} is promised")

    def at_least(self, name: str, value: float, least: float) -> None:
        """Likewise, the other way round."""
        self.figures[name] = round(value, 3)
        self.must(SLACK > 1 or value >= least, f"{name}: {value:.3f}, where at least {least:g} is promised")

    def add(self, other: Outcome) -> None:
        """What came of another part. Figures of one name: the larger one."""
        for name in ("requests", "failed", "shifts_lost", "unaudited", "wrong"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.seen += other.seen
        self.figures |= {name: max(value, self.figures.get(name, value)) for name, value in other.figures.items()}
        self.broken += other.broken


@dataclass(frozen=True)
class Row:
    """`promise` is the sentence of docs/faults.md; `red` says how it is known that this row can fail."""

    id: str
    fault: str
    promise: str
    seen: str
    red: str
    run: Callable[[Path, Dose], Outcome]
    short: Dose | None = Dose()  # None: only in the long form
    long: Dose = Dose(times=100, rate=200, seconds=2)

    def broken_in_short(self, folder: Path) -> list[str]:
        """What of the promise did not hold in the short form."""
        assert self.short is not None
        return self.run(folder, self.short).broken


def judge(stage: Stage, *loads: Load) -> Outcome:
    """What holds in every row: nothing seen without its entry, nobody signed off, nobody's answer to another, no write twice."""
    outcome, looks = Outcome(), [look for load in loads for look in load.looks]
    intents = stage.intents()
    for look in looks:
        outcome.seen[_words(look)] += 1
        entry = intents.get(look.mark)
        if (
            look.right
            and not look.page
            and (entry is None or entry.at > look.came or entry.subject != subject(look.clinician))
        ):
            outcome.unaudited += 1
    outcome.requests = len(looks)
    outcome.failed = sum(not look.right for look in looks)
    outcome.shifts_lost = stage.shifts_lost()
    outcome.wrong = sum(look.wrong for look in looks)
    told = {look.mark for look in looks if look.write and look.right}
    outcome.must(outcome.unaudited == 0, f"{outcome.unaudited} answers without an earlier entry in a journal")
    outcome.must(outcome.shifts_lost == 0, f"{outcome.shifts_lost} clinicians have to sign on again")
    outcome.must(outcome.wrong == 0, f"{outcome.wrong} answers to somebody else's question")
    twice = [mark for mark, times in stage.records.written.items() if times > 1]
    outcome.must(not twice, f"{len(twice)} writes came to the system more than once")
    outcome.must(told <= stage.records.written.keys(), "a write was confirmed that never came to the system whole")
    outcome.must(set(stage.records.written) <= intents.keys(), "a write came to the system without an entry")
    outcome.must(stage.verified(), "a journal is not whole")
    return outcome


def gap(load: Load, since: float) -> float:
    """Seconds from `since` (wall clock) to the first right answer to a question of after it."""
    answers = [look.came for look in load.looks if look.right and look.sent >= since]
    return min(answers, default=float("inf")) - since


def failing(load: Load, struck: list[float]) -> float:
    """For how many seconds after a strike what is asked fails, at most; until the next one, from which on it is that one's, as is what
    was on its way when it came."""
    bad = [look for look in load.looks if not look.right]
    spans = pairwise([*struck, float("inf")])
    return max(
        (
            max(look.sent - at, 0.0)
            for at, end in spans
            for look in bad
            if at <= look.came < end and look.sent < at + 10
        ),
        default=0.0,
    )


def _words(look: Look) -> str:
    match look.status:
        case 200 | 201:
            return "the answer"
        case 0:
            return "no answer"
        case 502:
            return "the balancer's page with a retry"
        case _:
            return f"{_told(look.body) or 'a page'} with {look.status}"


def _told(body: bytes) -> str:
    """The code of a problem (RFC 9457), where it is one."""
    found = re.search(rb'"type": ?"urn:lanyard:([a-z-]+)"', body)
    return f"`{found[1].decode()}`" if found else ""
