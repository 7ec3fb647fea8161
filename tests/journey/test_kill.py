"""The gateway is killed again and again while clinicians work: what they got is in the journal, and they stay signed on."""

from __future__ import annotations

import contextlib
import itertools
import os
import queue
import random
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from .browser import Browser
from .fhir_server import Caller, fhir_server
from .hospital import Hospital, hospital, system

pytestmark = [pytest.mark.counterpart, pytest.mark.slow]

_KILLS = 8  # `make chaos` has a thousand
_CLIENTS = 6


class Ward:
    """Clients that never stop asking, each for a patient whom nobody asked for before; what came whole is told."""

    def __init__(self, url: str, cookies: dict[str, str]) -> None:
        self.answered: queue.Queue[str] = queue.Queue()
        self.refused: list[int] = []
        self._url, self._cookies = url, cookies
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._work, args=(number,)) for number in range(_CLIENTS)]

    def __enter__(self) -> Ward:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _work(self, number: int) -> None:
        caller = Caller(self._url, self._cookies)
        for turn in itertools.count():
            if self._over.is_set():
                break
            target = f"/Patient/mark-{number}-{turn}"
            status, body = caller.get(target)
            if status == 200 and target.rpartition("/")[2].encode() in body:
                self.answered.put(target)
            elif status:
                self.refused.append(status)
            else:
                self._over.wait(0.02)  # nobody listens: let the gateway have the processor to start
        caller.close()


def kill_all(place: Hospital) -> None:
    """As a machine that loses its power to run: nothing is left, and somebody starts it again."""
    place.stop(signal.SIGKILL)
    place.start()


def kill_worker(place: Hospital) -> None:
    """The parent begins another by itself."""
    killed = place.worker
    os.kill(killed, signal.SIGKILL)
    until = time.monotonic() + 60
    while (said := place.ready())[0] != 200 or said[1]["workers"]["1"]["pid"] == killed:
        assert time.monotonic() < until, "nobody came in its place"
        time.sleep(0.02)


@pytest.mark.parametrize("kill", [kill_worker, kill_all])
def test_every_answer_has_its_entry_and_the_shift_goes_on(tmp_path: Path, kill: Callable[[Hospital], None]) -> None:
    """Eight kills at random moments: no answer without its entry, the journal whole each time, no second sign-on. (F01, F02)"""
    seed = random.randrange(1 << 32)
    chance = random.Random(seed)
    with contextlib.ExitStack() as open_ones:
        records = open_ones.enter_context(fhir_server())
        place = open_ones.enter_context(hospital(tmp_path, [system("records", "fhir", records.origin)]))
        browser = open_ones.enter_context(Browser())
        place.sign_on(browser, "n.okoye")
        url = place.system_url("records")
        assert browser.get(f"{url}/Patient/first").status == 200
        cookies = browser.cookies[url.removeprefix("http://")]
        got: list[str] = []
        with Ward(url, cookies) as ward:
            for _ in range(_KILLS):
                got += [ward.answered.get(timeout=20) for _ in range(chance.randrange(1, 120))]
                kill(place)
                proof = place.lanyard("audit", "verify")
                assert proof.returncode == 0, f"seed {seed}: {proof.stdout}{proof.stderr}"
        got += list(ward.answered.queue)
        assert set(ward.refused) <= {502, 503}, f"seed {seed}: {ward.refused}"
        page = browser.get(f"{url}/Patient/last")
        assert (page.status, len(page.trail)) == (200, 1)
        intents = place.events(type="access.intent")
        assert {f"/Patient/{m}" for m in ("first", "last")} | set(got) <= {e["target"] for e in intents}, f"seed {seed}"
        assert len(got) == len(set(got)) >= _KILLS
        assert {target.partition("?")[0] for target in records.asked} <= {e["target"] for e in intents}
        assert len(place.events(type="login.ok")) == 1
        assert len(place.events(type="shift.started")) == 1
        assert len({(e["shift"], e["session"]) for e in intents}) == 1
