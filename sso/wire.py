"""One question to the identity provider into one small whole answer, or ProviderAway.

Bounds on size and time for every call; redirects are never followed; no cookie and no header of another call goes
along, whatever the client that was handed in has collected.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import httpx2

from .compact import MalformedToken, strict_object
from .errors import ProviderAway

DEADLINE = 8.0  # seconds for a whole exchange, from connect to the last byte
LIMIT = 512 * 1024  # bytes of an answer


@dataclass(frozen=True, slots=True)
class WireAnswer:
    """A whole answer: body at most LIMIT bytes, as it came."""

    status: int
    media_type: str
    body: bytes = field(repr=False)

    def json(self, what: str) -> dict[str, object]:
        """The body as a JSON object without duplicate keys. Raises ProviderAway naming `what` was asked."""
        try:
            return strict_object(self.body)
        except MalformedToken:
            raise ProviderAway(
                f"the identity provider's {what} is not a JSON object: look whether a proxy answers in its place",
                reason="provider-answer",
            ) from None


async def ask(
    client: httpx2.AsyncClient,
    method: str,
    url: str,
    what: str,
    *,
    headers: Mapping[str, str] | None = None,
    content: bytes = b"",
) -> WireAnswer:
    """The answer with status 200 or 4xx. Raises ProviderAway for anything else, too large, too late or not at all.

    `what` names the thing in messages (`token answer`); neither URL nor content ever stands in one.
    """
    # A request of our own making, not client.build_request: that would merge in the client's cookies and headers.
    fixed = {"accept": "application/json", "accept-encoding": "identity", "user-agent": "lanyard"}
    request = httpx2.Request(method, url, headers={**fixed, **(headers or {})}, content=content or None)
    try:
        async with asyncio.timeout(DEADLINE):
            answer = await _exchange(client, request, what)
    except TimeoutError:
        raise ProviderAway(
            f"the identity provider gave no {what} within {DEADLINE:.0f} s", reason="provider-timeout"
        ) from None
    except httpx2.TimeoutException:
        raise ProviderAway(f"the identity provider gave no {what} in time", reason="provider-timeout") from None
    except httpx2.HTTPError as error:
        raise ProviderAway(f"the identity provider cannot be asked for its {what}: {_fault(error)}") from None
    if not (answer.status == 200 or 400 <= answer.status < 500) or answer.status in (408, 429):
        raise ProviderAway(
            f"the identity provider answered `{answer.status}` when asked for its {what}", reason="provider-answer"
        )
    return answer


async def _exchange(client: httpx2.AsyncClient, request: httpx2.Request, what: str) -> WireAnswer:
    response = await client.send(request, stream=True, follow_redirects=False, auth=None)
    try:
        if response.headers.get("content-encoding", "identity").lower() != "identity":
            raise ProviderAway(
                f"the identity provider compressed its {what} although asked not to", reason="provider-answer"
            )
        body = bytearray()
        async for piece in response.aiter_raw():
            body += piece
            if len(body) > LIMIT:
                raise ProviderAway(
                    f"the identity provider's {what} is longer than {LIMIT} bytes", reason="provider-answer"
                )
    finally:
        await response.aclose()
    media_type = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    return WireAnswer(response.status_code, media_type, bytes(body))


def _fault(error: BaseException) -> str:
    """A certificate that is not trusted is said; else the fault's name only: the text of some repeats the URL."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"its certificate is not trusted ({cause.verify_message}): is `sso.ca_file` right?"
        cause = cause.__cause__ or cause.__context__
    return type(error).__name__


class _LocalNames(httpx2.AsyncHTTPTransport):
    """`*.localhost` is this machine (RFC 6761, section 6.3), also where the resolver does not know it."""

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        if request.url.host.endswith(".localhost"):
            request.extensions = {**request.extensions, "sni_hostname": request.url.host}
            request.url = request.url.copy_with(host="127.0.0.1")
        return await super().handle_async_request(request)


def client_for(ca_file: str | None) -> httpx2.AsyncClient:
    """The HTTP client to hand to a provider: its CA, no redirects, no proxy out of the environment.

    Raises OSError or ssl.SSLError when the CA file cannot be used. Whoever made it closes it.
    """
    trusted = ssl.create_default_context(cafile=ca_file)
    timeout = httpx2.Timeout(DEADLINE, connect=3.0)
    limits = httpx2.Limits(max_connections=32, max_keepalive_connections=8)
    return httpx2.AsyncClient(
        transport=_LocalNames(verify=trusted, trust_env=False, limits=limits),
        timeout=timeout,
        trust_env=False,
        follow_redirects=False,
    )


def is_loopback(url: str) -> bool:
    """Whether the URL's host is this machine by name or address."""
    host = urlsplit(url).hostname or ""
    return host in ("127.0.0.1", "::1", "localhost") or host.endswith(".localhost")
