"""`lanyard connector`: beginning connectors of one's own, and declarations."""

from __future__ import annotations

import argparse
from pathlib import Path

from connectors.kit import NoRecording, learned, new

from .errors import ConfigError


def connector_new(given: argparse.Namespace) -> int:
    """Raises ConfigError for a name that is none, OSError where it cannot be written."""
    folder = Path(given.folder or f"lanyard-{given.name}")
    try:
        written = new(given.name, folder)
    except ValueError as error:
        raise ConfigError([str(error)]) from None
    for path in written:
        print(path)
    print(f"\nnext: cd {folder} && pip install -e '.[dev]' && pytest")
    return 0


def connector_learn(given: argparse.Namespace) -> int:
    """Raises ConfigError where nothing can be learned from the file, OSError where it cannot be read."""
    try:
        print(learned(Path(given.file).read_bytes()).toml(given.name), end="")
    except NoRecording as error:
        raise ConfigError([f"`{given.file}`: {error}"]) from None
    return 0
