"""A listening address becomes a socket, or a sentence for whoever configured it."""

from __future__ import annotations

import contextlib
import socket

import pytest

from gateway.edge.listening import listening
from gateway.errors import ConfigError


def _has_ipv6() -> bool:
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET6) as one:
        one.bind(("::1", 0))
        return True
    return False


@pytest.mark.parametrize("address", ["127.0.0.1:0", "[::1]:0"])
def test_an_address_that_is_free_is_listened_on(address: str) -> None:
    """Both families of addresses; somebody who comes is let in."""
    if "[" in address and not _has_ipv6():
        pytest.skip("this machine has no IPv6, so that no IPv6 address can be listened on")
    with listening("gateway.listen", address) as made:
        socket.create_connection(made.getsockname()[:2], timeout=5).close()


def test_an_address_that_is_taken_is_told_by_its_key() -> None:
    """Which key, which address, why, and what to do."""
    with listening("gateway.listen", "127.0.0.1:0") as first:
        taken = f"127.0.0.1:{first.getsockname()[1]}"
        with pytest.raises(ConfigError) as told:
            listening("gateway.ops_listen", taken)
    assert told.value.problems == [
        f"gateway.ops_listen: cannot listen on `{taken}` (Address already in use): "
        "stop what listens there, or name another address"
    ]


@pytest.mark.parametrize("address", ["192.0.2.1:8080", "no-such-host.invalid:8080"])
def test_an_address_that_is_not_ours_is_told(address: str) -> None:
    """Another machine's address, or a name that nobody knows."""
    with pytest.raises(ConfigError, match=r"gateway\.listen: cannot listen on") as told:
        listening("gateway.listen", address)
    assert address in str(told.value)
    assert "()" not in str(told.value)
