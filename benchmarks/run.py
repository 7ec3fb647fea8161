"""`make bench`: one run, the same upstream, CPU for each request and waiting time, as ratios within the run."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import sysconfig
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from demo.ports import free_port
from gateway.web.guard import PACKED
from tests.counterparts import provider

from . import journal, people
from .gateway import Bench, lanyard
from .measure import Figures, load
from .peers import bare_proxy, mod_auth_openidc, upstream
from .seats import SHIFTS

SECONDS = int(os.environ.get("BENCH_SECONDS", "5"))
RESULTS = Path(__file__).parent / "latest.json"
console = Console()


def main() -> int:
    found: dict[str, dict[int, Figures]] = {}
    figures: dict[str, float] = {}
    optimised = "--enable-optimizations" in (sysconfig.get_config_var("CONFIG_ARGS") or "")
    console.print(
        f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
        f"{'' if optimised else ' (built without profile-guided optimisation, as far as it says)'}, {SECONDS} s a run"
    )
    with tempfile.TemporaryDirectory(prefix="lanyard-bench-") as folder:
        place = Path(folder)
        place.chmod(0o755)
        with upstream(place) as up:
            with bare_proxy(place, up) as (port, running):
                found["nginx"] = _both(f"http://127.0.0.1:{port}/x", running.pid)
            port = free_port()
            redirect = f"http://127.0.0.1:{port}/oidc/callback"
            gateway_client = provider.client(
                "gateway", redirect, client_secret="gateway-secret-0123456789abcdef0123456789"
            )
            with (
                provider.oidc_provider([gateway_client]) as op,
                mod_auth_openidc(place, up, op.issuer, port) as (cookie, running),
            ):
                found["mod_auth_openidc"] = _both(f"http://127.0.0.1:{port}/x", running.pid, cookie=cookie)
            with lanyard(place, up) as ours:
                _warm(ours)
                found["lanyard"] = _both(ours.url, ours.process.pid, script=ours.script)
                figures |= _guarded(ours)
                hits, misses = ours.figure("lanyard_policy_memo_hits"), ours.figure("lanyard_policy_memo_misses")
                figures["policy.hit_rate"] = round(hits / (hits + misses), 4)
                config = ours.config
            figures |= people.measure(place, up)
            figures |= _journal(config)
    figures |= _compared(found)
    _print(found, figures)
    RESULTS.write_text(json.dumps(figures, indent=2) + "\n")
    return 1 if any(f.errors for f in found["lanyard"].values()) else 0


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


def _warm(ours: Bench) -> None:
    """Every shift's first request logs on at the system: that is not what is measured."""
    for _ in range(20):
        load(ours.url, ours.process.pid, connections=16, seconds=2, script=ours.script)
        if ours.figure('lanyard_upstream_log_ons_total{outcome="ok",system="pas"}') >= SHIFTS:
            return
    raise RuntimeError("not every shift could log on at the system")


def _journal(config: Path) -> dict[str, float]:
    """The run's own journal, verified; and how fast events become durable with nothing else going on."""
    began = time.monotonic()
    command = [sys.executable, "-m", "gateway.cli", "audit", "verify", "--json", "--config", str(config)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    seconds = time.monotonic() - began
    report = json.loads(done.stdout)
    if not report["whole"]:
        raise RuntimeError("the bench's own journal does not verify")
    alone = journal.measure(RESULTS.parent)
    return alone | {"journal.run_verify_per_s": round(report["events"] / seconds)}


def _compared(found: dict[str, dict[int, Figures]]) -> dict[str, float]:
    ours = found["lanyard"]
    cpu = {name: (one[16].cpu_us + one[64].cpu_us) / 2 for name, one in found.items()}
    return {
        "brokered.cpu_us": round(cpu["lanyard"], 1),
        "brokered.cpu_ratio_mod_auth_openidc": round(cpu["lanyard"] / cpu["mod_auth_openidc"], 3),
        "brokered.cpu_ratio_nginx": round(cpu["lanyard"] / cpu["nginx"], 2),
        "brokered.p99_ms_64": round(ours[64].p99_ms, 2),
    }


def _print(found: dict[str, dict[int, Figures]], figures: dict[str, float]) -> None:
    table = Table()
    table.add_column("gateway", no_wrap=True)
    for name in ("at once", "CPU µs", "p50 ms", "p99 ms", "a second", "failed"):
        table.add_column(name, justify="right", no_wrap=True)
    for name, one in found.items():
        for connections, f in one.items():
            table.add_row(
                name,
                str(connections),
                f"{f.cpu_us:.1f}",
                f"{f.p50_ms:.2f}",
                f"{f.p99_ms:.2f}",
                f"{f.per_second:,.0f}",
                str(f.errors),
            )
    console.print(table)
    console.print("CPU: of all the gateway's processes, for each request, at so many connections at once.")
    for name, value in figures.items():
        console.print(f"  {name:40} {value}")


if __name__ == "__main__":
    sys.exit(main())
