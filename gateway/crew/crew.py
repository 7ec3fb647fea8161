"""As many workers as there should be, on one configuration: one that ends is begun again, one that hangs is ended."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable

from .. import logs
from ..errors import ConfigError
from .member import Member
from .post import writer_name
from .recruits import Recruits
from .taken import Taken

HANGS = 10.0  # seconds without a beat
BEGINS = 600.0  # seconds for a worker to begin: a long journal may have to be read first
_AT_ONCE = 1.0  # a worker that lives no longer than this waits before it is begun again
_FIRST_WAIT, _LONGEST_WAIT = 0.25, 15.0  # seconds
_SHARES = 5.0  # seconds for a worker to write what it has kept to itself
_ENDED = 15.0  # seconds beyond `gateway.drain` for a worker to end


class Crew:
    """`begin` it, let it `serve`, and then `leave` or `stop` it, and wait until it is `over`."""

    def __init__(
        self,
        recruits: Recruits,
        taken: Taken,
        workers: int,
        *,
        second: bool,
        joins: bool,
        ended: Callable[[Member, str], None],
    ) -> None:
        """`joins`: one that is at work. `ended(worker, how)` hears of each that is gone: `ended`, `died` or `hung`."""
        self.taken = taken
        self.second = second
        self._recruits = recruits
        self._of = workers
        self._ended = ended
        self._message = taken.message()
        self._members: dict[int, Member] = {}
        self._ending = asyncio.Event()
        self.serving = False
        self._beside = joins
        self._hung: set[Member] = set()
        self._keeping: list[asyncio.Task[None]] = []

    @property
    def members(self) -> list[Member]:
        return [self._members[number] for number in sorted(self._members)]

    @property
    def writers(self) -> frozenset[str]:
        """The names under which it writes its journal."""
        name = self.taken.config.gateway.name
        return frozenset(writer_name(name, n, self._of, second=self.second) for n in range(1, self._of + 1))

    async def begin(self) -> None:
        """The first worker, which makes what all of them use, then the others at once. Raises ConfigError with what hinders them."""
        await self._begin(1)
        begun = await asyncio.gather(*(self._begin(n) for n in range(2, self._of + 1)), return_exceptions=True)
        for outcome in begun:
            if isinstance(outcome, BaseException):
                raise outcome
        loop = asyncio.get_running_loop()
        self._keeping = [loop.create_task(self._keep(n), name=f"keep-{n}") for n in range(1, self._of + 1)]
        self._keeping.append(loop.create_task(self._listen_for_beats(), name="beats"))

    async def _begin(self, number: int) -> Member:
        post = {"number": number, "of": self._of, "second": self.second, "joins": self._beside}
        member = self._members[number] = await Member.begin(self._recruits, self._message, post)
        if self._ending.is_set():
            member.line.say(do="stop")
        try:
            async with asyncio.timeout(BEGINS):
                await member.begun.wait()
        except TimeoutError:
            member.why = [f"a worker had not begun after {BEGINS:.0f} seconds"]
            member.kill()
        if member.why:
            raise ConfigError(member.why)
        if self.serving:
            member.line.say(do="serve")
        return member

    async def _keep(self, number: int) -> None:
        """Begin another when this one is gone: at once, unless it went at once."""
        wait = _FIRST_WAIT
        while True:
            member = self._members[number]
            await member.over.wait()
            self._tell(member)
            begun = False
            if time.monotonic() - member.since > _AT_ONCE:
                wait, begun = _FIRST_WAIT, await self._replaced(number)
            while not (begun or self._ending.is_set()):
                await self._pause(wait)
                wait, begun = min(2 * wait, _LONGEST_WAIT), await self._replaced(number)
            if not begun:
                return
            self._recruits.prepare()

    async def _replaced(self, number: int) -> bool:
        if self._ending.is_set():
            return False
        try:
            await self._begin(number)
        except (ConfigError, OSError) as error:
            why = error.problems if isinstance(error, ConfigError) else [str(error)]
            logs.log().error("a worker cannot begin", worker=number, why=why)
            return False
        return True

    def _tell(self, member: Member) -> None:
        how = self._how(member)
        self._ended(member, how)
        if not self._ending.is_set():
            logs.log().error("a worker is gone", worker=member.number, how=how, status=member.process.returncode)

    async def _pause(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._ending.wait()

    def _how(self, member: Member) -> str:
        if member in self._hung:
            self._hung.discard(member)
            return "hung"
        return "ended" if member.process.returncode == 0 else "died"

    async def _listen_for_beats(self) -> None:
        """Where this process itself stood still, silence means nothing yet."""
        looked = time.monotonic()
        while True:
            await asyncio.sleep(1)
            now, before = time.monotonic(), looked
            looked = now
            for member in self.members:
                if now - before > 3:
                    member.heard = now
                elif member.ready and now - member.heard > HANGS:
                    self._hung.add(member)
                    member.kill()

    def serve(self) -> None:
        """Take requests. Whoever is begun later does so at once."""
        self.serving = True
        self._recruits.prepare()
        for member in self.members:
            member.line.say(do="serve")

    async def company(self, *, begins: bool) -> None:
        """Another crew is about to begin on the same stores, or is gone: whoever kept something to themselves shares it by then, or
        need not any more."""
        self._beside = begins
        what = "share" if begins else "alone"
        await asyncio.gather(*(member.parts(_SHARES, what) for member in self.members))

    def say(self, **order: object) -> None:
        """To the worker that does what is to be done once."""
        self._members[1].line.say(**order)

    def stop(self) -> None:
        """Everybody finishes what runs, and takes nothing new."""
        self._end("stop")

    def leave(self) -> None:
        """As `stop`, with others taking over on the same socket."""
        self._end("leave")

    def _end(self, order: str) -> None:
        self._ending.set()
        for member in self.members:
            member.line.say(do=order)

    async def over(self) -> None:
        """Wait until all are gone; who takes much longer than `gateway.drain` is ended."""
        try:
            async with asyncio.timeout(self.taken.config.gateway.drain + _ENDED):
                await self._gone()
        except TimeoutError:
            for member in self.members:
                member.kill()
            await self._gone()
        for task in self._keeping:
            task.cancel()

    async def _gone(self) -> None:
        while waited := [member for member in self.members if not member.over.is_set()]:
            await asyncio.gather(*(member.over.wait() for member in waited))
        await asyncio.gather(*self._keeping[:-1])
