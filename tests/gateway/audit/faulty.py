"""A disk that fails as told: it loses what was not synced, refuses to sync, and has only so much room.

`kill -9` shows nothing about a power cut, since the kernel keeps the pages. This disk undoes what was written and not synced,
sector by sector, as a power cut may.
"""

from __future__ import annotations

import errno
import os
import random
from collections.abc import Callable
from pathlib import Path

from gateway.audit.disk import RealDisk

_SECTOR = 512


class FaultyDisk(RealDisk):
    def __init__(self, seed: int = 0, cut_at: int = 0) -> None:
        """`cut_at`: the write or sync, counted from 1, at which the power goes; 0: never."""
        self.sync_errors: list[int] = []  # one is taken for each coming sync; 0 lets it pass
        self.room: int | None = None  # bytes for everything in the journal's folder
        self.taken = 0  # bytes of it that others have filled
        self.synced: list[int] = []  # every descriptor that was asked to sync, in order
        self.failed: list[int] = []  # those whose sync failed
        self.before_sync: Callable[[], None] = lambda: None
        self.dead = False
        self._random = random.Random(seed)
        self._cut_at = cut_at
        self._steps = 0
        self._unsynced: list[tuple[int, int, bytes]] = []  # descriptor, offset, what stood there

    def write(self, fd: int, data: bytes, offset: int) -> None:
        self._alive()
        self._unsynced.append((fd, offset, os.pread(fd, len(data), offset)))
        super().write(fd, data, offset)
        self._step()

    def sync(self, fd: int) -> None:
        self._alive()
        self.before_sync()
        self._step()
        self.synced.append(fd)
        if self.sync_errors and (code := self.sync_errors.pop(0)):
            self.failed.append(fd)
            self._lose(fd)
            raise OSError(code, os.strerror(code))
        super().sync(fd)
        self._unsynced = [one for one in self._unsynced if one[0] != fd]

    def close(self, fd: int) -> None:
        self._unsynced = [one for one in self._unsynced if one[0] != fd]
        super().close(fd)

    def create(self, path: Path, size: int) -> int:
        self._alive()
        self._make_room(path.parent, size)
        return super().create(path, size)

    def hold(self, path: Path, size: int) -> None:
        self._alive()
        self._make_room(path.parent, size - (path.stat().st_size if path.exists() else 0))
        super().hold(path, size)

    def cut(self, path: Path, size: int) -> None:
        self._alive()
        super().cut(path, size)

    def free(self, folder: Path) -> int:
        if self.room is None:
            return super().free(folder)
        return self.room - self.taken - sum(file.stat().st_size for file in folder.iterdir())

    def _make_room(self, folder: Path, size: int) -> None:
        if size > 0 and self.room is not None and self.free(folder) < size:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def _alive(self) -> None:
        if self.dead:
            raise OSError(errno.EIO, "the power is off")

    def _step(self) -> None:
        self._steps += 1
        if self._steps == self._cut_at:
            for fd in {fd for fd, _, _ in self._unsynced}:
                self._lose(fd)
            self.dead = True
            raise OSError(errno.EIO, "the power is off")

    def _lose(self, fd: int) -> None:
        """Some of what was not synced stays, sector by sector, and some is gone."""
        for one, offset, before in reversed(self._unsynced):
            if one != fd:
                continue
            for at in range(0, len(before), _SECTOR):
                if self._random.random() < 0.7:
                    os.pwrite(fd, before[at : at + _SECTOR], offset + at)
        self._unsynced = [one for one in self._unsynced if one[0] != fd]
