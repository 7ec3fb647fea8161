"""A browser without a screen: cookies by host, redirects, forms, and the Sec-Fetch headers that real ones send.

`*.localhost` is 127.0.0.1, as browsers have it and Python has not.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from urllib.parse import urlencode, urljoin, urlsplit

import httpx2
from lxml import html

_MOST_REDIRECTS = 20


@dataclass
class Page:
    """Where a navigation ended, and what was there."""

    url: str
    status: int
    headers: httpx2.Headers
    content: bytes
    trail: list[str] = field(default_factory=list)  # every address that was asked for on the way

    @property
    def text(self) -> str:
        return self.content.decode("utf-8", "replace")

    def document(self) -> html.HtmlElement:
        return html.document_fromstring(self.content)


class Browser:
    def __init__(self, trusted: ssl.SSLContext | bool = True, *, resolves: bool = False) -> None:
        """`resolves`: names are looked up as everybody does; otherwise each is this machine."""
        self.cookies: dict[str, dict[str, str]] = {}
        self._http = httpx2.Client(trust_env=False, timeout=20, verify=trusted)
        self._resolves = resolves

    def close(self) -> None:
        self._http.close()

    def __enter__(self) -> Browser:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def get(self, url: str, *, came_from: str = "", **headers: str) -> Page:
        """Navigate to `url` and follow wherever it leads."""
        return self.follow("GET", url, came_from=came_from, headers=headers)

    def post(self, url: str, fields: dict[str, str], *, came_from: str = "") -> Page:
        """Send a form from the page `came_from`."""
        body = urlencode(fields).encode()
        kind = {"content-type": "application/x-www-form-urlencoded"}
        return self.follow("POST", url, came_from=came_from or url, headers=kind, body=body)

    def submit(self, page: Page, *, form: int | str = 0, **fields: str) -> Page:
        """Fill and send a form of `page`, by its number or the end of its action, hidden fields included."""
        forms = page.document().forms
        named = [one for one in forms if isinstance(form, str) and (one.get("action") or "").endswith(form)]
        found = forms[form] if isinstance(form, int) else named[0]
        values = {name: value or "" for name, value in found.form_values() if name} | fields
        target = urljoin(page.url, found.get("action") or "")
        if (found.get("method") or "get").lower() == "get":
            return self.get(f"{target.partition('?')[0]}?{urlencode(values)}", came_from=page.url)
        return self.post(target, values, came_from=page.url)

    def follow(self, method: str, url: str, *, came_from: str, headers: dict[str, str], body: bytes = b"") -> Page:
        trail: list[str] = []
        first = came_from
        for _ in range(_MOST_REDIRECTS):
            trail.append(url)
            answer = self.once(method, url, came_from=first, headers=headers, body=body)
            if answer.status_code not in (301, 302, 303, 307, 308):
                return Page(url, answer.status_code, answer.headers, answer.content, trail)
            url = urljoin(url, answer.headers["location"])
            if answer.status_code in (301, 302, 303):
                method, body, headers = "GET", b"", {}
        raise AssertionError(f"redirects without end: {trail[-4:]}")

    def once(
        self, method: str, url: str, *, came_from: str = "", headers: dict[str, str] | None = None, body: bytes = b""
    ) -> httpx2.Response:
        """One request, no redirects followed; cookies as a browser keeps them (host-only). An empty header is not sent."""
        parts = urlsplit(url)
        sent = {
            "host": parts.netloc,
            "accept": "text/html,application/xhtml+xml,*/*;q=0.8",
            "user-agent": "Mozilla/5.0 (X11)",
        }
        sent |= {"sec-fetch-mode": "navigate", "sec-fetch-dest": "document", "sec-fetch-site": _site(came_from, url)}
        if came_from:
            sent["referer"] = came_from
        if method == "POST":
            sent["origin"] = _origin(came_from or url)
        sent |= {name.lower().replace("_", "-"): value for name, value in (headers or {}).items()}
        sent = {name: value for name, value in sent.items() if value}
        jar = self.cookies.get(parts.netloc, {})
        if jar:
            sent["cookie"] = "; ".join(f"{name}={value}" for name, value in jar.items())
        port = parts.port or (443 if parts.scheme == "https" else 80)
        host = parts.hostname if self._resolves else "127.0.0.1"
        target = f"{parts.scheme}://{host}:{port}{parts.path or '/'}{'?' + parts.query if parts.query else ''}"
        self._http.cookies.clear()
        answer = self._http.request(method, target, headers=sent, content=body or None)
        self._keep(parts.netloc, answer)
        return answer

    def _keep(self, host: str, answer: httpx2.Response) -> None:
        jar = self.cookies.setdefault(host, {})
        for line in answer.headers.get_list("set-cookie"):
            pair, *attributes = line.split(";")
            name, _, value = pair.strip().partition("=")
            gone = any(a.strip().lower().replace(" ", "") == "max-age=0" for a in attributes)
            if gone or not value:
                jar.pop(name, None)
            else:
                jar[name] = value


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _site(came_from: str, url: str) -> str:
    if not came_from:
        return "none"
    if _origin(came_from) == _origin(url):
        return "same-origin"
    hosts = [".".join((urlsplit(u).hostname or "").split(".")[-2:]) for u in (came_from, url)]
    return "same-site" if hosts[0] == hosts[1] else "cross-site"
