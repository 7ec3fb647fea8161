"""`lanyard status`: how this machine's gateway is, and others named, for somebody who was woken. Exit 0: well; 1: not; 2: no answer."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
from rich.console import Console

from . import config as configuration
from .alarms.controls import control_of
from .alarms.standing import Report
from .alarms.wording import page
from .certificates import SOON, shown_to_browsers
from .config import Config

_PATIENCE = 5.0
WELL, WANTING, CANNOT = 0, 1, 2
_ANYWHERE = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]"}  # noqa: S104 - not listened on: what to ask instead


@dataclass(frozen=True, slots=True)
class Found:
    """One gateway: what it said, or why it said nothing."""

    place: str
    state: dict[str, Any] = field(default_factory=dict)
    silence: str = ""

    @property
    def alarms(self) -> list[Report]:
        """Those that stand, the oldest of each control."""
        reports = sorted((Report.of(one) for one in self.state.get("reports", [])), key=lambda one: one.since)
        standing = {report.control: report for report in reversed(reports) if report.failing}
        return sorted(standing.values(), key=lambda one: (-control_of(one.control).severity.rank, one.since))

    @property
    def quiet(self) -> list[dict[str, Any]]:
        """Systems that did not answer when they were last asked."""
        return [one for one in self.state.get("systems", []) if (one["silent"] or 0) > (one["answered"] or 0)]

    @property
    def ending(self) -> list[dict[str, Any]]:
        return [one for one in self.state.get("certificates", []) if one["days"] <= SOON]

    @property
    def workers_away(self) -> list[str]:
        return [name for name, ready in self.state.get("workers", {}).items() if not ready["ready"]]

    def wrong(self) -> list[str]:
        """What is wrong, shortest first words; empty: all is well."""
        if self.silence:
            return [f"no answer from {self.place}: {self.silence}"]
        name, found = self.state["name"], []
        if not self.state["ready"]:
            found.append(f"{name} is not ready")
        elif self.workers_away:
            found.append(f"{name}: {len(self.workers_away)} of {len(self.state['workers'])} workers not ready")
        found += [f"{name}: {alarm.control} {alarm.failing}" for alarm in self.alarms]
        found += [f"{name}: {one['name']} does not answer" for one in self.quiet]
        found += [f"{name}: {one['setting']} ends in {one['days']} days" for one in self.ending]
        return found


def status(given: argparse.Namespace) -> int:
    """Raises ConfigError."""
    from .status_view import shown

    places = [*_here(given), *given.at]
    found = [ask(place) for place in dict.fromkeys(places)]
    if given.json:
        print(json.dumps([_fields(one) for one in found], indent=2))
    else:
        shown(found, time.time(), Console(highlight=False, soft_wrap=False))
    return verdict(found)


def verdict(found: Sequence[Found]) -> int:
    if any(one.silence for one in found):
        return CANNOT
    return WANTING if any(one.wrong() for one in found) else WELL


def ask(place: str) -> Found:
    """Ask one ops listener; nothing is raised: whoever does not answer is part of the answer."""
    try:
        with httpx2.Client(trust_env=False, timeout=_PATIENCE) as client:
            answer = client.get(f"http://{place}/statusz")
            state = answer.raise_for_status().json()
    except httpx2.ConnectError:
        return Found(place, silence="nothing listens there: is `lanyard serve` running?")
    except (httpx2.TimeoutException, TimeoutError):
        return Found(place, silence=f"no answer within {_PATIENCE:.0f} s: it hangs, or its machine is away")
    except (httpx2.HTTPError, httpx2.InvalidURL, ValueError) as error:
        return Found(place, silence=f"what listens there is no gateway's ops listener ({type(error).__name__})")
    if (ends := shown_to_browsers(state["public_url"])) is not None:
        state["certificates"].append({"setting": state["public_url"], "days": int((ends - time.time()) // 86400)})
    return Found(place, state)


def _here(given: argparse.Namespace) -> list[str]:
    """This machine's, unless only others are asked for and there is no configuration here."""
    if given.at and not Path(given.config).exists():
        return []
    config: Config = configuration.load(given.config)
    host, _, port = config.gateway.ops_listen.rpartition(":")
    return [f"{_ANYWHERE.get(host, host)}:{port}"]


def _fields(found: Found) -> dict[str, Any]:
    alarms = [
        {
            "control": alarm.control,
            "state": alarm.failing,
            "since": alarm.since,
            "severity": control_of(alarm.control).severity,
            "means": control_of(alarm.control).means,
            "do": control_of(alarm.control).do,
            "page": page(alarm.control),
        }
        for alarm in found.alarms
    ]
    return {"at": found.place, "silence": found.silence, "wrong": found.wrong(), "alarms": alarms, **found.state}
