"""A gateway that does not wait for its journal, so that the order of things can be seen to be wrong: `hasty.py serve …`."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

from gateway import cli
from gateway.audit.event import AuditReceipt
from gateway.audit.journal import Journal

_intent = Journal.intent
_running: set[asyncio.Task[AuditReceipt]] = set()


async def _hasty(self: Journal, access: Any, facts: Any, decision: Any, line: Any, *more: Any) -> AuditReceipt:
    """The event is written as ever; nobody waits for it."""
    writing = asyncio.get_running_loop().create_task(_intent(self, access, facts, decision, line, *more))
    _running.add(writing)
    writing.add_done_callback(_running.discard)
    return AuditReceipt(line.id, "permit", 0, access.patients)


if __name__ == "__main__":
    Journal.intent = _hasty  # type: ignore[method-assign]  # that is what this file is for
    sys.exit(cli.main())
