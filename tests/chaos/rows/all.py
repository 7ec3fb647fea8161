"""Every row, in the order of docs/faults.md."""

from __future__ import annotations

from ..row import Row
from . import database, disk, edge, failover, processes, races, redis, storm

ROOMS = (database, disk, edge, failover, processes, races, redis, storm)
ROWS: tuple[Row, ...] = tuple(sorted((row for room in ROOMS for row in room.ROWS), key=lambda row: row.id))
