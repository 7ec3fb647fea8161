"""The reserve: disk that nobody but the journal can use, and what is still permitted as it goes.

A ballast file holds `audit.reserve` bytes. When the disk has no room for a new segment, the ballast gives way, a hundredth at
a time; when there is room again, it grows back. So the journal goes on while everything else on the disk already fails,
and the alarm comes long before anybody is refused.
"""

from __future__ import annotations

import errno
from enum import StrEnum
from pathlib import Path

from .disk import FULL, Disk
from .segment import SMALLEST

ALARM, BREAK_GLASS_ONLY = 0.80, 0.95
_STEPS = 100


class Room(StrEnum):
    OK = "ok"
    ALARM = "alarm"  # 80 % of the reserve is used
    BREAK_GLASS_ONLY = "break-glass-only"  # 95 %
    USED = "used"  # 100 %: nothing more


class Reserve:
    def __init__(self, folder: Path, size: int, segment: int, disk: Disk) -> None:
        """Holds the whole reserve, or as much of it as there was. Sizes in bytes."""
        self._folder = folder
        self._ballast = folder / "reserve"
        self._size = size
        self._segment = segment
        self._disk = disk
        self._left = self._ballast.stat().st_size if self._ballast.exists() else 0
        self._fill()

    @property
    def used(self) -> float:
        """0 to 1."""
        return max(0.0, 1 - self._left / self._size)

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
            if error.errno not in FULL:
                raise
            return self._from_reserve(path)
        self.refill()
        return made

    def refill(self) -> None:
        """Take back what was given away, when the disk has it and a segment more. Raises OSError."""
        missing = self._size - self._left
        if missing > 0 and self._disk.free(self._folder) >= missing + self._segment:
            self._fill()

    def _from_reserve(self, path: Path) -> tuple[int, int]:
        step = max(self._size // _STEPS, SMALLEST)
        while self._left > 0:
            self._left = max(self._left - step, 0)
            self._disk.hold(self._ballast, self._left)
            try:
                return self._disk.create(path, step), step
            except OSError as error:
                if error.errno not in FULL:
                    raise
        raise OSError(errno.ENOSPC, "the journal's reserve is used up")

    def _fill(self) -> None:
        try:
            self._disk.hold(self._ballast, self._size)
        except OSError as error:
            if error.errno not in FULL:
                raise
        else:
            self._left = self._size
