"""What is kept in Redis is little, sealed, gone in time, and needs no right beyond those that the page lists."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import tokens
from demo.ports import free_port
from gateway.errors import ConfigError
from gateway.store_places import redis_place
from gateway.stores.redis.connection import Server
from gateway.stores.redis.memory import Memory, problems, state
from gateway.stores.redis.scripts import READ
from gateway.stores.redis.store import RedisStore
from gateway.stores.testing import MAIN, NURSE, PAS, T0, session, shift
from sso.errors import StoreUnavailable
from sso.seal import Seal
from sso.session import token_hash
from tests.architecture.sources import ROOT
from tests.counterparts.redis_servers import RedisServer, redis_server
from tests.journey.certificate import certificate

KEY = b"k" * 32
FORGOTTEN = 86400.0  # seconds after its shift, at the latest
LASTING = ("heard", "turn", "era", "copied")  # of the gateways, not of anybody


@pytest.fixture
async def store(redis_running: RedisServer) -> AsyncIterator[RedisStore]:
    """On an empty server."""
    with redis_running.client() as client:
        client.flushall()
    opened = RedisStore(server_of(redis_running), Seal([KEY]))
    yield opened
    await opened.close()


def server_of(running: RedisServer, user: str = "", password: str = "") -> Server:
    place = replace(redis_place(running.url), user=user)
    return Server(place, password=password or running.password, timeout=5.0)


async def use(store: RedisStore, name: str = "n.okoye") -> None:
    """A shift of it all."""
    own = shift(f"shift-{name}", replace(NURSE, subject=name), refresh_token="refresh-me")
    await store.seat(own, session(name, own.id, provider_session="sid"), MAIN, token_hash(name))
    await store.add_token(name, PAS, token_hash(f"{name}@pas"), T0 + 300)
    await store.add_token(name, PAS, token_hash(f"{name}@pas2"), T0 + 600)
    await store.renew_tokens(name, MAIN, token_hash(f"{name}-2"), T0 + 9)
    await store.touch([session(name, own.id, last_seen=T0 + 99)])
    for at in (T0 + 60, T0 + 70):
        await store.put_code("enter", name, b"value", at)
        await store.read_code("enter", name, T0)
    await store.put_upstream((name, "pas"), b"jar", name)
    await store.upstream_version((name, "pas"))
    await store.first_time("logout-token", name, T0 + 60, T0)
    await store.tally("pin", name, T0, T0 + 60)
    assert await store.take_lease("refresh", "gateway-1", 30.0)
    assert await store.by_token(token_hash(f"{name}-2")) is not None


async def test_nothing_that_is_kept_says_whose_it_is(store: RedisStore, redis_running: RedisServer) -> None:
    """Neither keys nor values name a person, a session, or a token (a stolen dump opens nothing)."""
    await use(store)
    with redis_running.client() as client:
        dump = " ".join(f"{key} {_read(client, key)}" for key in client.scan_iter())
    for plain in ("okoye", "Okoye", "R8001", "refresh-me", "shift-", "records.example", "jar ", "value"):
        assert plain not in dump


def _read(client: object, key: str) -> str:
    kind = client.type(key)  # type: ignore[attr-defined]  # redis-py's own
    read = {"string": "get", "hash": "hgetall"}.get(kind)
    return str(getattr(client, read)(key)) if read else str(client.xrange(key))  # type: ignore[attr-defined]  # the same


async def test_nothing_outlives_its_shift_by_more_than_a_day(store: RedisStore, redis_running: RedisServer) -> None:
    """Every key has its end."""
    await use(store)
    with redis_running.client() as client:
        ends = {key: client.pexpiretime(key) / 1000 for key in client.scan_iter()}
    of_somebody = {key: at for key, at in ends.items() if key.rpartition(":")[2] not in LASTING}
    assert of_somebody
    assert all(0 < at <= T0 + 43200 + FORGOTTEN for at in of_somebody.values())


async def test_a_seat_is_one_round_trip_and_a_few_kilobytes(tmp_path: Path) -> None:
    """With tokens as providers make them, on a server that holds nothing else; docs/redis.md says how many."""
    with redis_server(tmp_path) as own_server, own_server.client() as client:
        store, many = RedisStore(server_of(own_server), Seal([KEY])), 500
        await store.heard(None)
        client.config_resetstat()
        before = client.info("memory")["used_memory"]
        for number in range(many):
            said = tokens.claims(NURSE.issuer, "gateway", str(number), int(T0), f"nonce-{number}")
            given = {"id_token": tokens.unsigned(said), "refresh_token": tokens.refresh_token()}
            own = shift(f"{number:032}", replace(NURSE, subject=str(number)), provider_session=said["sid"], **given)
            one = session(f"s{number:031}", own.id, device=replace(session().device, id=str(number)))
            await store.seat(own, one, MAIN, token_hash(str(number)))
        asked = client.info("commandstats")
        asked_of = asked["cmdstat_evalsha"]["calls"] + asked.get("cmdstat_eval", {"calls": 0})["calls"]
        used = (client.info("memory")["used_memory"] - before) / many
        await store.close()
    assert asked_of <= many + 2
    assert used < 4 * 1024


async def test_a_user_with_the_rights_on_the_page_may_do_all_of_it(redis_running: RedisServer) -> None:
    """And reads nothing that is not ours."""
    page = (ROOT / "docs/redis.md").read_text("utf-8")
    line = next(line for line in page.splitlines() if line.startswith("ACL SETUSER"))
    with redis_running.client() as client:
        client.flushall()
        client.script_flush()
        client.execute_command(*line.replace("PASSWORD", "known").split())
        client.set("another", "value")
    store = RedisStore(server_of(redis_running, "lanyard", "known"), Seal([KEY]))
    await use(store)
    place = (await store.heard(None)).place
    assert (await store.heard(place)).keys == frozenset()
    own = await store.session("n.okoye")
    assert own is not None
    await store.put_session(replace(own, ended=T0 + 9))
    await store.forget_tokens("n.okoye")
    await store.take_back("pin", "n.okoye")
    await store.clear_tally("pin", "n.okoye")
    await store.take_code("enter", "n.okoye", T0)
    await store.delete_upstream(("n.okoye", "pas"))
    assert await store.renew_lease("refresh", "gateway-1", 30.0)
    await store.drop_lease("refresh", "gateway-1")
    await store.note_revoked("device-1", T0)
    await store.note_copied(store.history, "1", "lost")
    assert (await store.copied()).place == "1"
    with pytest.raises(StoreUnavailable, match=r"docs/redis\.md"):
        await store._server.run(READ, ["another"])
    await store.close()


async def test_a_server_is_taken_by_its_certificate_only(tmp_path: Path) -> None:
    """One that the authorities given know; another is not spoken to."""
    cert, secret = certificate(tmp_path, ("localhost",))
    port = free_port()
    options = ("--tls-port", str(port), "--tls-cert-file", str(cert), "--tls-key-file", str(secret),
               "--tls-ca-cert-file", str(cert), "--tls-auth-clients", "no")  # fmt: skip
    with redis_server(tmp_path, *options) as running:
        place = redis_place(f"rediss://127.0.0.1:{port}/0")
        for ca_file in (str(cert), None):
            server = Server(place, password=running.password, ca_file=ca_file, timeout=5.0)
            with pytest.raises(StoreUnavailable):  # its name is another one, and unknown authorities made it
                await server.run(READ, ["key"])
            await server.close()
        named = replace(place, hosts=(("localhost", port),))
        server = Server(named, password=running.password, ca_file=str(cert), timeout=5.0)
        try:
            assert await server.run(READ, ["{lanyard}:key"]) == [None]
        finally:
            await server.close()


def test_a_server_that_would_let_sessions_vanish_is_refused() -> None:
    """So is one too old, each with what to do; a provider's that says no policy as well."""
    good = {"redis_version": "7.0.15", "maxmemory_policy": "noeviction"}
    assert problems(good) == []
    assert "`allkeys-lru`" in problems({**good, "maxmemory_policy": "allkeys-lru"})[0]
    assert "7.0 or later" in problems({**good, "redis_version": "6.0.16"})[0]
    assert len(problems({})) == 2
    assert state({**good, "used_memory": 80, "maxmemory": 100}) == "filling"
    assert state({**good, "used_memory": 100, "maxmemory": 100}) == "full"
    assert state({**good, "used_memory": 79, "maxmemory": 100}) == "ok"
    assert state({**good, "used_memory": 79, "maxmemory": 0}) == "ok"
    assert state({"maxmemory_policy": "volatile-ttl"}) == "evicts"


async def test_a_policy_that_is_changed_while_we_run_is_said(
    store: RedisStore, redis_running: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And that it is in order again; at a start it would be refused."""
    said: list[tuple[str, str]] = []
    monkeypatch.setattr("gateway.stores.redis.memory._EVERY", 0.0)
    memory = Memory(store, lambda *words: said.append(words))
    await memory.check()
    await memory.look()
    with redis_running.client() as client:
        try:
            client.config_set("maxmemory-policy", "allkeys-lru")
            await memory.look()
            with pytest.raises(ConfigError, match="noeviction"):
                await memory.check()
        finally:
            client.config_set("maxmemory-policy", "noeviction")
    await memory.look()
    assert said == [("redis", "evicts"), ("redis", "ok")]


async def test_how_full_a_server_is_is_said(
    store: RedisStore, redis_running: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From 80 % of its `maxmemory` on, and that nobody new is taken; and that there is room again (F13)."""
    said: list[tuple[str, str]] = []
    monkeypatch.setattr("gateway.stores.redis.memory._EVERY", 0.0)
    memory = Memory(store, lambda *words: said.append(words))
    with redis_running.client() as client:
        used = int(client.info("memory")["used_memory"])
        try:
            for most in (int(used / 0.7), int(used / 0.85), used // 2, 0):
                client.config_set("maxmemory", most)
                await memory.look()
        finally:
            client.config_set("maxmemory", 0)
    assert said == [("redis", "filling"), ("redis", "full"), ("redis", "ok")]


async def test_of_many_who_write_at_once_none_is_lost(store: RedisStore, redis_running: RedisServer) -> None:
    """Two gateways lock, name hosts and end what the other touches: an end holds, and so does a lock."""
    other = RedisStore(server_of(redis_running), Seal([KEY]))
    for name in ("a", "b"):
        await store.seat(shift(), session(name), MAIN, token_hash(name))
    ended, locked = session("a", ended=T0 + 9, end_reason="signed-off"), session("b")
    locked.lock(T0 + 9, "clinician")
    async with asyncio.TaskGroup() as group:
        for number in range(20):
            group.create_task(other.touch([session("a", last_seen=T0 + number), session("b", last_seen=T0 + number)]))
            group.create_task(other.put_session(session("a" if number % 2 else "b", hosts=(PAS,))))
            if number == 10:
                group.create_task(store.put_session(ended))
                group.create_task(store.put_session(locked))
    kept = [await store.session(name) for name in ("a", "b")]
    assert [one and one.ended for one in kept] == [T0 + 9, None]
    assert [one and one.locked for one in kept] == [None, T0 + 9]
    await other.close()


async def test_whoever_slept_too_long_believes_nothing(store: RedisStore, redis_running: RedisServer) -> None:
    """Neither after thousands of changes, nor after the server was emptied, though it counts as far again."""
    other = RedisStore(server_of(redis_running), Seal([KEY]))
    place = (await store.heard(None)).place
    await other.put_shift(shift())
    assert (await store.heard(place)).keys is not None
    with redis_running.client() as client:
        client.xtrim("{lanyard}:heard", maxlen=0)
        assert (await store.heard(place)).keys is None
        client.flushall()
    for _ in range(3):
        await other.put_shift(shift())
    assert (await store.heard(place)).keys is None
    assert (await store.heard((await store.heard(None)).place)).keys == frozenset()
    await other.close()
