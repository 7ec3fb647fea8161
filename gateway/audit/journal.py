"""The journal: events in, receipts out, nothing acknowledged that is not on disk.

Only this module makes receipts. `intent` and `released` are awaited before anything goes on; completions follow in the next
group; assets and rejected requests are counted and written as sums.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, Protocol

from policies.decision import Deny, Permit
from policies.model import AccessRequest, Facts, Known, PatientRef, Purpose

from ..errors import JournalUnavailable
from . import wording
from .disk import FULL, Disk, RealDisk
from .event import AssetReceipt, AuditEvent, AuditReceipt, EventType, RequestLine
from .recovery import Recovered, recover
from .reserve import Reserve, Room
from .segment import SMALLEST
from .sums import Sums
from .tail import Tail
from .writer import Queued, Writer, locked

Outcome = Literal["complete", "incomplete", "write-aborted"]
Alarm = Callable[[str, str], None]
_TYPES = {
    "complete": EventType.RECORD_COMPLETED.value.encode(),
    "incomplete": EventType.RECORD_INCOMPLETE.value.encode(),
    "write-aborted": EventType.WRITE_ABORTED.value.encode(),
}
_LONGEST_QUESTION = 64 << 10
_SHORTEST_KEY = 32
_SUMS_EVERY = 60.0


class Confirming(Protocol):
    """Somewhere else an event has to be before it counts. Both raise JournalUnavailable."""

    def ready(self) -> None:
        """Whether it is known already that nothing arrives there."""

    async def arrived(self, sequence: int) -> None:
        """Wait until this writer's event is there."""


class Journal:
    """`open` one for a data directory; `close` it. One writer of a name at a time."""

    def __init__(self, lock: int, now: Callable[[], float], alarm: Alarm) -> None:
        self._writer: Writer
        self._lock = lock
        self._now = now
        self._hook = alarm
        self._said: dict[str, str] = {}  # the last state of each control
        self._owed: deque[tuple[str, str, float]] = deque()
        self._paying = threading.Lock()
        self._sums = Sums()
        self._summing: asyncio.Task[None] | None = None
        self.confirming: Confirming | None = None  # None: what is on this disk counts

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
        alarm: Alarm = lambda control, state: None,
    ) -> Journal:
        """Recover and begin a segment. Sizes in bytes; `alarm(control, state)` is called from any thread.

        Raises JournalDamaged, JournalUnavailable (`locked`, `disk-full`, `unwritable`, `key-too-short`).
        """
        if len(key) < _SHORTEST_KEY:
            raise JournalUnavailable("key-too-short", "`keys.journal` is too short: make one with `lanyard key new`")
        folder, disk = data_dir / "journal" / name, disk or RealDisk()
        lock = _lock(folder)
        try:
            journal, segment = cls(lock, now, alarm), max(min(segment, reserve), SMALLEST)
            found = recover(folder, key, disk)
            room = Reserve(folder, reserve, segment, disk)
            journal._writer = Writer(Tail(folder, name, key, found.place, room, disk), room, journal.alarm)
            journal._say(found)
        except OSError as error:
            os.close(lock)
            raise _no_segment(folder, error) from None
        except BaseException:
            os.close(lock)
            raise
        return journal

    async def start(self) -> None:
        """Begin writing sums each minute."""
        self._summing = asyncio.get_running_loop().create_task(self._sum_up(), name="journal-sums")

    async def close(self) -> None:
        """Write sums and what is queued, end the segment in good order, let the next writer in. Once is enough."""
        if self._lock < 0:
            return
        if self._summing is not None:
            self._summing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._summing
        self._write_sums()
        await asyncio.to_thread(self._writer.close)
        lock, self._lock = self._lock, -1
        os.close(lock)

    @property
    def waiting(self) -> int:
        """Events that are queued."""
        return self._writer.waiting

    @property
    def reserve_used(self) -> float:
        """0 to 1."""
        return self._writer.reserve_used

    @property
    def state(self) -> str:
        """`ok`, `alarm`, `break-glass-only`, `used`, or the reason why nothing can be written."""
        try:
            self._ready()
        except JournalUnavailable as error:
            return error.reason
        return self._writer.failing or self._writer.room.value

    async def intent(
        self, access: AccessRequest, facts: Facts, decision: Permit | Deny, line: RequestLine, question: bytes
    ) -> AuditReceipt:
        """`access.intent` or `access.denied`, durable on return. Raises JournalUnavailable.

        `question` is the engine's exact input as JSON; it is written once in each segment, its hash each time.
        """
        permitted = isinstance(decision, Permit)
        self._ready()
        if self._writer.room is not Room.OK:
            self._admit(access, facts, permitted=permitted)
        shares = wording.shares(access.patients)
        told = self._put(
            EventType.ACCESS_INTENT if permitted else EventType.ACCESS_DENIED,
            wording.access(access, decision, line, shares[0]),
            decision.input_hash,
            question if len(question) <= _LONGEST_QUESTION else b"",
        )
        more = [self._put_released(line.id, share) for share in shares[1:]]
        sequence = await self._confirmed(told, *more)
        return AuditReceipt(line.id, "permit" if permitted else "deny", sequence, access.patients)

    async def released(self, receipt: AuditReceipt, seen: frozenset[PatientRef]) -> AuditReceipt:
        """`record.released` for patients that the intent did not name, durable on return. Raises JournalUnavailable."""
        self._ready()
        sequence = await self._confirmed(
            *[self._put_released(receipt.request, share) for share in wording.shares(seen)]
        )
        return AuditReceipt(receipt.request, receipt.verdict, sequence, receipt.patients | seen)

    def completed(self, receipt: AuditReceipt | AssetReceipt, status: int, sent: int, outcome: Outcome) -> None:
        """How it ended, in the next group. An intent without this counts as released."""
        if isinstance(receipt, AuditReceipt):
            fields = b'{"bytes":%d,"request":"%b","status":%d}' % (sent, receipt.request.encode("ascii"), status)
            self._note(Queued(self._at(self._now()), _TYPES[outcome], fields), later=True)

    def count(self, access: AccessRequest, line: RequestLine) -> AssetReceipt:
        """A style sheet, script, image or font: counted, not written one by one. Raises JournalUnavailable."""
        if self._writer.failing or self._writer.room is Room.USED:
            raise JournalUnavailable(self._writer.failing or "reserve-used", "the journal cannot write")
        self._sums.asset(line.session, access.resource.system)
        return AssetReceipt(line.id)

    def reject(self, source: str, reason: str) -> None:
        """A request refused before a session was looked at: one event for each source, reason and minute."""
        self._sums.rejected(source, reason)

    async def record(self, *events: AuditEvent) -> int:
        """Any other events, one after another, durable on return; the last one's sequence. Raises JournalUnavailable."""
        if events[0].type is EventType.GATEWAY_STOPPED:  # it stops, whoever has heard of it
            return await self._put(events[0].type, events[0].fields, at=events[0].at)
        self._ready()
        return await self._confirmed(*[self._put(event.type, event.fields, at=event.at) for event in events])

    def _ready(self) -> None:
        if self.confirming is not None:
            self.confirming.ready()

    async def _confirmed(self, *told: asyncio.Future[int]) -> int:
        """The last sequence, once all are wherever they have to be."""
        sequence = await (_all(*told) if len(told) > 1 else told[0])
        if self.confirming is not None:
            await self.confirming.arrived(sequence)
        return sequence

    def note(self, event: AuditEvent) -> None:
        """An event that nobody waits for, from any thread. When the journal cannot take it, that is counted and said."""
        self._note(self._entry(event.type, event.fields, event.at))

    def _note(self, entry: Queued, *, later: bool = False) -> None:
        try:
            self._writer.put(entry, later=later)
        except JournalUnavailable:
            self._sums.lost()

    def alarm(self, control: str, state: str) -> None:
        """A control fails or works again: `control.failure`, as soon as it can be written, and the alarm. From any thread."""
        if self._said.get(control) == state:
            return
        self._said[control] = state
        self._owed.append((control, state, self._now()))
        with contextlib.suppress(Exception):  # whoever listens may not stop the journal
            self._hook(control, state)
        with contextlib.suppress(JournalUnavailable, AttributeError):  # no writer yet: it is being opened
            self._pay()

    def _pay(self) -> None:
        with self._paying:
            while self._owed:
                control, state, at = self._owed[0]
                self._writer.put(self._entry(EventType.CONTROL_FAILURE, {"control": control, "state": state}, at))
                self._owed.popleft()

    def _say(self, found: Recovered) -> None:
        if not found.orderly:
            self.note(AuditEvent(EventType.AUDIT_RECOVERED, self._now(), {"bytes": found.cut, "last": found.last}))
        with contextlib.suppress(JournalUnavailable):
            self._pay()

    def _put(
        self,
        kind: EventType,
        fields: dict[str, Any],
        input_hash: str = "",
        question: bytes = b"",
        at: float | None = None,
    ) -> asyncio.Future[int]:
        """Queue an event; the future gives its sequence once it is durable. Raises JournalUnavailable."""
        entry = self._entry(kind, fields, self._now() if at is None else at)
        entry.input_hash, entry.input_record = input_hash, question
        entry.told = told = asyncio.get_running_loop().create_future()
        self._writer.put(entry)
        return told

    def _put_released(self, request: str, share: list[list[str]]) -> asyncio.Future[int]:
        return self._put(EventType.RECORD_RELEASED, {"patients": share, "request": request})

    def _entry(self, kind: EventType, fields: dict[str, Any], at: float) -> Queued:
        return Queued(self._at(at), kind._value_.encode(), wording.written(fields))

    @staticmethod
    def _at(at: float) -> bytes:
        return b"%.6f" % at

    def _admit(self, access: AccessRequest, facts: Facts, *, permitted: bool) -> None:
        room, emergency = self._writer.room, access.context.purpose is Purpose.BREAK_GLASS
        if room is Room.USED:
            raise JournalUnavailable("reserve-used", "the journal's reserve is used up")
        if room is Room.BREAK_GLASS_ONLY and permitted and not (emergency or facts.break_glass is Known.YES):
            raise JournalUnavailable(
                "reserve-low", "the journal's reserve is nearly used up: only emergencies are served"
            )

    async def _sum_up(self) -> None:
        while True:
            await asyncio.sleep(_SUMS_EVERY)
            self._write_sums()

    def _write_sums(self) -> None:
        if not self._writer.failing:  # else they stay counted
            for event in self._sums.take(self._now()):
                self.note(event)


async def _all(*told: asyncio.Future[int]) -> int:
    """The last sequence, once all are durable."""
    return max(await asyncio.gather(*told))


def _lock(folder: Path) -> int:
    try:
        return locked(folder)
    except BlockingIOError:
        raise JournalUnavailable("locked", f"another process writes to `{folder}`: one at a time") from None
    except OSError as error:
        raise _no_segment(folder, error) from None


def _no_segment(folder: Path, error: OSError) -> JournalUnavailable:
    why = f"no segment can be begun in `{folder}`: {error.strerror}"
    if error.errno in FULL:
        return JournalUnavailable("disk-full", f"{why}; free some room")
    return JournalUnavailable("unwritable", f"{why}; let the gateway's user write there")
