"""A policy is tried on past traffic before it rules."""

from __future__ import annotations

from policies.bundle import Bundle
from policies.engine import CedarEngine
from policies.replay import changes
from policies.testing import ask

BUNDLE = Bundle.load()


def test_a_candidate_is_told_by_what_it_would_decide_differently() -> None:
    """What changes is told with how often it was asked, the most frequent first; what stays is not."""
    ruling = CedarEngine(BUNDLE, "enforce")
    candidate = CedarEngine(BUNDLE.keeping(lambda rule: rule.id not in ("nurse-clinical", "locked")), "enforce")

    def record(*words: str, **given: object) -> bytes:
        return ruling.input_record(ruling.decide(*ask(*words, **given)).input_hash)

    reads, locked = record("nurse", "read", "observation"), record("doctor", "read", "note", unlocked=False)
    found = list(changes([locked, reads, reads, record("doctor", "read", "note")], ruling, candidate))
    assert [(c.times, c.before, c.after) for c in found] == [(2, "permit", "no-permit"), (1, "locked", "permit")]
    assert found[0].question.kind == "observation"
