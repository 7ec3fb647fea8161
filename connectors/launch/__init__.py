"""Native, Citrix and vendors' programs: opened from the launchpad, not seen into."""

from .connector import LaunchConnector

__all__ = ["LaunchConnector"]
