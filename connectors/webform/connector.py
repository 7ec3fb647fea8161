"""The webform connector: a system that has only a login page, declared rather than programmed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..base import Credential, SystemConfig, UpstreamSession
from ..pages import DeclaredPages
from ..signs import Sign
from .log_on import LoginPage, LogOnWalk
from .steps import steps_of

if TYPE_CHECKING:
    import httpx2


class WebformConnector(DeclaredPages):
    def __init__(self, config: SystemConfig) -> None:
        """Raises ValueError where an option is wrong."""
        super().__init__(config)
        options = config.options
        first, *further = steps_of(options)
        self._login = LoginPage(
            path=options["login_page"],
            place=first.place,
            success=Sign.declared(options["success"]),
            failure=Sign.declared(options["failure"]),
            charset=self.charset,
            change_password=Sign.declared(options.get("change_password", {})),
            further=tuple(further),
        )

    async def log_on(self, credential: Credential, client: httpx2.AsyncClient) -> UpstreamSession:
        """Raises CredentialRefused, PasswordChangeDue, SystemUnavailable, SystemMisbehaves. Never tries twice."""
        walk = LogOnWalk(self.config.name, self.config.title, self.origin, self._login, client)
        return await walk.walk(credential)

    async def health(self, client: httpx2.AsyncClient) -> None:
        """The login page answers. Raises ConnectorError."""
        await client.get(self.origin + self._login.path)
