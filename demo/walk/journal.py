"""What the journal says about the shift, by the command line: is it whole, and is everything in the right name."""

from __future__ import annotations

import json
from typing import Any

from ..browser import Wanting
from ..hospital import Hospital, lanyard
from .figures import Figures

_ALL = "1000000"


def counted(place: Hospital, figures: Figures) -> None:
    """Events and requests, where it verifies: at every gateway."""
    try:
        reports = [
            json.loads(lanyard("audit", "verify", "--json", "--config", str(config)).stdout)
            for config in (place.config, *place.others)
        ]
    except (RuntimeError, ValueError):
        return
    figures.events, figures.verified = sum(r["events"] for r in reports), all(r["whole"] for r in reports)
    writers = [writer for report in reports for writer in report["writers"]]
    figures.requests = sum(writer["types"].get("access.intent", 0) for writer in writers)


def in_the_right_name(place: Hospital) -> None:
    """Every event of a session names the clinician who was seated in it, and nobody else. Raises Wanting."""
    place.arrived()
    said = lanyard("audit", "search", "--limit", _ALL, "--json", "--config", str(place.config)).stdout
    mixed_up([json.loads(line) for line in said.splitlines()])


def mixed_up(events: list[dict[str, Any]]) -> None:
    """Raises Wanting for the first event that carries another's name than its session, or a session that nobody was seated in."""
    seated = {e["session"]: (e["subject"], e["name"]) for e in events if e["type"] == "session.seated"}
    for event in events:
        session = event.get("session")
        if not session:
            continue
        if session not in seated:
            raise Wanting(f"the journal has an event ({event['type']}) of a session that nobody was seated in")
        subject, name = seated[session]
        if event.get("subject", subject) != subject or event.get("name", name) != name:
            raise Wanting(f"the journal has an event ({event['type']}) of one clinician in another's session")
