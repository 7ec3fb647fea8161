"""nginx in front of the gateways, as a hospital would set it up.

A read goes on to the next gateway when one dies; a write never goes out twice. So a write gets a connection of its own: on one that was
kept, and that the gateway closes in this very moment, nobody could say whether it had arrived.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.counterparts.processes import missing, started

AWAY = "One moment. The records are not reached just now."
_CONFIGURATION = """
daemon off; worker_processes 1; pid {root}/nginx.pid; error_log {root}/nginx.err; {user}
events {{ worker_connections 4096; }}
http {{
  access_log off; client_body_temp_path {root}/b; proxy_temp_path {root}/p; fastcgi_temp_path {root}/f;
  uwsgi_temp_path {root}/u; scgi_temp_path {root}/s; keepalive_requests 1000000; client_max_body_size 64m;
  upstream reads {{ {servers} keepalive 64; keepalive_timeout 30s; keepalive_requests 1000000; }}
  upstream writes {{ {servers} }}
  map $request_method $gateways {{ {reads} default writes; }}
  server {{
    listen 127.0.0.1:{port};
    location /balancer-answers {{ return 204; }}
    location / {{
      proxy_pass http://$gateways; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_set_header Host $http_host; proxy_set_header X-Forwarded-For $remote_addr;
      proxy_connect_timeout 2s; proxy_read_timeout 35s; proxy_next_upstream error timeout; proxy_next_upstream_tries 2;
      proxy_request_buffering off; proxy_buffering off; error_page 502 504 @away;
    }}
    location @away {{
      internal; default_type text/html; add_header Retry-After 3 always;
      return 502 "<!doctype html><title>One moment</title><p>{away}<p><a href=''>Try again</a>";
    }}
  }}
}}
"""


@dataclass
class Balancer:
    """A running nginx and the ports of the gateways behind it."""

    folder: Path
    port: int
    gateways: Sequence[int]
    alternating: bool = False  # each request, of whatever kind, goes to the next gateway
    process: subprocess.Popen[bytes] | None = None

    def write(self, out: Sequence[int] = ()) -> None:
        """Its configuration; the gateways in `out` are given nothing new."""
        one = len(self.gateways) == 1
        limits = "max_fails=0" if one else "max_fails=1 fail_timeout=1s"
        servers = " ".join(f"server 127.0.0.1:{port} {'down' if port in out else limits};" for port in self.gateways)
        if not one:  # where each has just broken a connection, nginx would ask nobody for a second
            servers += "".join(
                f" server 127.0.0.1:{port} backup max_fails=0;" for port in self.gateways if port not in out
            )
        user = "user root;" if os.geteuid() == 0 else ""
        reads = "" if self.alternating else "GET reads; HEAD reads; OPTIONS reads;"
        self._path.write_text(
            _CONFIGURATION.format(root=self.folder, port=self.port, servers=servers, user=user, away=AWAY, reads=reads)
        )

    def take_out(self, *ports: int) -> None:
        """As an operator does before a gateway is stopped: what is on its way to it is finished."""
        self.write(ports)
        assert self.process is not None
        self.process.send_signal(signal.SIGHUP)

    @property
    def _path(self) -> Path:
        return self.folder / "nginx.conf"


@contextlib.contextmanager
def balancer(folder: Path, port: int, gateways: Sequence[int], *, alternating: bool = False) -> Iterator[Balancer]:
    if shutil.which("nginx") is None:
        missing("nginx", command="nginx")
    made = Balancer(folder, port, gateways, alternating)
    made.write()
    command = ["nginx", "-p", str(folder), "-e", str(folder / "nginx.err"), "-c", str(made._path)]
    with started(command, ready=f"http://127.0.0.1:{port}/balancer-answers", cwd=folder) as made.process:
        yield made
