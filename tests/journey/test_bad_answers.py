"""What a system answers, through the whole gateway: what it says of itself is not believed, and what was not read does not leave."""

from __future__ import annotations

import gzip
import json
import threading
from typing import Any

import pytest

from .browser import Browser
from .recorder import Answer, Seen, reply
from .ward import CANARY, LOGIN, Ward, answers

pytestmark = pytest.mark.counterpart

FHIR = "application/fhir+json"


def resource(kind: str, id_: str, **more: Any) -> dict[str, Any]:
    return {"resourceType": kind, "id": id_, **more}


def as_json(value: Any, kind: str = FHIR, **headers: str) -> bytes:
    return reply(json.dumps(value).encode(), kind, **headers)


# Packed answers

PATIENT = json.dumps(resource("Patient", "123", note=CANARY.decode())).encode()
PACKED: dict[str, tuple[bytes, str]] = {
    "UP-208 not packed at all": (PATIENT, "gzip"),
    "UP-208 rubbish": (b"\x1f\x8b\x08\x00rubbish", "gzip"),
    "UP-208 an unknown packing": (gzip.compress(PATIENT), "x-unknown"),
    "UP-208 packed as nobody asked": (gzip.compress(PATIENT), "gzip"),
    "UP-209 a second member behind the first": (gzip.compress(PATIENT) + gzip.compress(CANARY), "gzip"),
    "UP-209 a second coding": (gzip.compress(gzip.compress(PATIENT)), "gzip, gzip"),
}


@pytest.mark.parametrize("case", PACKED)
def test_what_cannot_be_read_does_not_leave(here: Ward, case: str) -> None:
    """A FHIR server is asked for plain answers; whatever is packed, or said to be, stays here."""
    body, coding = PACKED[case]
    here.upstream.answer = lambda seen: reply(body, FHIR, Content_Encoding=coding)
    got = here.ask("/epr/Patient/123", at="epr")
    assert got.status == 502
    assert CANARY not in got.raw
    assert body not in got.raw
    assert here.asked()[-1].header("accept-encoding") == ["identity"]


def test_what_nobody_has_to_read_passes_packed(here: Ward) -> None:
    """UP-208, control: a style sheet is the browser's to unpack, good or bad."""
    for body in (gzip.compress(b"p{}"), b"\x1f\x8bno"):
        here.upstream.answer = lambda seen, body=body: reply(body, "text/css", Content_Encoding="gzip")  # type: ignore[misc]  # default binds this turn's value
        got = here.ask("/static/app.css", "Accept-Encoding: gzip")
        assert (got.status, got.body, got.headers("content-encoding")) == (200, body, ["gzip"])


@pytest.mark.parametrize("at", ["pas", "wiki"])
def test_a_page_that_must_be_read_does_not_leave_packed(here: Ward, at: str) -> None:
    """UP-208, UP-209: a page is read for its patients, or for the sign that we are logged off; packed, it hides both."""
    here.ask("/ward/7/list", at=at)
    said = gzip.compress(b"patient=900 ") + gzip.compress(FORM_TAG + CANARY)
    here.upstream.answer = lambda seen: reply(said, Content_Encoding="gzip")
    got = here.ask("/records/123", at=at)
    assert got.status == 502
    assert said not in got.raw


# A system that has forgotten us


def forgets(said: bytes) -> Answer:
    """As if every log-on of before had just ended there: `said` to those, good manners to new ones."""
    dead: set[str] = set()
    known = threading.Event()

    def answer(seen: Seen) -> bytes:
        cookie = "".join(seen.header("cookie"))
        if seen.path != LOGIN and not known.is_set():
            dead.add(cookie)
            known.set()
        return said if cookie in dead else answers(seen)

    return answer


FORM_TAG = b"<form action=/login.asp>......"
GONE = {
    "UP-217": ("pas", reply(b"", status="302 Found", Location=LOGIN)),
    "UP-218": ("wiki", reply(FORM_TAG)),
}


@pytest.mark.parametrize("case", GONE)
def test_a_look_after_a_log_off_logs_on_once_and_is_repeated(here: Ward, case: str) -> None:
    """The page comes, after one new log-on and one repetition; the login page is never shown."""
    name, said = GONE[case]
    here.upstream.answer = forgets(said)
    got = here.ask("/records/123", at=name)
    assert (got.status, got.body) == (200, b"<p>" + CANARY)
    assert [one.target for one in here.asked()] == ["/records/123"] * 2
    assert [one.method for one in here.upstream.seen if one.path == LOGIN].count("POST") == 1


@pytest.mark.parametrize("case", GONE)
def test_a_write_after_a_log_off_is_told_and_not_repeated(here: Ward, case: str) -> None:
    """A note is sent once; the system did not take it; the clinician is told that it was not sent."""
    name, said = GONE[case]
    here.ask("/ward/7/list", at=name)
    here.calm()
    here.upstream.answer = forgets(said)
    got = here.ask("/ward/7/notes", at=name, method="POST", body=b"t=1")
    assert got.status == 409
    assert b"write-not-sent" in got.body
    assert [one.method for one in here.asked()] == ["POST"]


@pytest.mark.parametrize("case", GONE)
def test_twenty_looks_after_a_log_off_log_on_once(here: Ward, case: str) -> None:
    """UP-217: they wait for one log-on, and each has its page."""
    name, said = GONE[case]
    here.upstream.answer = forgets(said)
    got: list[tuple[int | None, bytes]] = []

    def look() -> None:
        answer = here.ask("/records/123", at=name)
        got.append((answer.status, answer.body))

    threads = [threading.Thread(target=look) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert got == [(200, b"<p>" + CANARY)] * 20
    assert [one.method for one in here.upstream.seen if one.path == LOGIN].count("POST") == 1


@pytest.mark.parametrize("case", GONE)
def test_a_login_page_is_never_shown_as_a_record(here: Ward, case: str) -> None:
    """UP-217, UP-218: a system that logs us off again at once is told as that, after one new log-on."""
    name, said = GONE[case]
    here.upstream.answer = lambda seen: answers(seen) if seen.path in (LOGIN, "/") else said
    got = here.ask("/records/123", at=name)
    assert got.status == 502
    assert FORM_TAG not in got.raw
    assert [one.method for one in here.upstream.seen if one.path == LOGIN].count("POST") == 1


# Another patient's record

SOMEBODY_ELSE = {
    "UP-219 a read": ("/epr/Patient/123", resource("Patient", "900")),
    "UP-219 a compartment": (
        "/epr/Patient/123/Observation",
        resource("Observation", "o", subject={"reference": "Patient/900"}),
    ),
    "UP-219 a search": (
        "/epr/Observation?patient=123",
        resource(
            "Bundle", "b", entry=[{"resource": resource("Observation", "o", subject={"reference": "Patient/900"})}]
        ),
    ),
    "UP-219 the whole record": (
        "/epr/Patient/123/$everything",
        resource("Bundle", "b", entry=[{"resource": resource("Patient", "900")}]),
    ),
}


@pytest.mark.parametrize("case", SOMEBODY_ELSE)
def test_another_patient_s_record_is_not_shown(here: Ward, case: str) -> None:
    """Asked for one patient, answered with another alone: a system that has mixed patients up, not a record."""
    target, said = SOMEBODY_ELSE[case]
    here.upstream.answer = lambda seen: as_json(said | {"note": CANARY.decode()})
    got = here.ask(target, at="epr")
    assert got.status == 502
    assert CANARY not in got.raw


def test_another_patient_s_page_of_an_old_system_is_not_shown(here: Ward) -> None:
    """UP-219: the address says 123, the page names 900 alone; with 123 on it, it is that patient's page."""
    here.upstream.answer = lambda seen: reply(b"patient=900 " + CANARY)
    got = here.ask("/records/123")
    assert got.status == 502
    assert CANARY not in got.raw
    here.upstream.answer = lambda seen: reply(b"patient=123 next patient=901 " + CANARY)
    assert here.ask("/records/123").status == 200
    assert here.place.events(type="record.released", patient="901")[-1]["patients"] == [["system:pas", "901"]]


def test_who_else_is_named_in_a_record_is_written_down(here: Ward) -> None:
    """UP-219, control: a mother in her child's record is no mix-up; she is in the journal before the page leaves."""
    said = resource("Patient", "123", link=[{"other": {"reference": "Patient/901"}, "type": "seealso"}])
    here.upstream.answer = lambda seen: as_json(said)
    assert here.ask("/epr/Patient/123", at="epr").status == 200
    released = here.place.events(type="record.released", patient="901")
    assert released[-1]["patients"] == [["system:epr", "901"]]


# FHIR answers


def test_a_patient_s_record_is_read_and_written_down(here: Ward) -> None:
    """FHIR-001: asked for once, given as it is, and in the journal under who asked and about whom."""
    here.upstream.answer = lambda seen: as_json(resource("Patient", "123"))
    got = here.ask("/epr/Patient/123", at="epr")
    assert (got.status, json.loads(got.body)) == (200, resource("Patient", "123"))
    assert [one.target for one in here.asked()] == ["/fhir/Patient/123"]
    event = here.place.events(type="access.intent", patient="123")[-1]
    assert (event["subject"], event["target"], event["patients"]) == (
        "n.okoye",
        "/Patient/123",
        [["system:epr", "123"]],
    )


def test_pages_of_a_search_lead_through_us(here: Ward) -> None:
    """FHIR-013: neither links nor addresses name the inner host, and the next page is to be had by the link that is given."""
    inner = f"{here.upstream.origin}/fhir"

    def answer(seen: Seen) -> bytes:
        links = [{"relation": "self", "url": f"{inner}/Observation?patient=123"}]
        links += [] if "cursor" in seen.target else [{"relation": "next", "url": f"{inner}?cursor=2"}]
        entry = {"fullUrl": f"{inner}/Observation/o", "resource": resource("Observation", "o")}
        return as_json(resource("Bundle", "b", link=links, entry=[entry]))

    here.upstream.answer = answer
    got = here.ask("/epr/Observation?patient=123", at="epr")
    assert got.status == 200
    assert f"localhost:{here.upstream.port}".encode() not in got.raw
    following = next(link["url"] for link in json.loads(got.body)["link"] if link["relation"] == "next")
    public = f"http://{here.host('epr')}"
    assert following.startswith(f"{public}/epr?")
    assert here.ask(following.removeprefix(public), at="epr").status == 200
    assert [one.target for one in here.asked()] == ["/fhir/Observation?patient=123", "/fhir/?cursor=2"]


def test_a_story_with_a_script_in_it_is_data(here: Ward) -> None:
    """FHIR-023: it is JSON to a browser, whatever the browser would like to make of it."""
    story = {"status": "generated", "div": "<div xmlns='http://www.w3.org/1999/xhtml'><script>alert(1)</script></div>"}
    here.upstream.answer = lambda seen: as_json(resource("DocumentReference", "5", text=story))
    got = here.ask("/epr/DocumentReference/5", at="epr")
    assert got.status == 200
    assert got.headers("content-type") == [FHIR]
    assert got.headers("x-content-type-options") == ["nosniff"]
    (policy,) = got.headers("content-security-policy")
    assert {"sandbox", "default-src 'none'"} <= {part.strip() for part in policy.split(";")}


def test_five_thousand_patients_in_an_answer_are_all_written_down(here: Ward) -> None:
    """FHIR-030: in as many events as they need, each of bounded size, none left out, before the first byte leaves."""
    ids = [f"many-{number}" for number in range(5000)]
    entry = [{"resource": resource("Patient", id_)} for id_ in ids]
    here.upstream.answer = lambda seen: as_json(resource("Bundle", "b", entry=entry))
    got = here.ask("/epr/Patient?name=many&_count=1000", at="epr")
    assert got.status == 200
    intent = here.place.events(type="access.intent")[-1]
    shares = [e for e in here.place.events(type="record.released") if e["request"] == intent["request"]]
    assert sorted(value for e in shares for _, value in e["patients"]) == sorted(ids)
    assert max(len(json.dumps(e)) for e in shares) < 16 * 1024


# What an answer may not say to the browser


def test_an_old_system_opens_nothing_to_other_origins(here: Ward) -> None:
    """BR-229: a system that lets every origin read its answers does not do so through us."""
    headers = {
        "Access_Control_Allow_Origin": "https://evil.test",
        "Access_Control_Allow_Credentials": "true",
        "access_control_expose_headers": "*",
    }
    here.upstream.answer = lambda seen: reply(b"<p>" + CANARY, **headers)
    got = here.ask("/ward/7/list", "Origin: https://evil.test")
    assert (got.status, got.body) == (200, b"<p>" + CANARY)
    assert b"access-control" not in got.raw.lower()
    assert len(here.asked()) == 1


def test_nothing_is_kept_for_whoever_comes_after(here: Ward) -> None:
    """BR-235: after sign-off no tag, and no cookie of before, gets a page or a word that it has not changed."""
    with Browser() as browser:
        cookies = here.sign_on(browser)
        of_pas = cookies[here.host("pas")]
        first = here.ask("/ward/7/list", cookie=of_pas)
        assert (first.status, first.headers("cache-control")) == (200, ["no-store"])
        browser.submit(browser.get(f"{here.place.url}/"), form="/sign-off")
    here.calm()
    here.upstream.answer = lambda seen: reply(status="304 Not Modified")
    for target in ("/ward/7/list", "/static/app.css"):
        got = here.ask(target, 'If-None-Match: "v1"', cookie=of_pas)
        assert got.status == 401
    page = here.ask("/ward/7/list", 'If-None-Match: "v1"', "Sec-Fetch-Dest: document", cookie=of_pas)
    assert page.status == 303
    assert here.asked() == []
