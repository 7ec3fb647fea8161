"""What operators see of a running gateway: its figures, its log, and who its workers are."""

from __future__ import annotations

import json
import re
import time
import urllib.request
from collections.abc import Callable
from typing import Any

from .hospital import Hospital

PATIENCE = 90.0  # seconds: the machine may be busy


def until(true: Callable[[], Any], what: str) -> None:
    """Wait for the thing."""
    late = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < late, f"it never came: {what}"
        time.sleep(0.05)


def figure(place: Hospital, name: str) -> float:
    """Of `/metrics`; 0 where it is not told."""
    with urllib.request.urlopen(f"http://127.0.0.1:{place.ops_port}/metrics", timeout=10) as answer:
        found = re.search(rf"^{re.escape(name)} (.*)$", answer.read().decode(), re.MULTILINE)
    return float(found[1]) if found else 0.0


def said(place: Hospital, event: str) -> list[dict[str, Any]]:
    """The log's lines of one kind."""
    lines = [json.loads(line) for line in place.log().splitlines() if line.startswith("{")]
    return [line for line in lines if line["event"] == event]


def taken(place: Hospital) -> int:
    """How many configurations were taken while it ran."""
    return len(said(place, "the configuration is taken"))


def refused(place: Hospital) -> list[list[str]]:
    """Why each that was refused was."""
    return [
        line["reasons"] for line in said(place, "the configuration is refused: the gateway goes on with the one before")
    ]


def journalled(place: Hospital, wanted: str) -> list[dict[str, Any]]:
    """Events of one type."""
    return place.events(type=wanted)
