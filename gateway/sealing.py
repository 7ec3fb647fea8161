"""`lanyard key`: new keys, and lists that are sealed with one."""

from __future__ import annotations

import argparse
import sys

from sso.seal import new_key

from . import config as configuration
from .credentials import seal_credentials
from .errors import ConfigError
from .keys import seal_of


def key_new(given: argparse.Namespace) -> int:
    print(new_key())
    return 0


def key_seal_credentials(given: argparse.Namespace) -> int:
    """Raises ConfigError."""
    config = configuration.load(given.config)
    if given.system not in {system.name for system in config.systems}:
        raise ConfigError([f"`{given.system}` is no system of {given.config}"])
    print(seal_credentials(sys.stdin.buffer.read(), given.system, seal_of(config)))
    return 0
