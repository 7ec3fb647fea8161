"""Whether what a configuration is made of has changed on disk: looked at each second, and believed once it stands still."""

from __future__ import annotations

import os
from pathlib import Path

from ..config import Config

_Marks = tuple[tuple[str, int, int, int], ...]


class Changes:
    """Of the file, its folder of policies, and its certificate. A symbolic link counts as what it leads to."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._seen: _Marks = ()
        self._taken: _Marks = ()

    def settled(self, config: Config) -> bool:
        """Whether it is other than when this last said so, and as it was a look ago: nobody is in the middle of writing.

        The first time it says so in any case: what was read at the start may have changed since.
        """
        now, before = self._marks(config), self._seen
        self._seen = now
        if now == self._taken or now != before:
            return False
        self._taken = now
        return True

    def _marks(self, config: Config) -> _Marks:
        paths = [Path(self._path)]
        if config.policies.path is not None:
            folder = Path(config.policies.path)
            paths += [folder, *sorted(folder.glob("*"))]
        paths += [Path(file) for file in (config.gateway.tls_cert, config.gateway.tls_key) if file is not None]
        return tuple(_mark(path) for path in paths)


def _mark(path: Path) -> tuple[str, int, int, int]:
    try:
        found = os.stat(path)
    except OSError:
        return str(path), 0, 0, 0
    return str(path), found.st_ino, found.st_size, found.st_mtime_ns
