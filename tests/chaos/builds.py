"""The gateway with a fault inside, or with a control taken out: `builds.py NAME CONTROL-FILE serve --config …`.

A fault inside is one that cannot be done from outside: a disk that fails, code that raises. It strikes while CONTROL-FILE is there.
A build with a control taken out is known to be bad: the row that it is run against must turn red.
"""

from __future__ import annotations

import asyncio
import errno
import os
import random
import resource
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import uvloop

from gateway import cli
from gateway.audit import disk, journal, writer
from gateway.audit.tail import Tail
from gateway.edge import descriptors
from gateway.leases import Leases
from gateway.pipeline import Pipeline
from gateway.stores.base import Cookie
from gateway.stores.replicated import ReplicatedStore
from tests.gateway.audit.faulty import FaultyDisk


class _Power(FaultyDisk):
    """Loses what was not synced, and the machine with it."""

    def _step(self) -> None:
        try:
            super()._step()
        except OSError:
            os.killpg(0, signal.SIGKILL)


def power_cut(control: Path) -> None:
    """The power goes at a write or sync by chance, some time after the start; whether it has, the control file says."""
    seed = int(control.read_text())
    journal.RealDisk = lambda: _Power(seed, cut_at=random.Random(seed).randrange(60, 260))  # type: ignore[assignment,misc]  # the fault


class _Failing(FaultyDisk):
    """Fails one sync for each time that the control file is written; a second sync of what failed is told beside it."""

    control = Path()
    given_up: ClassVar[set[int]] = set()  # inodes, since a descriptor is used again

    def sync(self, fd: int) -> None:
        if os.fstat(fd).st_ino in self.given_up:
            again(self.control).touch()
        if self.control.exists():
            self.control.unlink()
            self.given_up.add(os.fstat(fd).st_ino)
            self.sync_errors = [errno.EIO]
        super().sync(fd)


def again(control: Path) -> Path:
    """There when a segment was synced again whose sync had failed."""
    return control.with_suffix(".again")


def failed_sync(control: Path) -> None:
    """One `fdatasync` fails."""
    _Failing.control = control
    journal.RealDisk = _Failing  # type: ignore[misc]  # the fault


def raises(control: Path) -> None:
    """Every request that comes to its decision raises, as a mistake of ours would."""
    carry: Callable[..., Any] = Pipeline.broker

    async def broken(self: Pipeline, *given: Any, **named: Any) -> Any:
        if control.exists():
            raise RuntimeError("a mistake of ours")
        return await carry(self, *given, **named)

    Pipeline.broker = broken  # type: ignore[method-assign]  # the fault


def blocks(control: Path) -> None:
    """A connector computes for two seconds in the event loop, once for each time that the control file is written."""
    carry: Callable[..., Any] = Pipeline.broker

    async def broken(self: Pipeline, *given: Any, **named: Any) -> Any:
        if control.exists():
            control.unlink()
            time.sleep(2)
        return await carry(self, *given, **named)

    Pipeline.broker = broken  # type: ignore[method-assign]  # the fault


class _Early(writer.Writer):
    def _append(self, group: list[writer.Queued]) -> list[writer.Queued]:
        self._acknowledge(group, self._tail.sequence)
        time.sleep(0.05)
        return super()._append([writer.Queued(e.at, e.type, e.fields) for e in group])


def early(control: Path) -> None:
    """Known to be bad: an event is acknowledged before it is written."""
    journal.Writer = _Early  # type: ignore[misc]  # the control that is missing


def unsynced(control: Path) -> None:
    """Known to be bad: an event is acknowledged when it is written, and never synced; the power goes."""

    def hasty(tail: Tail, data: bytes, own: bytes, sequence: int) -> None:
        tail._disk.write(tail._fd, data, tail._offset)
        tail._offset += len(data)
        tail._mac, tail.sequence = own, sequence

    Tail._flush = hasty  # type: ignore[method-assign]  # the control that is missing
    power_cut(control)


def deaf(control: Path) -> None:
    """Known to be bad: what the journal refuses is let through all the same."""
    intent = journal.Journal.intent

    async def forgiving(self: journal.Journal, access: Any, *given: Any) -> Any:
        try:
            return await intent(self, access, *given)
        except Exception:
            return journal.AuditReceipt(given[2].id, "permit", 0, access.patients)

    journal.Journal.intent = forgiving  # type: ignore[method-assign]  # the control that is missing


def few_descriptors(control: Path) -> None:
    """A small machine's limit."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))


def open_handed(control: Path) -> None:
    """Known to be bad: what goes wrong on the way to a decision counts as a yes."""
    raises(control)
    broken = Pipeline.broker

    async def forgiving(self: Pipeline, system: Any, inbound: Any, *given: Any) -> Any:
        try:
            return await broken(self, system, inbound, *given)
        except RuntimeError:
            strike = control.read_bytes()
            control.unlink()
            try:
                return await broken(self, system, inbound, *given)
            finally:
                control.write_bytes(strike)

    Pipeline.broker = forgiving  # type: ignore[method-assign]  # the control that is missing


def abrupt(control: Path) -> None:
    """Known to be bad: told to end, it ends, whatever is on its way."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    asyncio.BaseEventLoop.add_signal_handler = lambda *_: None  # type: ignore[method-assign]  # the control that is missing
    uvloop.Loop.add_signal_handler = lambda *_: None


def greedy(control: Path) -> None:
    """Known to be bad: connections take every descriptor, and the journal has none of its own."""
    few_descriptors(control)
    descriptors.most_connections = lambda: 1 << 30
    disk._SPARE = 0


def forgetful(control: Path) -> None:
    """Known to be bad: what Redis has lost is not looked for in the lasting copy."""
    ReplicatedStore.by_token = _by_token  # type: ignore[method-assign]  # the control that is missing
    ReplicatedStore._make_sure = _believes  # type: ignore[method-assign]  # as above


async def _by_token(self: ReplicatedStore, hashed: str) -> Any:
    found = await self._fast.cookie(hashed)
    return found if isinstance(found, Cookie) else None


async def _believes(self: ReplicatedStore) -> None:
    self._known = self._fast.history


def rivals(control: Path) -> None:
    """Known to be bad: each gateway does alone what one should do for both."""
    made: Callable[..., None] = Leases.__init__

    def alone(self: Leases, store: Any, *, shared: bool, **given: Any) -> None:
        made(self, store, shared=False, **given)

    Leases.__init__ = alone  # type: ignore[method-assign]  # the control that is missing


def nothing(control: Path) -> None:
    """The gateway as it is."""


BUILDS = {
    one.__name__.replace("_", "-"): one
    for one in (
        power_cut,
        failed_sync,
        raises,
        blocks,
        few_descriptors,
        early,
        unsynced,
        deaf,
        greedy,
        open_handed,
        abrupt,
        forgetful,
        rivals,
        nothing,
    )
}

if __name__ == "__main__":
    BUILDS[sys.argv[1]](Path(sys.argv[2]))
    del sys.argv[1:3]
    sys.exit(cli.main())
