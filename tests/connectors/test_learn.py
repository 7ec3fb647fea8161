"""What is learned from a recording: the log-on, its signs, the routes and where each has its patient; and nothing that was typed."""

from __future__ import annotations

import base64
import json
import tomllib
from pathlib import Path
from typing import Any

import pytest

from connectors.base import SystemConfig
from connectors.kit import NoRecording, learned
from connectors.webform import WebformConnector
from gateway import cli

PAS = "http://pas.test"
LOGIN = (
    '<title>Log on</title><form id="logon" action="/do"><input name="search"></form>'
    '<form id="f1" method="post" action="/do"><input type="hidden" name="csrf" value="t0ken-t0ken">'
    '<input type="text" name="userid"><input type="password" name="pwd"></form>'
)
SECRETS = ("Winter-42", "NOKOYE", "t0ken-t0ken", "SESSION-VALUE", "9990000018", "H204000", "typed by somebody")


def entry(
    method: str, url: str, status: int = 200, text: str = "", kind: str = "text/html", **more: Any
) -> dict[str, Any]:
    """One of a HAR file. `form`: what was sent; `to`: where it leads; `sets`: the cookie."""
    request: dict[str, Any] = {"method": method, "url": url, "headers": []}
    if form := more.get("form"):
        params = [{"name": name, "value": value} for name, value in form.items()]
        request["postData"] = {"mimeType": "application/x-www-form-urlencoded", "params": params}
    headers = [{"name": "Location", "value": more["to"]}] if "to" in more else []
    headers += [{"name": "Set-Cookie", "value": f"{more['sets']}=SESSION-VALUE; Path=/"}] if "sets" in more else []
    content = {"mimeType": f"{kind}; charset=utf-8", "text": text}
    return {
        "request": request,
        "response": {"status": status, "headers": headers, "content": content, "redirectURL": ""},
    }


def har(*entries: dict[str, Any]) -> bytes:
    return json.dumps({"log": {"version": "1.2", "entries": list(entries)}}).encode()


CARD = {"csrf": "t0ken-t0ken", "userid": "NOKOYE", "pwd": "Winter-42"}
VISIT = (
    entry("GET", f"{PAS}/logon?next=12345&lang=en", text=LOGIN, sets="PRE"),
    entry("POST", f"{PAS}/do", text="<p>Invalid logon. Try again.</p>" + LOGIN, form={**CARD, "pwd": "wrong"}),
    entry("POST", f"{PAS}/do", 302, form=CARD, to="/main?first=1", sets="SID"),
    entry("GET", f"{PAS}/main", text="<title>Menu</title>Welcome NOKOYE"),
    entry("GET", f"{PAS}/static/css/main.css", text="a{}", kind="text/css"),
    entry("GET", f"{PAS}/static/js/main.js", text="1", kind="application/javascript"),
    entry("GET", f"{PAS}/favicon.ico", kind="image/x-icon"),
    entry("GET", f"{PAS}/patients/H204000/summary", text="<p>Hosp No: H204000</p>"),
    entry("GET", f"{PAS}/find?nhs=999+000+0018", text="<p>1 found</p>"),
    entry("POST", f"{PAS}/notes", 302, form={"hosp": "H204000", "note": "typed by somebody"}, to="/notes"),
    entry("POST", f"{PAS}/letters/77", text="<p>NHS</p>", form={"nhs": "9990000018"}),
    entry("GET", f"{PAS}/logout", 302, to="/logon"),
    entry("GET", "https://fonts.example/a.woff2", kind="font/woff2"),
    entry("GET", f"{PAS}/missing/99", 404),
)  # fmt: skip


def options(recording: bytes) -> dict[str, Any]:
    found: dict[str, Any] = tomllib.loads(learned(recording).toml("pas"))["systems"][0]
    assert found["upstream"] == PAS
    return dict(found["options"])


def test_the_log_on_is_found() -> None:
    """The form with the password, its fields, and by which signs each outcome is known."""
    found = options(har(*VISIT))
    assert found["login_page"] == "/logon?lang=en"
    assert (found["form"], found["username_field"], found["password_field"]) == ("f1", "userid", "pwd")
    assert found["success"] == {"status": 302, "location": "/main", "cookie": "SID"}
    assert found["failure"] == {"text": "Invalid logon. Try again."}
    assert found["logged_off"] == {"text": 'name="pwd"'}
    assert found["log_off"] == {"path": "/logout"}


def test_routes_are_found_with_their_patients() -> None:
    """By an NHS number anywhere, or by an id that the page repeats; assets by their folder; what failed is left out."""
    routes = {(r.get("methods", ["GET"])[0], r["path"]): r for r in options(har(*VISIT))["routes"]}
    assert routes["GET", "/static/{rest...}"]["asset"] is True
    assert routes["GET", "/favicon.ico"]["asset"] is True
    assert routes["GET", "/patients/{id}/summary"]["patient"] == {"in": "path", "name": "id"}
    assert routes["GET", "/patients/{id}/summary"]["action"] == "read"
    assert routes["GET", "/find"]["patient"] == {"in": "query", "name": "nhs", "namespace": "nhs-number"}
    assert routes["POST", "/letters/{id}"]["patient"] == {"in": "form", "name": "nhs", "namespace": "nhs-number"}
    assert routes["POST", "/letters/{id}"]["action"] == "write"
    assert "patient" not in routes["GET", "/main"]
    assert not any(path in ("/do", "/logon", "/logout", "/missing/{id}") for _, path in routes)


def test_nothing_that_was_typed_is_told() -> None:
    """No password, user name, token, cookie's value, note or patient's number; nor where the pages' other hosts are asked for what."""
    said = learned(har(*VISIT)).toml("pas")
    assert not [secret for secret in SECRETS if secret in said]
    assert "https://fonts.example" in said
    assert "a.woff2" not in said


def test_what_is_proposed_can_be_used() -> None:
    """As the options of the connector, as they are."""
    found = options(har(*VISIT))
    WebformConnector(SystemConfig("pas", "PAS", PAS, found, 65_536))


def test_what_is_not_known_is_said() -> None:
    """Without a wrong password, and without a patient's page: the places are marked and named."""
    said = learned(har(VISIT[0], VISIT[2], VISIT[3])).toml("pas")
    assert "CHANGE: what a refused log-on shows" in said
    assert "record a wrong password once" in said
    assert "no patient was found" in said


def test_a_log_on_that_is_answered_by_a_page_is_known_by_its_title() -> None:
    """Old systems say 200 to everything; and content may be recorded packed."""
    packed = entry("GET", f"{PAS}/logon", text=base64.b64encode(LOGIN.encode()).decode())
    packed["response"]["content"]["encoding"] = "base64"
    found = options(har(packed, entry("POST", f"{PAS}/do", text="<title>Main &amp; menu</title>", form=CARD)))
    assert found["success"] == {"text": "Main & menu"}


@pytest.mark.parametrize(
    "recording",
    [
        b"",
        b"{}",
        b"[" * 100_000,
        b'{"log": 1}',
        b'{"log": {"entries": [1]}}',
        har(),
        har(VISIT[3]),
        har(VISIT[0]),
        b"\xff",
    ],
)
def test_a_file_that_teaches_nothing_is_told(
    recording: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As what it is, and what to record; the command ends with 2."""
    with pytest.raises(NoRecording):
        learned(recording)
    (tmp_path / "a.har").write_bytes(recording)
    assert cli.main(["connector", "learn", str(tmp_path / "a.har")]) == 2
    assert "a.har" in capsys.readouterr().err


def test_the_command_prints_the_declaration(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Under the name that it is given."""
    (tmp_path / "a.har").write_bytes(har(*VISIT))
    assert cli.main(["connector", "learn", str(tmp_path / "a.har"), "--name", "oldpas"]) == 0
    assert tomllib.loads(capsys.readouterr().out)["systems"][0]["name"] == "oldpas"
