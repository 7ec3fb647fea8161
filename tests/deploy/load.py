"""Light load on the shared address: clinicians who read, and who write. Every request's moment and outcome is remembered."""

from __future__ import annotations

import secrets
import ssl
import threading
import time
from dataclasses import dataclass, field
from http.client import HTTPException, HTTPSConnection


@dataclass
class Asked:
    at: float  # seconds, monotonic
    method: str
    outcome: str  # a status, or the error's kind


@dataclass
class Load:
    """`cookie` is a signed-on browser's, for the host `host`."""

    host: str
    trusted: ssl.SSLContext
    cookie: str
    asked: list[Asked] = field(default_factory=list)
    taken: set[str] = field(default_factory=set)  # marks of writes that were answered well
    _ended: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def begin(self, readers: int = 3, writers: int = 1) -> None:
        for method in ["GET"] * readers + ["POST"] * writers:
            thread = threading.Thread(target=self._go_on, args=(method,))
            thread.start()
            self._threads.append(thread)

    def end(self) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join()

    def once(self, method: str, mark: str, cookie: str = "") -> str:
        """Beside the load, on a connection of its own; `mark`: whom to read, or what to write. A status, or the error's kind."""
        connection = HTTPSConnection(self.host, timeout=30, context=self.trusted)
        try:
            return self._ask(connection, method, mark, cookie)
        except (OSError, HTTPException) as error:
            return type(error).__name__
        finally:
            connection.close()

    def failed(self, since: float = 0.0) -> list[Asked]:
        return [one for one in self.asked if one.at >= since and one.outcome not in ("200", "201")]

    def _go_on(self, method: str) -> None:
        connection: HTTPSConnection | None = None
        while not self._ended.wait(0.05):
            at, mark = time.monotonic(), secrets.token_hex(8)
            try:
                if connection is None:
                    connection = HTTPSConnection(self.host, timeout=5, context=self.trusted)
                outcome = self._ask(connection, method, mark if method == "POST" else "1")
            except (OSError, HTTPException) as error:
                outcome = type(error).__name__
            if outcome not in ("200", "201") and connection is not None:
                connection.close()
                connection = None
            elif method == "POST":
                self.taken.add(mark)
            self.asked.append(Asked(at, method, outcome))
        if connection is not None:
            connection.close()

    def _ask(self, connection: HTTPSConnection, method: str, mark: str, cookie: str = "") -> str:
        origin = f"https://{self.host}"
        headers = {
            "cookie": cookie or self.cookie,
            "sec-fetch-site": "same-origin",
            "sec-fetch-mode": "cors",
            "sec-fetch-dest": "empty",
        }
        headers["x-forwarded-for"] = "192.0.2.66"  # which nobody may believe
        body = None
        if method == "POST":
            headers |= {"origin": origin, "content-type": "application/fhir+json"}
            body = (
                f'{{"resourceType":"Observation","status":"final","subject":{{"reference":"Patient/1"}},"id":"{mark}"}}'
            )
        connection.request(method, "/Observation" if method == "POST" else f"/Patient/{mark}", body, headers)
        answer = connection.getresponse()
        answer.read()
        return str(answer.status)
