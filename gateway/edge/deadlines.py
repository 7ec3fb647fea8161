"""How long a connection may keep us waiting, in seconds."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Deadlines:
    """Each counts as a whole, not from byte to byte: a byte now and then buys no time."""

    head: float = 10.0  # from the connection, or the first byte, to the end of a request's head
    idle: float = 75.0  # between requests of one connection
    body_grace: float = 10.0  # after which a body must have come at `body_rate` bytes a second, on average
    body_rate: int = 1024
    stalled: float = 60.0  # for which a browser takes nothing of its answer, or of what is left at the close
    sweep: float = 0.5  # between two looks at all connections
