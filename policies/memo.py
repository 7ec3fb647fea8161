"""Exact inputs into verdicts already given, in bounded room.

Two generations stand for "least recently used" at the price of one look-up: what is asked again moves from the old to
the young, and when the young is full the old is forgotten.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from .decision import Decision
from .question import Asked


@dataclass(slots=True)
class _Generation:
    decisions: dict[Asked, Decision] = field(default_factory=dict)
    records: dict[str, bytes] = field(default_factory=dict)  # by input hash


class Memo:
    """Holds at most `size` verdicts with their input records. Belongs to one bundle and mode."""

    def __init__(self, size: int) -> None:
        self._half = max(size // 2, 1)
        self._young = _Generation()
        self._old = _Generation()
        self.hits = 0
        self.misses = 0

    def get(self, key: Asked) -> Decision | None:
        """The verdict, or None. Counts."""
        found = self._young.decisions.get(key)
        if found is None:
            found = self._revive(key)
            if found is None:
                self.misses += 1
                return None
        self.hits += 1
        return found

    def put(self, key: Asked | None, decision: Decision, record: bytes) -> None:
        """Remember; without a `key` only the record, for the journal."""
        if len(self._young.records) >= self._half:
            self._old, self._young = self._young, _Generation()
        if key is not None:
            self._young.decisions[key] = decision
        self._young.records[decision.input_hash] = record

    def record(self, input_hash: str) -> bytes:
        """Raises LookupError."""
        return self._young.records.get(input_hash) or self._old.records[input_hash]

    def _revive(self, key: Asked) -> Decision | None:
        found = self._old.decisions.get(key)
        if found is not None:
            self.put(key, found, self._old.records[found.input_hash])
        return found
