"""`lanyard status`: what a tired operator is told."""

from __future__ import annotations

import io
import json
import time
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from gateway.alarms.standing import Standing
from gateway.config import load
from gateway.state import together
from gateway.status import Found, verdict
from gateway.status_view import shown
from tests.journey.browser import Browser
from tests.journey.certificate import certificate
from tests.journey.hospital import hospital, system

from .installation import Installation, Terminal

NOW = 1_796_000_000.0


def said(name: str = "gw1", **more: Any) -> dict[str, Any]:
    """A gateway that is well, as `/statusz` tells it."""
    ready = {"ready": True, "draining": "no", "journal": "ok", "store": "ok"}
    return {
        "name": name,
        "version": "0.1.0",
        "public_url": "https://records.example.nhs.uk",
        "began": NOW - 3 * 86400,
        "now": NOW,
        **ready,
        "stores": "PostgreSQL",
        "workers": {name: ready},
        "journal_writers": {name: {"state": "ok", "waiting": 0, "reserve_used": 0.0}},
        "systems": [{"name": "pas", "title": "PAS", "answered": NOW - 3, "silent": None}],
        "reports": [],
        "certificates": [{"setting": "gateway.tls_cert", "days": 80}],
        "alarms_go_to": ["mail"],
        **more,
    }


def seen(answered: float | None, silent: float | None) -> dict[str, Any]:
    return {"name": "pas", "title": "PAS", "answered": answered, "silent": silent}


def alarmed(*controls: tuple[str, str]) -> list[dict[str, Any]]:
    standing = Standing("gw1", lambda: NOW - 720)
    for control, state in controls:
        standing.say(control, state)
    return [report.fields() for report in standing.reports()]


def text_of(*found: Found) -> str:
    console = Console(file=io.StringIO(), width=100, highlight=False)
    shown(found, NOW, console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_a_gateway_that_is_well_says_so_in_its_first_line() -> None:
    """Nothing is wrong: exit 0, and whoever reads one line knows."""
    found = Found("127.0.0.1:9090", said())
    assert verdict([found]) == 0
    assert text_of(found).splitlines()[0] == "All is well."
    assert "\x1b" not in text_of(found)


def test_a_writer_s_whole_name_stands_before_how_it_is() -> None:
    """However long it is: two of one machine differ at the end."""
    writers = {f"ward-gateway-north-{n}": {"state": "ok", "waiting": n, "reserve_used": 0.0} for n in (1, 2)}
    text = text_of(Found("127.0.0.1:9090", said(journal_writers=writers)))
    assert "ward-gateway-north-1: ok, 1 waiting" in text
    assert "ward-gateway-north-2: ok, 2 waiting" in text


def test_an_alarm_that_stands_comes_with_what_to_do() -> None:
    """The worst first, each with since when, what it means, what to do and the page; exit 1."""
    found = Found("127.0.0.1:9090", said(reports=alarmed(("search-copy", "failing"), ("identity-provider", "failing"))))
    text = text_of(found)
    assert verdict([found]) == 1
    assert text.startswith("NOT WELL: 2 things to look at")
    assert text.index("CRITICAL identity-provider: failing, since") < text.index("WARNING search-copy")
    assert "(12 min)" in text
    assert "do: Ring whoever runs the provider." in text
    assert "docs/alarms.md#identity-provider" in text


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"ready": False, "store": "unavailable"}, "NOT READY: store: unavailable"),
        ({"ready": False, "draining": "yes"}, "NOT READY: it is stopping"),
        ({"systems": [{"name": "pas", "title": "PAS", "answered": NOW - 400, "silent": NOW - 5}]}, "pas: DOES NOT ANSWER"),
        ({"certificates": [{"setting": "gateway.tls_cert", "days": 3}]}, "gateway.tls_cert: 3 days left"),
        ({"certificates": [{"setting": "gateway.tls_cert", "days": -1}]}, "gateway.tls_cert: ENDED"),
        ({"certificates": [{"setting": "gateway.tls_cert", "days": 0}]}, "gateway.tls_cert: 0 days left"),
        ({"workers": {"gw1-1": {"ready": True}, "gw1-2": {"ready": False}}}, "1 of 2 ready"),
    ],
)  # fmt: skip
def test_whatever_is_wrong_is_named(change: dict[str, Any], words: str) -> None:
    """Each part that is not well makes the exit 1 and stands in the text."""
    found = Found("127.0.0.1:9090", said(**change))
    assert verdict([found]) == 1
    assert words in text_of(found)


def test_a_machine_that_does_not_answer_is_named_beside_the_one_that_does() -> None:
    """One of two is away: exit 2, and the other's state is shown all the same."""
    found = Found("127.0.0.1:9090", said()), Found("10.20.0.12:9090", silence="no answer within 5 s")
    assert verdict(found) == 2
    assert "10.20.0.12:9090  NO ANSWER" in text_of(*found)
    assert "gw1  READY" in text_of(*found)


def test_several_workers_are_one_gateway(place: Installation) -> None:
    """It is ready where one is, names each, and knows of a system what the last to ask found."""
    parts = {"ready": True, "draining": "no", "journal": "ok", "store": "ok"}
    one = {**parts, "writer": "gw1-1", "waiting": 0, "reserve_used": 0.0, "systems": [seen(NOW - 3, None)]}
    one |= {"central": {"behind": 0.0, "failing": False}}
    other = {**one, "ready": False, "writer": "gw1-2", "systems": [seen(None, NOW - 1)]}
    other |= {"central": {"behind": 40.0, "failing": True}}
    hangs = {"ready": False, "answers": "no"}
    workers = {"1": one, "2": other, "3": hangs}
    place.write()
    both = together(load(place.path, {}), NOW - 60, NOW, parts, workers, [])
    assert (both["ready"], both["began"]) == (True, NOW - 60)
    assert {name: worker["ready"] for name, worker in both["workers"].items()} == {"1": True, "2": False, "3": False}
    assert set(both["journal_writers"]) == {"gw1-1", "gw1-2"}
    assert both["central"] == {"behind": 40.0, "failing": True}
    assert "NO ANSWER, 40 s behind" in text_of(Found("127.0.0.1:9090", both))
    assert both["systems"] == [seen(NOW - 3, NOW - 1)]


def test_nobody_there_is_an_answer_too(place: Installation, lanyard: Terminal) -> None:
    """A gateway that is not running: exit 2, and what to look at."""
    said = lanyard("status")
    assert said.code == 2
    assert "nothing listens there: is `lanyard serve` running?" in said.out


@pytest.mark.counterpart
def test_a_running_gateway_tells_how_it_is(tmp_path: Path) -> None:
    """The real thing: its name and version, its store, a system that does not answer, and a certificate that ends soon."""
    nowhere = system("epr", "fhir", "http://127.0.0.1:60009")
    cert, _ = certificate(tmp_path, days=3)
    with hospital(tmp_path, [nowhere | {"ca_file": str(cert)}], gateway={"name": "gw1"}) as place, Browser() as browser:
        assert place.sign_on(browser, "n.okoye").status == 200
        browser.get(f"{place.system_url('epr')}/Patient/1", came_from=f"{place.url}/")
        until = time.monotonic() + 10
        while not (found := json.loads(place.lanyard("status", "--json").stdout))[0]["alarms"]:
            assert time.monotonic() < until
        plain = place.lanyard("status")
    state = found[0]
    assert (state["name"], state["ready"], state["stores"]) == ("gw1", True, "SQLite")
    assert [alarm["control"] for alarm in state["alarms"]] == ["certificate"]
    assert state["certificates"] == [{"setting": "systems.epr.ca_file", "days": 2}]
    assert plain.returncode == 1
    assert "WARNING certificate: ends-soon" in plain.stdout
    assert "epr: DOES NOT ANSWER" in plain.stdout
