"""One measurement: wrk for the load, /proc for the CPU of the gateway's processes for each request."""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

_TICK = os.sysconf("SC_CLK_TCK")
_TO_MS = {"us": 0.001, "ms": 1.0, "s": 1000.0}


@dataclass(frozen=True)
class Figures:
    requests: int
    errors: int
    cpu_us: float
    p50_ms: float
    p99_ms: float
    per_second: float


def cpu_seconds(pid: int) -> float:
    """User and system time of a process and all below it (proc(5), fields 14 and 15)."""
    total, todo = 0.0, [pid]
    while todo:
        one = todo.pop()
        try:
            fields = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
            children = Path(f"/proc/{one}/task/{one}/children").read_text().split()
        except OSError:
            continue
        total += (int(fields[11]) + int(fields[12])) / _TICK
        todo += [int(child) for child in children]
    return total


def load(
    url: str, pid: int, *, connections: int, seconds: int, script: Path | None = None, cookie: str = ""
) -> Figures:
    """Load `url` with wrk, one thread; the processes of `pid` are measured over the same time."""
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}", "--latency", url]
    command[1:1] = ["-s", str(script)] if script else []
    command[1:1] = ["-H", f"Cookie: {cookie}"] if cookie else []
    before = cpu_seconds(pid)
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    used = cpu_seconds(pid) - before
    return _read(said, used)


def _read(said: str, used: float) -> Figures:
    requests = int(_one(r"(\d+) requests in", said))
    refused = re.search(r"Non-2xx or 3xx responses: (\d+)", said)
    socket = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", said)
    errors = (int(refused[1]) if refused else 0) + (sum(map(int, socket.groups())) if socket else 0)
    return Figures(
        requests=requests,
        errors=errors,
        cpu_us=used / requests * 1e6 if requests else float("nan"),
        p50_ms=_percentile(50, said),
        p99_ms=_percentile(99, said),
        per_second=float(_one(r"Requests/sec:\s+([\d.]+)", said)),
    )


def _percentile(which: int, said: str) -> float:
    found = re.search(rf"^\s+{which}%\s+([\d.]+)(us|ms|s)\s*$", said, re.MULTILINE)
    return float(found[1]) * _TO_MS[found[2]] if found else float("nan")


def _one(pattern: str, text: str) -> str:
    found = re.search(pattern, text)
    if found is None:
        raise RuntimeError(f"wrk did not say `{pattern}`: {text}")
    return found[1]
