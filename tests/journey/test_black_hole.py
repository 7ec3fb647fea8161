"""A system that takes every connection and never answers slows nobody who works in another one."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from demo.ports import free_port
from tests.counterparts.processes import started

from .browser import Browser
from .hospital import Hospital, hospital, system


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hospital]:
    """Two systems: one that works, and one that swallows what is sent to it."""
    folder = tmp_path_factory.mktemp("hole")
    (folder / "www").mkdir()
    (folder / "www/index.html").write_text("<!doctype html><title>Rota</title><p>Ward 7")
    port = free_port()
    told: dict[str, Any] = {"headers": {"X-User": "{subject}"}}
    with socket.create_server(("127.0.0.1", 0), backlog=512) as hole:
        swallowed: list[socket.socket] = []

        def swallow() -> None:
            while True:
                try:
                    swallowed.append(hole.accept()[0])
                except OSError:
                    return

        threading.Thread(target=swallow, daemon=True).start()
        systems = [
            system("rota", "header", f"http://127.0.0.1:{port}", options=told),
            system(
                "hole",
                "header",
                f"http://127.0.0.1:{hole.getsockname()[1]}",
                options=told,
                timeout="2s",
                concurrency=16,
            ),
        ]
        command = ["python3", "-m", "http.server", str(port), "--bind", "127.0.0.1", "--directory", str(folder / "www")]
        with (
            started(command, ready=f"http://127.0.0.1:{port}/", cwd=folder),
            hospital(folder, systems) as gateway,
        ):
            yield gateway


def test_one_that_hangs_slows_no_other(place: Hospital) -> None:
    """Forty looks wait at the one; the other's are served as if they were not there, and the hanging one is then told at once."""
    with Browser() as nurse, Browser() as doctor:
        place.sign_on(nurse, "n.okoye")
        place.sign_on(doctor, "dr.lee")
        assert doctor.get(f"{place.system_url('rota')}/").status == 200
        url = f"{place.system_url('hole')}/"
        assert nurse.get(url).status == 502  # by the door, and two seconds
        cookies = nurse.cookies

        def hang(_: int) -> int:
            with Browser() as tab:
                tab.cookies = {host: dict(jar) for host, jar in cookies.items()}
                return tab.once("GET", url).status_code

        with ThreadPoolExecutor(40) as many:
            hanging = [many.submit(hang, n) for n in range(40)]
            time.sleep(0.5)  # they hang
            looks = [doctor.once("GET", f"{place.system_url('rota')}/") for _ in range(20)]
            assert {look.status_code for look in looks} == {200}
            assert not any(one.done() for one in hanging[:1])
            assert {one.result() for one in hanging} == {502}
        nurse.once("GET", url)  # this one may be the one that tries it
        began = time.monotonic()
        told = nurse.once("GET", url)
        assert told.status_code == 502
        assert "nothing was sent" in told.text
        assert time.monotonic() - began < 1.5  # it is not waited for: the deadline is two seconds
        ready, parts = place.ready()
        assert (ready, parts["silent_systems"]) == (200, ["hole"])
