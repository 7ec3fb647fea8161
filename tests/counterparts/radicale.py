"""Radicale, a calendar server, told by a header who is there: each has a collection of their own, and nobody sees another's."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path

from demo.ports import free_port

from .processes import started

HEADER = "X-Remote-User"
_CONFIG = """
[server]
hosts = 127.0.0.1:{port}
[auth]
type = http_x_remote_user
[storage]
filesystem_folder = {folder}/collections
[web]
type = internal
"""


@contextlib.contextmanager
def radicale(folder: Path) -> Iterator[str]:
    port = free_port()
    config = folder / "radicale.conf"
    config.write_text(_CONFIG.format(port=port, folder=folder))
    command = [sys.executable, "-m", "radicale", "--config", str(config)]
    with started(command, ready=f"http://127.0.0.1:{port}/.web/", cwd=folder):
        yield f"http://127.0.0.1:{port}"
