"""The parent: opens the sockets, keeps a crew of workers on them, and changes it for another when the configuration has changed.

It answers no request and holds no secret's use: what could go wrong with a request goes wrong in a worker.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import time
from collections.abc import Sequence
from pathlib import Path

from policies.errors import BundleError

from .. import logs
from ..alarms.sending import sending
from ..alarms.standing import Standing
from ..alarms.ways import telling_of, ways_of
from ..audit.retired import give_back_reserves
from ..edge.listening import listening
from ..edge.server import server
from ..errors import ConfigError
from .bridge import Bridge, ready_parts
from .changes import Changes
from .crew import Crew
from .recruits import Recruits
from .taken import Taken

_LOOK = 1.0  # seconds between two looks at the configuration
_REASONS, _LONGEST_REASON = 20, 300  # of a rejected configuration, in the journal


async def serve(path: str, workers: int | None, program: Sequence[str]) -> int:
    """Run until SIGTERM or SIGINT; 0 after an orderly end. `workers`: in place of `gateway.workers`.

    Raises ConfigError, BundleError: also with what a worker says when it cannot begin.
    """
    logs.configure()
    taken = Taken.read(path)
    mark = taken.journal_mark()
    gateway = taken.config.gateway
    # Before anything begins: an address that is taken is a problem of the configuration.
    with (
        listening("gateway.listen", gateway.listen) as public,
        listening("gateway.ops_listen", gateway.ops_listen) as ops,
    ):
        return await Captain(taken, mark, workers, program, public).serve(ops)


class Captain:
    def __init__(
        self, taken: Taken, mark: str, workers: int | None, program: Sequence[str], public: socket.socket
    ) -> None:
        self._taken = taken
        self._mark = mark
        self._workers = workers
        self._public = public
        self._recruits = Recruits(program, public)
        self._ending, self._asked = asyncio.Event(), asyncio.Event()
        self._rejected = False  # the newest configuration was
        self._leaving: asyncio.Task[None] | None = None
        self._standing = Standing(taken.config.gateway.name, time.time)
        self._bridge = Bridge(lambda: self._crews, self._ending.is_set, self._standing)
        self._bell = contextlib.ExitStack()
        self._crew = self._another(taken, second=False, joins=False)
        self._crews = [self._crew]  # all that run: first the one that serves

    def _another(self, taken: Taken, *, second: bool, joins: bool) -> Crew:
        workers = self._workers or taken.config.gateway.workers
        return Crew(self._recruits, taken, workers, second=second, joins=joins, ended=self._bridge.ended)

    async def serve(self, ops: socket.socket) -> int:
        """Until a signal says so."""
        loop, place = asyncio.get_running_loop(), self._taken.config.gateway.ops_listen
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._ending.set)
        loop.add_signal_handler(signal.SIGHUP, self._asked.set)
        bridge = server(self._bridge.app, listen=place, rejected=lambda source, reason: None, drain=1)
        telling = loop.create_task(bridge.serve_quietly([ops]), name="operators")
        try:
            self._ring(self._taken)
            await self._until_ending()
        finally:
            await self._end()
            await asyncio.to_thread(self._bell.close)
            bridge.should_exit = True
            await telling
        return 0

    def _ring(self, taken: Taken) -> None:
        """From now on alarms go where `taken` says."""
        config = taken.config
        ways = ways_of(config.alarms)
        self._bell.enter_context(sending(ways, telling_of(config), self._bridge.reports, self._standing))

    async def _until_ending(self) -> None:
        loop = asyncio.get_running_loop()
        both = told, working = loop.create_task(self._ending.wait()), loop.create_task(self._work())
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        for task in both:
            task.cancel()
        await asyncio.wait(both)
        if not told.done() or told.cancelled():
            working.result()

    async def _work(self) -> None:
        self._give_back()
        await self._crew.begin()
        self._crew.serve()
        gateway = self._taken.config.gateway
        logs.log().info("listening", listen=gateway.listen, ops=gateway.ops_listen, public_url=gateway.public_url)
        changes = Changes(self._taken.path)
        while True:
            asked = await self._asked_within(_LOOK)
            if changes.settled(self._taken.config) or asked:
                await self._change(asked=asked)

    async def _asked_within(self, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                await self._asked.wait()
        except TimeoutError:
            return False
        self._asked.clear()
        return True

    async def _change(self, *, asked: bool) -> None:
        """Take what is on disk now, as a whole or not at all. `asked`: also where it is what runs already."""
        try:
            taken = Taken.read(self._taken.path)
            if asked or not taken.same(self._taken):
                await self._check(taken)
                self._hand_over(await self._begun(taken), taken)
                await asyncio.to_thread(self._bell.close)
                self._ring(taken)
        except (ConfigError, BundleError) as error:
            self._reject(list(error.problems))
        else:
            self._accept()

    async def _check(self, taken: Taken) -> None:
        """All that `lanyard check` finds, and what cannot change. Raises ConfigError."""
        from ..check import problems

        if found := taken.hindrances(self._taken, self._mark) or await problems(taken.config, live=False):
            raise ConfigError(found)

    async def _begun(self, taken: Taken) -> Crew:
        """Another crew, open and not yet serving. Raises ConfigError when it cannot be had."""
        if self._leaving is not None:
            await asyncio.shield(self._leaving)  # its names are needed, and two crews are enough
        await self._crew.company(begins=True)
        crew = self._another(taken, second=not self._crew.second, joins=True)
        self._crews.append(crew)
        try:
            await crew.begin()
            told = await ready_parts(crew)
            if not all(parts["ready"] for parts in told.values()):
                raise ConfigError([f"a worker with this configuration is not ready: {told}"])
        except ConfigError:
            crew.stop()
            await crew.over()
            self._crews.remove(crew)
            self._give_back()
            await self._crew.company(begins=False)
            raise
        return crew

    def _hand_over(self, crew: Crew, taken: Taken) -> None:
        """From now on `crew` serves; the one before finishes what it has begun."""
        before, self._crew, self._taken = self._crew, crew, taken
        self._crews = [crew, before]
        crew.serve()
        before.leave()
        self._leaving = asyncio.get_running_loop().create_task(self._see_off(before), name="seeing-off")
        self._bridge.changed("taken")
        logs.log().info("the configuration is taken", workers=len(crew.members))

    async def _see_off(self, crew: Crew) -> None:
        await crew.over()
        self._crews.remove(crew)
        self._give_back()
        await self._crew.company(begins=False)

    def _give_back(self) -> None:
        writing = {name for crew in self._crews for name in crew.writers}
        gateway = self._taken.config.gateway
        give_back_reserves(Path(gateway.data_dir), gateway.name, writing)

    def _reject(self, problems: list[str]) -> None:
        logs.log().error("the configuration is refused: the gateway goes on with the one before", reasons=problems)
        self._crew.say(do="reject", problems=[problem[:_LONGEST_REASON] for problem in problems[:_REASONS]])
        self._bridge.changed("rejected")
        self._rejected = True

    def _accept(self) -> None:
        if self._rejected:
            self._crew.say(do="accept")
        self._rejected = False

    async def _end(self) -> None:
        """Nobody new is let in; everybody finishes what runs."""
        self._ending.set()
        self._public.close()
        for crew in self._crews:
            crew.stop()
        await self._recruits.end()  # whoever waits has the socket too
        await asyncio.gather(*(crew.over() for crew in self._crews))
        if self._leaving is not None:
            await self._leaving
