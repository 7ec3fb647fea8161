"""A worker as the parent sees it: its process, the line to it, and what it said last."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import Any

from ..alarms.standing import Report
from ..metrics import Families
from .orders import Line
from .recruits import Recruits

_ENDING = 5.0  # seconds for a worker whose line has ended to be gone itself


class Member:
    """`begin` one. It is `ready` or has told `why` not once `begun` is set; nothing is left of it once `over` is."""

    def __init__(self, number: int, process: asyncio.subprocess.Process, line: Line) -> None:
        self.number = number
        self.line = line
        self.why: list[str] = []
        self.ready = False
        self.begun, self.over = asyncio.Event(), asyncio.Event()
        self.since = self.heard = time.monotonic()
        self.figures: Families = []  # as far as they were asked for, or told at the end
        self.reports: list[Report] = []  # of its controls, with the last beat
        self.process = process
        self._hearing = asyncio.get_running_loop().create_task(self._hear(), name=f"worker-{number}")

    @classmethod
    async def begin(cls, recruits: Recruits, taken: Any, post: dict[str, Any]) -> Member:
        """Raises OSError."""
        recruit = await recruits.one()
        line = await recruits.line(recruit)
        line.say(taken=taken, post=post)
        return cls(post["number"], recruit.process, line)

    async def _hear(self) -> None:
        while (message := await self.line.hear()) is not None:
            self.heard = time.monotonic()
            if "ready" in message:
                self.ready, self.since = True, self.heard
                self.begun.set()
            elif "beat" in message:
                self.reports = [Report.of(fields) for fields in message["beat"]]
            elif "cannot" in message:
                self.why = message["cannot"]
            elif "last" in message:
                self.figures = message["last"]
        await self._end()

    async def _end(self) -> None:
        """Nothing comes from it any more."""
        try:
            async with asyncio.timeout(_ENDING):
                await self.process.wait()
        except TimeoutError:
            self.kill()
            await self.process.wait()
        if not (self.ready or self.why):
            self.why = [f"a worker ended while it began (status {self.process.returncode}): its log says why"]
        self.ready, self.reports = False, []
        self.begun.set()
        self.over.set()
        await self.line.close()

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()

    async def parts(self, patience: float, what: str = "parts") -> dict[str, Any]:
        """What it says of itself (`state`: all of it); that it says nothing, where it does not."""
        said: dict[str, Any] = {"ready": False}
        if self.ready:
            try:
                said = await self.line.ask(what, patience)
            except TimeoutError:
                said = {"ready": False, "answers": "no"}
        return {**said, "pid": self.process.pid}

    async def counted(self, patience: float) -> Families:
        """Its figures, or those of the last time."""
        if self.ready:
            with contextlib.suppress(TimeoutError):
                self.figures = await self.line.ask("figures", patience)
        return self.figures
