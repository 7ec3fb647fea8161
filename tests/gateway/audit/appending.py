"""A process that appends under load and says what was acknowledged: killed, traced and restarted by tests.

Prints `<sequence> <request>` in one write for each acknowledged event. With `--early` it is a known-bad build that acknowledges
before it writes, so that the tests can be seen to find that.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from pathlib import Path

from gateway.audit import writer
from gateway.audit.journal import Journal

from .accesses import KEY, NOBODY, PERMIT, SMALL, line, read_of

_TASKS = 32


class _Early(writer.Writer):
    """Acknowledges, waits as a slow disk would, and only then writes."""

    def _append(self, group: list[writer.Queued]) -> list[writer.Queued]:
        self._acknowledge(group, self._tail.sequence)
        time.sleep(0.02)
        return super()._append([writer.Queued(e.at, e.type, e.fields) for e in group])


async def _append(journal: Journal, task: int, most: int) -> None:
    for number in range(most):
        request = f"{os.getpid()}-{task}-{number}"
        receipt = await journal.intent(read_of("9990000018"), NOBODY, PERMIT, line(request), b"{}")
        os.write(1, f"{receipt.sequence} {request}\n".encode())
        if number % 2:
            journal.completed(receipt, 200, 4096, "complete")


async def main(data_dir: Path, each: int) -> None:
    journal = Journal.open(data_dir, KEY, now=time.time, **SMALL)
    async with asyncio.TaskGroup() as group:
        for task in range(_TASKS):
            group.create_task(_append(journal, task, each))
    await journal.close()


if __name__ == "__main__":
    if "--early" in sys.argv:
        from gateway.audit import journal as module

        module.Writer = _Early  # type: ignore[misc]  # the known-bad build
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
