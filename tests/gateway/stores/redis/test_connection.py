"""Redis is asked over few connections: none gives anybody another's answer, and one that does not answer costs nobody a wait."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import redis

from gateway.store_places import RedisPlace, redis_place
from gateway.stores.redis.connection import Server
from gateway.stores.redis.owned import APPLY_IF_ROOM
from gateway.stores.redis.scripts import READ
from sso.errors import StoreFull, StoreUnavailable
from tests.counterparts.redis_servers import RedisServer, redis_server
from tests.counterparts.slow_way import slow_way

Ask = Callable[[str], Awaitable[str | None]]


def server_at(port: int, password: str, **options: Any) -> Server:
    return Server(RedisPlace((("127.0.0.1", port),), tls=False), password=password, **options)


async def wrong_answers(ask: Ask, count: int) -> tuple[int, int]:
    """Of `count` questions, each given up after up to six milliseconds: how many were given up, and how many were answered with
    what another one had asked for (F12)."""
    drawn, given_up, wrong = random.Random(12), 0, 0
    running = asyncio.Semaphore(8)

    async def one(number: int) -> None:
        nonlocal given_up, wrong
        async with running:
            try:
                async with asyncio.timeout(drawn.uniform(0, 0.006)):
                    answer = await ask(f"key-{number % 100}")
            except TimeoutError:
                given_up += 1
                return
            except StoreUnavailable:
                return
            wrong += answer != f"value of key-{number % 100}"

    async with asyncio.TaskGroup() as group:
        for number in range(count):
            group.create_task(one(number))
    return given_up, wrong


@pytest.fixture
def keys(redis_running: RedisServer) -> RedisServer:
    """A hundred keys, each with a value of its own."""
    with redis_running.client() as client:
        client.flushall()
        client.mset({f"key-{number}": f"value of key-{number}" for number in range(100)})
    return redis_running


async def test_whoever_gives_up_waiting_leaves_their_answer_to_nobody(keys: RedisServer) -> None:
    """No answer to another question, at whatever moment somebody goes (F12)."""
    async with slow_way(keys.port) as way:
        way.delay = lambda: random.uniform(0, 0.002)
        server = server_at(way.port, keys.password, timeout=5.0)

        async def ask(key: str) -> str | None:
            (found,) = await server.run(READ, [key])
            return str(found)

        given_up, wrong = await wrong_answers(ask, 3000)
        await server.close()
    assert given_up > 100
    assert wrong == 0


async def test_an_answer_that_comes_too_late_is_nobody_s(keys: RedisServer) -> None:
    """Its connection is closed; whoever asks next has one without it (F12)."""
    drawn = random.Random(12)
    async with slow_way(keys.port) as way, asyncio.timeout(60):
        server = server_at(way.port, keys.password, timeout=0.05)
        way.delay = lambda: 0.2 if drawn.random() < 0.05 else 0.0
        late = wrong = 0
        for number in range(300):
            try:
                (found,) = await server.run(READ, [f"key-{number % 100}"])
            except StoreUnavailable:
                late += 1
                continue
            wrong += found != f"value of key-{number % 100}"
        await server.close()
    assert late > 0
    assert wrong == 0


async def test_a_connection_that_was_given_up_while_it_began_is_nobody_s(keys: RedisServer) -> None:
    """What the server still says to its greeting is no answer to whoever comes next (F12)."""
    async with slow_way(keys.port) as way:
        server = server_at(way.port, keys.password, timeout=5.0)
        way.delay = lambda: 0.1
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.03):
                await server._in_time(lambda: server._evaluate(READ, ["key-1"], []))
        way.delay = lambda: 0.0
        assert await server.run(READ, ["key-2"]) == ["value of key-2"]
        await server.close()


async def test_a_client_that_uses_such_a_connection_again_is_seen(keys: RedisServer) -> None:
    """What the test above would say of a library that does (CVE-2023-28858)."""
    async with slow_way(keys.port) as way:
        way.delay = lambda: random.uniform(0, 0.002)
        reader, writer = await asyncio.open_connection("127.0.0.1", way.port)
        writer.write(f"AUTH {keys.password}\r\n".encode())
        await reader.readline()
        turn = asyncio.Lock()

        async def ask(key: str) -> str | None:
            async with turn:
                writer.write(f"GET {key}\r\n".encode())
                await reader.readline()
                return (await reader.readline()).decode().strip()

        _, wrong = await wrong_answers(ask, 500)
        writer.close()
    assert wrong > 0


async def test_a_server_that_hangs_is_given_up_within_a_second(tmp_path: Path) -> None:
    """Five who waited a quarter of a second, then nobody waits; and it is asked again as soon as it goes on (F09, F10)."""
    heard: list[tuple[str, str]] = []
    with redis_server(tmp_path) as running:
        place = redis_place(running.url)
        server = Server(place, password=running.password, alarm=lambda *said: heard.append(said))
        await server.run(READ, ["key"])
        running.stand_still()
        for _ in range(5):
            began = time.monotonic()
            with pytest.raises(StoreUnavailable):
                await server.run(READ, ["key"])
            assert time.monotonic() - began < 1.0
        began = time.monotonic()
        for _ in range(100):
            with pytest.raises(StoreUnavailable):
                await server.run(READ, ["key"])
        assert time.monotonic() - began < 1.0
        assert heard == [("session-store", "failing")]
        running.go_on()
        began = time.monotonic()
        await _until_it_answers(server)
        assert time.monotonic() - began < 4.0
        assert heard[-1] == ("session-store", "ok")
        await server.close()


async def test_whoever_waits_for_room_does_not_find_out_once_more(tmp_path: Path) -> None:
    """More than there is room for at once, of a server that stands still: nobody waits longer than for one answer."""
    with redis_server(tmp_path) as running:
        server = Server(redis_place(running.url), password=running.password, timeout=2.0)
        await server.run(READ, ["key"])
        running.stand_still()
        begun = time.monotonic()
        told = await asyncio.gather(*(server.run(READ, ["key"]) for _ in range(64)), return_exceptions=True)
        assert {type(one) for one in told} == {StoreUnavailable}
        assert time.monotonic() - begun < 3.5, "twice as long as an answer is waited for"
        running.go_on()
        await _until_it_answers(server)
        await server.close()


async def test_a_server_that_was_killed_is_back_when_it_is(tmp_path: Path) -> None:
    """Without a restart, by a connection of its own; it is known to have begun anew (F09)."""
    with redis_server(tmp_path) as running:
        server = Server(redis_place(running.url), password=running.password)
        await server.run(READ, ["key"])
        before = server.history
        running.kill()
        for _ in range(6):
            with pytest.raises(StoreUnavailable):
                await server.run(READ, ["key"])
        assert server.away
        running.begin()
        await _until_it_answers(server)
        assert server.history not in ("", before)
        await server.close()


async def _until_it_answers(server: Server) -> None:
    async with asyncio.timeout(20):
        while True:
            with contextlib.suppress(StoreUnavailable):
                await server.run(READ, ["key"])
                return
            await asyncio.sleep(0.05)


async def test_an_answer_that_waits_for_a_late_loop_is_taken(keys: RedisServer) -> None:
    """Nobody fails because this machine is busy: neither over a new connection nor over a known one (F23)."""
    failed, said = 0, list[tuple[str, str]]()
    server = server_at(keys.port, keys.password, alarm=lambda *words: said.append(words))

    async def ask(number: int) -> None:
        nonlocal failed
        await asyncio.sleep(number * 0.02)
        try:
            assert await server.run(READ, [f"key-{number % 100}"]) == [f"value of key-{number % 100}"]
        except StoreUnavailable:
            failed += 1

    async with asyncio.TaskGroup() as group:
        for number in range(100):
            group.create_task(ask(number))
        for _ in range(8):
            time.sleep(0.4)  # nobody else comes to anything meanwhile
            await asyncio.sleep(0.01)
    assert failed == 0
    assert said == []
    await server.close()


async def test_a_replica_is_not_taken_for_the_server(tmp_path: Path, redis_running: RedisServer) -> None:
    """It may be behind: nothing is read there."""
    options = ("--replicaof", "127.0.0.1", str(redis_running.port))
    with redis_server(tmp_path, *options) as replica:
        server = Server(redis_place(replica.url), password=replica.password, timeout=5.0)
        with pytest.raises(StoreUnavailable):
            await server.run(READ, ["key"])
        await server.close()


async def test_a_wrong_password_is_an_error_and_not_said(redis_running: RedisServer) -> None:
    """The message names neither."""
    server = Server(redis_place(redis_running.url), password="not-this-one")
    with pytest.raises(StoreUnavailable) as refused:
        await server.run(READ, ["key"])
    assert "not-this-one" not in str(refused.value)
    await server.close()


async def test_a_script_that_may_not_run_says_what_to_do(redis_running: RedisServer) -> None:
    """The user lacks a right: an operator finds the page that lists them."""
    with redis_running.client() as client:
        client.acl_setuser(
            "little", enabled=True, reset=True, passwords=["+p"], commands=["+info", "+evalsha"], keys=["*"]
        )
    place = redis_place(f"redis://little@127.0.0.1:{redis_running.port}/0")
    server = Server(place, password="p", timeout=5.0)
    with pytest.raises(StoreUnavailable, match=r"docs/redis\.md"):
        await server.run(READ, ["key"])
    await server.close()


async def test_a_server_that_takes_no_writes_is_told_as_one_that_fails(tmp_path: Path) -> None:
    """It answers, and keeps nothing: without its replicas, or without its disk. An alarm says so, and nobody is told that it is full."""
    heard: list[tuple[str, str]] = []
    with redis_server(tmp_path) as running, running.client() as client:
        server = Server(
            redis_place(running.url), password=running.password, timeout=5.0, alarm=lambda *said: heard.append(said)
        )
        client.config_set("min-replicas-to-write", 1)
        for _ in range(5):
            with pytest.raises(StoreUnavailable, match="takes no writes") as told:
                await server.run(READ, ["key"])
            assert not isinstance(told.value, StoreFull)
        assert heard == [("session-store", "failing")]
        client.config_set("min-replicas-to-write", 0)
        await _until_it_answers(server)
        assert heard[-1] == ("session-store", "ok")
        await server.close()


async def test_what_does_not_fit_any_more_is_refused_as_such(tmp_path: Path) -> None:
    """And nobody thinks that the server is gone (F13)."""
    with redis_server(tmp_path) as running, running.client() as client:
        server = Server(redis_place(running.url), password=running.password, timeout=5.0)
        client.config_set("maxmemory", "1mb")
        with contextlib.suppress(redis.exceptions.OutOfMemoryError):
            for number in range(100):
                client.set(f"filler-{number}", "x" * 100_000)
        for _ in range(10):
            with pytest.raises(StoreFull):
                await server.run(APPLY_IF_ROOM, ["key"], ["{}"])
        assert await server.run(READ, ["key"]) == [None]
        await server.close()
