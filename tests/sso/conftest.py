"""A toy provider for faults, and the walk of one sign-on through it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx2
import pytest

from sso import wire
from sso.oidc import OpenIdProvider
from sso.provider import Callback, SignedOn
from sso.testing import BROWSER, ToyProvider, pending

SignOn = Callable[..., Awaitable[SignedOn]]


@pytest.fixture
async def toy() -> AsyncIterator[ToyProvider]:
    async with ToyProvider() as provider:
        yield provider


@pytest.fixture
async def client() -> AsyncIterator[httpx2.AsyncClient]:
    async with wire.client_for(None) as made:
        yield made


@pytest.fixture
def provider(toy: ToyProvider, client: httpx2.AsyncClient) -> OpenIdProvider:
    return OpenIdProvider(toy.settings(), client)


@pytest.fixture
def sign_on(toy: ToyProvider, provider: OpenIdProvider) -> SignOn:
    """Walks one sign-on; keywords change the pending sign-on, `rely` takes the relying party."""

    async def walk(rely: OpenIdProvider = provider, **changes: Any) -> SignedOn:
        begun = pending(**changes)
        answered = await toy.authorise(await rely.begin(begun))
        return await rely.finish(Callback.read(answered), begun, browser=BROWSER)

    return walk
