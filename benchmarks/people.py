"""What clinicians wait for: signing on, unlocking by PIN, and one desk that goes from hand to hand; each over HTTP, to the page.

    python -m benchmarks.people UPSTREAM_PORT

The provider is a stub whose CPU is not counted, and whose time is taken out of what is waited.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from .desk import Desk, Got
from .gateway import Bench, Place, lanyard
from .measure import cpu_seconds
from .provider import spent, stub_provider

SECONDS = int(os.environ.get("BENCH_SECONDS", "5"))
AT_ONCE = 16  # sign-ons
PIN = "284917"
CERTIFICATE = {
    "x-ssl-client-verify": "SUCCESS",
    "x-ssl-client-i-dn": "CN=Device CA,O=Bench",
    "x-ssl-client-s-dn": "CN=ward-pc,O=Bench",
    "x-forwarded-for": "127.0.0.2",
}
PAGE = "/part1/patient/100001?view=summary"
SUBJECTS = ("user0", "user1")  # the first two of those who have a log-on at the system


def measure(folder: Path, to: int) -> dict[str, float]:
    """The figures, by name. `to`: the upstream's port."""
    with stub_provider() as issuer, lanyard(folder, to, Place(issuer, "people", shifts=0)) as ours:
        _enrol(ours.config)
        figures = asyncio.run(_measured(ours, issuer))
    return {name: round(value, 2) for name, value in figures.items()}


async def _measured(ours: Bench, issuer: str) -> dict[str, float]:
    def desk() -> Desk:
        return Desk(ours.port, ours.public_url, issuer, CERTIFICATE)

    page = f"{ours.public_url.replace('://', '://pas.')}{PAGE}"
    figures = await _sign_ons(desk, ours.process.pid)
    figures["unlock.p95_ms"] = _p95(await _unlocks(desk(), page))
    figures["switch.p95_ms"] = _p95(await _switches(desk(), page, issuer))
    return figures


async def _sign_ons(desk: Callable[[], Desk], pid: int) -> dict[str, float]:
    """Clinicians after another in browsers of their own, several at once: code flow, session, cookie."""
    await _signed_on(desk, [f"early{n}" for n in range(AT_ONCE)])
    clinicians = [f"nurse{n}" for n in range(SECONDS * 60)]
    cpu, begun = cpu_seconds(pid), time.perf_counter()
    await _signed_on(desk, clinicians)
    seconds, used = time.perf_counter() - begun, cpu_seconds(pid) - cpu
    return {"signon.cpu_ms": used / len(clinicians) * 1e3, "signon.per_s": len(clinicians) / seconds}


async def _signed_on(desk: Callable[[], Desk], clinicians: list[str]) -> None:
    waiting = iter(clinicians)

    async def one_after_another() -> None:
        for subject in waiting:
            browser = desk()
            if (got := await browser.sign_on(subject)).location != "/":
                raise RuntimeError(f"a sign-on answered {got.status}")
            await browser.close()

    async with asyncio.TaskGroup() as group:
        for _ in range(AT_ONCE):
            group.create_task(one_after_another())


async def _unlocks(desk: Desk, page: str) -> list[float]:
    """Seconds from the PIN to the system's page."""
    await desk.follow(await desk.sign_on(SUBJECTS[0]))
    await desk.follow(await desk.ask("GET", page))
    await desk.ask("POST", "/shift/pin", {"pin": PIN, "again": PIN})
    waited = []
    for _ in range(SECONDS * 12):
        form = {"pin": PIN, "next": await _locked(desk, page)}
        begun = time.perf_counter()
        got = await desk.follow(await desk.ask("POST", "/unlock", form))
        waited.append(time.perf_counter() - begun)
        _is(got, page)
    await desk.close()
    return waited


async def _switches(desk: Desk, page: str, issuer: str) -> list[float]:
    """Seconds from “Sign on as yourself” at a locked desk to the page of the one who comes back, less what the provider took."""
    for subject in SUBJECTS:
        await desk.follow(await desk.sign_on(subject))
        await desk.follow(await desk.ask("GET", page))
        await desk.follow(await desk.ask("POST", "/switch", {"next": await _locked(desk, page)}))
    _is(await desk.follow(await desk.sign_on(SUBJECTS[1])), page)
    waited = []
    for turn in range(SECONDS * 12):
        form = {"next": await _locked(desk, page)}
        before, begun = spent(issuer), time.perf_counter()
        await desk.follow(await desk.ask("POST", "/switch", form))
        got = await desk.follow(await desk.sign_on(SUBJECTS[turn % 2]))
        waited.append(time.perf_counter() - begun - (spent(issuer) - before))
        _is(got, page)
    await desk.close()
    return waited


async def _locked(desk: Desk, page: str) -> str:
    """Lock the desk, ask for the page all the same, and stand before the unlock page: the way back that it knows."""
    await desk.ask("POST", "/lock")
    entrance = await desk.ask("GET", page)  # leads to the main host, by a ticket
    return (await desk.ask("GET", entrance.location)).location.removeprefix("/unlock?next=")


def _is(got: Got, page: str) -> None:
    if got.url != page:
        raise RuntimeError(f"the way back led to `{got.url}`")


def _p95(seconds: list[float]) -> float:
    """In milliseconds: as long as or longer than 95 of 100 waits."""
    return sorted(seconds)[max(0, -(-len(seconds) * 95 // 100) - 1)] * 1e3


def _enrol(config: Path) -> None:
    """The ward PC, by its certificate: a PIN is for enrolled devices."""
    command = [
        sys.executable, "-m", "gateway.cli", "device", "enrol", "--name", "Ward PC", "--ownership", "shared", "--managed",
        "--certificate-issuer", CERTIFICATE["x-ssl-client-i-dn"], "--certificate-subject", CERTIFICATE["x-ssl-client-s-dn"],
        "--config", str(config),
    ]  # fmt: skip
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="lanyard-bench-") as made:
        print(json.dumps(measure(Path(made), int(sys.argv[1])), indent=2))
