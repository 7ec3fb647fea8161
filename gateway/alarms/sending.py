"""The threads that send: one looks what is to be told, one for each channel sends it. No request ever waits for them."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from .. import logs
from .standing import Report, Standing
from .telling import Notice, Telling

DELIVERY = "alarm-delivery"
_LOOK_EVERY, _FIRST_AGAIN, _LAST_AGAIN = 1.0, 5.0, 300.0
_AT_THE_END = 3.0  # seconds for what is on its way when the gateway stops


class Send(Protocol):
    @property
    def name(self) -> str: ...

    def __call__(self, notice: Notice) -> None:
        """Raises OSError where it was not taken."""


class Channel:
    """One way to people. What could not be sent waits, newest for each control, and is tried again ever more slowly."""

    def __init__(self, send: Send, said: Callable[[str, bool], None]) -> None:
        """`said(name, failing)` hears of each change."""
        self._send = send
        self._said = said
        self._waiting: dict[str, Notice] = {}
        self._changed = threading.Condition()
        self._closing = False
        self._again = 0.0
        self._failing = False
        self._thread = threading.Thread(target=self._run, name=f"alarms-{send.name}", daemon=True)
        self._thread.start()

    def put(self, notice: Notice) -> None:
        with self._changed:
            self._waiting[notice.control] = notice
            self._changed.notify()

    def close(self) -> None:
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join(_AT_THE_END)

    def _run(self) -> None:
        while True:
            with self._changed:
                # After a failure every notice waits, a new one too: else each would hang on the same dead server.
                self._changed.wait_for(lambda: self._closing, self._again) if self._again else None
                self._changed.wait_for(lambda: self._waiting or self._closing)
                if not self._waiting or (self._closing and self._failing):
                    return
                notice = next(iter(self._waiting.values()))
            self._try(notice)

    def _try(self, notice: Notice) -> None:
        try:
            self._send(notice)
        except Exception as error:
            logs.log().error("an alarm could not be sent", by=self._send.name, control=notice.control, error=error)
            self._again = min(max(self._again * 2, _FIRST_AGAIN), _LAST_AGAIN)
            self._is(failing=True)
            return
        self._again = 0.0
        with self._changed:
            if self._waiting.get(notice.control) is notice:
                del self._waiting[notice.control]
        self._is(failing=False)

    def _is(self, *, failing: bool) -> None:
        if failing is not self._failing:
            self._failing = failing
            self._said(self._send.name, failing)


@contextlib.contextmanager
def sending(
    ways: Sequence[Send], telling: Telling, reports: Callable[[], list[Report]], own: Standing
) -> Iterator[None]:
    """Look and send until the block ends. `reports`: of every process; `own` hears how sending itself goes."""
    if not ways:
        yield
        return
    failing: set[str] = set()

    def said(name: str, is_failing: bool) -> None:
        (failing.add if is_failing else failing.discard)(name)
        own.say(DELIVERY, f"{min(failing)}-failing" if failing else "ok")

    ended = threading.Event()
    channels = [Channel(way, said) for way in ways]

    def look() -> None:
        while not ended.wait(_LOOK_EVERY):
            try:
                for notice in telling.look(reports(), time.time()):
                    for channel in channels:
                        channel.put(notice)
            except Exception as error:
                logs.log().error("alarms could not be looked at", error=error)

    looking = threading.Thread(target=look, name="alarms-look", daemon=True)
    looking.start()
    try:
        yield
    finally:
        ended.set()
        looking.join(_AT_THE_END)
        for channel in channels:
            channel.close()
