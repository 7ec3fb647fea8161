"""One log-on through a system's own login page, on the server, with the clinician's own credential.

The page is fetched, its form filled (hidden fields and tokens carried), sent once, and redirects are followed inside the
system's own origin. Nothing is tried a second time: a second wrong try could lock the clinician out.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

from ..base import Credential, UpstreamSession
from ..errors import CredentialRefused, PasswordChangeDue, SystemMisbehaves
from ..jar import Jar
from ..messages import Headers
from ..signs import LOOK_AHEAD, Sign
from .form import FormPlace, Submission, fill

if TYPE_CHECKING:
    import httpx2

_MOST_REDIRECTS = 8


@dataclass(frozen=True, slots=True)
class LoginPage:
    """What is declared about a system's log-on."""

    path: str
    place: FormPlace
    success: Sign
    failure: Sign
    charset: str
    change_password: Sign = Sign()  # noqa: RUF009 - frozen: one for all is as good as one for each


@dataclass(frozen=True, slots=True)
class _Seen:
    """The last answer of a walk: where it was, and what it said."""

    url: str
    status: int
    location: bytes | None
    page: bytes
    first_status: int = 0
    first_location: bytes | None = None


class LogOnWalk:
    """One walk through a login page: a jar of its own, ended by an UpstreamSession or an error."""

    def __init__(self, system: str, title: str, origin: str, page: LoginPage, client: httpx2.AsyncClient) -> None:
        self._system = system
        self._title = title
        self._origin = origin
        self._page = page
        self._client = client
        self._jar = Jar(origin)

    async def walk(self, credential: Credential) -> UpstreamSession:
        """Raises CredentialRefused, PasswordChangeDue, SystemUnavailable, SystemMisbehaves."""
        shown = await self._get(self._origin + self._page.path)
        form = fill(shown.page, self._page.charset, self._page.place, credential)
        seen = await self._submit(urljoin(shown.url, form.action), shown.url, form)
        self._judge(seen)
        return UpstreamSession(secrets.token_hex(16), self._system, {"cookies": self._jar.kept()})

    def _judge(self, seen: _Seen) -> None:
        page = self._page
        answers = ((seen.first_status, seen.first_location), (seen.status, seen.location))
        if self._shows(page.failure, seen, answers):
            raise CredentialRefused(f"`{self._title}` did not take your user name and password")
        # Where the walk ended counts as a place too: a change page is often the last of several redirects.
        if self._shows(page.change_password, seen, (*answers, (seen.status, seen.url.encode()))):
            raise PasswordChangeDue(f"`{self._title}` wants a new password from you before it lets you in")
        if self._shows(page.success, seen, answers):
            return
        raise SystemMisbehaves(
            f"`{self._title}` showed neither the sign of success nor that of failure after the log-on (status {seen.status})"
        )

    def _shows(self, sign: Sign, seen: _Seen, answers: tuple[tuple[int, bytes | None], ...]) -> bool:
        cookies = frozenset(cookie["name"] for cookie in self._jar.kept())
        start, charset = seen.page[:LOOK_AHEAD], self._page.charset
        return any(sign.shown(status, location, start, charset, cookies) for status, location in answers)

    async def _get(self, url: str) -> _Seen:
        return await self._follow(await self._ask("GET", url), url)

    async def _submit(self, url: str, referer: str, form: Submission) -> _Seen:
        if form.method == "GET":
            target = f"{url.partition('?')[0]}?{form.body.decode('ascii')}"
            first = await self._ask("GET", target, referer=referer)
        else:
            first = await self._ask("POST", url, referer=referer, body=form.body)
        last = await self._follow(first, url)
        return _Seen(last.url, last.status, last.location, last.page, first.status, first.location)

    async def _follow(self, seen: _Seen, url: str) -> _Seen:
        for _ in range(_MOST_REDIRECTS):
            if seen.status not in (301, 302, 303, 307, 308) or seen.location is None:
                return seen
            # A 307 would have the password sent again: it is asked for by GET, as after any other redirect.
            url = urljoin(seen.url, seen.location.decode("latin-1"))
            seen = await self._ask("GET", url)
        raise SystemMisbehaves(f"`{self._title}` redirects without end while logging on")

    async def _ask(self, method: str, url: str, *, referer: str = "", body: bytes | None = None) -> _Seen:
        parts = urlsplit(url)
        if f"{parts.scheme}://{parts.netloc}" != self._origin:
            # Neither the credential nor the session's cookies go to another place.
            raise SystemMisbehaves(
                f"`{self._title}` leads to another address while logging on: declare that system instead"
            )
        path = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
        headers = {"accept": "text/html,*/*;q=0.5", "accept-encoding": "identity", "user-agent": "Lanyard"}
        if line := self._jar.line(path):
            headers["cookie"] = line.decode("latin-1")
        if body is not None:
            headers |= {"content-type": "application/x-www-form-urlencoded", "origin": self._origin}
        if referer:
            headers["referer"] = referer
        answer = await self._client.request(method, self._origin + path, headers=headers, content=body)
        raw: Headers = tuple((name.lower(), value) for name, value in answer.headers.raw)
        self._jar.take(path, raw)
        location = next((value for name, value in raw if name == b"location"), None)
        return _Seen(self._origin + path, answer.status_code, location, answer.content)
