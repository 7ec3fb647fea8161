"""Alarms by mail and webhook, to a real mail server and a small receiver."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from demo.ports import free_port
from gateway.alarms.controls import Severity
from gateway.alarms.sending import sending
from gateway.alarms.standing import Standing
from gateway.alarms.telling import Notice, Telling
from gateway.alarms.ways import ways_of
from gateway.alarms.webhook import signature
from gateway.config import AlarmsTable
from sso.seal import new_key
from tests.journey.certificate import certificate
from tests.journey.hospital import hospital, system

from ..installation import Installation, Terminal
from .receivers import PASSWORD, USER, hook, post


def by_mail(folder: Path, port: int, **more: Any) -> dict[str, Any]:
    """Settings for a server that shows the certificate in `folder`."""
    (folder / "mail.secret").write_text(PASSWORD)
    return {
        "mail_to": ["oncall@example.nhs.uk", "night@example.nhs.uk"],
        "mail_from": "lanyard@example.nhs.uk",
        "mail_server": f"localhost:{port}",
        "mail_user": USER,
        "mail_password": {"file": str(folder / "mail.secret")},
        "mail_ca_file": str(folder / "tls.crt"),
        **more,
    }


def by_hook(folder: Path, url: str) -> dict[str, Any]:
    (folder / "hook.key").write_text(new_key())
    return {"webhook_url": url, "webhook_key": {"file": str(folder / "hook.key")}}


def until(true: Callable[[], object], within: float = 20.0) -> None:
    end = time.monotonic() + within
    while not true():
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.02)


def test_an_alarm_reaches_mailbox_and_webhook_with_what_to_do(tmp_path: Path) -> None:
    """Whoever is rung reads what fails, since when, what that means and what to do; the webhook can tell who sent it."""
    own = Standing("gw1", time.time)
    with post(*certificate(tmp_path, ("localhost",))) as mailbox, hook() as receiver:
        settings = AlarmsTable(**by_mail(tmp_path, mailbox.port), **by_hook(tmp_path, receiver.url))
        with sending(ways_of(settings), Telling("gw1", 3600, Severity.WARNING), own.reports, own):
            own.say("journal", "disk-full")
            until(lambda: mailbox.mails and receiver.taken)
    mail = mailbox.mails[0]
    assert mail["Subject"] == "[lanyard gw1] CRITICAL: journal disk-full"
    assert mailbox.to == [["oncall@example.nhs.uk", "night@example.nhs.uk"]]
    text = mail.get_payload()
    assert isinstance(text, str)
    assert "What it means:" in text
    assert "What to do: Look at the disk" in text
    assert "docs/alarms.md#journal" in text
    header, body = receiver.taken[0]
    assert json.loads(body)["state"] == "disk-full"
    at = int(header.removeprefix("t=").partition(",")[0])
    key = (tmp_path / "hook.key").read_bytes().rstrip()
    assert header == signature(key, at, body) != signature(key, at + 1, body)


def test_a_mail_server_that_is_away_delays_nothing_and_is_said(tmp_path: Path) -> None:
    """The webhook has it at once, `alarm-delivery` fails, and the mail comes when the server is back."""
    port, files, own = free_port(), certificate(tmp_path, ("localhost",)), Standing("gw1", time.time)
    with hook() as receiver:
        settings = AlarmsTable(**by_mail(tmp_path, port), **by_hook(tmp_path, receiver.url))
        with sending(ways_of(settings), Telling("gw1", 3600, Severity.WARNING), own.reports, own):
            own.say("session-store", "failing")
            until(lambda: len(receiver.taken) >= 2)
            said = {json.loads(body)["control"]: json.loads(body)["state"] for _, body in receiver.taken}
            assert said == {"session-store": "failing", "alarm-delivery": "mail-failing"}
            with post(*files, port=port) as mailbox:
                until(lambda: mailbox.mails)
                until(lambda: not any(r.failing for r in own.reports() if r.control == "alarm-delivery"))
    assert "session-store" in mailbox.mails[0]["Subject"]


def test_a_mail_server_with_another_certificate_gets_nothing(tmp_path: Path) -> None:
    """Who is not the configured server hears neither password nor alarm."""
    other = tmp_path / "other"
    other.mkdir()
    with post(*certificate(other, ("localhost",))) as mailbox:
        certificate(tmp_path, ("localhost",))
        (way,) = ways_of(AlarmsTable(**by_mail(tmp_path, mailbox.port)))
        with pytest.raises(OSError, match="certificate verify failed"):
            way(Notice("gw1", "journal", "disk-full", 0, 0))
    assert mailbox.mails == []


def test_the_operator_can_try_it(place: Installation, lanyard: Terminal) -> None:
    """`lanyard alarm test` says of each way whether it took the message, and ends with 1 where one did not."""
    with post(*certificate(place.folder, ("localhost",))) as mailbox, hook() as receiver:
        place.values["alarms"] = by_mail(place.folder, mailbox.port) | by_hook(place.folder, receiver.url)
        place.write()
        said = lanyard("alarm", "test")
        assert (said.code, said.out) == (0, "mail: sent\nwebhook: sent\n")
        assert "only a test" in mailbox.mails[0]["Subject"]
        receiver.status = 500
        said = lanyard("alarm", "test")
    assert said.code == 1
    assert "webhook: not sent: OSError: answered 500" in said.err


def test_there_is_nothing_to_try_where_nothing_is_configured(place: Installation, lanyard: Terminal) -> None:
    """An operator who believes that they are rung is told that they are not."""
    said = lanyard("alarm", "test")
    assert said.code == 2
    assert "nothing is configured" in said.err


@pytest.mark.counterpart
def test_a_running_gateway_tells_what_its_workers_notice_and_that_one_died(tmp_path: Path) -> None:
    """The parent sends, for all of them: a certificate that ends soon, which a worker saw, and a worker that was killed."""
    cert, _ = certificate(tmp_path, days=3)
    nobody = system("epr", "fhir", "http://127.0.0.1:60009", ca_file=str(cert))
    with hook() as receiver, hospital(tmp_path, [nobody], alarms=by_hook(tmp_path, receiver.url)) as place:

        def told() -> set[tuple[str, str]]:
            return {(said["control"], said["state"]) for said in (json.loads(body) for _, body in receiver.taken)}

        until(lambda: ("certificate", "ends-soon") in told())
        workers = json.loads(place.lanyard("status", "--json").stdout)[0]["workers"]
        os.kill(workers["1"]["pid"], signal.SIGKILL)
        until(lambda: ("workers", "died") in told(), within=60)
