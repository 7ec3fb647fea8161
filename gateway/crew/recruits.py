"""Fresh processes that wait to be told their post: one is kept, so that a worker which is gone is replaced without waiting for Python."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Sequence
from dataclasses import dataclass

from .orders import Line


@dataclass(frozen=True, slots=True)
class Recruit:
    """Nothing of the parent's memory is in it."""

    process: asyncio.subprocess.Process
    end: socket.socket


class Recruits:
    def __init__(self, program: Sequence[str], listen: socket.socket) -> None:
        """`program`: the command that the parent is; `listen`: the socket that whoever has a post is given."""
        self._program = program
        self._listen = listen
        self._waiting: asyncio.Task[Recruit] | None = None
        self._over = False

    async def one(self) -> Recruit:
        """The one that waits, or a new one. Raises OSError."""
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            with contextlib.suppress(OSError):
                recruit = await waiting
                if recruit.process.returncode is None:
                    return recruit
        return await self._begun()

    async def line(self, recruit: Recruit) -> Line:
        """It has a post now: it gets the socket, which whoever only waits must not hold open. Raises OSError."""
        try:
            socket.send_fds(recruit.end, [b"\0"], [self._listen.fileno()])
        except OSError:
            recruit.end.close()  # which it takes for its end
            raise
        return await Line.over(recruit.end)

    def prepare(self) -> None:
        """Let one wait, unless one does."""
        if self._waiting is None and not self._over:
            self._waiting = asyncio.get_running_loop().create_task(self._begun(), name="recruit")

    async def end(self) -> None:
        """Nobody is needed any more. It has begun nothing yet, so there is nothing to wait for."""
        self._over = True
        if self._waiting is not None:
            with contextlib.suppress(OSError):
                recruit = await self._waiting
                with contextlib.suppress(ProcessLookupError):
                    recruit.process.kill()
                await recruit.process.wait()
                recruit.end.close()

    async def _begun(self) -> Recruit:
        ours, theirs = socket.socketpair()
        with theirs:
            process = await asyncio.create_subprocess_exec(
                *self._program,
                "--worker",
                str(theirs.fileno()),
                stdin=asyncio.subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
            )
        return Recruit(process, ours)
