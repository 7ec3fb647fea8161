"""Nothing that two readers could read as two different requests reaches the app, and never a second one."""

from __future__ import annotations

import pytest
from uvicorn.protocols.http.h11_impl import H11Protocol

from tests.gateway.edge import cases, raw


def smuggled(seen: list[raw.Seen]) -> bool:
    return any(b"smuggled=1" in request.target for request in seen)


def hold(gate: raw.Listening, case: cases.Case) -> raw.Seen | None:
    """Send a case and hold the gate to its row; returns what the app saw."""
    gate.seen.clear()
    gate.rejected.clear()
    found = gate.ask(case.sent, fin=case.fin)
    assert found.statuses == ([] if case.status is None else [case.status])
    assert not smuggled(gate.seen)
    if case.saw == "nothing":
        assert not gate.seen
        assert gate.rejected
        assert found.closed
        return None
    (request,) = gate.seen
    assert request.ended is (case.saw == "whole")
    assert found.closed or case.saw == "whole"
    return request


@pytest.mark.parametrize("case", cases.SMUGGLING, ids=lambda case: case.id)
def test_a_request_has_one_reading_or_none(gate: raw.Listening, case: cases.Case) -> None:
    """A request whose end could be disputed is refused and its connection ends; no second request comes out of it."""
    request = hold(gate, case)
    if request is not None:
        forbidden = {b"authorization", b"x-forwarded-user"}
        assert not forbidden & {name for name, _ in request.headers}
        assert request.site == "pas"


@pytest.mark.parametrize("pieces", [1, 3, 7])
def test_a_head_in_pieces_is_judged_as_a_whole(gate: raw.Listening, pieces: int) -> None:
    """How the bytes were cut on their way changes nothing about what a request is."""
    for case in (cases.SMUGGLING[0], cases.SMUGGLING[1], cases.SMUGGLING[-2]):
        gate.seen.clear()
        found = gate.ask(*(case.sent[i : i + pieces] for i in range(0, len(case.sent), pieces)))
        assert found.statuses == [case.status]
        assert not gate.seen


def test_a_lenient_parser_is_smuggled_through() -> None:
    """The same requests do get through another parser: these tests can turn red."""
    through = []
    with raw.listening(protocol=H11Protocol) as lenient:
        for case in cases.SMUGGLING:
            if case.saw == "nothing":
                lenient.seen.clear()
                lenient.ask(case.sent, fin=True, answers=99)
                if smuggled(lenient.seen):
                    through.append(case.id)
    assert "RAW-001" in through
