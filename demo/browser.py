"""A browser without a screen: host-only cookies, redirects, forms, Sec-Fetch, and a device's key where it was given one.

It knows of the product what a browser sees of it: addresses, pages, forms. `*.localhost` is this machine. It counts what its pages ask
the person in front of it for: a password at the identity provider or at a system, or a PIN.
"""

from __future__ import annotations

import base64
import contextlib
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode, urljoin, urlsplit

import httpx2
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from lxml import html

_MOST_REDIRECTS = 12
_FORM = "application/x-www-form-urlencoded"


class Wanting(Exception):
    """Something was not as it should be."""


@dataclass(frozen=True)
class Page:
    """Where a navigation ended, and what was there."""

    url: str
    answer: httpx2.Response

    @property
    def path(self) -> str:
        return urlsplit(self.url).path

    @property
    def status(self) -> int:
        return self.answer.status_code

    def document(self) -> Any:
        """lxml's element; its stubs know neither forms nor what an expression finds."""
        return html.document_fromstring(self.answer.content or b"<html></html>")

    @property
    def text(self) -> str:
        """What a person reads, blanks made one."""
        return " ".join(self.document().text_content().split())

    def form(self, action: str) -> Any:
        """The form that is sent to an address with this end. Raises Wanting."""
        found = next((f for f in self.document().forms if (f.get("action") or "").endswith(action)), None)
        if found is None:
            raise Wanting(f"{self.path} (status {self.status}) has no form for {action}")
        return found

    def is_html(self) -> bool:
        return "html" in self.answer.headers.get("content-type", "")

    def encoded(self, fields: dict[str, str], kind: str) -> bytes:
        """A form of this page as browsers send it: in the page's own charset."""
        if kind == "text/plain":
            return "".join(f"{name}={value}\r\n" for name, value in fields.items()).encode()
        charset = self.answer.headers.get("content-type", "").partition("charset=")[2] or "utf-8"
        return urlencode(fields, encoding=charset, errors="xmlcharrefreplace").encode()

    def passwords(self) -> set[str]:
        """The names of its password fields; none where it is no page."""
        if not self.is_html():
            return set()
        return {str(name) for name in self.document().xpath("//input[@type='password']/@name")}


@dataclass(frozen=True)
class Key:
    """A device's P-256 key, and what it proves. The browser's own would be WebCrypto's, not to be taken out."""

    private: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))

    def jwk(self) -> dict[str, str]:
        """The public half (RFC 7518, section 6.2.1)."""
        numbers = self.private.public_key().public_numbers()
        x, y = (_base64url(n.to_bytes(32)) for n in (numbers.x, numbers.y))
        return {"kty": "EC", "crv": "P-256", "x": x, "y": y}

    def signature(self, *said: str) -> str:
        """ES256 as WebCrypto writes it: r and s, 32 bytes each."""
        signed = self.private.sign("\n".join(("lanyard-device-proof-1", *said)).encode(), ec.ECDSA(SHA256()))
        return _base64url(b"".join(n.to_bytes(32) for n in decode_dss_signature(signed)))


@dataclass
class Asked:
    """What the pages of all browsers asked each person for."""

    passwords: Counter[str] = field(default_factory=Counter)  # sign-on or log-on forms shown
    pins: Counter[str] = field(default_factory=Counter)  # PINs that were taken, to unlock or to say yes


class Browser:
    def __init__(self, public: str, issuer: str, agent: str, asked: Asked, *, address: str = "127.0.0.1") -> None:
        """`public`: the gateway's own origin. `address`: this machine's, from which it calls."""
        self.public = public
        self.who = ""  # whoever sits in front of it
        self.device, self.key = "", Key()
        self._asked = asked
        self.issuer = issuer
        self._agent = agent
        transport = httpx2.HTTPTransport(local_address=address)
        self._http = httpx2.Client(timeout=30, trust_env=False, transport=transport)
        self._jars: dict[str, dict[str, str]] = {}

    def close(self) -> None:
        self._http.close()

    # As a person uses it

    def get(self, url: str, came_from: str = "", *, dest: str = "document") -> Page:
        """Navigate there (a path is one of the gateway's own pages), and wherever it leads."""
        return self._follow("GET", urljoin(self.public, url), came_from, None, dest)

    def submit(self, page: Page, action: str, *, dest: str = "document", **filled: str) -> Page:
        """Fill and send a form of this page, hidden fields included; with the device's proof where the form asks for one."""
        return self._submit(page, page.form(action), dest, filled)

    def _submit(self, page: Page, form: Any, dest: str, filled: dict[str, str]) -> Page:
        fields = {name: value or "" for name, value in form.form_values() if name} | filled
        method = (form.get("method") or "get").upper()
        if self.device and (purpose := form.get("data-proves")):
            method, fields = "POST", fields | self._proof(purpose)
        target = urljoin(page.url, form.get("action") or "")
        if method == "GET":
            return self.get(f"{target}?{urlencode(fields)}", page.url, dest=dest)
        kind = form.get("enctype") or _FORM
        answered = self._follow("POST", target, page.url, page.encoded(fields, kind), dest, kind)
        if "pin" in filled and "again" not in filled:
            self._asked.pins[self.who] += answered.status < 400
        return answered

    def leaves(self, page: Page, action: str) -> str:
        """Where a form of this page leads that is answered by a program beside the browser. Raises Wanting."""
        target = urljoin(page.url, page.form(action).get("action") or "")
        answer = self._once("POST", target, page.url, b"", "document", _FORM)
        if answer.status_code != 303:
            raise Wanting(f"{urlsplit(target).path} answered with status {answer.status_code}")
        return str(answer.headers["location"])

    def send(self, page: Page, target: str, fields: dict[str, str]) -> Page:
        """A form from this page, whether it has one or not."""
        return self._follow("POST", urljoin(page.url, target), page.url, page.encoded(fields, _FORM), "document", _FORM)

    def ask(self, url: str, came_from: str) -> httpx2.Response:
        """As a page's script does: one request, and no page."""
        return self._once("GET", url, came_from, None, "empty", "")

    def post(self, path: str, value: dict[str, Any]) -> Any:
        """As a script of the gateway's own pages does: JSON there and back. Raises Wanting."""
        url, body = urljoin(self.public, path), json.dumps(value).encode()
        answer = self._once("POST", url, f"{self.public}/", body, "empty", "application/json")
        if answer.status_code not in (200, 201):
            raise Wanting(f"{path} answered with status {answer.status_code}")
        return answer.json()

    # As somebody who copied its cookies has them

    def cookies(self) -> dict[str, dict[str, str]]:
        """A copy of every cookie that it holds, by host."""
        return {host: dict(jar) for host, jar in self._jars.items()}

    @contextlib.contextmanager
    def holding(self, cookies: dict[str, dict[str, str]]) -> Iterator[None]:
        """With these in place of its own, for a while."""
        own, self._jars = self._jars, {host: dict(jar) for host, jar in cookies.items()}
        try:
            yield
        finally:
            self._jars = own

    # As a device proves itself

    def _proof(self, purpose: str) -> dict[str, str]:
        challenge = str(self.post("/device/challenge", {"device": self.device, "purpose": purpose})["challenge"])
        signature = self.key.signature(self.public, purpose, self.device, challenge)
        return {"device": self.device, "challenge": challenge, "signature": signature}

    # On the wire

    def _follow(self, method: str, url: str, came_from: str, body: bytes | None, dest: str, kind: str = _FORM) -> Page:
        for _ in range(_MOST_REDIRECTS):
            answer = self._once(method, url, came_from, body, dest, kind)
            if answer.status_code not in (301, 302, 303, 307, 308):
                page = Page(url, answer)
                self._asked.passwords[self.who] += self._wants_a_password(page)
                return self._as_scripts_do(page, dest)
            url = urljoin(url, answer.headers["location"])
            if answer.status_code != 307:
                method, body = "GET", None
        raise Wanting(f"{urlsplit(url).path} redirects without end")

    def _as_scripts_do(self, page: Page, dest: str) -> Page:
        """What the gateway's own scripts do as soon as a page is there: prove the device on the way into a system, send what was held."""
        if not page.is_html():
            return page
        document = page.document()
        if page.url.startswith(f"{self.public}/enter") and (tickets := document.xpath("//@data-ticket")):
            proof = self._proof("renew") if self.device else {}
            return self.get(str(self.post("/enter", {"ticket": str(tickets[0]), **proof})["to"]), page.url, dest=dest)
        held = next((form for form in document.forms if form.get("data-at-once") is not None), None)
        return page if held is None else self._submit(page, held, dest, {})

    def _wants_a_password(self, page: Page) -> bool:
        """Whatever the provider shows, and every password field but those of our own that take a PIN."""
        ours = page.url.startswith(self.public + "/")
        return page.url.startswith(self.issuer) or bool(page.passwords() - ({"pin", "again"} if ours else set()))

    def _once(self, method: str, url: str, came_from: str, body: bytes | None, dest: str, kind: str) -> httpx2.Response:
        parts = urlsplit(url)
        jar = self._jars.setdefault(parts.netloc, {})
        headers = {
            "host": parts.netloc,
            "accept": "text/html,application/fhir+json;q=0.9,*/*;q=0.8",
            "sec-fetch-site": _site(came_from, url),
            "sec-fetch-mode": "navigate" if dest in ("document", "frame") else "cors",
            "sec-fetch-dest": dest,
            "user-agent": self._agent,
        }
        if came_from:
            headers["referer"] = came_from
        if body is not None:
            headers |= {"origin": "://".join(urlsplit(came_from or url)[:2]), "content-type": kind}
        if jar:
            headers["cookie"] = "; ".join(f"{name}={value}" for name, value in jar.items())
        target = parts._replace(netloc=f"127.0.0.1:{parts.port or 80}", fragment="").geturl()
        self._http.cookies.clear()
        answer = self._http.request(method, target, headers=headers, content=body)
        for line in answer.headers.get_list("set-cookie"):
            name, _, value = line.partition(";")[0].partition("=")
            if "max-age=0" in line.lower() or not value:
                jar.pop(name.strip(), None)
            else:
                jar[name.strip()] = value
        return answer


def _site(came_from: str, url: str) -> str:
    if not came_from:
        return "none"
    return "same-origin" if urlsplit(came_from).netloc == urlsplit(url).netloc else "same-site"


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
