"""Fixtures that several packages' tests share. Keep it small: what one package needs stands beside its tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from tests.counterparts import provider as providers


@pytest.fixture(scope="session")
def oidc_provider() -> Iterator[Callable[..., providers.OidcProvider]]:
    """Starts the certified oidc-provider with the clients given; all of them are stopped at the end."""
    with ExitStack() as running:
        yield lambda clients, **options: running.enter_context(providers.oidc_provider(clients, **options))


@pytest.fixture(scope="session")
def lying_provider() -> Iterator[providers.LyingProvider]:
    """oauth2-mock-server, which lies on demand."""
    with providers.lying_provider() as running:
        yield running
