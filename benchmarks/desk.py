"""As much of a browser as a sign-on takes, and as little of a CPU: one connection, cookies host by host, redirects, no page drawn."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from urllib.parse import quote, urlencode, urlsplit

from .provider import code_for


@dataclass(frozen=True)
class Got:
    url: str
    status: int
    location: str
    body: bytes


class Desk:
    """A ward PC behind the proxy that says which device it is (docs/devices.md)."""

    def __init__(
        self, port: int, public_url: str, issuer: str, device: dict[str, str], callback: str = "/sign-on/callback"
    ) -> None:
        """`callback`: where the provider sends a browser back to."""
        self._callback = callback
        self._port = port
        self._url = public_url
        self._issuer = issuer
        self._device = device
        self._cookies: dict[str, dict[str, str]] = {}
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
            await self._streams[1].wait_closed()

    async def sign_on(self, subject: str, start: str = "/sign-on/start") -> Got:
        """From our page to the provider and back: the callback's answer."""
        return await self._come_back((await self.ask("GET", f"{self._url}{start}")).location, subject)

    async def _come_back(self, authorisation: str, subject: str) -> Got:
        if not authorisation.startswith(self._issuer):
            raise RuntimeError(f"`{authorisation}` is not the provider's")
        state = authorisation.partition("&state=")[2].partition("&")[0]
        query = f"code={quote(code_for(authorisation, subject))}&state={state}&iss={quote(self._issuer, safe='')}"
        return await self.ask("GET", f"{self._url}{self._callback}?{query}")

    async def follow(self, got: Got, subject: str = "") -> Got:
        """To the page at the end; by way of the provider as `subject`. Raises RuntimeError where there is none."""
        for _ in range(20):
            if got.status == 200:
                return got
            if got.status not in (302, 303):
                raise RuntimeError(f"a page answered {got.status}: {got.body[:2000].decode('utf-8', 'replace')}")
            if got.location.startswith(self._issuer):
                got = await self._come_back(got.location, subject)
            else:
                got = await self.ask("GET", got.location)
        raise RuntimeError(f"the redirects go round: {got.location}")

    async def ask(self, method: str, url: str, form: dict[str, str] | None = None) -> Got:
        """One request, by its whole address or a path of the main host."""
        url = f"{self._url}{url}" if url.startswith("/") else url
        parts = urlsplit(url)
        body = urlencode(form or {}).encode() if method == "POST" else b""
        target = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
        cookies = self._cookies.setdefault(parts.netloc, {})
        headers = {
            "host": parts.netloc, "accept": "text/html", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document",
            "sec-fetch-site": "same-origin", "user-agent": "Mozilla/5.0 (X11; Linux x86_64)", **self._device,
            "cookie": "; ".join(f"{name}={value}" for name, value in cookies.items()),
        }  # fmt: skip
        if method == "POST":
            headers |= {"content-type": "application/x-www-form-urlencoded", "content-length": str(len(body))}
        lines = [f"{name}: {value}" for name, value in headers.items() if value]
        head = "\r\n".join([f"{method} {target} HTTP/1.1", *lines, "", ""]).encode()
        return await self._exchange(url, head + body, cookies)

    async def _exchange(self, url: str, request: bytes, cookies: dict[str, str]) -> Got:
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self._port)
        reader, writer = self._streams
        writer.write(request)
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        location, length, chunked = "", 0, False
        for name, _, value in (line.partition(": ") for line in head[1:]):
            match name.lower():
                case "location":
                    location = value
                case "content-length":
                    length = int(value)
                case "transfer-encoding":
                    chunked = True
                case "set-cookie":
                    _keep(cookies, value)
        body = await chunks(reader) if chunked else await reader.readexactly(length)
        return Got(url, int(head[0].split(" ")[1]), location, body)


def _keep(cookies: dict[str, str], line: str) -> None:
    name, _, value = line.partition(";")[0].partition("=")
    if "Max-Age=0" in line:
        cookies.pop(name, None)
    else:
        cookies[name] = value


async def chunks(reader: asyncio.StreamReader) -> bytes:
    """A body in chunks, as it was meant. Raises asyncio.IncompleteReadError where it breaks off."""
    body = b""
    while size := int(await reader.readuntil(b"\n"), 16):
        body += (await reader.readexactly(size + 2))[:-2]
    await reader.readuntil(b"\n")
    return body
