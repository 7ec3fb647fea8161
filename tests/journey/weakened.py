"""The gateway with one control taken out, so that a suite can show that it would notice: `weakened.py CONTROL serve --config …`."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Callable
from typing import Any

from connectors.fhir.connector import FhirConnector
from connectors.messages import Body
from connectors.webform.connector import WebformConnector
from gateway import cli
from gateway.audit.event import AuditReceipt
from gateway.audit.journal import Journal
from gateway.edge import exchange
from gateway.errors import JournalUnavailable
from gateway.proxy import headers
from gateway.upstreams import UpstreamSessions


def nothing() -> None:
    """The whole gateway: what fails here fails because of this launcher."""


def names_from_outside() -> None:
    """Whatever header a browser sends is passed on, but for those that say where a message ends."""
    headers._inward = {b"host", b"content-length", b"transfer-encoding", b"connection"}.__contains__


def names_from_systems() -> None:
    """Whatever header a system sends is passed on."""
    headers._outward = lambda name: False


def cookies_of_our_own() -> None:
    """The browser's cookies go to the system as they are."""
    headers._declared = lambda cookies, names: cookies


def declared_pages_only() -> None:
    """What no route names is a page like any other."""
    made = WebformConnector.__init__

    def lax(self: WebformConnector, *given: Any) -> None:
        made(self, *given)
        self._refuse_unnamed = False

    WebformConnector.__init__ = lax  # type: ignore[method-assign]  # that is what this file is for


def durable_before_asking() -> None:
    """A journal that cannot write stops nobody."""
    intent = Journal.intent

    async def anyhow(self: Journal, access: Any, facts: Any, decision: Any, line: Any, *more: Any) -> AuditReceipt:
        try:
            return await intent(self, access, facts, decision, line, *more)
        except JournalUnavailable:
            return AuditReceipt(line.id, "permit", 0, access.patients)

    Journal.intent = anyhow  # type: ignore[method-assign]  # that is what this file is for


def durable_before_release() -> None:
    """Patients who are found in an answer are not written down."""

    async def silently(self: Journal, receipt: AuditReceipt, seen: Any) -> AuditReceipt:
        return receipt

    Journal.released = silently  # type: ignore[method-assign]  # that is what this file is for


def whole_writes_only() -> None:
    """A browser that goes away has said all that it wanted to say."""

    async def lax(receive: Any) -> AsyncIterator[bytes]:
        more = True
        while more:
            message = await receive()
            more = message.get("more_body", False)
            yield message.get("body", b"")

    exchange._chunks = lax


def writes_once() -> None:
    """Whatever a system did not take is sent again after the next log-on, from a body that can be had twice."""

    async def again(self: Body) -> AsyncIterator[bytes]:
        yield await self.hold(1 << 20)

    Body.chunks = again  # type: ignore[method-assign]  # that is what this file is for
    UpstreamSessions.may_repeat = lambda self, inbound, resource: True  # type: ignore[method-assign]  # as above


def right_patient() -> None:
    """Whoever's record comes is shown."""

    async def content(self: FhirConnector, inbound: Any, seen: Any) -> None:
        return None

    FhirConnector._same_patient = content  # type: ignore[method-assign]  # that is what this file is for


CONTROLS: dict[str, Callable[[], None]] = {
    control.__name__: control
    for control in (
        nothing,
        names_from_outside,
        names_from_systems,
        cookies_of_our_own,
        declared_pages_only,
        durable_before_asking,
        durable_before_release,
        whole_writes_only,
        writes_once,
        right_patient,
    )
}

if __name__ == "__main__":
    CONTROLS[sys.argv.pop(1)]()
    sys.exit(cli.main())
