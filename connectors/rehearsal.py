"""What a connector's own suite says of it to the contract, and how the contract then uses it: opened, asked, closed."""

from __future__ import annotations

import asyncio
import re
import unittest
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import httpx2

from policies.decision import Permit
from policies.model import Action, PatientRef, Resource

from . import hostile
from .base import Connector, Credential, LogsOn, UpstreamSession
from .errors import CredentialRefused, SystemMisbehaves, SystemUnavailable
from .manifest import Manifest
from .messages import Body, InboundRequest, UpstreamRequest
from .routes import NHS_NUMBER, is_nhs_number
from .samples import Answered, Asked, Wire, brings

T = TypeVar("T")

PASSWORD = "Passw0rd-that-nobody-may-see"  # noqa: S105 - nobody's
BROWSERS_OWN = b"browser-own"
_NO_LOG_ON = (CredentialRefused, SystemUnavailable, SystemMisbehaves)


class Rehearsal:
    package: str  # the package with manifest.toml and quality.toml beside its code
    secrets: tuple[str, ...] = ()  # what the connector of `connector()` is known by at the system
    root = Path()  # where the tests that quality.toml names are
    skips: Mapping[str, str] = {}
    permit: Permit  # what a request is prepared under

    def connector(self) -> Connector:
        """A fresh one, not opened, with a configuration as it would be in production."""
        raise NotImplementedError

    def requests(self) -> Sequence[Asked]:
        raise NotImplementedError

    def answers(self) -> Sequence[Answered]:
        raise NotImplementedError

    def session(self, secret: str) -> UpstreamSession | None:
        """For a connector that logs on: a session of which `secret` is the cookie's value, or the token."""
        return None

    def system(self, request: httpx2.Request) -> httpx2.Response:
        """What the system answers to the connector's own requests, e.g. its login page. Nothing unless said."""
        raise SystemUnavailable("nobody answers")

    def setup_method(self, method: Callable[..., Any]) -> None:
        """pytest asks this before each check."""
        if reason := self.skips.get(method.__name__):
            raise unittest.SkipTest(reason)

    # How the contract uses it

    def _needs(self, power: type) -> None:
        if not isinstance(self.connector(), power):
            raise unittest.SkipTest(f"it has not the power {power.__name__}")

    def _manifest(self) -> Manifest:
        return Manifest.of(self.package)

    def _with(self, use: Callable[[Connector], Awaitable[T]], wire: Wire | None = None) -> T:
        """Use a fresh connector, opened."""

        async def run() -> T:
            connector = self.connector()
            await connector.open((wire or Wire(self.system)).tools())
            try:
                return await use(connector)
            finally:
                await connector.close()

        return asyncio.run(run())

    def _described(self, asked: Asked) -> tuple[Action, Resource]:
        return self._with(lambda connector: connector.describe(asked.inbound()))

    def _prepared(self, asked: Asked, session: UpstreamSession | None = None) -> UpstreamRequest:
        async def judged(connector: Connector) -> UpstreamRequest:
            inbound = asked.inbound()
            await connector.describe(inbound)
            return await connector.prepare(inbound, self.permit, session)

        return self._with(judged)

    def _attacks(self) -> Iterator[tuple[InboundRequest, Asked]]:
        """The samples, each with something wrong, and the sample that it was."""
        for asked in self.requests():
            for target in hostile.targets(asked.target):
                yield replace(asked, target=target).inbound(), asked
            for method in hostile.METHODS:
                yield replace(asked, method=method).inbound(), asked
            for body in hostile.bodies(asked.body):
                yield replace(asked, body=body).inbound(), asked
            for kind in hostile.KINDS:
                yield replace(asked, headers=((b"content-type", kind),)).inbound(), asked

    def _damaged(self) -> Iterator[tuple[Answered, int]]:
        """The sample answers, each with something wrong, and in pieces of which size they come."""
        for answered in self.answers():
            for body in hostile.bodies(answered.body):
                yield replace(answered, body=body), 4096
                yield replace(answered, body=body, headers=((b"content-type", b"application/json"),)), 1024
            for kind in hostile.KINDS:
                yield replace(answered, headers=((b"content-type", kind),)), 64
                yield replace(answered, headers=(*answered.headers, (b"content-type", kind))), 64
            for status in (206, 400, 401, 404, 500, 503):
                yield replace(answered, status=status), 64
                yield replace(answered, status=status, headers=(), body=b"<h1>Error"), 64

    def _not_passed(self, *headers: tuple[bytes, bytes]) -> None:
        for asked in self.requests():
            sent = self._prepared(replace(asked, headers=(*asked.headers, *headers)), self.session("s"))
            passed = [name for name, value in sent.headers if BROWSERS_OWN in value]
            assert not passed, f"{asked.target!r}: the browser's own {passed[0]!r} is sent to the system"

    def _says_nothing(self, text: str, *hidden: str) -> None:
        for secret in (*self.secrets, *hidden):
            assert secret not in text, "what is printed or told repeats a secret or a patient's identifier"

    def _always(self, answer: httpx2.Response, request: httpx2.Request) -> httpx2.Response:
        return answer

    def _once_it_came(self, answer: httpx2.Response, request: httpx2.Request) -> httpx2.Response:
        """The system as it is, until the password comes."""
        return answer if brings(request, PASSWORD) else self.system(request)

    def _tried(self, system: Callable[[httpx2.Request], httpx2.Response]) -> int:
        """Log on to a system that answers so; how often the password was sent."""
        wire = Wire(system)

        async def log_on(connector: Connector) -> str:
            assert isinstance(connector, LogsOn)
            async with wire.client() as client:
                try:
                    await connector.log_on(Credential("lee", PASSWORD), client)
                except _NO_LOG_ON as refused:
                    self._says_nothing(str(refused), PASSWORD)
                except Exception as error:
                    raise AssertionError(f"logging on ended with {type(error).__name__}") from error
            return connector.config.upstream

        home = urlsplit(self._with(log_on, wire)).netloc
        abroad = [place for sent in wire.asked if (place := sent.url.netloc.decode()) != home]
        assert not abroad, f"logging on led to another address, {abroad[0]}"
        times = len(wire.carrying(PASSWORD))
        assert times <= 1, f"the password was sent {times} times: a second wrong try can lock the clinician out"
        return times


def some(samples: Sequence[T], what: str) -> Sequence[T]:
    assert samples, f"give at least one of `{what}()`"
    return samples


async def everything(body: Body | None) -> bytes:
    return b"".join([chunk async for chunk in body.chunks()]) if body is not None else b""


def shown(inbound: InboundRequest) -> str:
    return f"{inbound.method} {inbound.target[:120]!r} {(inbound.body.whole or b'')[:40]!r}"


def require_normal(found: Iterable[PatientRef], where: str) -> None:
    """Patients as the journal and the policies can compare them."""
    assert isinstance(found, frozenset), f"{where}: patients are a frozenset"
    for ref in found:
        assert isinstance(ref, PatientRef), f"{where}: {type(ref).__name__} is no PatientRef"
        assert re.fullmatch(r"[a-z][a-z0-9-]*(:.+)?", ref.namespace), f"{where}: `{ref.namespace}` is no namespace"
        assert 0 < len(ref.value) <= 64, f"{where}: an id of {len(ref.value)} characters"
        assert ref.value == ref.value.strip(), f"{where}: an id with space around it"
        assert not any("\ud800" <= c <= "\udfff" for c in ref.value), f"{where}: an id that nobody can write down"
        if ref.namespace == NHS_NUMBER:
            assert is_nhs_number(ref.value), (
                f"{where}: an NHS number has ten digits, without spaces, and a right check digit"
            )


async def broken(body: bytes) -> AsyncIterator[bytes]:
    """A body that the system resets half-way."""
    yield body[: len(body) // 2]
    raise SystemUnavailable("the system broke off")


def badly() -> Iterator[httpx2.Response]:
    """What a system can answer to a log-on: nonsense, errors, redirects to elsewhere and without end."""
    for status, location in (
        (200, ""),
        (401, ""),
        (500, ""),
        (302, "http://elsewhere.test/"),
        (307, "/again"),
        (307, ""),
    ):
        for page in (b"", b"<form", b"\xff\xfe", b"[" * 5000):
            headers = {"content-type": "text/html", **({"location": location} if location else {})}
            yield httpx2.Response(status, headers=headers, content=page)
