"""A new connector's distribution: code, manifest, quality list, README and a suite that passes at once, to begin from."""

from .made import NameTaken, new

__all__ = ["NameTaken", "new"]
