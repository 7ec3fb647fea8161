"""Reserves of writers that write no longer: what is reserved for the journal is reserved once."""

from __future__ import annotations

import os
import re
from collections.abc import Collection
from pathlib import Path

from .segment import writers
from .writer import locked


def give_back_reserves(data_dir: Path, name: str, writing: Collection[str]) -> None:
    """Of this gateway's workers, save those that are `writing`. One that somebody holds after all is left to them."""
    ours = re.compile(rf"{re.escape(name)}(-\d+)?(-b)?")
    for folder in writers(data_dir):
        if folder.name not in writing and ours.fullmatch(folder.name):
            _give_back(folder)


def _give_back(folder: Path) -> None:
    try:
        lock = locked(folder)
    except OSError:
        return
    try:
        (folder / "reserve").unlink(missing_ok=True)
    finally:
        os.close(lock)
