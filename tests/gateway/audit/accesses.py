"""Accesses in one line each, and the reading back of a journal, for the tests of this folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from gateway.audit.event import RequestLine
from gateway.audit.segment import Record, read, segments, writers
from policies.decision import Deny, Permit, Reason, Remedy
from policies.model import (
    AccessRequest,
    Action,
    Context,
    Device,
    Disclosure,
    Facts,
    PatientRef,
    Principal,
    Purpose,
    Resource,
)

KEY = b"a journal key of thirty-two bytes"
NURSE = Principal("https://id.example", "n-1", "Nia Nurse", "R8001", frozenset({"nurse"}), "RBA", 2)
SMALL = {"reserve": 256 << 10, "segment": 128 << 10}  # sizes at which a segment ends soon
PERMIT = Permit(("nurses-read",), "version-1", "a" * 64)
DENY = Deny(Reason("no-permit", "nothing permits this", ("r1",)), "version-1", "b" * 64, (Remedy.STEP_UP,))
NOBODY = Facts()


def patient(value: str) -> PatientRef:
    return PatientRef("nhs-number", value)


def read_of(*patients: str, purpose: Purpose = Purpose.TREATMENT) -> AccessRequest:
    """A nurse reads an observation about these patients."""
    resource = Resource("epr", "observation", "read", frozenset(map(patient, patients)), Disclosure.OPENED)
    return AccessRequest(NURSE, Action.READ, resource, Context(Device(), purpose))


def line(request: str = "r-1", **given: Any) -> RequestLine:
    words: dict[str, Any] = {"agent": "Firefox", "device": "Ward 7 PC 3", "zone": "ward", "proof": "federated"}
    target = given.pop("target", b"/Observation?patient=1")
    return RequestLine(request, "session-1", "shift-1", "GET", target, "10.0.0.1", **(words | given))


def records(data_dir: Path, writer: str = "gateway") -> list[tuple[Path, Record]]:
    """Every whole record of a writer, in order, with its segment."""
    return [
        (path, item)
        for path in segments(data_dir / "journal" / writer)
        for item in read(path)
        if isinstance(item, Record)
    ]


def events(data_dir: Path) -> list[dict[str, Any]]:
    """Every event of every writer, as it stands in the segments."""
    found = [json.loads(r.payload) for folder in writers(data_dir) for _, r in records(data_dir, folder.name)]
    return [event for event in found if "type" in event]


def of_type(data_dir: Path, kind: str) -> list[dict[str, Any]]:
    """The fields of the events of one type."""
    return [event["fields"] for event in events(data_dir) if event["type"] == kind]
