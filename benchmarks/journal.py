"""The journal on this machine's disk: events a second, CPU for each, how long one waits, and how fast verify reads.

    python -m benchmarks.journal [DIR]       DIR: where to write (default: the working directory, since /tmp may be memory)

CPU is the process's own, user and system, loop and writer thread together; nothing but the journal runs in it.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import uvloop

from gateway.audit.copying import catch_up, open_copy
from gateway.audit.event import RequestLine
from gateway.audit.journal import Journal
from gateway.audit.verify import verify
from policies.decision import Permit
from policies.model import AccessRequest, Action, Context, Device, Disclosure, Facts, PatientRef, Principal, Resource

KEY = b"a key for figures, of more than 32 bytes"
EVENTS = 200_000
AGENT = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36"
)
NURSE = Principal("https://id.example", "n-1", "Nia Nurse", "R8001", frozenset({"nurse"}), "RBA", 2)
PERMIT = Permit(("nurses-read",), "5c1f9a" * 8, "a" * 64)
QUESTION = b'{"action":"read"}'


def access(number: int) -> AccessRequest:
    patients = frozenset({PatientRef("nhs-number", f"999{number % 5000:07d}")})
    resource = Resource("epr", "observation", "observation-search", patients, Disclosure.OPENED)
    return AccessRequest(NURSE, Action.READ, resource, Context(Device()))


async def one(journal: Journal, asked: AccessRequest, number: int) -> None:
    """One request: its intent, durable, and its end in a later group."""
    line = RequestLine(
        f"{number:032x}", "s" * 32, "t" * 32, "GET", b"/Observation?patient=1", "10.0.0.1", AGENT, "Ward 7 PC 3", "ward"
    )
    receipt = await journal.intent(asked, Facts(), PERMIT, line, QUESTION)
    journal.completed(receipt, 200, 4096, "complete")


async def saturated(journal: Journal, tasks: int = 64) -> tuple[float, float]:
    """Events a second and µs of CPU an event, with as many requests at once as there are connections."""
    asked = [access(n) for n in range(5000)]

    async def ask(task: int) -> None:
        for number in range(EVENTS // 2 // tasks):
            await one(journal, asked[(task * 7 + number) % 5000], task << 32 | number)

    events = EVENTS // 2 // tasks * tasks * 2
    seconds, cpu = await timed(lambda: asyncio.gather(*(ask(task) for task in range(tasks))))
    return events / seconds, cpu / events * 1e6


async def paced(journal: Journal, per_second: int, seconds: float = 5.0) -> tuple[float, float]:
    """p50 and p99, in ms, of the wait for an intent at a steady rate."""
    waited: list[float] = []

    async def ask(number: int) -> None:
        begun = time.perf_counter()
        await one(journal, access(number), number)
        waited.append((time.perf_counter() - begun) * 1e3)

    begun, number = time.perf_counter(), 0
    async with asyncio.TaskGroup() as group:
        while (passed := time.perf_counter() - begun) < seconds:
            while number < passed * per_second:
                group.create_task(ask(number))
                number += 1
            await asyncio.sleep(0.001)  # the least that the loop can wait without spinning
    waited.sort()
    return waited[len(waited) // 2], waited[len(waited) * 99 // 100]


async def timed(work: Callable[[], Awaitable[object]]) -> tuple[float, float]:
    begun, cpu = time.perf_counter(), time.process_time()
    await work()
    return time.perf_counter() - begun, time.process_time() - cpu


async def written(data_dir: Path) -> dict[str, float]:
    journal = Journal.open(data_dir, KEY, now=time.time)
    p50, p99 = await paced(journal, 1000)
    per_second, cpu = await saturated(journal)
    await journal.close()
    return {
        "journal.events_per_s": per_second,
        "journal.cpu_us": cpu,
        "journal.p50_ms_1000": p50,
        "journal.p99_ms_1000": p99,
    }


def measure(folder: Path) -> dict[str, float]:
    """The figures, by name."""
    with tempfile.TemporaryDirectory(dir=folder, prefix="lanyard-bench-") as made:
        data_dir = Path(made)
        figures = uvloop.run(written(data_dir))
        begun = time.perf_counter()
        report = verify(data_dir, KEY)
        assert report.whole
        figures["journal.verify_per_s"] = report.events / (time.perf_counter() - begun)
        copy, begun, cpu = open_copy(data_dir), time.perf_counter(), time.process_time()
        copied = catch_up(data_dir, copy)
        copy.close()
        figures["journal.copy_per_s"] = copied / (time.perf_counter() - begun)
        figures["journal.copy_cpu_us"] = (time.process_time() - cpu) / copied * 1e6
        return {name: round(value, 2) for name, value in figures.items()}


if __name__ == "__main__":
    print(json.dumps(measure(Path(sys.argv[1] if len(sys.argv) > 1 else ".")), indent=2))
