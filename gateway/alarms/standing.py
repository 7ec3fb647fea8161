"""What fails now, and what has failed: heard from any thread, asked from any other."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any

_WORD = re.compile(r"[a-z0-9][a-z0-9 -]{0,39}")


@dataclass(frozen=True, slots=True)
class Report:
    """One control, as one process sees it."""

    control: str
    by: str  # the process: a gateway's or a worker's name
    failing: str  # the state's word; empty: it is well now
    word: str  # the last word under which it failed
    failures: int  # how often it began to fail, since the process began
    since: float  # when it last began to fail, seconds since the epoch

    def fields(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def of(cls, fields: dict[str, Any]) -> Report:
        """From another process. Raises TypeError."""
        return cls(**fields)


class Standing:
    """`say` is an alarm hook: control and state, `ok` or anything else."""

    def __init__(self, by: str, now: Callable[[], float]) -> None:
        self.by = by
        self._now = now
        self._lock = threading.Lock()
        self._reports: dict[str, Report] = {}

    def say(self, control: str, state: str) -> None:
        # A state is a word of ours. What is none is not passed on: it goes to mailboxes.
        word = state if _WORD.fullmatch(state) else "failing"
        with self._lock:
            known = self._reports.get(control)
            if word == "ok":
                if known is not None:
                    self._reports[control] = replace(known, failing="")
            elif known is None or not known.failing:
                times = known.failures + 1 if known else 1
                self._reports[control] = Report(control, self.by, word, word, times, self._now())
            else:
                self._reports[control] = replace(known, failing=word, word=word)

    def reports(self) -> list[Report]:
        """Of every control that has failed since the process began."""
        with self._lock:
            return list(self._reports.values())
