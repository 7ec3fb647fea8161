"""The ground that the rehearsal stands on: a network of its own, with a bridge, and machines on it. Needs namespaces made by the caller."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

HUB, SHARED, DATABASES = "10.20.0.1", "10.20.0.10", ("10.20.0.21", "10.20.0.22")


def run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)


def until(true: Callable[[], bool], what: str, within: float = 60.0) -> float:
    """The seconds that it took."""
    begun = time.monotonic()
    while not true():
        if time.monotonic() - begun > within:
            raise RuntimeError(f"{what}: not within {within} s")
        time.sleep(0.05)
    print(f"{what}: {time.monotonic() - begun:.1f} s", file=sys.stderr)
    return time.monotonic() - begun


def lay(hosts: dict[str, str], folder: Path) -> None:
    """Addresses, a bridge and names. Nothing of it is seen outside."""
    run("mkdir", "-p", "/run/netns")
    run("mount", "-t", "tmpfs", "none", "/run/netns")
    written = folder / "hosts"
    written.write_text("127.0.0.1 localhost\n" + "".join(f"{to} {name}\n" for name, to in hosts.items()))
    run("mount", "--bind", str(written), "/etc/hosts")
    run("ip", "link", "set", "lo", "up")
    run("ip", "link", "add", "br0", "type", "bridge")
    for address in (HUB, *DATABASES):
        run("ip", "address", "add", f"{address}/24", "dev", "br0")
    run("ip", "link", "set", "br0", "up")


@dataclass
class Machine:
    """gw1 or gw2: a balancer, keepalived and the gateway, on the files in `folder`; `build`: where the gateway's packages are."""

    name: str
    address: str
    folder: Path
    balancer: list[str]
    build: Path
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def plug_in(self) -> None:
        run("ip", "netns", "add", self.name)
        run("ip", "link", "add", f"to-{self.name}", "type", "veth", "peer", "name", "eth0", "netns", self.name)
        run("ip", "link", "set", f"to-{self.name}", "master", "br0")
        run("ip", "link", "set", f"to-{self.name}", "up")
        run("ip", "-n", self.name, "link", "set", "lo", "up")
        self._address()

    def begin(self, what: str, *command: str) -> None:
        with (self.folder / f"{what}.log").open("ab") as out:
            self.processes[what] = subprocess.Popen(
                ["ip", "netns", "exec", self.name, *command],
                stdout=out,
                stderr=out,
                start_new_session=True,
                cwd=self.build,
                env={**os.environ, "PYTHONPATH": str(self.build)},
            )

    def begin_all(self) -> None:
        own = self.folder
        self.begin_gateway()
        self.begin("balancer", *self.balancer)
        files = ["-f", str(own / "keepalived.conf"), "-p", f"{own}/k.pid", "-r", f"{own}/v.pid", "-c", f"{own}/c.pid"]
        self.begin("keepalived", "keepalived", "--dont-fork", "--log-console", "--log-detail", *files)

    def begin_gateway(self) -> None:
        """As the unit does: the configuration is checked, then served."""
        for word in ("check", "serve"):
            self.begin(word, sys.executable, "-m", "gateway.cli", word, "--config", str(self.folder / "lanyard.toml"))
            if word == "check" and self.processes[word].wait(60):
                raise RuntimeError((self.folder / "check.log").read_text())

    def stop_gateway(self) -> int:
        """As `systemctl stop` does, to the first process alone."""
        process = self.processes["serve"]
        process.send_signal(signal.SIGTERM)
        return process.wait(45)

    def kill_gateway(self) -> None:
        """All of it at once: nothing that it has begun is finished."""
        process = self.processes["serve"]
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def lanyard(self, *words: str) -> subprocess.CompletedProcess[str]:
        """A command of its build, as its operator gives it."""
        command = [sys.executable, "-m", "gateway.cli", *words, "--config", str(self.folder / "lanyard.toml")]
        return subprocess.run(
            ["ip", "netns", "exec", self.name, *command],
            capture_output=True,
            text=True,
            check=False,
            cwd=self.build,
            env={**os.environ, "PYTHONPATH": str(self.build), "COLUMNS": "200"},
        )

    def lose_power(self) -> None:
        """Everything in it is gone at once, and its cable is dead: no word to anybody."""
        run("ip", "-n", self.name, "link", "set", "eth0", "down")
        for process in self.processes.values():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        self.processes.clear()
        run("ip", "-n", self.name, "address", "flush", "dev", "eth0")

    def get_power(self) -> None:
        self._address()
        self.begin_all()

    def ready(self) -> bool:
        return answers(f"http://{self.address}:9090/readyz")

    def has_shared_address(self) -> bool:
        said = subprocess.run(["ip", "-n", self.name, "address", "show", "eth0"], capture_output=True, text=True)
        return f"{SHARED}/" in said.stdout

    def words(self) -> str:
        return "\n".join(
            f"== {log.name}\n{log.read_text(errors='replace')[-3000:]}" for log in self.folder.glob("*.log")
        )

    def _address(self) -> None:
        run("ip", "-n", self.name, "address", "add", f"{self.address}/24", "dev", "eth0")
        run("ip", "-n", self.name, "link", "set", "eth0", "up")


def answers(url: str) -> bool:
    try:
        urllib.request.urlopen(url, timeout=1).close()
    except (OSError, urllib.error.URLError):
        return False
    return True
