"""A server's process that tests may stop, let go on and kill, as chaos does."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class OwnProcess:
    """`command` is run in a process group of its own, its words in `log`; `user`: whom it runs as, where we are root."""

    command: Sequence[str]
    port: int
    log: Path
    user: str | None = None
    process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    def start(self, ready: Callable[[], bool] | None = None, within: float = 30.0) -> None:
        """Run it, and wait until `ready` says so (otherwise: until its port takes a connection). Raises RuntimeError."""
        with self.log.open("ab") as out:
            self.process = subprocess.Popen(
                self.command, stdout=out, stderr=out, start_new_session=True, user=self.user, group=self.user
            )
        until, asked = time.monotonic() + within, ready or self.listens
        while not asked():
            if self.process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"{self.command[0]} is not ready: {self.log.read_text(errors='replace')[-2000:]}")
            time.sleep(0.02)

    def listens(self) -> bool:
        with socket.socket() as one:
            one.settimeout(0.5)
            return one.connect_ex(("127.0.0.1", self.port)) == 0

    def stand_still(self) -> None:
        """As a machine that hangs: its connections stay, nothing answers."""
        self.signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self.signal(signal.SIGCONT)

    def kill(self) -> None:
        """As a machine that is gone."""
        self.signal(signal.SIGKILL)
        assert self.process is not None
        self.process.wait()

    def stop(self) -> None:
        """In good order; killed where that takes more than five seconds."""
        if self.process is None or self.process.poll() is not None:
            return
        self.go_on()
        self.signal(signal.SIGTERM)
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.kill()

    def signal(self, number: int) -> None:
        assert self.process is not None
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, number)
