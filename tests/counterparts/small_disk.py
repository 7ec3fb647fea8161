"""A small disk of its own, to be filled."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest


@contextlib.contextmanager
def small_disk(place: Path, room: str) -> Iterator[Path]:
    """Mount `room` bytes of memory at `place`; where that is not allowed, say so loudly."""
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={room}", "tmpfs", str(place)]
    mounted = subprocess.run(command, capture_output=True, text=True, check=False)
    if mounted.returncode != 0:
        message = f"a disk that can be filled needs the right to mount one: {mounted.stderr.strip()}"
        if os.environ.get("CI") and os.getuid() == 0:
            pytest.fail(message)
        pytest.skip(message)
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


def fill(disk: Path) -> Path:
    """Take whatever is left, as a neighbour's log would."""
    path = disk / "somebody-else's"
    with path.open("ab", buffering=0) as file:
        for size in (1 << 20, 4096, 1):
            with contextlib.suppress(OSError):
                while True:
                    file.write(b"x" * size)
    return path
