"""What happens to the two machines, step by step, under load; each step's figures."""

from __future__ import annotations

import json
import re
import secrets
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .databases import Databases
from .ground import Machine, until
from .load import Load
from .records import SLOW, Records

_LASTING = 3.0  # seconds in which load is looked at after a step


@dataclass
class Story:
    """`released` is this code, `newer` the next release; `signed_on` signs somebody on and gives the cookie at the record system."""

    machines: tuple[Machine, Machine]
    load: Load
    records: Records
    databases: Databases
    newer: Path
    signed_on: Callable[[], str]
    told: dict[str, Any] = field(default_factory=dict)

    @property
    def holder(self) -> Machine:
        """Who has the address."""
        return next(one for one in self.machines if one.has_shared_address())

    def begins(self) -> None:
        self.told["at_first"] = sorted(m.name for m in self.machines if m.has_shared_address())
        self.load.begin()
        lasting(2.0)
        self.told["before"] = len(self.load.asked)

    def a_machine_loses_its_power(self) -> None:
        """The other one has the address; the lost one comes back, and takes nothing from it."""
        lost = self.holder
        other = next(one for one in self.machines if one is not lost)
        dark = time.monotonic()
        lost.lose_power()
        self.told["moved_after"] = until(other.has_shared_address, "the address moves")
        until(lambda: serving(self.load, since=dark), "requests go on")
        self.told["serving_after"] = time.monotonic() - dark
        self.told["failed_meanwhile"] = outcomes(self.load, since=dark)
        again = time.monotonic()
        lost.get_power()
        until(lost.ready, "the lost machine comes back")
        until(lambda: time.monotonic() - again > 8, "it has settled")
        self.told["moved_back"] = lost.has_shared_address()
        self.told["failed_after_it_moved"] = outcomes(self.load, since=again)

    def a_gateway_dies_under_writes(self) -> None:
        """`kill -9` while five writes and a read are on their way in the record system."""
        marks = [f"{SLOW}{secrets.token_hex(6)}" for _ in range(5)]
        with ThreadPoolExecutor(6) as clinicians:
            writes = [clinicians.submit(self.load.once, "POST", mark) for mark in marks]
            read = clinicians.submit(self.load.once, "GET", f"{SLOW}1")
            until(lambda: all(self.records.written[mark] for mark in marks), "the writes are in the system")
            until(lambda: self.records.read[f"{SLOW}1"] > 0, "so is the read")
            killed = self.holder
            killed.kill_gateway()
            self.told["writes_when_it_died"] = [answered(one) for one in writes]
            self.told["read_when_it_died"] = answered(read)
        lasting(2.0)  # whether a write is sent again behind our back
        self.told["those_writes_arrived"] = [self.records.written[mark] for mark in marks]
        killed.begin_gateway()
        until(killed.ready, f"{killed.name} is begun again")

    def both_are_upgraded(self) -> None:
        """The database first, while the older release runs; one of that is started again on it; then one machine after the other."""
        begun = time.monotonic()
        first = self.machines[0]
        older, first.build = first.build, self.newer
        self.told["migrated"] = said(first, "database", "migrate")
        first.build = older
        self.told["older_on_newer"] = said(first, "database", "status")
        self._begun_again(first)
        for one in self.machines:
            one.build = self.newer
            self.told[f"{one.name}_stopped_with"] = self._begun_again(one)
        self.told["newer_on_newer"] = said(first, "database", "status")
        self.told["upgraded_within"] = time.monotonic() - begun
        self.told["asked_while_upgrading"] = sum(1 for asked in self.load.asked if asked.at >= begun)
        self.told["failed_while_upgrading"] = outcomes(self.load, since=begun)

    def both_are_rolled_back(self, older: Path, revision: str) -> None:
        """One after the other, on the newer database; then that as well, by the release that knows the way."""
        begun = time.monotonic()
        for one in self.machines:
            one.build = older
            self._begun_again(one)
        first = self.machines[0]
        first.build = self.newer
        self.told["migrated_back"] = said(first, "database", "migrate", "--to", revision)
        first.build = older
        lasting(_LASTING)
        self.told["older_on_older"] = said(first, "database", "status")
        self.told["rolled_back_within"] = time.monotonic() - begun
        self.told["asked_while_rolling_back"] = sum(1 for asked in self.load.asked if asked.at >= begun)
        self.told["failed_while_rolling_back"] = outcomes(self.load, since=begun)

    def the_primary_is_lost(self) -> None:
        """With what it acknowledged in the last moment; the standby is promoted, and nobody tells the gateways."""
        late = self.signed_on()
        self.databases.wait_for_standby()
        self.databases.fall_behind()
        lasting(2.0)
        dark = time.monotonic()
        self.databases.lose_primary()
        until(lambda: not any(one.ready() for one in self.machines), "the gateways say that they are not ready")
        lasting(2.0)
        promoting = time.monotonic()
        self.told["failed_without_primary"] = outcomes(self.load, since=dark)
        self.databases.promote()
        until(lambda: serving(self.load, since=promoting), "requests go on")
        self.told["promoted_serving_after"] = time.monotonic() - promoting
        until(lambda: all(one.ready() for one in self.machines), "both are ready")
        since = time.monotonic()
        lasting(_LASTING)
        self.told["failed_after_promotion"] = outcomes(self.load, since=since)
        self.told["late_one_after_promotion"] = self.load.once("GET", "1", cookie=late)
        until(lambda: all(arrived(one) for one in self.machines), "the central journal has everything")
        self.told["verified"] = [one.lanyard("audit", "verify").returncode for one in self.machines]

    def the_old_primary_comes_back(self) -> None:
        """Somebody switches it on, and a gateway is started again meanwhile."""
        begun = time.monotonic()
        self.databases.switch_primary_on_again()
        holder = self.holder
        self._begun_again(next(one for one in self.machines if one is not holder))
        lasting(_LASTING)
        self.told["asked_at_old_primary"] = self.databases.asked_at(self.databases.db1)
        self.told["asked_at_new_primary"] = self.databases.asked_at(self.databases.db2)
        self.told["failed_beside_old_primary"] = outcomes(self.load, since=begun)

    def ends(self) -> dict[str, Any]:
        self.load.end()
        written = self.records.written
        self.told["writes"] = len(self.load.taken)
        self.told["written_twice"] = sum(1 for count in written.values() if count > 1)
        self.told["acknowledged_not_written"] = len(self.load.taken - written.keys())
        self.told["keepalived_complains"] = complaints(self.machines)
        return self.told

    def _begun_again(self, one: Machine) -> int:
        """As `systemctl restart` does; what it ended with."""
        ended = one.stop_gateway()
        one.begin_gateway()
        until(one.ready, f"{one.name} is back")
        lasting(_LASTING)
        return ended


def lasting(seconds: float) -> None:
    """Load is what is looked at, not what is waited for."""
    time.sleep(seconds)


def said(one: Machine, *words: str) -> str:
    done = one.lanyard(*words)
    return done.stdout + done.stderr


def answered(one: Future[str]) -> str:
    return one.result(60)


def arrived(one: Machine) -> bool:
    """Whether all that its writers have is in the central journal too."""
    (state,) = json.loads(one.lanyard("status", "--json").stdout)
    central = state["central"]
    return not central["failing"] and central["behind"] < 1


def serving(load: Load, since: float) -> bool:
    last = [one for one in load.asked if one.at > since][-8:]
    return len(last) == 8 and all(one.outcome in ("200", "201") for one in last)


def outcomes(load: Load, since: float) -> dict[str, int]:
    return dict(Counter(f"{one.method} {one.outcome}" for one in load.failed(since)))


def complaints(machines: tuple[Machine, ...]) -> list[str]:
    """What keepalived does not like in its files."""
    lines = [line for one in machines for line in (one.folder / "keepalived.log").read_text().splitlines()]
    return [line for line in lines if re.search(r"unknown|warning|unsafe|disabled|ignoring", line, re.IGNORECASE)]
