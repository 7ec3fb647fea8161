"""More connections than there are descriptors for: whoever says nothing gives way, and the journal always finds one."""

from __future__ import annotations

import contextlib
import os
import resource
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.audit.disk import RealDisk
from gateway.edge import descriptors
from tests.gateway.edge import cases, raw

MOST = 4


@pytest.fixture
def small() -> Iterator[raw.Listening]:
    """A server with room for four."""
    with raw.listening() as running:
        running.running.config.http.most = MOST  # type: ignore[union-attr]  # ours is a class
        yield running


def silent(gate: raw.Listening, many: int) -> list[socket.socket]:
    found = [socket.create_connection(gate.address, timeout=raw.PATIENCE) for _ in range(many)]
    until = time.monotonic() + raw.PATIENCE
    while len(gate.running.server_state.connections) < many and time.monotonic() < until:
        time.sleep(0.005)
    return found


def test_one_too_many_is_told_so_at_once(small: raw.Listening) -> None:
    """503 and when to try again, before anything is read of it."""
    with contextlib.ExitStack() as open_ones:
        for one in silent(small, MOST):
            open_ones.enter_context(one)
        with socket.create_connection(small.address, timeout=raw.PATIENCE) as late:
            said = late.recv(4096)
        assert said.startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
        assert b"retry-after: 3\r\n" in said
        assert ("127.0.0.1", "too-many-connections") in small.rejected


def test_who_says_nothing_gives_way_to_somebody_who_asks(small: raw.Listening) -> None:
    """After a quarter of a second the oldest silent connection is ended, and the newcomer is answered."""
    with contextlib.ExitStack() as open_ones:
        idle = [open_ones.enter_context(one) for one in silent(small, MOST)]
        time.sleep(0.3)  # what they are given to speak
        assert small.ask(cases.get()).statuses == [200]
        assert idle[0].recv(4096).startswith(b"HTTP/1.1 503 ")


def test_there_are_fewer_connections_than_half_of_what_is_left() -> None:
    """Each may need another descriptor to its system, and the journal and the stores theirs."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert 16 <= descriptors.most_connections() <= max(16, (soft - 64) // 2)


def test_a_segment_is_begun_where_nobody_else_finds_a_descriptor(tmp_path: Path) -> None:
    """All descriptors are taken: the journal has a few of its own."""
    disk = RealDisk()
    disk.close(disk.create(tmp_path / "first", 4096))
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    taken: list[int] = []
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, 512), hard))
    try:
        with contextlib.suppress(OSError):
            while True:
                taken.append(os.open(os.devnull, os.O_RDONLY))
        fd = disk.create(tmp_path / "second", 4096)
    finally:
        for one in taken:
            os.close(one)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    disk.close(fd)
    assert (tmp_path / "second").stat().st_size == 4096
