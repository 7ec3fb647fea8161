"""One gateway for a test, opened and closed with it; or two over one store, whose clinicians' requests go to each in turn."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway import sessions

from .front import Front, front

IN_TURN = (
    "test_handoff", "test_kept", "test_refresh_race", "test_renewal", "test_signon", "test_step_up",
    "test_unlock", "test_vault",
)  # fmt: skip


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """These journeys are the same whether one gateway answers or two in turn."""
    if "house" in metafunc.fixturenames and metafunc.module.__name__.endswith(IN_TURN):
        metafunc.parametrize("house", [1, 2], ids=["one gateway", "two in turn"], indirect=True)


@pytest.fixture
async def house(
    tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Front]:
    gateways = getattr(request, "param", 1)
    if gateways > 1:  # as if a second passed from each request to the next: what one has done the other has heard of
        monkeypatch.setattr(sessions, "_BELIEVED", 0.0)
    async with front(tmp_path, gateways=gateways) as opened:
        yield opened
