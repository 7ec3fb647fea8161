"""Who receives alarms in these tests: a real mail server that speaks TLS, and a small webhook."""

from __future__ import annotations

import contextlib
import email
import ssl
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from demo.ports import free_port
from tests.counterparts.processes import small_server

USER, PASSWORD = "lanyard", "only-for-tests"


@dataclass
class Post:
    """A mail server and what it was given."""

    port: int
    mails: list[Message] = field(default_factory=list)
    to: list[list[str]] = field(default_factory=list)
    arrived: threading.Event = field(default_factory=threading.Event)

    async def handle_DATA(self, server: object, session: Session, envelope: Envelope) -> str:
        assert session.ssl is not None, "a mail came in the clear"
        assert session.authenticated
        self.mails.append(email.message_from_bytes(envelope.original_content or b""))
        self.to.append(list(envelope.rcpt_tos))
        self.arrived.set()
        return "250 taken"

    @staticmethod
    def known(server: object, session: object, envelope: object, mechanism: str, data: object) -> AuthResult:
        good = isinstance(data, LoginPassword) and (data.login, data.password) == (USER.encode(), PASSWORD.encode())
        return AuthResult(success=good)


class _Open(Controller):
    """Remembers who is connected: its loop is to be closed with nobody in it."""

    def __init__(self, *given: Any, **options: Any) -> None:
        super().__init__(*given, **options)
        self.connected: set[SMTP] = set()

    def factory(self) -> SMTP:
        connected = self.connected

        class Session(SMTP):
            def connection_lost(self, error: Exception | None) -> None:
                super().connection_lost(error)
                connected.discard(self)

        made = Session(self.handler, **self.SMTP_kwargs)
        connected.add(made)
        return made


@contextlib.contextmanager
def post(cert: Path, key: Path, *, port: int = 0) -> Iterator[Post]:
    """A server on which STARTTLS comes before everything else, and a password after it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    made = Post(port or free_port())
    options = {"tls_context": context, "require_starttls": True, "authenticator": Post.known, "auth_required": True}
    running = _Open(made, hostname="127.0.0.1", port=made.port, **options)
    running.start()
    try:
        yield made
    finally:
        until = time.monotonic() + 10
        while running.connected and time.monotonic() < until:
            time.sleep(0.01)
        running.stop()


@dataclass
class Hook:
    """A webhook and what it was sent: the signature's header and the body."""

    url: str = ""
    taken: list[tuple[str, bytes]] = field(default_factory=list)
    status: int = 204


@contextlib.contextmanager
def hook() -> Iterator[Hook]:
    made = Hook()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            if made.status < 300:
                made.taken.append((self.headers["lanyard-signature"], body))
            self.send_response(made.status)
            self.end_headers()

    with small_server(Handler) as origin:
        made.url = f"{origin}/alarms"
        yield made
