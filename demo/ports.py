"""A port to listen on later."""

from __future__ import annotations

import secrets
import socket
from contextlib import suppress

# Below what the kernel gives to outgoing connections, which would take it meanwhile; none is another kind of server's by custom.
_TO_CHOOSE_FROM = range(12000, 27000)


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on now. Raises RuntimeError when there is none."""
    for _ in range(1000):
        port = secrets.choice(_TO_CHOOSE_FROM)
        with socket.socket() as one, suppress(OSError):
            one.bind(("127.0.0.1", port))
            return port
    raise RuntimeError("no port of 127.0.0.1 is free")
