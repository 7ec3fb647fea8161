"""A request with one reading, for one of our hosts, with a known method, reaches the app unchanged; all else is refused."""

from __future__ import annotations

import pytest

from tests.gateway.edge import cases, raw
from tests.gateway.edge.test_smuggling import hold


@pytest.mark.parametrize("case", cases.SYNTAX, ids=lambda case: case.id)
def test_nothing_malformed_is_repaired(gate: raw.Listening, case: cases.Case) -> None:
    """What is not exactly HTTP/1.1 in origin form is refused, never put right."""
    if case.fin:
        found = gate.ask(case.sent, fin=True)
        assert (found.statuses, found.closed, gate.seen) == ([], True, [])
    else:
        hold(gate, case)


@pytest.mark.parametrize("case", cases.HOSTS, ids=lambda case: case.id)
def test_only_a_configured_host_is_answered_for(gate: raw.Listening, case: cases.Case) -> None:
    """A Host selects its own site or none; no request falls to a default."""
    request = hold(gate, case)
    assert request is None or request.site == "pas"


@pytest.mark.parametrize("case", cases.METHODS, ids=lambda case: case.id)
def test_only_known_methods_are_carried(gate: raw.Listening, case: cases.Case) -> None:
    """A method that nobody has thought about is refused rather than allowed by default."""
    request = hold(gate, case)
    assert request is None or request.method == case.sent.partition(b" ")[0].decode()
