"""Which patient an old system is at, and whether a form's page was about somebody else."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from connectors.messages import Body, InboundRequest
from gateway.current_patient import MARK, CurrentPatient
from gateway.log_on import address
from policies.model import PatientRef

A, B = (frozenset({PatientRef("system:pas", number)}) for number in ("H1", "H2"))
A_BY_NHS_NUMBER = frozenset({PatientRef("nhs-number", "9990010017")})
NOTES, SUMMARY = address(b"/notes"), address(b"/summary")
Shown = Callable[..., str]


@pytest.fixture
def current() -> CurrentPatient:
    return CurrentPatient("s1")


@pytest.fixture
def shown(current: CurrentPatient) -> Shown:
    """A page about somebody is shown; the mark that goes out with it."""

    def show(patients: frozenset[PatientRef], page: bytes = NOTES) -> str:
        current.showed(page, patients)
        return current.marks(patients)

    return show


def form(mark: str | None = None, dest: bytes = b"document") -> InboundRequest:
    """A form that leaves a page with this mark; None where no script of ours was in it."""
    headers = [(b"sec-fetch-dest", dest)]
    if mark is not None:
        headers.append((b"cookie", MARK + b"=" + mark.encode()))
    return InboundRequest("r", "POST", b"/save", tuple(headers), Body.of(b"note=x"))


def test_the_form_of_a_tab_that_was_left_behind_is_told_by_its_mark(current: CurrentPatient, shown: Shown) -> None:
    """Two tabs of one address: the one that was opened last may send, the other may not, until its patient is opened again."""
    first, second = shown(A), shown(B)
    assert current.elsewhere(form(first), NOTES)
    assert not current.elsewhere(form(second), NOTES)
    shown(A)
    assert not current.elsewhere(form(first), NOTES)
    assert current.elsewhere(form(second), NOTES)


def test_without_a_mark_the_address_tells(current: CurrentPatient, shown: Shown) -> None:
    """A page of another address, last shown for somebody else; one that both share is enough only to offer no kept form for sending."""
    shown(A)
    shown(B, SUMMARY)
    assert current.elsewhere(form(), NOTES)
    shown(B)
    assert not current.elsewhere(form(), NOTES)
    assert current.unsure(form(), NOTES)
    assert not current.unsure(form(), SUMMARY)


def test_a_script_s_own_call_is_judged_by_its_address(current: CurrentPatient, shown: Shown) -> None:
    """The mark of the form that left last is not its page's."""
    first = shown(A)
    shown(B, SUMMARY)
    shown(A)
    assert not current.elsewhere(form(first), NOTES)
    assert not current.elsewhere(form("0000111122223333", dest=b"empty"), NOTES)


def test_a_request_that_names_its_patient_moves_the_system(current: CurrentPatient, shown: Shown) -> None:
    """Selected in another tab, and no page of it shown yet: the first tab's form waits no longer to be wrong."""
    first = shown(A)
    assert current.moved(B)
    assert current.elsewhere(form(first), NOTES)
    assert not current.moved(B), "no news"


def test_one_patient_by_two_numbers_is_nobody_else(current: CurrentPatient, shown: Shown) -> None:
    """Where two pages name their patient in different namespaces, nothing can be told."""
    first = shown(A)
    shown(A_BY_NHS_NUMBER, SUMMARY)
    assert not current.elsewhere(form(first), NOTES)
    both = shown(A | A_BY_NHS_NUMBER)
    assert not current.elsewhere(form(both), NOTES)


def test_a_form_s_patient_is_known_by_its_mark(current: CurrentPatient, shown: Shown) -> None:
    """Also after another patient's page was shown at the same address; without a mark, of such an address nobody is said."""
    first = shown(A)
    assert current.about(form(), NOTES) == A
    shown(B)
    assert current.about(form(first), NOTES) == A
    assert current.about(form(), NOTES) == frozenset()
    assert current.about(form(), SUMMARY) == frozenset()


def test_a_mark_names_nobody_and_belongs_to_its_log_on(shown: Shown) -> None:
    """Another log-on's mark of the same patient is another one."""
    mark = shown(A)
    assert "H1" not in mark
    assert CurrentPatient("s2").marks(A) != mark


def test_nobody_is_known_at_first(current: CurrentPatient) -> None:
    """Before any page about somebody there is nothing to refuse by."""
    assert not current.elsewhere(form(), NOTES)
    assert not current.elsewhere(form("0000111122223333"), NOTES)


def test_of_many_pages_the_newest_are_remembered(current: CurrentPatient, shown: Shown) -> None:
    """A shift of many clicks takes no more room."""
    for number in range(3000):
        shown(frozenset({PatientRef("system:pas", f"H{number}")}), b"/%d" % number)
    assert len(current.pages) == len(current._refs) == 1024


def test_another_gateway_judges_alike(current: CurrentPatient, shown: Shown) -> None:
    """What is known of pages, marks and addresses that were about two goes from one to the other, and stays small."""
    marks = [shown(A), shown(B), shown(A, SUMMARY)]
    for n in range(300):
        shown(B, address(b"/page/%d" % n))
    shown(A)
    other = CurrentPatient("s1")
    other.at = current.at
    other.learn(json.loads(json.dumps(current.known())))
    forms = [form(mark) for mark in marks] + [form()]
    for judge in (CurrentPatient.elsewhere, CurrentPatient.unsure, CurrentPatient.about):
        assert [judge(other, one, NOTES) for one in forms] == [judge(current, one, NOTES) for one in forms]
    assert len(json.dumps(current.known())) < 8_000
