"""The files of deploy/two-machines one by one, by the programs that they are for."""

from __future__ import annotations

import difflib
import re
import shutil
import subprocess
import tomllib
from collections.abc import Mapping
from pathlib import Path

import pytest
import tomli_w

from gateway.config import Config, load
from tests.counterparts.processes import missing

from .authority import Authority

ROOT = Path(__file__).parents[2]
FILES = ROOT / "deploy" / "two-machines"
UNIT = FILES / "systemd" / "lanyard.service"


def told(package: str, *command: str) -> str:
    """What a program says of a file; it must be content with it."""
    if shutil.which(command[0]) is None:
        missing(package, command=command[0])
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def placed(folder: Path, file: str, **moved: str) -> Path:
    """A copy that names folders of this test, certificates among them."""
    authority = Authority(folder)
    authority.issue("records", "records.example.nhs.uk")
    (folder / "records.pem").write_bytes((folder / "records.crt").read_bytes() + (folder / "records.key").read_bytes())
    text = (FILES / file).read_text()
    known = {
        "/etc/lanyard/tls": str(folder),
        "/var/log/nginx": str(folder),
        "/etc/keepalived": str(FILES / "keepalived"),
    }
    for shipped, here in {**known, **moved}.items():
        text = text.replace(shipped, here)
    made = folder / Path(file).name
    made.write_text(text)
    return made


def unit() -> Mapping[str, list[str]]:
    """Each key of the unit with its values."""
    found: dict[str, list[str]] = {}
    for key, value in re.findall(r"^(\w+)=(.*)$", UNIT.read_text(), re.MULTILINE):
        found.setdefault(key, []).append(value)
    return found


@pytest.mark.counterpart
def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    """No key that it does not know, and the program where it looks for it."""
    made = placed(tmp_path, "systemd/lanyard.service")
    made.write_text(made.read_text().replace("/opt/lanyard/current/bin/lanyard", "/bin/true"))
    assert "lanyard.service" not in told("systemd", "systemd-analyze", "verify", str(made))


@pytest.mark.counterpart
def test_the_unit_is_hardened() -> None:
    """By systemd's own measure, of which 10 is no protection at all."""
    told("systemd", "systemd-analyze", "security", "--offline=yes", "--threshold=20", "--no-pager", str(UNIT))


def test_the_unit_gives_a_drain_its_time_and_begins_again_whatever_happens() -> None:
    """systemd waits longer than the gateway drains, and never gives up beginning it."""
    keys = unit()
    assert int(keys["TimeoutStopSec"][0]) > Config.model_fields["gateway"].annotation.model_fields["drain"].default + 10  # type: ignore[union-attr]  # a table
    assert keys["Restart"] == ["always"]
    assert keys["StartLimitIntervalSec"] == ["0"]
    assert keys["KillMode"] == ["mixed"]
    assert int(keys["LimitNOFILE"][0]) >= 65536
    assert "check" in keys["ExecStartPre"][0]
    assert "-HUP" in keys["ExecReload"][0]


@pytest.mark.counterpart
def test_nginx_takes_its_file(tmp_path: Path) -> None:
    """And has nothing to warn of."""
    front = placed(tmp_path, "nginx/lanyard.conf")
    whole = tmp_path / "nginx.conf"
    whole.write_text(f"pid {tmp_path}/pid; error_log {tmp_path}/log; events {{}} http {{ include {front}; }}")
    assert "[warn]" not in told("nginx-light", "nginx", "-t", "-c", str(whole))


def test_nginx_repeats_no_write_and_believes_no_browser() -> None:
    """What would do harm if somebody changed it by the way."""
    front = (FILES / "nginx/lanyard.conf").read_text()
    settings = re.sub(r"#.*", "", front)
    assert "non_idempotent" not in settings
    assert "proxy_next_upstream error timeout;" in settings
    assert "proxy_set_header X-Forwarded-For $remote_addr;" in settings
    assert "proxy_ssl_verify on;" in settings
    assert "proxy_request_buffering off;" in settings
    fresh = re.search(r"upstream lanyard_fresh \{(.*?)\}", settings, re.DOTALL)
    assert fresh
    assert "keepalive" not in fresh[1]
    log = re.search(r"log_format lanyard '(.*?)'", settings)
    assert log
    assert not re.search(r"\$(request|request_uri|uri|args|query_string)\b", log[1])


@pytest.mark.counterpart
def test_haproxy_takes_its_file(tmp_path: Path) -> None:
    """For houses that run it already."""
    told("haproxy", "haproxy", "-c", "-f", str(placed(tmp_path, "haproxy/haproxy.cfg")))


def test_both_machines_configurations_differ_in_what_their_first_line_says(tmp_path: Path) -> None:
    """Three lines of each, and the sender's name: whoever changes one file sees what belongs in the other."""
    one, other = ((FILES / name / "lanyard.toml").read_text().splitlines() for name in ("gw1", "gw2"))
    changed = [line for line in difflib.ndiff(one, other) if line.startswith(("- ", "+ "))]
    keys = {line[2:].partition(" = ")[0] for line in changed if not line[2:].startswith("#")}
    assert keys == {"name", "listen", "ops_listen", "mail_from"}


@pytest.mark.parametrize("name", ["gw1", "gw2"])
def test_the_gateway_takes_its_file(tmp_path: Path, name: str) -> None:
    """Every key is known, and what is not safe is nowhere asked for."""
    raw = tomllib.loads((FILES / name / "lanyard.toml").read_text())
    assert "insecure" not in tomli_w.dumps(raw)
    config = load(FILES / name / "lanyard.toml", {})
    assert config.gateway.name == name
    assert config.gateway.database_url is not None


def test_the_readme_names_every_file() -> None:
    """Nothing lies there of which nobody says where it goes."""
    said = (FILES / "README.md").read_text()
    files = [file.relative_to(FILES) for file in FILES.rglob("*") if file.is_file() and file.name != "README.md"]
    assert [str(file) for file in files if str(file) not in said and f"`{file.parent}/`" not in said] == []
