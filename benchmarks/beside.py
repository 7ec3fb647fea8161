"""Brokered requests beside a bare nginx and Apache with mod_auth_openidc: the same upstream, CPU for each request, waiting time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from demo.ports import free_port
from gateway.web.guard import PACKED
from tests.counterparts import provider

from .gateway import Bench, lanyard
from .measure import Figures, load
from .peers import bare_proxy, mod_auth_openidc
from .seats import SHIFTS

SECONDS = int(os.environ.get("BENCH_SECONDS", "5"))
Found = dict[str, dict[int, Figures]]


def measure(folder: Path, to: int) -> dict[str, float]:
    """The figures, by name. `to`: the upstream's port. Raises RuntimeError where a request to Lanyard failed."""
    found = _peers(folder, to)
    with lanyard(folder, to) as ours:
        warm(ours)
        found["lanyard"] = _both(ours.url, ours.process.pid, script=ours.script)
        figures = _guarded(ours)
        hits, misses = ours.figure("lanyard_policy_memo_hits"), ours.figure("lanyard_policy_memo_misses")
        figures["policy.hit_rate"] = round(hits / (hits + misses), 4)
    figures |= _compared(found) | _verified(ours.config)
    _print(found)
    if failed := sum(f.errors for f in found["lanyard"].values()):
        raise RuntimeError(f"{failed} requests failed")
    return figures


def _peers(folder: Path, to: int) -> Found:
    found: Found = {}
    with bare_proxy(folder, to) as (port, running):
        found["nginx"] = _both(f"http://127.0.0.1:{port}/x", running.pid)
    port = free_port()
    redirect = f"http://127.0.0.1:{port}/oidc/callback"
    gateway_client = provider.client("gateway", redirect, client_secret="gateway-secret-0123456789abcdef0123456789")
    with (
        provider.oidc_provider([gateway_client]) as op,
        mod_auth_openidc(folder, to, op.issuer, port) as (cookie, running),
    ):
        found["mod_auth_openidc"] = _both(f"http://127.0.0.1:{port}/x", running.pid, cookie=cookie)
    return found


def _both(url: str, pid: int, **how: object) -> dict[int, Figures]:
    return {connections: load(url, pid, connections=connections, seconds=SECONDS, **how) for connections in (16, 64)}  # type: ignore[arg-type]  # script and cookie


def _guarded(ours: Bench) -> dict[str, float]:
    """A page of 128 KiB as it streams, with the guard script in it and without."""
    cpu = {}
    for name, script in (("html", ours.pages), ("data", ours.data)):
        found = load(ours.url, ours.process.pid, connections=16, seconds=SECONDS, script=script)
        if found.errors:
            raise RuntimeError(f"{found.errors} long pages failed")
        cpu[f"brokered.{name}_cpu_us"] = round(found.cpu_us, 1)
    return {"guard.bytes": len(PACKED), **cpu}


def warm(ours: Bench, shifts: int = SHIFTS) -> None:
    """Every shift's first request logs on at the system: that is not what is measured."""
    for _ in range(20):
        load(ours.url, ours.process.pid, connections=16, seconds=2, script=ours.script)
        if ours.figure('lanyard_upstream_log_ons_total{outcome="ok",system="pas"}') >= shifts:
            return
    raise RuntimeError("not every shift could log on at the system")


def _verified(config: Path) -> dict[str, float]:
    """The run's own journal."""
    began = time.monotonic()
    command = [sys.executable, "-m", "gateway.cli", "audit", "verify", "--json", "--config", str(config)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    seconds = time.monotonic() - began
    report = json.loads(done.stdout)
    if not report["whole"]:
        raise RuntimeError("the bench's own journal does not verify")
    return {"journal.run_verify_per_s": round(report["events"] / seconds)}


def _compared(found: Found) -> dict[str, float]:
    ours = found["lanyard"]
    cpu = {name: (one[16].cpu_us + one[64].cpu_us) / 2 for name, one in found.items()}
    return {
        "brokered.cpu_us": round(cpu["lanyard"], 1),
        "brokered.cpu_ratio_mod_auth_openidc": round(cpu["lanyard"] / cpu["mod_auth_openidc"], 3),
        "brokered.cpu_ratio_nginx": round(cpu["lanyard"] / cpu["nginx"], 2),
        "brokered.p99_ms_64": round(ours[64].p99_ms, 2),
    }


def _print(found: Found) -> None:
    table = Table()
    table.add_column("gateway", no_wrap=True)
    for name in ("at once", "CPU µs", "p50 ms", "p99 ms", "a second", "failed"):
        table.add_column(name, justify="right", no_wrap=True)
    for name, one in found.items():
        for connections, f in one.items():
            said = (f"{f.cpu_us:.1f}", f"{f.p50_ms:.2f}", f"{f.p99_ms:.2f}", f"{f.per_second:,.0f}", str(f.errors))
            table.add_row(name, str(connections), *said)
    console = Console()
    console.print(table)
    console.print("CPU: of all the gateway's processes, for each request, at so many connections at once.")
