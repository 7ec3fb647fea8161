"""Every row, in the order of docs/faults.md."""

from __future__ import annotations

from types import ModuleType

from ..row import Row
from . import database, disk, edge, failover, kills, leaving, postgres, processes, races, redis, storm


def rows(*rooms: ModuleType) -> tuple[Row, ...]:
    """In their order."""
    return tuple(sorted((row for room in rooms for row in room.ROWS), key=lambda row: row.id))


ALONE = rows(disk, edge)  # one gateway
PROCESSES = rows(leaving, processes, races, storm)  # gateways over one PostgreSQL
STORES = rows(database, failover, redis)
KILLS = rows(kills, postgres)
ROWS = (*rows(database, disk, edge, failover, leaving, processes, races, redis, storm), *KILLS)
