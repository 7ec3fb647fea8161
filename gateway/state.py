"""How a gateway is: all that a person who was woken wants to see at once. No person, no patient, no secret in it.

Each worker says what it knows, the parent puts it together: values of JSON on the way between them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from .alarms.standing import Report
from .certificates import certificates
from .config import Config

if TYPE_CHECKING:  # the parent, which puts it together, uses neither
    from .audit.journal import Journal
    from .central.ship import Shipper
    from .systems import System

VERSION = version("lanyard-gateway")


def worker_state(
    writer: str, journal: Journal, systems: Mapping[str, System], shipper: Shipper | None
) -> dict[str, Any]:
    """What one worker knows beside its parts."""
    return {
        "writer": writer,
        "waiting": journal.waiting,
        "reserve_used": journal.reserve_used,
        "central": {"behind": shipper.behind, "failing": bool(shipper.failing)} if shipper is not None else None,
        "systems": [_system(system) for system in systems.values()],
    }


def together(
    config: Config,
    began: float,
    now: float,
    parts: Mapping[str, Any],
    workers: Mapping[str, dict[str, Any]],
    reports: Sequence[Report],
) -> dict[str, Any]:
    """The whole gateway. `parts`: what `/readyz` says; `workers`: what each says of itself, as far as it answered."""
    answered = [state for state in workers.values() if "writer" in state]
    return {
        "name": config.gateway.name,
        "version": VERSION,
        "public_url": config.gateway.public_url,
        "began": began,
        "now": now,
        **parts,
        "stores": _stores(config),
        "workers": {name: {"ready": state["ready"], "pid": state.get("pid")} for name, state in workers.items()},
        "journal_writers": {state["writer"]: _journal(state) for state in answered},
        "central": _central([state["central"] for state in answered if state["central"] is not None]),
        "systems": [_latest(ones) for ones in zip(*(state["systems"] for state in answered), strict=True)],
        "reports": [report.fields() for report in reports],
        "certificates": [one.fields(now) for one in certificates(config)],
        "alarms_go_to": _alarms_go_to(config),
    }


def _journal(state: dict[str, Any]) -> dict[str, Any]:
    return {"state": state["journal"], "waiting": state["waiting"], "reserve_used": state["reserve_used"]}


def _central(copies: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    """The central copy as the worker sees it that is furthest behind."""
    return max(copies, key=lambda one: (one["failing"], one["behind"]), default=None)


def _latest(ones: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """One system, as whoever asked it last found it."""
    keys = "answered", "silent"
    return {**ones[0], **{key: max((one[key] for one in ones if one[key] is not None), default=None) for key in keys}}


def _system(system: System) -> dict[str, Any]:
    heard = system.heard
    return {"name": system.name, "title": system.title, "answered": heard.answered, "silent": heard.silent}


def _stores(config: Config) -> str:
    if config.gateway.database_url is None:
        return "SQLite"
    return "PostgreSQL" if config.gateway.redis_url is None else "Redis and PostgreSQL"


def _alarms_go_to(config: Config) -> list[str]:
    ways = {"mail": config.alarms.mail_server, "webhook": config.alarms.webhook_url}
    return [name for name, where in ways.items() if where is not None]
