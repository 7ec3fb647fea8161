"""The gateway with one control of a shift taken out, so that the walk can show that it would notice: `-m … CONTROL serve …`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from gateway import app, cli, sessions
from gateway.sessions import Seat, Sessions
from gateway.upstreams import UpstreamSessions
from policies.engine import CedarEngine
from sso import unlock
from sso.handoff import Giving
from sso.session import Session


def nothing() -> None:
    """The whole gateway: what is found wanting here is wanting because of this launcher."""


def locks_that_hold() -> None:
    """Our own pages lock; a system's pages are shown all the same."""
    seated = Sessions.seated

    async def lax(self: Sessions, token: bytes | None, host: str) -> Seat | None:
        kept = self._seats.get(token) if token and host.startswith("pas.") else None
        return kept or await seated(self, token, host)

    Sessions.seated = lax  # type: ignore[method-assign]  # that is what this file is for


def pins_that_fit() -> None:
    """Any PIN will do."""
    unlock.fits = lambda hashed, pin: True


def numbers_that_match() -> None:
    """Any number will do."""
    Giving.matches = lambda self, typed: not self.refused  # type: ignore[method-assign]  # as above


def forms_of_ones_own() -> None:
    """A form is sent in whatever session it meets."""
    UpstreamSessions.refuse_stale_write = lambda *given, **more: None  # type: ignore[method-assign]  # as above


def rules_that_are_enforced() -> None:
    """Rules about devices are observed, whatever the configuration says."""
    app.CedarEngine = lambda bundle, mode: CedarEngine(bundle, "observe")  # type: ignore[assignment,misc]  # as above


def word_from_elsewhere() -> None:
    """What another process has written is not heard of for an hour."""
    sessions._BELIEVED = 3600.0


def ends_that_hold() -> None:
    """A session that was ended from elsewhere goes on."""

    async def lax(self: Sessions, *given: Any) -> None:
        return None

    Sessions.end_session = lax  # type: ignore[method-assign]  # as above


def sign_offs_that_hold() -> None:
    """A shift that was signed off everywhere goes on."""

    async def lax(self: Sessions, *given: Any) -> list[Session]:
        return []

    Sessions.end_shift = lax  # type: ignore[method-assign]  # as above


CONTROLS: dict[str, Callable[[], None]] = {
    control.__name__: control
    for control in (
        nothing,
        locks_that_hold,
        pins_that_fit,
        numbers_that_match,
        forms_of_ones_own,
        rules_that_are_enforced,
        word_from_elsewhere,
        ends_that_hold,
        sign_offs_that_hold,
    )
}

if __name__ == "__main__":
    CONTROLS[sys.argv.pop(1)]()
    sys.exit(cli.main())
