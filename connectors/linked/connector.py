"""The linked connector: an application with its own single sign-on, opened at an address."""

from __future__ import annotations

from ..base import SystemConfig
from ..launch import LaunchConnector

_WEB = ("https://", "http://")


class LinkedConnector(LaunchConnector):
    def __init__(self, config: SystemConfig) -> None:
        """Raises ValueError where an option is wrong."""
        super().__init__(config)
        for option in ("address", "at_patient"):
            if not config.options.get(option, _WEB[0]).startswith(_WEB):
                raise ValueError(
                    f"`{option}`: an application with its own single sign-on is on the web: begin it with `https://`"
                )
