"""A listening address into a socket that listens, or a sentence that names its key."""

from __future__ import annotations

import socket

from ..errors import ConfigError

_BACKLOG = 2048  # connections that wait to be accepted


def listening(key: str, address: str) -> socket.socket:
    """`address:port`, with brackets around IPv6. Raises ConfigError."""
    host, _, port = address.rpartition(":")
    try:
        found = socket.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, place = found[0][0], found[0][4]
        return socket.create_server(place[:2], family=family, backlog=_BACKLOG)
    except OSError as error:
        why = (error.strerror or "").partition(" (")[0]  # the library puts the address behind it
        raise ConfigError(
            [f"{key}: cannot listen on `{address}` ({why}): stop what listens there, or name another address"]
        ) from None
