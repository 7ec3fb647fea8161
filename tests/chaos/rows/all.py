"""Every row, in the order of docs/faults.md."""

from __future__ import annotations

from ..row import Row
from . import disk, edge, processes, redis

ROOMS = (disk, edge, processes, redis)
ROWS: tuple[Row, ...] = tuple(sorted((row for room in ROOMS for row in room.ROWS), key=lambda row: row.id))
