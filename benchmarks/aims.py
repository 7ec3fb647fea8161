"""What each figure is meant to be. A figure without an aim is told, and judged by nobody."""

from __future__ import annotations

AIMS: dict[str, tuple[str, float]] = {
    "brokered.cpu_ratio_mod_auth_openidc": ("≤", 1.0),
    "unlock.p95_ms": ("≤", 1000),
    "storm.failures": ("=", 0),
    "storm.signon_p95_ms": ("≤", 1500),
    "storm.signon_p99_ms": ("≤", 3000),
    "storm.provider_calls": ("≤", 1.05),
    "shifts100k.cpu_ratio": ("≤", 1.1),
    "shift.redis_bytes": ("≤", 4096),
    "shift.worker_mb_10k": ("≤", 60),
    "revoke.max_ms": ("≤", 1000),
    "rolling.failures": ("=", 0),
    "bleed.wrong": ("=", 0),
}


def judged(name: str, value: float) -> str:
    """The aim, and whether it is missed."""
    if name not in AIMS:
        return ""
    sign, aim = AIMS[name]
    kept = value == aim if sign == "=" else value <= aim
    return f"{sign} {aim:g}" if kept else f"{sign} {aim:g}, missed"
