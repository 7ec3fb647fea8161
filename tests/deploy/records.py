"""The record system of the rehearsal: a FHIR server that counts what is written to it, and takes its time where it is asked to."""

from __future__ import annotations

import contextlib
import json
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

SLOW = "slow-"  # what begins an id that is answered after some seconds
_SECONDS = 4.0


@dataclass
class Records:
    """What came: writes by their mark, and reads of each patient."""

    url: str = ""
    written: Counter[str] = field(default_factory=Counter)
    read: Counter[str] = field(default_factory=Counter)


@contextlib.contextmanager
def record_system(host: str) -> Iterator[Records]:
    place = Records()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            patient = self.path.rpartition("/")[2]
            place.read[patient] += 1
            self._say(200, {"resourceType": "Patient", "id": patient})

        def do_POST(self) -> None:
            taken = json.loads(self.rfile.read(int(self.headers["content-length"])))
            place.written[taken["id"]] += 1
            self._say(201, taken)

        def _say(self, status: int, what: dict[str, Any]) -> None:
            if what["id"].startswith(SLOW):
                time.sleep(_SECONDS)
            body = json.dumps(what).encode()
            with contextlib.suppress(OSError):
                self.send_response(status)
                self.send_header("content-type", "application/fhir+json")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer((host, 0), Handler)
    server.daemon_threads = True
    Thread(target=server.serve_forever, daemon=True).start()
    place.url = f"http://{host}:{server.server_port}"
    try:
        yield place
    finally:
        server.shutdown()
        server.server_close()
