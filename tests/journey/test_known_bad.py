"""The suites that send bad requests and bad answers, run against gateways that are known to be bad: each must turn red."""

from __future__ import annotations

import signal
from collections.abc import Callable

import pytest

from . import test_bad_answers as answers
from . import test_bad_inputs as inputs
from .ward import PAGE, Ward
from .weakened import CONTROLS

pytestmark = pytest.mark.counterpart

Case = Callable[[Ward], None]


def case(test: Callable[..., None], *given: str) -> Case:
    return lambda here: test(here, *given)


# Which case notices that a control is gone.
NOTICED: dict[str, list[Case]] = {
    "names_from_outside": [
        *(case(inputs.test_what_speaks_for_us_is_not_passed_on, id_) for id_ in ("HTTP-053", "HTTP-061", "HTTP-121")),
        case(inputs.test_a_verb_is_what_the_request_line_says, "X-Method-Override"),
    ],
    "names_from_systems": [case(answers.test_an_old_system_opens_nothing_to_other_origins)],
    "cookies_of_our_own": [case(inputs.test_a_cookie_of_the_browser_s_own_is_not_the_system_s)],
    "declared_pages_only": [case(inputs.test_a_page_that_nobody_declared_is_not_asked_for, "GET")],
    "durable_before_asking": [case(inputs.test_no_record_is_asked_for_when_the_journal_cannot_write)],
    "durable_before_release": [
        case(inputs.test_no_byte_leaves_when_the_patients_in_it_cannot_be_written),
        case(answers.test_five_thousand_patients_in_an_answer_are_all_written_down),
    ],
    "whole_writes_only": [case(inputs.test_half_a_note_is_never_a_whole_one, "chunked")],
    "writes_once": [case(answers.test_a_write_after_a_log_off_is_told_and_not_repeated, id_) for id_ in answers.GONE],
    "right_patient": [case(answers.test_another_patient_s_record_is_not_shown, "UP-219 a read")],
}


@pytest.fixture
def without(shared: Ward, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Ward]:
    """Start the gateway again without the control that is named; nobody waits long for what will not come."""
    monkeypatch.setattr("tests.journey.ward.PATIENCE", 2.0)

    def start(control: str) -> Ward:
        shared.place.stop(signal.SIGKILL)
        shared.place.program = ("tests.journey.weakened", control)
        shared.place.start()
        shared.calm()
        for system in ("pas", "wiki"):
            assert shared.ask(PAGE, at=system).status == 200  # a form is sent from a page that was shown
        shared.calm()
        return shared

    return start


def test_each_control_that_can_be_taken_out_is_missed_by_some_case() -> None:
    """A way to weaken the gateway that no case is run against would prove nothing."""
    assert NOTICED.keys() == CONTROLS.keys() - {"nothing"}


@pytest.mark.parametrize("control", NOTICED)
def test_a_gateway_without_a_control_turns_the_suite_red(without: Callable[[str], Ward], control: str) -> None:
    """With the control gone, the very cases that are green elsewhere fail."""
    for noticed in NOTICED[control]:
        here = without(control)
        with pytest.raises(AssertionError):
            noticed(here)


def test_the_whole_gateway_started_in_the_same_way_is_green(without: Callable[[str], Ward]) -> None:
    """The other half of the canary: it is the missing control that is noticed, and not the way of starting."""
    journal_ends = (*NOTICED["durable_before_asking"], NOTICED["durable_before_release"][0])
    here = without("nothing")
    for cases in NOTICED.values():
        for good in cases:
            if good not in journal_ends:
                here.calm()
                good(here)
    for last in journal_ends:
        last(without("nothing"))
