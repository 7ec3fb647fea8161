"""Which connectors there are: distributions say so by entry point; only those that the configuration names are imported."""

from __future__ import annotations

import difflib
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from .manifest import Manifest

GROUP = "lanyard.connectors"


class UnknownConnector(LookupError):
    """No installed distribution has a connector of this name."""


def available() -> dict[str, EntryPoint]:
    """Names and where they come from, read from metadata: nothing is imported."""
    return {entry.name: entry for entry in entry_points(group=GROUP)}


@cache
def load(name: str) -> tuple[type[Any], Manifest]:
    """Import one connector (`Connector`, or `Launches` by its manifest's state). Raises UnknownConnector, naming the nearest."""
    found = available()
    if name not in found:
        near = difflib.get_close_matches(name, found, n=1, cutoff=0.5)
        hint = f": did you mean `{near[0]}`?" if near else f": there are {', '.join(sorted(found))}"
        raise UnknownConnector(f"there is no connector `{name}`{hint}")
    kind = found[name].load()
    return kind, Manifest.of(kind.__module__.rpartition(".")[0])
