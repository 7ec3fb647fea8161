"""`lanyard serve`: the parent; or, where the parent has begun it with a line to itself, one of its workers."""

from __future__ import annotations

import argparse

import uvloop


def serve(given: argparse.Namespace) -> int:
    """Neither needs what the other imports. Raises ConfigError, BundleError."""
    if given.worker is not None:
        from .worker import work

        return work(given.worker)
    from . import captain

    return uvloop.run(captain.serve(given.config, given.workers, given.program))
