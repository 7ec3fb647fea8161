"""One log-on through a system's own login page, on the server, with the clinician's own credential.

The page is fetched, its form filled (hidden fields and tokens carried), sent once, and redirects are followed inside the
system's own origin, also those of a page that refreshes itself. Further forms, such as a password on a page of its own, a location, or
"you are logged on elsewhere: continue?", are filled one after the other. Nothing is tried a second time: a second wrong try could lock the
clinician out.
"""

from __future__ import annotations

import contextlib
import re
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

from ..base import Credential, UpstreamSession
from ..errors import CredentialRefused, PasswordChangeDue, SystemMisbehaves
from ..jar import Jar
from ..messages import Headers
from ..signs import LOOK_AHEAD, Sign
from .form import FormMissing, FormPlace, Submission, fill, frames, refresh

if TYPE_CHECKING:
    import httpx2

_MOST_REDIRECTS = 8
_SOON = 5  # seconds: a page that refreshes itself later than that is one to stay at
_REFRESH = re.compile(r"\s*(\d+)(?:\.\d*)?\s*[;,]\s*(?:url\s*=\s*)?(['\"]?)(.*?)\2\s*", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Step:
    """A form of a log-on. `when`: only where this is shown; a form that is always there has none."""

    place: FormPlace
    when: Sign | None = None


@dataclass(frozen=True, slots=True)
class LoginPage:
    """What is declared about a system's log-on."""

    path: str
    place: FormPlace
    success: Sign
    failure: Sign
    charset: str
    change_password: Sign = Sign()  # noqa: RUF009 - frozen: one for all is as good as one for each
    further: tuple[Step, ...] = ()


@dataclass(frozen=True, slots=True)
class _Seen:
    """The last answer of a walk: where it was, and what it said."""

    url: str
    status: int
    location: bytes | None
    page: bytes
    first_status: int = 0
    first_location: bytes | None = None
    refresh: str = ""  # the header


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
        seen = await self._get(self._origin + self._page.path)
        for step in (Step(self._page.place), *self._page.further):
            if step.when is not None and not self._shows(
                step.when, seen, (*_places(seen), (seen.status, seen.url.encode()))
            ):
                continue
            shown, form = await self._form(seen, step.place, credential)
            seen = await self._submit(urljoin(shown.url, form.action), shown.url, form)
            self._refuse(seen)
        self._judge(seen)
        return UpstreamSession(secrets.token_hex(16), self._system, {"cookies": self._jar.kept()})

    async def _form(self, seen: _Seen, place: FormPlace, credential: Credential) -> tuple[_Seen, Submission]:
        """The form filled, and the page that it is in: this one, or a frame of it."""
        charset = self._page.charset
        try:
            return seen, fill(seen.page, charset, place, credential)
        except FormMissing as missing:
            for source in frames(seen.page, charset):
                if not self._is_ours(url := urljoin(seen.url, source)):
                    continue
                frame = await self._get(url)
                with contextlib.suppress(FormMissing):
                    return frame, fill(frame.page, charset, place, credential)
            raise missing from None

    def _refuse(self, seen: _Seen) -> None:
        """Raises CredentialRefused, PasswordChangeDue."""
        page = self._page
        answers = _places(seen)
        if self._shows(page.failure, seen, answers):
            raise CredentialRefused(f"`{self._title}` did not take your user name and password")
        # Where the walk ended counts as a place too: a change page is often the last of several redirects.
        if self._shows(page.change_password, seen, (*answers, (seen.status, seen.url.encode()))):
            raise PasswordChangeDue(f"`{self._title}` wants a new password from you before it lets you in")

    def _judge(self, seen: _Seen) -> None:
        if self._shows(self._page.success, seen, _places(seen)):
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
            onward = self._onward(seen)
            if onward is None:
                return seen
            # A 307 would have the password sent again: it is asked for by GET, as after any other redirect.
            seen = await self._ask("GET", urljoin(seen.url, onward))
        raise SystemMisbehaves(f"`{self._title}` redirects without end while logging on")

    def _onward(self, seen: _Seen) -> str | None:
        """Where an answer leads by itself: by redirect, or as a page that refreshes itself at once."""
        if seen.status in (301, 302, 303, 307, 308):
            return seen.location.decode("latin-1") if seen.location is not None else None
        said = _REFRESH.fullmatch(seen.refresh or refresh(seen.page, self._page.charset))
        return said[3] if said is not None and said[3] and int(said[1]) <= _SOON else None

    def _is_ours(self, url: str) -> bool:
        parts = urlsplit(url)
        return f"{parts.scheme}://{parts.netloc}" == self._origin

    async def _ask(self, method: str, url: str, *, referer: str = "", body: bytes | None = None) -> _Seen:
        parts = urlsplit(url)
        if not self._is_ours(url):
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
        location, refreshes = (
            next((v for name, v in raw if name == wanted), None) for wanted in (b"location", b"refresh")
        )
        return _Seen(
            self._origin + path,
            answer.status_code,
            location,
            answer.content,
            refresh=(refreshes or b"").decode("latin-1"),
        )


def _places(seen: _Seen) -> tuple[tuple[int, bytes | None], ...]:
    """The first answer to a form, and the last of where it led."""
    return (seen.first_status, seen.first_location), (seen.status, seen.location)
