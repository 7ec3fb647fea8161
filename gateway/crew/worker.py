"""One worker: a whole gateway on a socket that the parent opened. It serves until the parent says otherwise, or is gone."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import gc
import signal
import socket
import sqlite3
import time
from collections.abc import AsyncIterator
from typing import Any

import uvloop

from connectors.errors import ConnectorError
from policies.errors import BundleError
from sso.errors import StoreUnavailable

from .. import app, device_class, logs
from ..app import Running
from ..audit.event import AuditEvent, EventType
from ..audit.recovery import JournalDamaged
from ..config import Config
from ..edge.server import LanyardServer, server
from ..errors import ConfigError, JournalUnavailable
from .orders import Line
from .taken import opened
from .watchdog import Watchdog

BEAT = 1.0  # seconds between two beats
CONTROL = "configuration"
_PR_SET_PDEATHSIG = 1
_IDLE = 5.0  # seconds in which a kept connection may still ask, when another crew has taken over


def work(descriptor: int) -> int:
    """0 after an orderly end, 2 where it could not begin: why was said to the parent."""
    _die_with_parent()
    device_class.warm()  # while it waits for its post, not while somebody waits for it
    line = socket.socket(fileno=descriptor)
    _, descriptors, _, _ = socket.recv_fds(line, 1, 1)
    if not descriptors:
        return 2  # the parent has gone, or needs nobody
    return uvloop.run(_work(line, socket.socket(fileno=descriptors[0])))


async def _work(end: socket.socket, listen: socket.socket) -> int:
    line = await Line.over(end)
    if (begin := await line.hear()) is None:
        return 2
    logs.configure(worker=begin["post"]["number"])
    try:
        config, post = opened(begin["taken"], begin["post"])
        running = await app.open_gateway(config, post=post)
    except (ConfigError, BundleError) as error:
        return await _cannot(line, error.problems)
    except (JournalDamaged, JournalUnavailable, StoreUnavailable, ConnectorError, OSError, sqlite3.Error) as error:
        return await _cannot(line, [str(error)])
    _settle()
    await Worker(line, config, running, listen).serve()
    return 0


async def _cannot(line: Line, problems: list[str]) -> int:
    line.say(cannot=list(problems))
    await line.close()
    return 2


class Worker:
    def __init__(self, line: Line, config: Config, running: Running, listen: socket.socket) -> None:
        self._line = line
        self._config = config
        self._running = running
        self._listen = listen
        self._told = asyncio.Event()  # to serve, or not to
        self._leaving: asyncio.Task[None] | None = None
        gateway = config.gateway
        self._public: LanyardServer = server(
            running.gateway,
            listen=gateway.listen,
            rejected=running.rejected,
            tls_cert=gateway.tls_cert,
            tls_key=gateway.tls_key,
            drain=gateway.drain,
        )

    async def serve(self) -> None:
        """Until it is told to stop."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self._stop)
        for number in (signal.SIGINT, signal.SIGHUP):  # a terminal sends them to all; the parent says what to do
            loop.add_signal_handler(number, lambda: None)
        journal, readings = self._running.journal, self._running.readings
        async with self._running.closing:
            await journal.record(
                AuditEvent(EventType.GATEWAY_STARTED, time.time(), {"listen": self._config.gateway.listen})
            )
            async with self._watched():
                await self._told.wait()
                await self._public.serve_quietly([self._listen])
            await journal.record(AuditEvent(EventType.GATEWAY_STOPPED, time.time(), {}))
        self._line.say(last=readings.figures())
        await self._line.close()

    @contextlib.asynccontextmanager
    async def _watched(self) -> AsyncIterator[None]:
        """With the parent's ear at it, and the watchdog's eye on it."""
        watchdog, loop = Watchdog(), asyncio.get_running_loop()
        tasks = [loop.create_task(self._obey(), name="orders"), loop.create_task(self._beat(), name="beat")]
        watchdog.begin()
        try:
            yield
        finally:
            watchdog.end()
            for task in tasks:
                task.cancel()

    async def _beat(self) -> None:
        self._line.say(ready=True)
        while True:
            await asyncio.sleep(BEAT)
            self._line.say(beat=[report.fields() for report in self._running.readings.standing.reports()])

    async def _obey(self) -> None:
        async with asyncio.TaskGroup() as group:
            while (order := await self._line.hear()) is not None:
                if "ask" in order:
                    group.create_task(
                        self._answer(order)
                    )  # a store may take its time: the next order does not wait for it
                else:
                    self._do(order)
            self._stop()  # nobody is there to begin another, or to end this one

    def _do(self, order: dict[str, Any]) -> None:
        match order["do"]:
            case "serve":
                self._told.set()
            case "stop":
                self._stop()
            case "leave":
                self._leave()
            case "accept":
                self._running.journal.alarm(CONTROL, "ok")
            case "reject":
                self._reject(order["problems"])

    async def _answer(self, question: dict[str, Any]) -> None:
        readings = self._running.readings
        match question["ask"]:
            case "parts":
                said: Any = await readings.parts()
            case "state":
                said = await readings.state()
            case "share" | "alone":
                said = await self._company(begins=question["ask"] == "share")
            case _:
                said = readings.figures()
        self._line.answer(question, said)

    async def _company(self, *, begins: bool) -> dict[str, Any]:
        with contextlib.suppress(StoreUnavailable):  # which has its own alarm
            await (self._running.company.begins() if begins else self._running.company.ends())
        return {}

    def _reject(self, problems: list[str]) -> None:
        journal = self._running.journal
        journal.note(AuditEvent(EventType.CONFIG_REJECTED, time.time(), {"reasons": problems}))
        journal.alarm(CONTROL, "failing")

    def _stop(self) -> None:
        """Say `not ready`, finish what runs, take nothing new."""
        self._running.readings.draining.set()
        self._public.should_exit = True
        self._told.set()

    def _leave(self) -> None:
        """As `stop`; who has a connection is told with the next answer that it is the last one here."""
        self._running.readings.draining.set()
        self._leaving = asyncio.get_running_loop().create_task(self._public.leave(_IDLE), name="leaving")


def _settle() -> None:
    """What was made until here stays: the collector need not look at it again and again while everybody waits."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 50, 100)


def _die_with_parent() -> None:
    """Linux ends this process with its parent, however that ends; elsewhere the line's end does, where the loop still turns."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
