"""A small FHIR server: every patient exists there, and it remembers which targets it was asked for."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from http.server import BaseHTTPRequestHandler
from urllib.parse import urlsplit

from tests.counterparts.processes import small_server


@dataclass
class FhirServer:
    origin: str
    asked: list[str] = field(default_factory=list)


@contextlib.contextmanager
def fhir_server() -> Iterator[FhirServer]:
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            asked.append(self.path)
            body = json.dumps({"resourceType": "Patient", "id": self.path.rpartition("/")[2]}).encode()
            self.send_response(200)
            self.send_header("content-type", "application/fhir+json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    with small_server(Handler) as origin:
        yield FhirServer(origin, asked)


class Caller:
    """One client on one connection, which opens another when that has gone."""

    def __init__(self, url: str, cookies: dict[str, str]) -> None:
        self._url, self._cookies = url, cookies
        self._host = urlsplit(url).netloc
        self._cookie = "; ".join(f"{name}={value}" for name, value in cookies.items())
        self._connection = HTTPConnection("127.0.0.1", urlsplit(url).port or 80, timeout=20)

    def another(self) -> Caller:
        """The same person, on another connection."""
        return Caller(self._url, self._cookies)

    def get(self, target: str, *, accept: str = "application/fhir+json") -> tuple[int, bytes]:
        """The status and the whole body; (0, b"") where no whole answer came."""
        headers = {"host": self._host, "cookie": self._cookie, "accept": accept, "sec-fetch-site": "same-origin"}
        try:
            self._connection.request("GET", target, headers=headers)
            answer = self._connection.getresponse()
            return answer.status, answer.read()
        except (OSError, HTTPException):
            self.close()
            return 0, b""

    def close(self) -> None:
        self._connection.close()
