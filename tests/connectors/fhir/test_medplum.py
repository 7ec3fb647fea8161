"""The fhir connector in a running gateway, in front of a FHIR server that nobody here wrote."""

from __future__ import annotations

import json
import os
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.counterparts.medplum import MEDIA_TYPE, TOKEN, Medplum, medplum
from tests.journey.browser import Browser
from tests.journey.fhir_server import Caller
from tests.journey.hospital import Hospital, hospital, system

pytestmark = pytest.mark.counterpart

ATTRIBUTED = 0.98  # of what is looked at, how much the journal must lay to the right patients
NAMESPACE = "system:records"
_AT_ONCE = 6


@dataclass
class Ward:
    """The gateway, the server behind it, and a nurse in front."""

    place: Hospital
    server: Medplum
    nurse: Browser

    @property
    def url(self) -> str:
        return f"{self.place.system_url('records')}/fhir"

    def ask(self, method: str, path: str, body: Any = None, *, kind: str = MEDIA_TYPE, **headers: str) -> Answer:
        """One request of the nurse's, as an app on the system's own page sends it."""
        content = b"" if body is None else body.encode() if isinstance(body, str) else json.dumps(body).encode()
        sent = {"accept": MEDIA_TYPE, **({"content-type": kind} if content else {}), **headers}
        self.server.asked()
        answer = self.nurse.once(method, self.url + path, came_from=self.url, headers=sent, body=content)
        return Answer(answer, self.server.asked(), self.place)


@dataclass
class Answer:
    """What the nurse got, what the server saw of it, what the journal says."""

    got: httpx2.Response
    upstream: list[dict[str, Any]]
    place: Hospital

    def journalled(self, target: str) -> list[tuple[str, set[str]]]:
        """The type and patients of each event about the latest request for `target`, oldest first."""
        events = self.place.events(system="records")
        id_ = next(e["request"] for e in reversed(events) if e.get("target") == target)
        return [
            (e["type"], {value for _, value in e.get("patients", [])})
            for e in self.place.events(request=id_)
            if e["type"] in ("access.intent", "access.denied", "record.released", "write.aborted")
        ]


def patient(id_: str, family: str) -> dict[str, Any]:
    return {"resourceType": "Patient", "id": id_, "name": [{"family": family}]}


def observation(id_: str, subject: str, **more: Any) -> dict[str, Any]:
    code = {"coding": [{"system": "http://loinc.org", "code": "8867-4"}]}
    return {
        "resourceType": "Observation",
        "status": "final",
        "code": code,
        "subject": {"reference": f"Patient/{subject}"},
        **({"id": id_} if id_ else {}),
        **more,
    }


@pytest.fixture(scope="module")
def ward(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ward]:
    folder = tmp_path_factory.mktemp("medplum")
    (folder / "token").write_text(TOKEN)
    with medplum() as server:
        options = {"base": "fhir", "auth": "bearer", "token": {"file": str(folder / "token")}}
        systems = [system("records", "fhir", server.origin, options=options)]
        for resource in (
            patient("bell", "Bell"),
            patient("adler", "Adler"),
            observation("pulse-bell", "bell"),
            observation("pulse-adler", "adler"),
            # A mother's reading that also names her child: about two patients.
            observation("of-both", "bell", focus=[{"reference": "Patient/adler"}]),
        ):
            server.put(resource)
        with hospital(folder, systems) as place, Browser() as nurse:
            place.sign_on(nurse, "n.okoye")
            nurse.get(f"{place.system_url('records')}/fhir/metadata")
            yield Ward(place, server, nurse)


def test_a_patient_is_read_and_written_down(ward: Ward) -> None:
    """The nurse gets the server's own words; the server saw the gateway's token, and neither cookie nor browser's Accept."""
    answer = ward.ask("GET", "/Patient/bell", accept="application/fhir+json;q=0.9, */*;q=0.1")
    assert answer.got.status_code == 200
    assert answer.got.json()["name"] == [{"family": "Bell"}]
    assert [(a["method"], a["target"], a["accept"]) for a in answer.upstream] == [
        ("GET", "/fhir/Patient/bell", MEDIA_TYPE)
    ]
    assert answer.upstream[0]["authorization"] == f"Bearer {TOKEN}"
    assert "cookie" not in answer.upstream[0]
    assert answer.journalled("/fhir/Patient/bell") == [("access.intent", {"bell"})]


def test_a_search_by_patient_gives_that_patient_s_entries(ward: Ward) -> None:
    """Addresses in the bundle are the gateway's, and nothing is released that was not intended."""
    target = "/Observation?patient=Patient/adler&code=8867-4&_sort=-date"
    answer = ward.ask("GET", target)
    assert answer.got.status_code == 200
    found = answer.got.json()
    assert {e["resource"]["id"] for e in found["entry"]} == {"pulse-adler"}
    assert found["entry"][0]["fullUrl"] == f"{ward.url}/Observation/pulse-adler"
    assert ward.server.origin not in answer.got.text
    assert [a["target"] for a in answer.upstream] == [f"/fhir{target}"]
    assert answer.journalled(f"/fhir{target}") == [("access.intent", {"adler"})]


def test_a_search_by_form_is_carried_as_a_form(ward: Ward) -> None:
    """`_search` arrives with its form, and the patient in it is the one in the journal."""
    form = "patient=Patient%2Fadler&code=8867-4"
    answer = ward.ask("POST", "/Observation/_search", form, kind="application/x-www-form-urlencoded")
    assert answer.got.status_code == 200
    assert {e["resource"]["id"] for e in answer.got.json()["entry"]} == {"pulse-adler"}
    assert [(a["method"], a["target"], a["body"]) for a in answer.upstream] == [
        ("POST", "/fhir/Observation/_search", form)
    ]
    assert answer.journalled("/fhir/Observation/_search") == [("access.intent", {"adler"})]


def test_an_answer_that_names_another_patient_is_written_down_before_it_leaves(ward: Ward) -> None:
    """The search was for one patient; the entry names two, and the second is a release of its own."""
    target = "/Observation?patient=Patient/bell"
    answer = ward.ask("GET", target)
    assert {e["resource"]["id"] for e in answer.got.json()["entry"]} >= {"pulse-bell", "of-both"}
    assert answer.journalled(f"/fhir{target}") == [("access.intent", {"bell"}), ("record.released", {"adler"})]


def test_an_entry_that_is_read_by_its_id_is_laid_to_its_patient(ward: Ward) -> None:
    """The request names nobody; the answer does."""
    answer = ward.ask("GET", "/Observation/pulse-adler")
    assert answer.got.status_code == 200
    assert answer.journalled("/fhir/Observation/pulse-adler") == [
        ("access.intent", set()),
        ("record.released", {"adler"}),
    ]


def test_finding_a_patient_lists_whom_it_found(ward: Ward) -> None:
    """A search among patients names nobody beforehand, and everybody who was found."""
    answer = ward.ask("GET", "/Patient?name=adler")
    assert [e["resource"]["id"] for e in answer.got.json()["entry"]] == ["adler"]
    assert answer.journalled("/fhir/Patient?name=adler") == [("access.intent", set()), ("record.released", {"adler"})]


def test_an_unknown_patient_is_told_in_the_server_s_words(ward: Ward) -> None:
    """404 with the server's OperationOutcome; that it was looked for is in the journal."""
    answer = ward.ask("GET", "/Patient/nobody-here")
    assert answer.got.status_code == 404
    assert answer.got.json()["issue"][0]["code"] == "not-found"
    assert answer.journalled("/fhir/Patient/nobody-here") == [("access.intent", {"nobody-here"})]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/Observation", 400),
        ("/Observation?code=8867-4", 400),
        ("/Observation?patient=Patient/bell&patient=Patient/adler", 400),
        ("/Patient/bell?_format=xml", 400),
        ("/_history", 403),
        ("/Observation/$lastn?patient=Patient/bell", 403),
    ],
)
def test_what_names_no_one_patient_is_refused_and_not_sent(ward: Ward, path: str, status: int) -> None:
    """No patient, two patients, a format that nobody reads here, the whole server, an operation: nothing reaches the server."""
    answer = ward.ask("GET", path)
    assert answer.got.status_code == status
    assert answer.upstream == []


def test_a_note_is_created_once_where_it_exists_already(ward: Ward) -> None:
    """If-None-Exist arrives: the second time the server answers with what is there and keeps no second one."""
    identifier = {"system": "urn:test", "value": "once"}
    note = observation("", "bell", identifier=[identifier])
    condition = "identifier=urn:test|once"
    first = ward.ask("POST", "/Observation", note, if_none_exist=condition)
    second = ward.ask("POST", "/Observation", note, if_none_exist=condition)
    assert (first.got.status_code, second.got.status_code) == (201, 200)
    assert first.got.json()["id"] == second.got.json()["id"]
    assert first.got.headers["location"].startswith(f"{ward.url}/Observation/")
    for answer in (first, second):
        assert [(a["method"], a["target"], a["ifNoneExist"]) for a in answer.upstream] == [
            ("POST", "/fhir/Observation", condition)
        ]
        assert json.loads(answer.upstream[0]["body"]) == note
        assert answer.journalled("/fhir/Observation") == [("access.intent", {"bell"})]
    told = [e for e in ward.place.events(type="access.intent") if e.get("target") == "/fhir/Observation"]
    assert {(e["action"], e["method"]) for e in told} == {("write", "POST")}


def test_a_change_has_a_history(ward: Ward) -> None:
    """An update against the version that was read is taken, one against an older version is not; both versions can be read."""
    old = ward.ask("GET", "/Patient/adler").got
    changed = patient("adler", "Adler") | {"birthDate": "1980-02-29"}
    kept = ward.ask("PUT", "/Patient/adler", changed, if_match=old.headers["etag"])
    assert kept.got.status_code == 200
    assert kept.upstream[0]["ifMatch"] == old.headers["etag"]
    late = ward.ask("PUT", "/Patient/adler", patient("adler", "Lost"), if_match=old.headers["etag"])
    assert late.got.status_code == 412
    history = ward.ask("GET", "/Patient/adler/_history")
    assert [e["resource"].get("birthDate") for e in history.got.json()["entry"]] == ["1980-02-29", None]
    assert history.journalled("/fhir/Patient/adler/_history") == [("access.intent", {"adler"})]
    version = f"/Patient/adler/_history/{old.json()['meta']['versionId']}"
    assert "birthDate" not in ward.ask("GET", version).got.json()


def test_a_write_about_another_patient_than_its_address_is_not_sent(ward: Ward) -> None:
    """The body and the address must agree."""
    answer = ward.ask("PUT", "/Patient/bell", patient("adler", "Adler"))
    assert answer.got.status_code == 400
    assert answer.upstream == []


def test_what_the_server_refuses_to_keep_is_told_in_its_words(ward: Ward) -> None:
    """A resource without what the standard requires comes back as the server's own 400."""
    answer = ward.ask("POST", "/Observation", {"resourceType": "Observation", "subject": {"reference": "Patient/bell"}})
    assert answer.got.status_code == 400
    assert answer.got.json()["resourceType"] == "OperationOutcome"
    assert len(answer.upstream) == 1


def test_one_factor_reads_and_does_not_write(ward: Ward) -> None:
    """A sign-on without the second factor: the look is carried, the change refused, journalled, and not sent."""
    with Browser() as browser:
        ward.place.sign_on(browser, "dr.lee", otp="")
        browser.get(f"{ward.url}/metadata")
        one = Ward(ward.place, ward.server, browser)
        assert one.ask("GET", "/Patient/bell").got.status_code == 200
        refused = one.ask("PUT", "/Patient/bell", patient("bell", "Changed"))
        assert refused.got.status_code == 403
        assert refused.upstream == []
        assert refused.journalled("/fhir/Patient/bell") == [("access.denied", {"bell"})]


def test_a_receptionist_sees_who_and_not_what(ward: Ward) -> None:
    """Demographics are carried; an observation is refused before anything reaches the server."""
    with Browser() as browser:
        ward.place.sign_on(browser, "r.singh")
        browser.get(f"{ward.url}/metadata")
        desk = Ward(ward.place, ward.server, browser)
        assert desk.ask("GET", "/Patient/bell").got.status_code == 200
        refused = desk.ask("GET", "/Observation?patient=Patient/bell")
        assert refused.got.status_code == 403
        assert refused.upstream == []


def test_nothing_of_it_is_in_the_operational_log(ward: Ward) -> None:
    """Neither the token nor a patient's name or id."""
    ward.ask("GET", "/Patient/bell")
    text = ward.place.log()
    assert text
    assert [word for word in (TOKEN, "Bell", "Patient/bell", "pulse-adler") if word in text] == []


# Real-shaped records


def bundles() -> list[dict[str, Any]]:
    """Synthea's transactions. Skips loudly without them, and fails where CI is set."""
    folder = Path(os.environ.get("LANYARD_REAL_DATA", "/nowhere")) / "fhir-r4"
    found = [json.loads(path.read_text("utf-8")) for path in sorted(folder.glob("*.json"))]
    if not found:
        message = "NOT TESTED on real-shaped records: LANYARD_REAL_DATA names no folder with fhir-r4/*.json"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    return found


def test_whole_records_are_laid_to_the_right_patients(ward: Ward) -> None:
    """Each patient, their observations in one search and each by its id alone: the journal lays every look to its patient."""
    expected: dict[str, str] = {}
    for bundle in bundles():
        kept = ward.server.transaction(bundle)
        subject = next(r["id"] for r in kept if r["resourceType"] == "Patient")
        expected[f"/fhir/Patient/{subject}"] = subject
        # `subject`: for `patient` this server resolves every reference that it holds, a second and a half each time.
        expected[f"/fhir/Observation?subject=Patient/{subject}&_count=1000"] = subject
        expected |= {f"/fhir/Observation/{r['id']}": subject for r in kept if r["resourceType"] == "Observation"}
    with ThreadPoolExecutor(_AT_ONCE) as apps:
        shares = [list(expected)[number::_AT_ONCE] for number in range(_AT_ONCE)]
        assert [told for failed in apps.map(lambda share: not_given(ward, share), shares) for told in failed] == []
    attributed, wrong = right_patients(ward.place, expected)
    assert len(expected) > 100
    assert attributed >= ATTRIBUTED * len(expected), f"{attributed} of {len(expected)}"
    assert wrong == []
    assert ward.place.lanyard("audit", "verify").returncode == 0


def not_given(ward: Ward, targets: list[str]) -> list[str]:
    """Ask for each target on one connection; those that did not come as FHIR, with what came instead."""
    host = ward.place.system_url("records")
    caller = Caller(host, ward.nurse.cookies[host.removeprefix("http://")])
    failed = []
    for target in targets:
        status, body = caller.get(target)
        if status != 200 or json.loads(body)["resourceType"] not in ("Patient", "Observation", "Bundle"):
            failed.append(f"{status} {target}")
    caller.close()
    return failed


def right_patients(place: Hospital, expected: dict[str, str]) -> tuple[int, list[str]]:
    """How many targets the journal lays to their patient, and those that it lays to somebody else as well."""
    events = place.events()
    targets = {e["request"]: e["target"] for e in events if e["type"] == "access.intent"}
    named: dict[str, set[str]] = defaultdict(set)
    for event in events:
        if event["type"] in ("access.intent", "record.released") and event["request"] in targets:
            named[targets[event["request"]]] |= {value for space, value in event["patients"] if space == NAMESPACE}
    right = sum(subject in named[target] for target, subject in expected.items())
    return right, [target for target, subject in expected.items() if named[target] - {subject}]
