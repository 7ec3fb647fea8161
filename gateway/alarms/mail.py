"""Sends a notice through the hospital's mail server, whose certificate is verified. Blocking: for a thread of its own."""

from __future__ import annotations

import smtplib
import ssl
from dataclasses import dataclass

from ..config import AlarmsTable
from .telling import Notice
from .wording import mail

_PATIENCE = 10.0


@dataclass(frozen=True, slots=True)
class Mail:
    settings: AlarmsTable
    trusted: ssl.SSLContext
    password: bytes | None
    name = "mail"

    def __call__(self, notice: Notice) -> None:
        """Raises OSError, which everything of smtplib is."""
        settings = self.settings
        assert settings.mail_from is not None
        with self._connected() as server:
            if settings.mail_user is not None and self.password is not None:
                server.login(settings.mail_user, self.password.decode())
            server.send_message(mail(notice, settings.mail_from, settings.mail_to))

    def _connected(self) -> smtplib.SMTP:
        assert self.settings.mail_server is not None
        host, _, port = self.settings.mail_server.rpartition(":")
        host = host.strip("[]")
        if self.settings.mail_tls == "tls":
            return smtplib.SMTP_SSL(host, int(port), timeout=_PATIENCE, context=self.trusted)
        server = smtplib.SMTP(host, int(port), timeout=_PATIENCE)
        try:
            server.starttls(context=self.trusted)  # a server without it is refused: nothing goes in the clear
        except BaseException:
            server.close()
            raise
        return server
