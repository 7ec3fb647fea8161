"""How far a long form is, said on the way."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator

_EVERY = 15.0  # seconds

told = False  # whether anybody wants to know: the long form does


def strikes(times: int) -> Iterator[int]:
    """Each strike by its number, from 0."""
    begun = said = time.monotonic()
    for number in range(times):
        yield number
        said = _say(f"{number + 1} of {times}", begun, said)


def wait(seconds: float) -> None:
    """The fault lasts so long."""
    begun = said = time.monotonic()
    while (left := begun + seconds - time.monotonic()) > 0:
        time.sleep(min(left, 1.0))
        said = _say(f"{time.monotonic() - begun:.0f} of {seconds:.0f} s", begun, said)


def _say(how_far: str, begun: float, said: float) -> float:
    now = time.monotonic()
    if not told or now - said < _EVERY:
        return said
    print(f"  {how_far}, after {now - begun:.0f} s", file=sys.stderr, flush=True)
    return now
