"""The journal: events in, receipts out, nothing acknowledged that is not on disk.

Only this module makes receipts. `intent` and `released` are awaited before anything goes on; completions follow in the next
group; assets and rejected requests are counted and written as sums.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import orjson

from policies.decision import Deny, Permit
from policies.model import AccessRequest, Facts, Known, PatientRef

from ..errors import JournalUnavailable
from .disk import Disk, RealDisk
from .event import AssetReceipt, AuditEvent, AuditReceipt, EventType, RequestLine
from .recovery import recover
from .reserve import Reserve, Room
from .writer import Entry, Writer, locked

Outcome = Literal["complete", "incomplete", "write-aborted"]
_TYPES = {
    "complete": EventType.RECORD_COMPLETED,
    "incomplete": EventType.RECORD_INCOMPLETE,
    "write-aborted": EventType.WRITE_ABORTED,
}
_LONGEST_FIELD = 2048
_MOST_SOURCES = 1024  # sources counted apart in a minute; the rest are counted together
_SUMS_EVERY = 60.0


class Journal:
    """`open` one for a data directory; `close` it. One writer of a name at a time."""

    def __init__(
        self, folder: Path, writer: Writer, lock: int, now: Callable[[], float], begun: AuditEvent | None
    ) -> None:
        self.folder = folder
        self._writer = writer
        self._lock = lock
        self._now = now
        self._begun = begun
        self._assets: dict[tuple[str, str], int] = {}
        self._rejected: dict[tuple[str, str], int] = {}
        self._sums: asyncio.Task[None] | None = None

    @classmethod
    def open(
        cls,
        data_dir: Path,
        key: bytes,
        *,
        now: Callable[[], float],
        name: str = "gateway",
        reserve: int = 1 << 30,
        segment: int = 64 << 20,
        disk: Disk | None = None,
        alarm: Callable[[str, str], None] = lambda control, state: None,
    ) -> Journal:
        """Recover and begin a segment. Sizes in bytes. Raises JournalDamaged, JournalUnavailable (`locked`, `disk-full`)."""
        folder, disk = data_dir / "journal" / name, disk or RealDisk()
        try:
            lock = locked(folder)
        except BlockingIOError:
            raise JournalUnavailable("locked", f"another process writes to `{folder}`: one gateway at a time") from None
        try:
            found = recover(folder, key, disk)
            room = Reserve(folder, reserve, min(segment, reserve), disk)
            writer = Writer(folder, name, key, found.place, reserve=room, disk=disk, alarm=alarm)
        except OSError as error:
            os.close(lock)
            raise JournalUnavailable("disk-full", f"no segment can be begun in `{folder}`: {error.strerror}") from None
        except BaseException:
            os.close(lock)
            raise
        begun = None
        if found.cut:
            begun = AuditEvent(EventType.AUDIT_RECOVERED, now(), {"bytes": found.cut, "last": found.last})
        return cls(folder, writer, lock, now, begun)

    async def start(self) -> None:
        """Journal what recovery found, and begin writing sums."""
        if self._begun is not None:
            await self.record(self._begun)
            self._begun = None
        self._sums = asyncio.get_running_loop().create_task(self._sum_up(), name="journal-sums")

    async def close(self) -> None:
        if self._sums is not None:
            self._sums.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._sums
        self._write_sums()
        await asyncio.to_thread(self._writer.close)
        os.close(self._lock)

    @property
    def waiting(self) -> int:
        return self._writer.waiting

    @property
    def state(self) -> str:
        """`ok`, `alarm`, `break-glass-only`, `used`, or the reason why nothing can be written."""
        return self._writer.failing or self._writer.room.value

    async def intent(
        self, access: AccessRequest, facts: Facts, decision: Permit | Deny, line: RequestLine, question: bytes
    ) -> AuditReceipt:
        """`access.intent` or `access.denied`, durable on return. Raises JournalUnavailable."""
        room = self._writer.room
        if room is not Room.OK and isinstance(decision, Permit):
            self._admit(room, facts)
        kind = EventType.ACCESS_INTENT if isinstance(decision, Permit) else EventType.ACCESS_DENIED
        fields = _access_fields(access, decision, line)
        sequence = await self._durable(kind, fields, decision.input_hash, question)
        verdict = "permit" if isinstance(decision, Permit) else "deny"
        return AuditReceipt(line.id, verdict, sequence, access.patients)

    async def released(self, receipt: AuditReceipt, seen: frozenset[PatientRef]) -> AuditReceipt:
        """`record.released` for patients that the intent did not name, durable on return. Raises JournalUnavailable."""
        sequence = await self._durable(
            EventType.RECORD_RELEASED,
            {"intent": receipt.sequence, "patients": _patients(seen), "request": receipt.request},
        )
        return AuditReceipt(receipt.request, receipt.verdict, sequence, receipt.patients | seen)

    def completed(self, receipt: AuditReceipt | AssetReceipt, status: int, sent: int, outcome: Outcome) -> None:
        """How it ended, in the next group. An intent without this counts as released."""
        if isinstance(receipt, AuditReceipt):
            self.note(
                AuditEvent(_TYPES[outcome], self._now(), {"bytes": sent, "request": receipt.request, "status": status})
            )

    def count(self, access: AccessRequest, line: RequestLine) -> AssetReceipt:
        """A style sheet, script, image or font: counted, not written one by one. Raises JournalUnavailable."""
        if self._writer.failing:
            raise JournalUnavailable(self._writer.failing, "the journal cannot write")
        key = (line.session, access.resource.system)
        self._assets[key] = self._assets.get(key, 0) + 1
        return AssetReceipt(line.id)

    def reject(self, source: str, reason: str) -> None:
        """A request refused before a session was looked at: one event for each source, reason and minute."""
        key = (source, reason)
        if key not in self._rejected and len(self._rejected) >= _MOST_SOURCES:
            key = ("others", reason)
        self._rejected[key] = self._rejected.get(key, 0) + 1

    async def record(self, event: AuditEvent) -> int:
        """Any other event, durable on return; its sequence. Raises JournalUnavailable."""
        return await self._durable(event.type, event.fields, at=event.at)

    def note(self, event: AuditEvent) -> None:
        """An event that nobody waits for. Lost only if the journal fails, which is alarmed."""
        with contextlib.suppress(JournalUnavailable):
            self._writer.put(self._entry(event.type, event.fields, event.at, None))

    async def _durable(
        self,
        kind: EventType,
        fields: dict[str, Any],
        input_hash: str = "",
        question: bytes = b"",
        at: float | None = None,
    ) -> int:
        told: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        entry = self._entry(kind, fields, self._now() if at is None else at, told)
        entry.input_hash, entry.input_record = input_hash, question
        self._writer.put(entry)
        return await told

    def _entry(self, kind: EventType, fields: dict[str, Any], at: float, told: asyncio.Future[int] | None) -> Entry:
        written = orjson.dumps(fields, option=orjson.OPT_SORT_KEYS)
        return Entry(orjson.dumps(round(at, 6)), kind.value.encode(), written, told)

    def _admit(self, room: Room, facts: Facts) -> None:
        if room is Room.USED:
            raise JournalUnavailable("reserve-used", "the journal's reserve is used up")
        if room is Room.BREAK_GLASS_ONLY and facts.break_glass is not Known.YES:
            raise JournalUnavailable(
                "reserve-low", "the journal's reserve is nearly used up: only emergencies are served"
            )

    async def _sum_up(self) -> None:
        while True:
            await asyncio.sleep(_SUMS_EVERY)
            self._write_sums()

    def _write_sums(self) -> None:
        at = self._now()
        assets, self._assets = self._assets, {}
        for (session, system), number in assets.items():
            self.note(
                AuditEvent(EventType.RECORD_COMPLETED, at, {"assets": number, "session": session, "system": system})
            )
        rejected, self._rejected = self._rejected, {}
        for (source, reason), number in rejected.items():
            self.note(AuditEvent(EventType.REQUEST_REJECTED, at, {"count": number, "reason": reason, "source": source}))


def _access_fields(access: AccessRequest, decision: Permit | Deny, line: RequestLine) -> dict[str, Any]:
    """What an auditor asks of an access (ATNA; IHE BALP)."""
    p, r = access.principal, access.resource
    fields: dict[str, Any] = {
        "action": access.action.value,
        "agent": cut(line.agent),
        "device": line.device,
        "disclosure": r.disclosure.value,
        "input_hash": decision.input_hash,
        "issuer": p.issuer,
        "kind": r.kind,
        "method": line.method,
        "name": p.name,
        "organisation": p.organisation,
        "patients": _patients(r.patients),
        "policy": decision.policy_version,
        "proof": line.proof,
        "proof_age": line.proof_age,
        "purpose": access.context.purpose.value,
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
    if isinstance(decision, Permit):
        fields["rules"] = decision.rules
        if decision.observed is not None:
            fields["observed"] = {"reason": decision.observed.code, "rules": decision.observed.rules}
        if decision.obligations:
            fields["obligations"] = sorted(f"{o.name}={o.value}" if o.value else o.name for o in decision.obligations)
    else:
        fields["reason"], fields["rules"] = decision.reason.code, decision.reason.rules
        fields["remedies"] = [remedy.value for remedy in decision.remedies]
    if access.context.provider_away:
        fields["provider_away"] = True
    return fields


def _patients(patients: frozenset[PatientRef]) -> list[list[str]]:
    if not patients:
        return []
    return sorted([p.namespace, p.value] for p in patients)


def cut(text: str) -> str:
    """A field that is too long is cut, with a mark and a digest of the whole."""
    if len(text) <= _LONGEST_FIELD:
        return text
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]
    return f"{text[:_LONGEST_FIELD]}…[cut, {len(text)} characters, sha256 {digest}]"
