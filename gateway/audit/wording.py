"""What an access looks like in the journal: a request, a question and a verdict into fields of bounded length.

The fields follow what an auditor asks (ATNA; IHE BALP): who, what, when, from where, about whom, under which rule, with what
outcome. Whatever came from outside may be long or odd: it is cut with a mark and a digest, and never costs the event.
"""

from __future__ import annotations

import hashlib
from typing import Any

import orjson

from policies.decision import Deny, Permit
from policies.model import AccessRequest, PatientRef

from .event import OFFLINE, RequestLine

EVENT = 12 << 10  # bytes of an event's fields; with frame, places and the input it stays below 16 KiB
_PATIENTS = 6 << 10  # bytes of patients named in one event; the rest follow in events of their own
_FEW = 8  # so many patients fit, however long their ids are
_TEXT = 2048  # characters of one text
_SHORT = 96
_LISTED = 32  # items of a list
_DEEP = 4


def access(asked: AccessRequest, decision: Permit | Deny, line: RequestLine, named: list[list[str]]) -> dict[str, Any]:
    """The fields of `access.intent` and `access.denied`, in the order of their names."""
    p, r = asked.principal, asked.resource
    fields: dict[str, Any] = {
        "action": asked.action._value_,
        "agent": cut(line.agent),
        "device": line.device,
        "disclosure": r.disclosure._value_,
        "input_hash": decision.input_hash,
        "issuer": p.issuer,
        "kind": r.kind,
        "method": line.method,
        "name": p.name,
        "organisation": p.organisation,
        "patients": named,
        "policy": decision.policy_version,
        "proof": line.proof,
        "proof_age": line.proof_age,
        "purpose": asked.context.purpose._value_,
        "request": line.id,
        "role": p.role,
        "route": r.route,
        "session": line.session,
        "shift": line.shift,
        "source": line.source,
        "subject": p.subject,
        "system": r.system,
        "target": cut(line.target.decode("latin-1")),
        "zone": line.zone,
    }
    if line.parameters:
        fields["parameters"] = [[name, cut(value)] for name, value in line.parameters]
    if asked.context.provider_away:
        fields["provider_away"] = True
    if asked.context.offline:
        fields["assurance"] = OFFLINE
    _verdict(fields, decision)
    return fields


def _verdict(fields: dict[str, Any], decision: Permit | Deny) -> None:
    if isinstance(decision, Permit):
        fields["rules"] = decision.rules
        if decision.observed is not None:
            fields["observed"] = {"reason": decision.observed.code, "rules": decision.observed.rules}
        if decision.obligations:
            fields["obligations"] = sorted(f"{o.name}={o.value}" if o.value else o.name for o in decision.obligations)
    else:
        fields["reason"], fields["rules"] = decision.reason.code, decision.reason.rules
        fields["remedies"] = [remedy.value for remedy in decision.remedies]


def shares(refs: frozenset[PatientRef]) -> list[list[list[str]]]:
    """The patients in order, in as many parts as events are needed to name them all; one empty part for nobody."""
    named = sorted([cut(ref.namespace, _SHORT), cut(ref.value, _SHORT)] for ref in refs)
    if len(named) <= _FEW:
        return [named]
    parts, room = list[list[list[str]]](), 0
    for name in named:
        size = len(orjson.dumps(name)) + 1
        if size > room:
            parts.append([])
            room = _PATIENTS
        parts[-1].append(name)
        room -= size
    return parts


def written(fields: dict[str, Any]) -> bytes:
    """Canonical JSON of at most EVENT bytes, whatever the fields hold."""
    try:
        data = orjson.dumps(fields, option=orjson.OPT_SORT_KEYS)
    except TypeError:  # half a surrogate pair, a type or number that JSON does not know
        data = orjson.dumps(_plain(fields, _TEXT, 0), option=orjson.OPT_SORT_KEYS)
    return data if len(data) <= EVENT else _shortened(fields)


def _shortened(fields: dict[str, Any]) -> bytes:
    for longest in (512, 128, 32):
        data = orjson.dumps(_plain(fields, longest, 0), option=orjson.OPT_SORT_KEYS)
        if len(data) <= EVENT:
            return data
    digest = hashlib.sha256(repr(fields).encode("utf-8", "backslashreplace")).hexdigest()
    kept = {
        name: _plain({name: fields[name]}, _SHORT, 0)[name]
        for name in ("patients", "request", "session", "shift", "subject", "system")
        if name in fields
    }
    return orjson.dumps(kept | {"cut": digest}, option=orjson.OPT_SORT_KEYS)


def _plain(value: Any, longest: int, depth: int) -> Any:
    """A value that JSON knows, its texts and lists cut. Patients are never dropped: `shares` has bounded them."""
    if isinstance(value, str):
        return cut(value, longest).encode("utf-8", "backslashreplace").decode()
    if value is None or isinstance(value, bool | float):
        return value
    if isinstance(value, int):
        return value if abs(value) < 1 << 53 else str(value)
    if depth >= _DEEP:
        return cut(repr(value), longest)
    if isinstance(value, dict):
        return {
            cut(str(k), _SHORT): v if k == "patients" else _plain(v, longest, depth + 1)
            for k, v in list(value.items())[: _LISTED * 2]
        }
    if isinstance(value, list | tuple | set | frozenset):
        items = [_plain(item, longest, depth + 1) for item in list(value)[:_LISTED]]
        return [*items, f"…[cut, {len(value)} items]"] if len(value) > _LISTED else items
    return cut(repr(value), longest)


class _Cut(str):
    """A text that was cut, and the whole of it, for when it must be cut again."""

    __slots__ = ("whole",)
    whole: str


def cut(text: str, longest: int = _TEXT) -> str:
    """A text that is too long is cut, with a mark and a digest of the whole."""
    if len(text) <= longest:
        return text
    whole = text.whole if isinstance(text, _Cut) else text
    digest = hashlib.sha256(whole.encode("utf-8", "backslashreplace")).hexdigest()[:32]
    made = _Cut(f"{whole[:longest]}…[cut, {len(whole)} characters, sha256 {digest}]")
    made.whole = whole
    return made
