"""Leaving for the provider: a sign-on under way is kept, and bound to the browser that it is for."""

from __future__ import annotations

from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import Response

from sso.provider import PENDING_LIFE, IdentityProvider, PendingSignOn
from sso.session import new_token, token_hash

from ..edge import cookies
from ..edge.origins import Bounce
from ..stores.base import CodeStore
from .render import Renderer
from .visitors import Visitors

BROWSER = b"__Host-lanyard-signon"


class Leaving:
    def __init__(
        self,
        public_url: str,
        provider: IdentityProvider,
        store: CodeStore,
        visitors: Visitors,
        renderer: Renderer,
        now: Callable[[], float],
    ) -> None:
        self._public_url = public_url
        self._provider = provider
        self._store = store
        self._visitors = visitors
        self._renderer = renderer
        self._now = now

    async def leave(
        self,
        request: Request,
        back: str,
        *,
        acr_values: tuple[str, ...] = (),
        fresh: bool = False,
        prompt: str | None = None,
        subject: str = "",
        device: str = "",
        step_up: str = "",
    ) -> Response:
        """Fields as in PendingSignOn. Raises ProviderAway, StoreUnavailable."""
        binding = new_token()
        pending = PendingSignOn.new(
            browser=token_hash(binding),
            redirect_uri=f"{self._public_url}/sign-on/callback",
            return_path=back,
            now=self._now(),
            acr_values=acr_values,
            subject=subject,
            fresh=fresh,
            device=device,
            source=self._visitors.source(request),
            step_up=step_up,
        )
        address = await self._provider.begin(pending, prompt=prompt)
        await self._store.put_code("pending", pending.state, pending.to_json().encode(), self._now() + PENDING_LIFE)
        given = cookies.given(binding_name(pending.state), binding, max_age=int(PENDING_LIFE))
        return self._renderer.redirect(Bounce(address, (given,)))


def binding_name(state: str) -> bytes:
    """One cookie for each sign-on under way, so that two tabs do not spoil each other's."""
    return BROWSER + b"-" + token_hash(state)[:16].encode()
