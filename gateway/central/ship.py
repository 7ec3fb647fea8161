"""The thread that sends what the writers of this data directory have made durable to the central journal, within a second.

The segments stay the truth, and nobody waits for it unless `audit.ack` says so. While the database is away or slow it holds one
connection at most, tries again each second with a smaller portion, and says `central-journal` through `alarm`.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from pathlib import Path

from .. import logs
from ..audit.segment import SegmentName, writers
from ..audit.synced import synced
from ..audit.verify import held
from .arriving import arrive
from .claims import Told, claimed, installation, tell
from .connection import Central, CentralUnavailable, Connection, closed, within
from .following import Following
from .waiting import Waiting, unavailable

CONTROL = "central-journal"
_SOON, _EVERY = 0.01, 0.25  # seconds between looks at the segments
_SHARE = 0.25  # of a core, at most, unless somebody waits
_FEWEST, _FIRST, _MOST = 20, 200, 1000  # records in a portion: no longer than other threads can wait
_ANSWERS_WITHIN, _CUT_OFF = 1.0, 1.5  # seconds
_TELL_EVERY, _CLAIM_EVERY, _AGAIN = 0.5, 5.0, 1.0
_PATIENCE = 5.0  # seconds of not being there, until it is an alarm
_CONFIRMED_WITHIN = 1.0
_LAST = 5.0  # seconds for what is left at the end


class Shipper:
    def __init__(
        self,
        data_dir: Path,
        central: Central,
        gateway: str,
        *,
        own: str = "",
        mine: Callable[[str], bool] = lambda folder: True,
        beside: frozenset[str] = frozenset(),
        now: Callable[[], float] = time.time,
    ) -> None:
        """`gateway`: its name; `own`: the folder of the writer whose events are waited for; `mine`: which writers' folders are sent
        from here; `beside`: writers that end with this one, whose last records are waited for; `now`: seconds since the epoch."""
        self._data_dir = data_dir
        self._central = central
        self._gateway = gateway
        self._now = now
        self._alarm: Callable[[str, str], None] = lambda control, state: None
        self._mine = mine
        self._beside = [data_dir / "journal" / name for name in beside if mine(name)]
        self._waiting = Waiting(own)
        self._followed: dict[str, Following] = {}
        self._connection: Connection | None = None
        self._most = _FIRST
        self._proven = False  # the connection has worked before: it may just have been cut
        self._told = self._claimed = self._newest = 0.0
        self._behind_since: float | None = None
        self._failing = ""
        self._differs = self._rival = self._left = False
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="journal-shipper", daemon=True)

    def start(self, alarm: Callable[[str, str], None]) -> None:
        """`alarm(control, state)` is called from the thread."""
        self._alarm = alarm
        self._thread.start()

    def close(self) -> None:
        """Send what is left, as far as the database takes it within some seconds, and stop."""
        self._stop.set()
        self._waiting.rouse.set()
        if self._thread.is_alive():
            self._thread.join()

    @property
    def failing(self) -> str:
        """Why the last try failed; empty where it did not."""
        return self._failing

    @property
    def behind(self) -> float:
        """Seconds for which something waits that is not there; 0: all that is durable here is there too."""
        since = self._behind_since
        return 0.0 if since is None else time.monotonic() - since

    # What `audit.ack = "local+central"` asks of it.

    def ready(self) -> None:
        """Raises JournalUnavailable where it is known that nothing arrives."""
        if self._failing:
            raise unavailable()

    async def arrived(self, sequence: int) -> None:
        """Wait until the own writer's event is committed there. Raises JournalUnavailable."""
        future = self._waiting.until(sequence)
        try:
            async with asyncio.timeout(_CONFIRMED_WITHIN):
                await future
        except TimeoutError:
            raise unavailable() from None
        finally:
            self._waiting.forget(future)

    # Everything below runs in the thread.

    def _run(self) -> None:
        pause = 0.0
        while not self._stop.is_set():
            self._waiting.rouse.wait(pause)
            self._waiting.rouse.clear()
            pause = self._once()
        until = time.monotonic() + _LAST
        while time.monotonic() < until:
            writing = any(held(folder) for folder in self._beside)
            if self._once() >= _AGAIN or not (self._left or writing):
                break
            self._waiting.rouse.wait(_SOON)
            self._waiting.rouse.clear()
        if self._left or self._failing:
            logs.log().warning(
                "this machine's last events may not be in the central journal: they are on its disk, and are sent when it starts again",
                reason=self._failing or "there was no time for all of them",
            )
        closed(self._connection)

    def _once(self) -> float:
        """One turn; in how many seconds the next is due."""
        begun, worked = time.monotonic(), time.thread_time()
        try:
            self._left = more = self._turn()
        except Exception as error:  # whatever it is, the journal goes on and it is tried again
            return self._failed(error)
        self._proven, self._failing = True, ""
        self._judge(behind=more and self._now() - self._newest > _PATIENCE)
        spent, passed = time.thread_time() - worked, time.monotonic() - begun
        return _SOON if self._waiting else max(0.0 if more else _EVERY, spent / _SHARE - passed)

    def _turn(self) -> bool:
        """A portion of each writer's; whether there was any."""
        if self._connection is None:
            self._connection = self._central.connect(_ANSWERS_WITHIN)
            self._followed.clear()  # a server that took another's place may have less than that one had
            self._told = self._claimed = 0.0
        c, more = self._connection, False
        self._follow(c)
        self._tell(c)
        for one in list(self._followed.values()):
            portion = one.portion(self._most)
            if portion is None:
                continue
            with within(_CUT_OFF, c):
                arrived = arrive(c, portion)
            one.arrived(portion)
            self._waiting.came(one.folder.name, arrived.last)
            self._newest = arrived.at or self._newest
            more = True
            if arrived.other:
                self._other(arrived.other)
        self._most = min(_MOST, self._most + _FEWEST)
        return more

    def _follow(self, c: Connection) -> None:
        """Every folder under its name, the own one first; now and then whether another gateway has the same."""
        folders = [folder for folder in writers(self._data_dir) if self._mine(folder.name)]
        due = time.monotonic() - self._claimed > _CLAIM_EVERY
        if not due and all(folder.name in self._followed for folder in folders):
            return
        number = installation(self._data_dir)
        with within(_CUT_OFF, c):
            claims = {folder: claimed(c, number, folder.name, self._gateway) for folder in folders}
            for folder in sorted(folders, key=lambda f: f.name != self._waiting.own):
                writer = claims[folder].writer
                if folder.name not in self._followed:
                    self._followed[folder.name] = Following(folder, writer, _reached(c, writer))
        if (rival := any(claim.rival for claim in claims.values())) and not self._rival:
            logs.log().error("another gateway writes its journal under the same name", gateway=self._gateway)
        self._rival, self._claimed = rival, time.monotonic()

    def _tell(self, c: Connection) -> None:
        """How far each writer is on its own disk, at least each second: before what may take long."""
        if time.monotonic() - self._told < _TELL_EVERY:
            return
        marks = [(one.writer, synced(one.folder)) for one in self._followed.values()]
        at = self._now()
        with within(_CUT_OFF, c):
            tell(c, [Told(writer, mark.epoch, mark.sequence - 1, at) for writer, mark in marks if mark is not None])
        self._told = time.monotonic()

    def _failed(self, error: Exception) -> float:
        closed(self._connection)
        again = self._proven and not self._failing  # a connection that was cut says nothing of the next one
        self._connection, self._proven = None, False
        self._most = max(_FEWEST, self._most // 2)
        if again:
            return 0.0
        reason = str(error) if isinstance(error, CentralUnavailable | OSError) else repr(error)
        if not self._failing:
            logs.log().warning("the central journal takes no events", reason=reason)
        self._failing = reason
        self._waiting.refuse()
        self._judge(behind=True)
        return _AGAIN

    def _other(self, where: str) -> None:
        if not self._differs:
            logs.log().error("the central journal holds another record than the segment", place=where)
        self._differs = True

    def _judge(self, *, behind: bool) -> None:
        """The one state that says most; to be behind for a moment is none."""
        now = time.monotonic()
        self._behind_since = (self._behind_since or now) if behind else None
        late = self._behind_since is not None and now - self._behind_since > _PATIENCE
        if self._differs or self._rival:
            self._alarm(CONTROL, "differs" if self._differs else "name-taken")
        elif late:
            self._alarm(CONTROL, "unavailable" if self._failing else "behind")
        elif not behind:
            self._alarm(CONTROL, "ok")


def _reached(c: Connection, writer: str) -> dict[SegmentName, int]:
    rows = c.execute("SELECT epoch, segment, place FROM reached WHERE writer = %s", (writer,))
    return {SegmentName(epoch, segment): place for epoch, segment, place in rows}
