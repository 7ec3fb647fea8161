"""Setting the stage: servers, gateways and their balancer begun in order, everybody signed on, and all of it ended again."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from demo.ports import free_port
from sso.seal import new_key
from tests.counterparts import postgres, redis_servers
from tests.counterparts.postgres import postgres_server
from tests.counterparts.redis_servers import redis_server, sentinels
from tests.counterparts.small_disk import small_disk
from tests.journey.hospital import Hospital, system

from . import old
from .balancer import Balancer, balancer
from .links import Link
from .provider import CLIENT, provider
from .records import Records
from .stage import Loop, Stage


def _configured(folder: Path, name: str, balancer_port: int, issuer: str, records: int, **tables: Any) -> Hospital:
    place = folder / name
    place.mkdir()
    port, ops = free_port(), free_port()
    gateway = {
        "public_url": f"http://records.localhost:{balancer_port}", "listen": f"127.0.0.1:{port}", "ops_listen": f"127.0.0.1:{ops}",
        "data_dir": str(place / "data"), "name": name, "trusted_proxies": ["127.0.0.1/32"],
    }  # fmt: skip
    config: dict[str, Any] = {
        "gateway": gateway,
        "keys": {key: {"file": str(folder / f"{key}.key")} for key in ("seal", "journal")},
        "sso": {"issuer": issuer, "client_id": CLIENT, "client_secret": {"file": str(folder / "client.secret")},
                "claims": {"roles": "roles"}, "recheck": "12h"},
        "audit": {"reserve": "16MiB", "segment": "2MiB"},
        "zones": [{"name": "ward", "cidrs": ["127.0.0.0/8"], "posture": "on-site"}],
        "systems": [
            system("records", "fhir", f"http://127.0.0.1:{records}", helpdesk="1234"),
            system("pas", "webform", f"http://127.0.0.1:{records}", options=old.OPTIONS, credentials=str(folder / "pas.credentials")),
        ],
    }  # fmt: skip
    for table, changes in tables.items():
        config[table] = {**config.get(table, {}), **changes}
    made = Hospital(place, port, ops, issuer, config)
    made.write()
    return made


@contextlib.contextmanager
def stage(
    folder: Path,
    *,
    gateways: int = 1,
    clinicians: int = 20,
    build: str = "",
    disk: str = "",
    stores: str = "",
    database_disk: str = "",
    **tables: Any,
) -> Iterator[Stage]:
    """Everything runs and everybody is signed on.

    `build`: one of tests/chaos/builds.py, where it is not the product's own; `disk`: how large each gateway's is; `stores`: `postgres`,
    `redis`, or `sentinels` (and PostgreSQL with either); `database_disk`: how large PostgreSQL's is.
    """
    for key in ("seal", "journal"):
        (folder / f"{key}.key").write_text(new_key())
    (folder / "client.secret").write_text("nobody asks for it")
    with contextlib.ExitStack() as open_ones:
        loop, records, front = Loop(), Records(), free_port()
        open_ones.callback(loop.close)
        loop.do(records.start())
        open_ones.callback(lambda: loop.do(records.close()))
        issuer = open_ones.enter_context(provider())
        (folder / "pas.credentials").write_text(old.credentials((folder / "seal.key").read_bytes(), issuer))
        names = [f"gateway-{letter}" for letter in "abcdefgh"[:gateways]]
        places = [_configured(folder, name, front, issuer, records.port, **tables) for name in names]
        made = Stage(folder, places, Balancer(folder, front, [one.port for one in places]), records, issuer, loop)
        open_ones.callback(lambda: loop.do(made.close()))
        open_ones.enter_context(_stores(made, stores, database_disk))
        for one in places:
            one.write()
            one.program = ("tests.chaos.builds", build or "nothing", str(made.control))
            if disk:
                open_ones.enter_context(small_disk(one.folder / "data", disk))
        open_ones.callback(_ended, places)
        for one in places:
            one.begin()
        for one in places:
            one.wait()
        made.balancer = open_ones.enter_context(balancer(folder, front, [one.port for one in places]))
        made.sign_on(clinicians)
        yield made


@contextlib.contextmanager
def _stores(made: Stage, stores: str, room: str) -> Iterator[None]:
    """Servers of this stage's own, since it breaks them, each behind a link. PostgreSQL syncs, since it is killed."""
    with contextlib.ExitStack() as open_ones:
        if stores:
            made.database = open_ones.enter_context(postgres_server(durable=True, room=room))
            _linked(made, open_ones, "database", made.database.port, postgres.PASSWORD)
        if stores == "redis":
            made.redis = open_ones.enter_context(redis_server(made.folder))
            _linked(made, open_ones, "redis", made.redis.port, redis_servers.PASSWORD)
        if stores == "sentinels":
            made.sentinels = open_ones.enter_context(sentinels(made.folder))
            (made.folder / "redis.password").write_text(redis_servers.PASSWORD)
            for one in made.gateways:
                secret = {"file": str(made.folder / "redis.password")}
                one.config["gateway"] |= {"redis_url": made.sentinels.url, "redis_password": secret}
        yield


def _linked(made: Stage, open_ones: contextlib.ExitStack, name: str, port: int, password: str) -> None:
    link = made.links[name] = Link(port)
    made.loop.do(link.open())
    open_ones.callback(lambda: made.loop.do(link.cut()))
    (made.folder / f"{name}.password").write_text(password)
    url = (
        f"postgresql://{postgres.USER}@127.0.0.1:{link.port}/lanyard"
        if name == "database"
        else f"redis://127.0.0.1:{link.port}/0"
    )
    for one in made.gateways:
        one.config["gateway"] |= {
            f"{name}_url": url,
            f"{name}_password": {"file": str(made.folder / f"{name}.password")},
        }


def _ended(places: list[Hospital]) -> None:
    """All of them at once."""
    running = [one for one in places if one.process is not None and one.process.poll() is None]
    for one in running:
        assert one.process is not None
        one.process.terminate()
    for one in running:
        one.stop()
