"""The closed list of controls: how bad it is when one fails, what that means, and what to do first.

docs/alarms.md has a heading for each, with the whole of what to do. Nobody is rung at night for something without such a page.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    WARNING = "warning"  # clinicians notice nothing yet: in working hours
    CRITICAL = "critical"  # clinicians are refused something, or soon will be: now

    @property
    def rank(self) -> int:
        return list(Severity).index(self)


@dataclass(frozen=True, slots=True)
class Control:
    severity: Severity
    means: str  # for somebody who was asleep a minute ago
    do: str


_W, _C = Severity.WARNING, Severity.CRITICAL

CONTROLS: dict[str, Control] = {
    "alarm-delivery": Control(
        _W,
        "Alarms cannot be sent by mail or webhook: whoever is on call does not hear of the next one.",
        "Look at `lanyard status` by hand until it is mended, then try `lanyard alarm test`.",
    ),
    "central-journal": Control(
        _W,
        "This machine's journal is not copied to PostgreSQL: its own disk is the only place of its newest events.",
        "Bring PostgreSQL back; the copy catches up by itself. Watch the reserve meanwhile: `lanyard status`.",
    ),
    "certificate": Control(
        _W,
        "A certificate of this gateway ends within 14 days, or has ended. From then on no browser opens the records.",
        "Put the new certificate in place of the old one and restart this gateway; `lanyard status` shows the days.",
    ),
    "clock": Control(
        _W,
        "This machine's clock was set back. Shifts end when they should all the same; new sign-ons may be refused.",
        "Compare with the time server (`chronyc tracking`, `timedatectl`) and let it come right.",
    ),
    "configuration": Control(
        _W,
        "The newest configuration or policies were refused: the gateway goes on with those from before.",
        "`lanyard check` says what is wrong. Until it is mended, do not restart: it would not start.",
    ),
    "identity-provider": Control(
        _C,
        "The identity provider does not answer: nobody can sign on with it. Shifts that have begun go on.",
        "Ring whoever runs the provider. Wards can use emergency sign-on meanwhile.",
    ),
    "journal": Control(
        _C,
        "The journal could not write: while that lasts, no record is shown by this gateway.",
        "Look at the disk under `gateway.data_dir` (full? read-only? errors in `dmesg`?); move users to the other machine.",
    ),
    "journal-reserve": Control(
        _C,
        "The disk is full and the journal lives on its reserve: at 95 % only emergencies are served, at 100 % nothing.",
        "Make room on the disk under `gateway.data_dir` now. Delete nothing below `journal/`.",
    ),
    "redis": Control(
        _C,
        "Redis is nearly full, or would evict sessions: nobody new can sign on soon, or sessions vanish without a word.",
        "Give Redis more memory (`CONFIG SET maxmemory`), and set `maxmemory-policy noeviction` if it is not.",
    ),
    "search-copy": Control(
        _W,
        "The journal's search copy is behind or broken: searches may miss what is new. The journal itself is whole.",
        "Make room or delete `search.db`: it is made again from the journal.",
    ),
    "session-store": Control(
        _C,
        "The store of shifts and sessions does not answer: nobody can sign on, and shifts cannot be looked up.",
        "Look whether PostgreSQL, Redis or the disk is away, and bring that back; nothing here needs a restart.",
    ),
    "shift-copy": Control(
        _W,
        "The lasting copy of shifts in PostgreSQL cannot be written or read: if Redis fails now, shifts are lost with it.",
        "Bring PostgreSQL back before anything is done to Redis.",
    ),
    "workers": Control(
        _W,
        "A worker process died or hung, and another was begun at once: some requests were cut off.",
        "If it happens again: `journalctl -u lanyard` around that time, `dmesg` for memory, then tell whoever builds it.",
    ),
}

UNKNOWN = Control(
    _C,
    "Something failed that has no page yet.",
    "Look at the gateway's log around that time, and tell whoever builds it.",
)


def control_of(name: str) -> Control:
    return CONTROLS.get(name, UNKNOWN)
