"""Starting servers that nobody here wrote: a process, ready when it answers, gone at the end."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest


def missing(package: str, *, command: str) -> None:
    """Say loudly that a counterpart is not there: a skip on a workbench, a failure in CI."""
    message = f"{command} is missing: install {package} (make servers does)"
    if os.environ.get("CI"):
        pytest.fail(message)
    pytest.skip(message)


@contextlib.contextmanager
def started(
    command: Sequence[str], *, ready: str, cwd: Path, env: Mapping[str, str] | None = None, within: float = 30.0
) -> Iterator[subprocess.Popen[bytes]]:
    """Run `command` until the block ends; enter it when `ready` (a URL) answers anything at all."""
    log = cwd / f"{Path(command[0]).name}-{secrets.token_hex(4)}.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            command, cwd=cwd, env={**os.environ, **(env or {})}, stdout=out, stderr=out, start_new_session=True
        )
    try:
        _wait(process, ready, within, log)
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _wait(process: subprocess.Popen[bytes], ready: str, within: float, log: Path) -> None:
    until = time.monotonic() + within
    while time.monotonic() < until:
        if process.poll() is not None:
            raise RuntimeError(f"{log.name} ended with {process.returncode}: {log.read_text(errors='replace')[-2000:]}")
        try:
            urllib.request.urlopen(ready, timeout=1).close()
        except urllib.error.HTTPError as answered:
            answered.close()
            return
        except (OSError, urllib.error.URLError):
            time.sleep(0.05)
            continue
        return
    raise RuntimeError(f"no answer at {ready} within {within} s: {log.read_text(errors='replace')[-2000:]}")


@contextlib.contextmanager
def node(folder: Path, script: str, env: Mapping[str, str]) -> Iterator[list[str]]:
    """Run a script of `folder` until the block ends, its npm packages installed; gives the words after its `ready`."""
    _installed(folder)
    process = subprocess.Popen(
        ["node", script],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, **env},
    )
    assert process.stdout is not None
    try:
        # The process says ready or ends: either way the loop does.
        for line in process.stdout:
            if line.startswith("ready "):
                yield line.split()[1:]
                return
        raise AssertionError(f"{script} ended with {process.wait()} before it was ready")
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()


def _installed(folder: Path) -> None:
    ready = folder / "node_modules" / ".ready"
    if shutil.which("node") and ready.exists() and ready.stat().st_mtime >= (folder / "package.json").stat().st_mtime:
        return
    if not (shutil.which("node") and shutil.which("npm")):
        missing("nodejs and npm", command="node")
    options = ["--silent", "--no-audit", "--no-fund", "--no-package-lock", "--ignore-scripts"]
    if subprocess.run(["npm", "install", *options], cwd=folder, check=False).returncode:
        missing(f"the npm packages of {folder.name}", command="npm install")
    ready.touch()


@contextlib.contextmanager
def small_server(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    """Serve `handler` on a thread until the block ends; gives its origin."""

    class Quiet(handler):  # type: ignore[valid-type,misc]  # the class is given
        def log_message(self, format: str, *args: object) -> None:
            """Nothing: what it saw is kept by whoever made it."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: object, client_address: object) -> None:
            """A gateway that was killed leaves half-finished connections behind: they are no news."""

    server = Server(("127.0.0.1", 0), Quiet)
    running = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    running.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        running.join()
        server.server_close()
