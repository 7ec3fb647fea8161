"""The servers that other tests trust: they start, take a password, fail over, and come back after a kill."""

from __future__ import annotations

import time
from pathlib import Path

import psycopg
import pytest
import redis

from .postgres import PostgresServer, postgres_server
from .redis_servers import RedisServer, sentinels


def test_redis_wants_its_password(redis_running: RedisServer) -> None:
    """Whoever has none is refused."""
    assert redis_running.answers()
    with pytest.raises(redis.AuthenticationError), redis.Redis(port=redis_running.port) as client:
        client.ping()


def test_sentinels_promote_the_replica_of_a_primary_that_was_killed(tmp_path: Path) -> None:
    """Within a few seconds, and they say so."""
    with sentinels(tmp_path) as running:
        until = time.monotonic() + 20
        with running.sentinels[0].log.open() as log:
            while "+slave" not in log.read() and time.monotonic() < until:  # else there is nobody to promote yet
                time.sleep(0.1)
        running.primary.kill()
        while running.master_port() == running.primary.port and time.monotonic() < until:
            time.sleep(0.1)
        assert running.master_port() == running.replica.port


def test_postgres_gives_new_databases(postgres: PostgresServer) -> None:
    """Each test has one of its own."""
    postgres.new_database("own")
    with postgres.connect("own") as c:
        assert c.execute("SELECT current_database()").fetchone() == ("own",)


def test_postgres_comes_back_after_a_kill() -> None:
    """What was committed is there, where it syncs."""
    with postgres_server(durable=True) as running:
        with running.connect() as c:
            c.execute("CREATE TABLE kept (value text)")
            c.execute("INSERT INTO kept VALUES ('whole')")
        running.kill()
        with pytest.raises(psycopg.OperationalError):
            running.connect()
        running.begin()
        with running.connect() as c:
            assert c.execute("SELECT value FROM kept").fetchone() == ("whole",)
