"""A configuration is taken while clinicians work, or refused with a reason: nobody loses a request, and nobody meets half of each. (F25)"""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from policies.bundle import BUNDLED

from .browser import Browser
from .fhir_server import Caller, fhir_server
from .hospital import Hospital, hospital, system
from .one_log_on import one_log_on
from .operators import PATIENCE, figure, journalled, refused, taken, until
from .recorder import Seen
from .ward import PAGE

pytestmark = [pytest.mark.counterpart, pytest.mark.slow]

_RELOADS = 3
_CLIENTS = 4


@contextlib.contextmanager
def ward(folder: Path, **gateway: object) -> Iterator[tuple[Hospital, Caller]]:
    """With a folder of policies of its own, and somebody signed on."""
    shutil.copytree(BUNDLED, folder / "rules-0", ignore=shutil.ignore_patterns("__*"))
    (folder / "rules").symlink_to("rules-0")
    with fhir_server() as records, Browser() as browser:
        rules = {"path": str(folder / "rules")}
        with hospital(folder, [system("records", "fhir", records.origin)], gateway=gateway, policies=rules) as place:
            place.sign_on(browser, "n.okoye")
            url = place.system_url("records")
            assert browser.get(f"{url}/Patient/first").status == 200
            with contextlib.closing(Caller(url, browser.cookies[urlsplit(url).netloc])) as caller:
                yield place, caller


def other_rules(folder: Path, turn: int) -> None:
    """As a ConfigMap changes: a new folder, and one link to it that is replaced."""
    shutil.copytree(folder / "rules-0", folder / f"rules-{turn}")
    with (folder / f"rules-{turn}" / "10-roles.cedar").open("a") as rules:
        rules.write(f"\n// turn {turn}\n")
    (folder / "link").symlink_to(f"rules-{turn}")
    (folder / "link").rename(folder / "rules")


class Asking:
    """Clients on kept connections that never stop asking; what each got."""

    def __init__(self, first: Caller) -> None:
        self.got: list[tuple[int, str]] = []
        self._over = threading.Event()
        callers = [first.another() for _ in range(_CLIENTS)]
        self._threads = [threading.Thread(target=self._ask, args=(n, caller)) for n, caller in enumerate(callers)]

    def __enter__(self) -> Asking:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _ask(self, number: int, caller: Caller) -> None:
        with contextlib.closing(caller):
            for turn in itertools.count():
                if self._over.is_set():
                    return
                target = f"/Patient/mark-{number}-{turn}"
                status, body = caller.get(target)
                whole = body.endswith(b"}") and target.rpartition("/")[2].encode() in body
                self.got.append((status if whole else -status, target))


@pytest.mark.parametrize("workers", [1, 2])
def test_no_request_is_lost_and_each_is_judged_by_one_policy(tmp_path: Path, workers: int) -> None:
    """Under load the rules change again and again: every answer is whole, and each chain's looks name the rules that it began with."""
    with ward(tmp_path, workers=workers) as (place, caller):
        with Asking(caller) as asking:
            for turn in range(1, _RELOADS + 1):
                before = len(asking.got)
                until(lambda before=before: len(asking.got) > before + 100, "answers")
                other_rules(tmp_path, turn)
                until(lambda turn=turn: taken(place) == turn, f"reload {turn}")
            before = len(asking.got)
            until(lambda: len(asking.got) > before + 100, "answers of the last")
        assert [one for one in asking.got if one[0] != 200] == []
        assert place.stop() == 0
        ruling: dict[str, str] = {}
        seen: set[str] = set()
        for event in sorted(place.events(), key=lambda e: (e["writer"], e["seq"])):
            if event["type"] == "policy.loaded":
                ruling[event["writer"]] = event["version"]
            elif event["type"] == "access.intent":
                assert event["policy"] == ruling[event["writer"]]
                seen.add(event["policy"])
        assert len(seen) == _RELOADS + 1
        intents = {event["target"] for event in journalled(place, "access.intent")}
        assert {target for _, target in asking.got} <= intents
        assert place.lanyard("audit", "verify").returncode == 0
        writers = {path.name for path in (tmp_path / "data" / "journal").iterdir()} - {"cli"}
        assert len(writers) == 2 * workers
        held = [path for path in (tmp_path / "data" / "journal").glob("gateway*/reserve")]
        assert len(held) == workers  # what is reserved is reserved once
        assert sum(path.stat().st_size for path in held) <= 16 << 20


def test_first_requests_before_and_after_a_reload_make_one_log_on(tmp_path: Path) -> None:
    """F22: the old system has not yet answered the crew that leaves when the one that takes over is asked for the same."""
    released = threading.Event()
    with one_log_on(tmp_path, "session") as there, Browser() as browser:
        answer, place = there.upstream.answer, there.hospital

        def slowly(seen: Seen) -> bytes:
            if seen.method == "POST":
                released.wait(PATIENCE)
            return answer(seen)

        there.upstream.answer = slowly
        place.sign_on(browser, "n.okoye")
        url = place.system_url("pas")
        browser.get(f"{url}/.lanyard/renew")  # through the door, and not to the system
        with contextlib.closing(Caller(url, browser.cookies[urlsplit(url).netloc])) as caller:
            got = [_aside(caller.another()) for _ in range(5)]
            there.upstream.wait(lambda seen: any(one.method == "POST" for one in seen))
            assert place.process is not None
            place.process.send_signal(signal.SIGHUP)
            until(lambda: taken(place) == 1, "the other crew")
            got += [_aside(caller.another()) for _ in range(5)]
            until(
                lambda: len([e for e in journalled(place, "access.intent") if e["writer"].endswith("-b")]) == 5, "they"
            )
            released.set()
            answers = [one.result(PATIENCE) for one in got]
        assert [status for status, _ in answers] == [200] * 10
        assert (there.pas.log_ons, there.pas.turned_away) == (1, 0)
        assert len(set(there.pas.shown)) == 1


def _aside(caller: Caller) -> Future[tuple[int, bytes]]:
    """One look at the work list, on a connection of its own."""
    asked: Future[tuple[int, bytes]] = Future()

    def ask() -> None:
        with contextlib.closing(caller):
            try:
                asked.set_result(caller.get(PAGE))
            except BaseException as error:
                asked.set_exception(error)

    threading.Thread(target=ask, daemon=True).start()
    return asked


def test_a_bad_configuration_is_refused_and_the_gateway_goes_on(tmp_path: Path) -> None:
    """Log, journal and alarm say why; put right, the alarm ends."""
    with ward(tmp_path) as (place, caller):
        worker, good = place.worker, place.path.read_text()
        place.path.write_text(good + "\n[gatway]\n")
        until(lambda: len(refused(place)) == 1, "the refusal")
        assert refused(place) == [[f"{place.path}: `gatway` is no setting: did you mean `gateway`?"]]
        until(lambda: figure(place, 'lanyard_alarm{control="configuration"}') == 1, "the alarm")
        assert caller.get("/Patient/still")[0] == 200
        assert place.worker == worker
        place.path.write_text(good)
        until(lambda: figure(place, 'lanyard_alarm{control="configuration"}') == 0, "the end of the alarm")
        assert place.worker == worker  # it is the one that runs
        (event,) = journalled(place, "config.rejected")
        assert event["reasons"] == refused(place)[0]
        states = [e["state"] for e in journalled(place, "control.failure") if e["control"] == "configuration"]
        assert states == ["failing", "ok"]
        assert figure(place, 'lanyard_configurations_total{outcome="rejected"}') == 1


def test_a_slip_in_a_policy_is_refused_with_its_line(tmp_path: Path) -> None:
    """The rules that run go on; a worker that dies meanwhile comes back with them, not with what is on disk."""
    with ward(tmp_path) as (place, caller):
        (tmp_path / "rules-0" / "90-slip.cedar").write_text("permit (principal, action, resource)\n")
        until(lambda: len(refused(place)) == 1, "the refusal")
        assert "90-slip.cedar:1" in refused(place)[0][0]
        killed = place.worker
        os.kill(killed, signal.SIGKILL)
        until(lambda: place.ready()[0] == 200 and place.worker != killed, "another worker")
        caller.close()
        assert caller.get("/Patient/still")[0] == 200
        assert len({event["version"] for event in journalled(place, "policy.loaded")}) == 1


@pytest.mark.parametrize("setting", ["name", "listen", "data_dir"])
def test_what_two_crews_must_share_cannot_change(tmp_path: Path, setting: str) -> None:
    """It is refused with the key and the remedy."""
    other = {"name": "other", "listen": "127.0.0.1:9", "data_dir": str(tmp_path / "elsewhere")}
    with ward(tmp_path) as (place, caller):
        place.config["gateway"][setting] = other[setting]
        place.write()
        until(lambda: len(refused(place)) == 1, "the refusal")
        (reason,) = refused(place)[0]
        assert reason.startswith(f"gateway.{setting}: cannot change while the gateway runs")
        assert caller.get("/Patient/still")[0] == 200


def test_another_journal_key_is_refused(tmp_path: Path) -> None:
    """A chain goes on under the key that it began with, also when somebody asks by signal."""
    with ward(tmp_path) as (place, caller):
        (tmp_path / "journal.key").write_text((tmp_path / "seal.key").read_text())
        assert place.process is not None
        place.process.send_signal(signal.SIGHUP)
        until(lambda: len(refused(place)) == 1, "the refusal")
        assert refused(place)[0][0].startswith("keys.journal: cannot change")
        assert caller.get("/Patient/still")[0] == 200


def test_the_number_of_workers_changes_while_it_runs(tmp_path: Path) -> None:
    """From one to two, by the file alone."""
    with ward(tmp_path) as (place, caller):
        place.config["gateway"]["workers"] = 2
        place.write()
        until(lambda: taken(place) == 1, "the reload")
        assert sorted(place.workers) == [1, 2]
        assert caller.get("/Patient/still")[0] == 200
