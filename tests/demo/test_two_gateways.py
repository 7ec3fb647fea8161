"""A nurse's shift whose every request comes to the other of two gateways: she notices nothing of it."""

from __future__ import annotations

import secrets
from pathlib import Path

import pytest

from demo.hospital import hospital
from demo.ports import free_port
from tests.counterparts.postgres import PostgresServer

from .test_walk import all_well, walked
from .two_gateways import Stores


@pytest.mark.parametrize("stores", ["postgres", "redis"])
def test_a_shift_is_walked_at_two_gateways(
    stores: str, postgres: PostgresServer, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """The same steps and the same figures as at one, on PostgreSQL alone and on Redis with PostgreSQL."""
    redis = request.getfixturevalue("redis_running") if stores == "redis" else None
    shared = Stores(postgres, f"walk_{secrets.token_hex(4)}", redis)
    with hospital(free_port(), gateways=shared.gateways) as running:
        code, said, figures = walked(running, tmp_path)
        assert code == 0, said
    all_well(figures)
