"""Every row, in the order of docs/faults.md."""

from __future__ import annotations

from ..row import Row
from . import disk, edge, processes

ROWS: tuple[Row, ...] = tuple(sorted((*disk.ROWS, *edge.ROWS, *processes.ROWS), key=lambda row: row.id))
