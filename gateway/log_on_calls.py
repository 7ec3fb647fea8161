"""What a system is asked for a log-on: with a credential, once, and written down, whatever comes of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Protocol

from connectors.base import Credential, UpstreamSession
from connectors.errors import ConnectorError, CredentialMissing, CredentialRefused, SystemMisbehaves
from policies.model import Principal
from sso.errors import StoreUnavailable

from . import logs
from .audit.event import AuditEvent, EventType
from .credentials import CredentialSource
from .log_on import Key, LogOn
from .log_on_tries import LogOnTries, fingerprint
from .session_events import strength
from .systems import System

if TYPE_CHECKING:
    import httpx2

    from .sessions import Seat

Work = Callable[["httpx2.AsyncClient"], Awaitable[UpstreamSession]]
Tried = Callable[[Principal, str, Credential, CredentialRefused | None], Awaitable[None]]


async def nobody_notes(principal: Principal, system: str, credential: Credential, no: CredentialRefused | None) -> None:
    pass


class Records(Protocol):
    """The part of the journal that is needed here."""

    async def record(self, event: AuditEvent) -> int: ...


class LogOnCalls:
    def __init__(
        self,
        tries: LogOnTries,
        credentials: CredentialSource,
        journal: Records,
        client: Callable[[System], httpx2.AsyncClient],
        now: Callable[[], float],
        counted: Callable[[str, str], None],
        tried: Tried,
    ) -> None:
        """`counted(system, outcome)` hears of every log-on: `ok`, or the name of what went wrong; `tried` of every kept credential that
        a system took or refused."""
        self._tries = tries
        self._credentials = credentials
        self._journal = journal
        self._client = client
        self._now = now
        self._counted = counted
        self._tried = tried

    async def kept(self, seat: Seat, system: System, key: Key) -> UpstreamSession:
        """Log on with what is kept for this clinician. Raises CredentialMissing, CredentialRefused, ConnectorError."""
        if (there := system.takes_our_word) is not None:
            return await self._tried_with(key, seat, system, there.begin)
        credential = await self._credential(seat, system)
        before = await self._tries.refused(seat.shift, system.name)
        if before is not None and before.fingerprint == fingerprint(credential):
            raise before.kind(f"`{system.title}` refused your log-on earlier in this shift: it is not tried again")
        try:
            session = await self._tried_with(key, seat, system, _with(system, credential))
        except CredentialRefused as refusal:
            await _noted(self._tries.was_refused(seat.shift, system.name, credential, refusal))
            await _noted(self._tried(seat.shift.principal, system.name, credential, refusal))
            raise
        await _noted(self._tried(seat.shift.principal, system.name, credential, None))
        return session

    async def _tried_with(self, key: Key, seat: Seat, system: System, work: Work) -> UpstreamSession:
        """Not where it has just failed; and where it fails now, it is noted."""
        if (failure := await self._tries.failure(key, seat.shift)) is not None:
            raise failure
        try:
            return await self._try(seat, system, work)
        except CredentialRefused:
            raise
        except ConnectorError as error:
            await _noted(self._tries.failed(key, seat.shift, error))
            raise
        except Exception:  # what was sent was sent, and those who waited for it are not to send it again
            broken = SystemMisbehaves(f"`{system.title}` could not be logged on to: its answer was not understood")
            await _noted(self._tries.failed(key, seat.shift, broken))
            raise

    async def typed(self, seat: Seat, system: System, key: Key, credential: Credential) -> UpstreamSession:
        """Log on with what somebody has just typed. Raises ConnectorError."""
        try:
            return await self._try(seat, system, _with(system, credential))
        except ConnectorError as error:
            await _noted(self._tries.was_typed(key, credential, error))
            raise

    async def _try(self, seat: Seat, system: System, work: Work) -> UpstreamSession:
        try:
            async with self._client(system) as client:
                session = await work(client)
        except ConnectorError as error:
            self._counted(system.name, type(error).__name__)
            await self._record(
                EventType.UPSTREAM_LOG_ON_FAILED, system, seat.session.id, seat=seat, reason=type(error).__name__
            )
            raise
        self._counted(system.name, "ok")
        await self._record(EventType.UPSTREAM_LOGGED_ON, system, seat.session.id, seat=seat)
        return session

    async def _credential(self, seat: Seat, system: System) -> Credential:
        credential = await self._credentials.credential(seat.shift.principal, system.name)
        if credential is None:
            raise CredentialMissing(f"no log-on to `{system.title}` is kept for you")
        return credential

    async def left(self, live: LogOn, system: System, *, by: str) -> None:
        """Log off there. `by`: why."""
        assert system.keeps_session is not None
        try:
            async with self._client(system) as client:
                await system.keeps_session.log_off(live.session, client)
        except ConnectorError:
            pass  # it will expire there by itself; the clinician's sign-off does not wait for it
        await self.gone(live, system, by=by)

    async def gone(self, live: LogOn, system: System, *, by: str) -> None:
        """It is over there; `by`: by whom, or why."""
        await self._record(EventType.UPSTREAM_LOGGED_OFF, system, live.holder, by=by)

    async def _record(
        self, kind: EventType, system: System, holder: str, *, seat: Seat | None = None, **fields: object
    ) -> None:
        if seat is not None:
            p = seat.shift.principal
            fields |= {"issuer": p.issuer, "subject": p.subject, "shift": seat.shift.id, **strength(seat.shift)}
        known = {"system": system.name, "state": system.state.value, "session": holder}
        await self._journal.record(AuditEvent(kind, self._now(), {**known, **fields}))


def _with(system: System, credential: Credential) -> Work:
    logs_on = system.logs_on
    assert logs_on is not None
    return lambda client: logs_on.log_on(credential, client)


async def _noted(note: Awaitable[None]) -> None:
    """What cannot be noted stops nobody: the log-on has been made or refused."""
    try:
        await note
    except StoreUnavailable as error:
        logs.log().error("the store did not take a note of a log-on", error=error)
