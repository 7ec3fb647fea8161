"""How many connections at once: few enough that the journal, the stores and the systems behind always find a free descriptor."""

from __future__ import annotations

import contextlib
import resource

_OURS = 64  # listeners, journal, stores, logs, the provider
_ENOUGH = 65_536
_FEWEST = 16


def take_all() -> None:
    """As many descriptors as this process may have; many systems give a thousand until somebody asks."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _ENOUGH if hard == resource.RLIM_INFINITY else min(hard, _ENOUGH)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(OSError, ValueError):  # some systems allow less than they say
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def most_connections() -> int:
    """Each may need another one to its system."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    limit = _ENOUGH if soft == resource.RLIM_INFINITY else soft
    return max((limit - _OURS) // 2, _FEWEST)
