"""An auditor at the command line, beside a gateway that runs: from the number on a page to the rule, and to the proof."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator

import pytest

from .browser import Browser
from .fhir_server import FhirServer, fhir_server
from .hospital import Hospital, hospital, system

pytestmark = pytest.mark.counterpart


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Hospital, FhirServer]]:
    with fhir_server() as records:
        systems = [system("records", "fhir", records.origin)]
        with hospital(tmp_path_factory.mktemp("hospital"), systems) as running:
            yield running, records


def test_the_number_on_the_page_of_a_refusal_leads_to_the_rule(place: tuple[Hospital, FhirServer]) -> None:
    """What somebody reads out on the telephone is enough to find the look and to explain it; both are journalled."""
    here, records = place
    with Browser() as browser:
        here.sign_on(browser, "r.singh")
        page = browser.get(f"{here.system_url('records')}/Observation?patient=Patient/17")
    assert page.status == 403
    assert not any("Observation" in target for target in records.asked)
    number = re.search(r"Number</dt>\s*<dd[^>]*>\s*([0-9a-f]+)", page.text)
    assert number, page.text
    (look,) = here.events(request=number[1])
    assert (look["type"], look["subject"]) == ("access.denied", "r.singh")
    said = here.lanyard("policy", "explain", "--request", number[1])
    assert said.returncode == 0, said.stderr
    assert "receptionist asks to " in said.stdout
    assert f"DENY {look['reason']}" in said.stdout
    assert look["policy"] in said.stdout
    read = here.events(type="audit.read")
    assert {"request": number[1]} in [event["question"] for event in read]
    assert {"request": number[1], "input": True} in [event["question"] for event in read]


def test_a_journal_whose_writer_was_killed_is_called_so_until_it_is_written_again(
    place: tuple[Hospital, FhirServer],
) -> None:
    """Whole in all three cases; only after the kill does nothing mark its end."""
    here, _ = place
    with Browser() as browser:
        here.sign_on(browser, "n.okoye")
        assert browser.get(f"{here.system_url('records')}/Patient/1").status == 200
    running = here.lanyard("audit", "verify")
    here.stop(signal.SIGKILL)
    killed = here.lanyard("audit", "verify")
    here.start()
    again = here.lanyard("audit", "verify")
    assert [said.returncode for said in (running, killed, again)] == [0, 0, 0]
    assert ["was not closed in good order" in said.stdout for said in (running, killed, again)] == [False, True, False]
    assert ["whole, being written" in said.stdout for said in (running, killed, again)] == [True, False, True]
    (recovered,) = here.events(type="audit.recovered")
    assert recovered["last"] > 0
