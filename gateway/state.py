"""How this gateway is: whether requests should come here, and all that a person who was woken wants to see at once.

Values of JSON, so that a process can ask another for them. No person, no patient, no secret in it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from sso.errors import StoreUnavailable

from .alarms.standing import Standing
from .audit.journal import Journal
from .certificates import certificates
from .config import Config
from .stores.base import Store
from .systems import System

VERSION = version("lanyard-gateway")
_PATIENCE = 2.0  # seconds for the store's answer


@dataclass(frozen=True, slots=True)
class Parts:
    """What is looked at."""

    config: Config
    journal: Journal
    store: Store
    systems: Mapping[str, System]
    standing: Standing
    draining: asyncio.Event
    began: float
    now: Callable[[], float]


async def ready_of(parts: Parts) -> dict[str, Any]:
    """Whether requests should come here, and why not. An upstream that is down is no reason to say no."""
    draining, journal = parts.draining.is_set(), parts.journal.state
    store = "ok" if await _store_answers(parts.store) else "unavailable"
    ready = not draining and store == "ok" and journal in ("ok", "alarm", "break-glass-only")
    return {"ready": ready, "draining": "yes" if draining else "no", "journal": journal, "store": store}


async def state_of(parts: Parts) -> dict[str, Any]:
    """All of it, for `lanyard status`."""
    config, now = parts.config, parts.now()
    ready = await ready_of(parts)
    journal = {"state": ready["journal"], "waiting": parts.journal.waiting, "reserve_used": parts.journal.reserve_used}
    return {
        "name": config.gateway.name,
        "version": VERSION,
        "public_url": config.gateway.public_url,
        "began": parts.began,
        "now": now,
        **ready,
        "stores": _stores(config),
        "workers": {config.gateway.name: ready},
        "journal_writers": {config.gateway.name: journal},
        "systems": [_system(system) for system in parts.systems.values()],
        "reports": [report.fields() for report in parts.standing.reports()],
        "certificates": [one.fields(now) for one in certificates(config)],
        "alarms_go_to": _alarms_go_to(config),
    }


def together(states: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Several processes' states of one gateway as one: ready where one is; what any of them knows."""
    first, ready = states[0], [state for state in states if state["ready"]]
    return {
        **(ready[0] if ready else first),
        "began": min(state["began"] for state in states),
        "workers": {name: ready for state in states for name, ready in state["workers"].items()},
        "journal_writers": {name: one for state in states for name, one in state["journal_writers"].items()},
        "systems": [_latest(ones) for ones in zip(*(state["systems"] for state in states), strict=True)],
        "reports": [report for state in states for report in state["reports"]],
    }


def _latest(ones: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """One system, as whoever asked it last found it."""
    told = {
        key: max((one[key] for one in ones if one[key] is not None), default=None) for key in ("answered", "silent")
    }
    return {**ones[0], **told}


async def _store_answers(store: Store) -> bool:
    try:
        async with asyncio.timeout(_PATIENCE):
            await store.heard(None)
    except (StoreUnavailable, TimeoutError):
        return False
    return True


def _stores(config: Config) -> str:
    if config.gateway.database_url is None:
        return "SQLite"
    return "PostgreSQL" if config.gateway.redis_url is None else "Redis and PostgreSQL"


def _system(system: System) -> dict[str, Any]:
    heard = system.heard
    return {"name": system.name, "title": system.title, "answered": heard.answered, "silent": heard.silent}


def _alarms_go_to(config: Config) -> list[str]:
    ways = {"mail": config.alarms.mail_server, "webhook": config.alarms.webhook_url}
    return [name for name, where in ways.items() if where is not None]
