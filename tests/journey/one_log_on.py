"""An old system that lets each person in once: a second log-on is turned away until the first has logged off."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .hospital import Hospital, hospital, system
from .recorder import Recorder, Seen, recorder, reply
from .ward import FORM, LOGIN, PAGE, old_system

LOG_OFF = "/logoff.asp"


@dataclass
class OneLogOn:
    """`live` is the one session that it knows; `turned_away` counts log-ons that came while it was open."""

    live: str = ""
    log_ons: int = 0
    log_offs: int = 0
    turned_away: int = 0
    shown: list[str] = field(default_factory=list)  # the session of each page that was shown

    def answer(self, seen: Seen) -> bytes:
        sent = re.search(r"JSESSIONID=([\w-]+)", "".join(seen.header("cookie")))
        session = sent[1] if sent else ""
        if seen.path == LOGIN and seen.method == "POST":
            return self._log_on()
        if seen.path == LOGIN:
            return reply(FORM)
        if not session or session != self.live:
            return reply(status="302 Found", Location=LOGIN)
        if seen.path == LOG_OFF:
            self.live, self.log_offs = "", self.log_offs + 1
            return reply(b"<p>Good-bye")
        if seen.path == PAGE:
            self.shown.append(session)
        return reply(b"<!doctype html><html lang=en><title>Old PAS</title><p>Work list of Ward 7")

    def _log_on(self) -> bytes:
        if self.live:
            self.turned_away += 1
            return reply(b"wrong: you are logged on elsewhere")
        self.log_ons += 1
        self.live = f"upstream-{self.log_ons}"
        return reply(status="302 Found", Location="/", Set_Cookie=f"JSESSIONID={self.live}; Path=/")


@dataclass
class Place:
    hospital: Hospital
    pas: OneLogOn
    upstream: Recorder

    @property
    def list(self) -> str:
        return f"{self.hospital.system_url('pas')}{PAGE}"


@contextlib.contextmanager
def one_log_on(folder: Path, share: str, *beside: dict[str, Any], **tables: Any) -> Iterator[Place]:
    """A hospital with that system, shared by `share`, and with the systems `beside` it."""
    pas = OneLogOn()
    options = old_system(location=LOGIN) | {"log_off": {"path": LOG_OFF}}
    with recorder(pas.answer) as upstream:
        entry = system("pas", "webform", upstream.origin, options=options, share=share, start=PAGE)
        entry |= {"title": "Patient administration", "helpdesk": "extension 3333"}
        people = {"pas": {name: (name, "secret") for name in ("n.okoye", "dr.lee", "r.singh")}}
        with hospital(folder, [entry, *beside], credentials=people, **tables) as running:
            yield Place(running, pas, upstream)
