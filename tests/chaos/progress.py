"""How far a long form is, said on the way."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator

_EVERY = 15.0  # seconds

told = False  # whether anybody wants to know: the long form does
_said = 0.0


def strikes(times: int) -> Iterator[int]:
    """Each strike by its number, from 0."""
    begun = time.monotonic()
    for number in range(times):
        yield number
        tell(f"{number + 1} of {times}", begun)


def wait(seconds: float) -> None:
    """The fault lasts so long."""
    begun = time.monotonic()
    while (left := begun + seconds - time.monotonic()) > 0:
        time.sleep(min(left, 1.0))
        tell(f"{time.monotonic() - begun:.0f} of {seconds:.0f} s", begun)


def tell(how_far: str, begun: float) -> None:
    """Now and then. `begun`: when, by the monotonic clock."""
    global _said
    now = time.monotonic()
    if told and now - max(_said, begun) >= _EVERY:
        print(f"  {how_far}, after {now - begun:.0f} s", file=sys.stderr, flush=True)
        _said = now
