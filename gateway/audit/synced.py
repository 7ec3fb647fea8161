"""How far a writer's segments are durable, told in a few bytes beside them: for whoever reads while it writes.

    synced = epoch (4, big-endian) · segment (4) · offset in it (8) · the sequence that follows (8) · CRC-32 (4)

It is told after a sync and before anybody hears that an event is kept, so it names every acknowledged event. What lies behind it may be cut
again. It is not synced itself: after a power cut it may name an earlier place, and recovery a later one.
"""

from __future__ import annotations

import contextlib
import os
import struct
import zlib
from pathlib import Path
from typing import NamedTuple

NAME = "synced"
_PLACE, _CRC = struct.Struct(">IIQQ"), struct.Struct(">I")
_TRIES = 5  # a reader may come in the middle of a write


class Synced(NamedTuple):
    epoch: int
    segment: int
    offset: int
    sequence: int  # the next one


class Mark:
    """The writer's end of it. A disk that cannot take it stops nobody: who reads waits, and says so."""

    def __init__(self, folder: Path) -> None:
        self._fd = -1
        with contextlib.suppress(OSError):
            self._fd = os.open(folder / NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def tell(self, place: Synced) -> None:
        told = _PLACE.pack(*place)
        with contextlib.suppress(OSError):
            os.pwrite(self._fd, told + _CRC.pack(zlib.crc32(told)), 0)

    def close(self) -> None:
        fd, self._fd = self._fd, -1
        with contextlib.suppress(OSError):
            os.close(fd)


def synced(folder: Path) -> Synced | None:
    """What the folder's writer has told last; None where none ever did, or where it cannot be read."""
    for _ in range(_TRIES):
        try:
            told = (folder / NAME).read_bytes()
        except OSError:
            return None
        if len(told) == _PLACE.size + _CRC.size and _CRC.pack(zlib.crc32(told[: _PLACE.size])) == told[_PLACE.size :]:
            return Synced(*_PLACE.unpack_from(told))
    return None
