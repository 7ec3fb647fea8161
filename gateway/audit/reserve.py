"""The reserve: disk that nobody but the journal can use, and what is still permitted as it goes.

A ballast file holds `audit.reserve` bytes. When the disk has no room for a new segment, the ballast gives way, a hundredth at
a time; when there is room again, it grows back. So the journal goes on while everything else on the disk already fails,
and the alarm comes long before anybody is refused.
"""

from __future__ import annotations

import errno
from enum import StrEnum
from pathlib import Path

from .disk import Disk

ALARM, BREAK_GLASS_ONLY = 0.80, 0.95
_STEPS = 100
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class Room(StrEnum):
    OK = "ok"
    ALARM = "alarm"  # 80 % of the reserve is used
    BREAK_GLASS_ONLY = "break-glass-only"  # 95 %
    USED = "used"  # 100 %: nothing more


class Reserve:
    def __init__(self, folder: Path, size: int, segment: int, disk: Disk) -> None:
        """Holds the whole reserve, or as much of it as there is. Sizes in bytes."""
        self._ballast = folder / "reserve"
        self._size = size
        self._segment = segment
        self._disk = disk
        self._left = self._grow(0)

    @property
    def used(self) -> float:
        """0 to 1."""
        return 1 - self._left / self._size

    @property
    def room(self) -> Room:
        if self._left <= 0:
            return Room.USED
        if self.used >= BREAK_GLASS_ONLY:
            return Room.BREAK_GLASS_ONLY
        return Room.ALARM if self.used >= ALARM else Room.OK

    def create(self, path: Path) -> tuple[int, int]:
        """A new segment's descriptor and size, from the disk or else from the reserve. Raises OSError."""
        try:
            made = self._disk.create(path, self._segment), self._segment
        except OSError as error:
            if error.errno not in _FULL:
                raise
            return self._from_reserve(path)
        if self._left < self._size:
            self._left = self._grow(self._left)
        return made

    def _from_reserve(self, path: Path) -> tuple[int, int]:
        step = max(self._size // _STEPS, 1)
        while self._left > 0:
            self._left = max(self._left - step, 0)
            self._disk.hold(self._ballast, self._left)
            try:
                return self._disk.create(path, step), step
            except OSError as error:
                if error.errno not in _FULL:
                    raise
        raise OSError(errno.ENOSPC, "the journal's reserve is used up")

    def _grow(self, held: int) -> int:
        """As much of the reserve as the disk gives."""
        try:
            self._disk.hold(self._ballast, self._size)
        except OSError as error:
            if error.errno not in _FULL:
                raise
            if held == 0 and self._ballast.exists():
                return self._ballast.stat().st_size
            return held
        return self._size
