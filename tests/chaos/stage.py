"""Where faults happen: gateways as processes of their own behind a real balancer, a provider, a system, and signed-on clinicians."""

from __future__ import annotations

import asyncio
import contextlib
import re
import threading
import time
import urllib.request
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.desk import Desk, Got
from tests.counterparts.postgres import PostgresServer
from tests.counterparts.redis_servers import RedisServer, Sentinels
from tests.gateway.audit.accesses import events
from tests.journey.hospital import Hospital

from .balancer import Balancer
from .links import Link
from .load import Load
from .records import Records

PATIENCE = 20.0
_RENEW_EVERY, _RENEW_AGAIN = 120.0, 20.0  # seconds; again where an answer was lost, as often as a page does
# Each portion is a transaction, and a writer's portions are sent one after the other.
_OUT_OF_ORDER = """
WITH portion AS (
  SELECT writer, epoch, xmin::text::bigint AS number, min(seq) AS first, max(seq) AS last, count(*) AS many FROM journal.event
  GROUP BY 1, 2, 3)
SELECT count(*) FROM (
  SELECT first - lag(last) OVER (PARTITION BY writer, epoch ORDER BY number) AS step, last - first + 1 - many AS holes FROM portion) found
WHERE coalesce(step, 1) <> 1 OR holes <> 0
"""


class Loop:
    """An event loop in a thread of its own, so that faults may be done plainly and in order."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="load")
        self._thread.start()

    def do(self, work: Coroutine[Any, Any, Any], within: float = 60.0) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(within)

    def begin(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def close(self) -> None:
        self.do(self._rest())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _rest(self) -> None:
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        await self._loop.shutdown_asyncgens()


def subject(clinician: int) -> str:
    """By which name the provider knows a clinician."""
    return f"nurse-{clinician}"


class Intent(NamedTuple):
    """What the journal holds of one request."""

    subject: str
    at: float


@dataclass
class Stage:
    """All that a row may break, and whom it would hurt."""

    folder: Path
    gateways: list[Hospital]
    balancer: Balancer
    records: Records
    issuer: str
    loop: Loop
    database: PostgresServer | None = None
    redis: RedisServer | None = None
    sentinels: Sentinels | None = None
    links: dict[str, Link] = field(default_factory=dict)  # `database` and `redis`: on the way from all gateways
    desks: list[Desk] = field(default_factory=list)
    cookies: list[str] = field(default_factory=list)
    every: list[Desk] = field(default_factory=list)  # also of those who went

    async def close(self) -> None:
        for desk in self.every:
            await _closed(desk)

    @property
    def gateway(self) -> Hospital:
        return self.gateways[0]

    @property
    def url(self) -> str:
        return self.gateway.url

    @property
    def system(self) -> str:
        return self.gateway.system_url("records")

    @property
    def control(self) -> Path:
        """While this file is there, the fault inside a build strikes."""
        return self.folder / "strike"

    def sign_on(self, clinicians: int) -> None:
        """So many more clinicians, each by our pages and the provider, and into the system."""
        at = len(self.desks)
        self.loop.do(self._sign_on(range(at, at + clinicians)))

    async def _sign_on(self, numbers: range) -> None:
        for number in numbers:
            desk = Desk(self.balancer.port, self.url, self.issuer, {})
            self.every.append(desk)
            await desk.follow(await desk.sign_on(subject(number)))
            self.desks.append(desk)
            self.cookies.append(await self._entered(desk))

    def central(self) -> tuple[int, int]:
        """How many events the central journal holds, and how many the gateways' own segments do."""
        return self.arrived(), self.written()

    def arrived(self) -> int:
        """How many events the central journal holds."""
        return self._counted("SELECT count(*) FROM journal.event")

    def written(self) -> int:
        """How many the gateways' own segments do."""
        return sum(len(events(one.folder / "data")) for one in self.gateways)

    def out_of_order(self) -> int:
        """How many portions came into the central journal before an earlier one of their writer, or with a hole."""
        return self._counted(_OUT_OF_ORDER)

    def _counted(self, asked: str) -> int:
        assert self.database is not None
        with self.database.connect() as c:
            row = c.execute(asked.encode()).fetchone()
        assert row is not None
        return int(str(row[0]))

    async def _entered(self, desk: Desk) -> str:
        page = await desk.follow(await desk.ask("GET", f"{self.system}/Patient/entered"))
        if not page.url.startswith(f"{self.system}/"):
            # The launchpad, to click again: a worker that was killed has taken the ticket with it.
            raise RuntimeError(f"the way to the system ended at {page.url}")
        jar = desk._cookies[self.system.partition("://")[2]]
        return "; ".join(f"{name}={value}" for name, value in jar.items())

    def renew(self) -> None:
        """Go through the system's door again, as a browser does every few minutes."""

        async def all_of_them() -> None:
            self.cookies[:] = [await self._entered(desk) for desk in self.desks]

        self.loop.do(all_of_them())

    def newcomer(self) -> int:
        """What somebody is told who signs on now: 200, or how they are refused."""
        desk = Desk(self.balancer.port, self.url, self.issuer, {})

        async def sign_on() -> int:
            try:
                got = await desk.ask("GET", "/sign-on/start")
                if got.status == 303:
                    got = await desk._come_back(got.location, "newcomer")
                if got.status == 303:
                    got = await desk.follow(got, "newcomer")
            finally:
                await _closed(desk)
            return got.status

        return int(self.loop.do(sign_on()))

    def settle(self, load: Load) -> None:
        """What was asked is answered, or given up."""
        until(lambda: load.waiting == 0, 30, "the last answer")

    def shifts_lost(self) -> int:
        """How many of those who were signed on are asked to sign on again. A gateway that says 503 just now is asked again."""
        return sum(self._lost(desk) for desk in self.desks)

    def _lost(self, desk: Desk) -> bool:
        found: list[int] = []

        def told() -> bool:
            found.append(self.answers(desk, f"{self.url}/").status)
            return found[-1] not in (502, 503)

        until(told, what="an answer that says who is signed on")
        return found[-1] != 200

    @contextlib.contextmanager
    def load(self, rate: float, name: str = "mark") -> Iterator[Load]:
        """Clinicians at work until the block ends."""
        made = Load(self.balancer.port, self.system, self.cookies, rate, name=name)
        running, renewing = self.loop.begin(made.run()), self.loop.begin(self._renewing())
        try:
            yield made
        finally:
            made.end()
            if renewing.done():
                renewing.result()  # whoever renews no cookies any more sees nothing but 401 from then on
            renewing.cancel()
            running.result(60)

    async def _renewing(self) -> None:
        """Cookies at a system's host last for five minutes: pages of a browser that is at work renew them."""
        due = dict.fromkeys(range(len(self.desks)), time.monotonic() + _RENEW_EVERY)
        while True:
            await asyncio.sleep(1)
            for number in [number for number, at in due.items() if at <= time.monotonic()]:
                due[number] = time.monotonic() + (_RENEW_EVERY if await self._renewed(number) else _RENEW_AGAIN)

    async def _renewed(self, number: int) -> bool:
        desk, other = self.desks[number], Desk(self.balancer.port, self.url, self.issuer, {})
        host = self.system.partition("://")[2]
        other._cookies = desk._cookies | {host: {}}  # whoever comes without one is given another
        try:
            self.cookies[number] = await self._entered(other)
            desk._cookies[host] = other._cookies[host]
        except (OSError, RuntimeError, KeyError, EOFError):
            return False  # a gateway that is away just now
        finally:
            await _closed(other)
        return True

    def events(self, kind: str, *places: Hospital) -> list[dict[str, Any]]:
        """The fields of each event of a kind in these gateways' segments; without any: in all."""
        found = [event for one in places or self.gateways for event in events(one.folder / "data")]
        return [event["fields"] for event in found if event["type"] == kind]

    def figure(self, place: Hospital, name: str) -> float:
        """A number of one gateway's metrics; 0 where it does not tell it."""
        with urllib.request.urlopen(f"http://127.0.0.1:{place.ops_port}/metrics", timeout=10) as answer:
            found = re.search(rf"^{re.escape(name)} (.*)$", answer.read().decode(), re.MULTILINE)
        return float(found[1]) if found else 0.0

    def alarmed(self, control: str) -> bool:
        """Whether any gateway says that a control does not hold."""
        return any(self.figure(one, f'lanyard_alarm{{control="{control}"}}') for one in self.gateways)

    def answers(self, desk: Desk, url: str, **given: Any) -> Got:
        """What one of the clinicians' browsers is told; on a new connection where the old one has gone."""

        async def ask() -> Got:
            await _closed(desk)
            async with asyncio.timeout(15):
                return await desk.ask(given.get("method", "GET"), url, given.get("form"))

        return self.loop.do(ask())  # type: ignore[no-any-return]  # what a future holds

    def intents(self) -> dict[str, Intent]:
        """By mark: who was let through and when, as the segments of any gateway's journal have it."""
        found: dict[str, Intent] = {}
        for one in self.gateways:
            for event in events(one.folder / "data"):
                if event["type"] == "access.intent":
                    for _, patient in event["fields"]["patients"]:
                        found.setdefault(patient, Intent(event["fields"]["subject"], event["at"]))
        return found

    def verified(self) -> bool:
        """Whether every gateway's journal is whole."""
        return all(one.verified() for one in self.gateways)


async def _closed(desk: Desk) -> None:
    """Its connection, whether the other side is there or not: the next question opens another."""
    streams, desk._streams = desk._streams, None
    if streams is not None:
        streams[1].close()
        with contextlib.suppress(OSError):
            await streams[1].wait_closed()


def until(true: Callable[[], Any], within: float = PATIENCE, what: str = "it") -> float:
    """Wait for the thing; the seconds that it took."""
    begun = time.monotonic()
    while not true():
        if time.monotonic() - begun > within:
            raise AssertionError(f"{what} did not come within {within:.0f} s")
        time.sleep(0.02)
    return time.monotonic() - begun
