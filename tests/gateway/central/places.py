"""A central journal in a database of its own, and what stands in it, for the tests of this folder."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine, text

from gateway.central.connection import Central
from gateway.central.ship import Shipper
from gateway.central.tables import SCHEMA, metadata
from gateway.store_places import database_place
from tests.counterparts.postgres import PASSWORD, USER, PostgresServer


@dataclass
class CentralPlace:
    server: PostgresServer
    database: str
    central: Central
    heard: list[tuple[str, str]] = field(default_factory=list)

    def rows(self, statement: str, values: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        with closing(self.server.connect(self.database)) as c:
            c.execute("SET search_path = journal")
            return c.execute(statement, values).fetchall()  # type: ignore[arg-type]  # a fixed statement

    def do(self, statement: str) -> None:
        with closing(self.server.connect(self.database)) as c:
            c.execute("SET search_path = journal")
            c.execute(statement)  # type: ignore[arg-type]  # a fixed statement

    def places(self) -> list[tuple[str, int, int]]:
        return self.rows("SELECT writer, epoch, seq FROM event ORDER BY 1, 2, 3")  # type: ignore[return-value]  # three columns

    @contextmanager
    def shipping(self, data_dir: Path, gateway: str = "gateway", own: str = "gateway") -> Iterator[Shipper]:
        shipper = Shipper(data_dir, self.central, gateway, own=own)
        shipper.start(lambda control, state: self.heard.append((control, state)))
        try:
            yield shipper
        finally:
            shipper.close()

    @property
    def states(self) -> list[str]:
        """What the shipper has said, without repetitions."""
        said = [state for _, state in self.heard]
        return [state for number, state in enumerate(said) if number == 0 or said[number - 1] != state]


def new_place(server: PostgresServer) -> CentralPlace:
    name = f"journal_{secrets.token_hex(4)}"
    url = server.new_database(name)
    engine = create_engine(
        f"postgresql+psycopg://{USER}:{PASSWORD}@127.0.0.1:{server.port}/{name}",
    )
    with engine.begin() as c:
        c.execute(text(f"CREATE SCHEMA {SCHEMA}"))
        metadata.create_all(c)
    engine.dispose()
    return CentralPlace(server, name, Central(database_place(url), PASSWORD))


def wait_until(true: Callable[[], bool], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.02)
