"""The configuration: what is taken, what is refused, and how the refusal reads."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.config import Config, load, settings
from gateway.errors import ConfigError

GOOD = """
[gateway]
public_url = "https://records.example.nhs.uk"
data_dir = "{dir}"

[keys]
seal = {{ file = "{dir}/seal.key" }}
journal = {{ env = "JOURNAL_KEY" }}

[sso]
issuer = "https://login.example.nhs.uk:443/realm"
client_id = "lanyard"
client_secret = {{ file = "{dir}/client" }}

[[zones]]
name = "wards"
cidrs = ["10.20.0.0/16"]
posture = "on-site"

[[systems]]
name = "pas"
title = "Patient administration"
connector = "webform"
upstream = "https://pas.internal:8443"
"""


def read(tmp_path: Path, text: str, environ: dict[str, str] | None = None) -> Config:
    path = tmp_path / "lanyard.toml"
    path.write_text(text.replace("{dir}", str(tmp_path)).replace("{{", "{").replace("}}", "}"))
    return load(path, environ or {})


def refusal(tmp_path: Path, text: str, environ: dict[str, str] | None = None) -> str:
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, text, environ)
    return str(caught.value)


def test_a_good_file_is_read(tmp_path: Path) -> None:
    """A complete file gives a value with every default filled in."""
    config = read(tmp_path, GOOD)
    assert config.sso.issuer == "https://login.example.nhs.uk:443/realm"
    assert config.host_of(config.systems[0]) == "pas.records.example.nhs.uk"
    assert config.shift.longest == 12 * 3600


def test_an_unknown_key_is_refused_with_the_nearest_one(tmp_path: Path) -> None:
    """A misspelt key names the file, the key and the one that was meant (CONFIG-029)."""
    said = refusal(tmp_path, GOOD.replace("data_dir", "data_dri"))
    assert "gateway.data_dri" in said
    assert "did you mean `data_dir`" in said


def test_every_problem_is_reported_at_once(tmp_path: Path) -> None:
    """Two faults in one file are two lines."""
    said = refusal(tmp_path, GOOD.replace("10.20.0.0/16", "10.20.0.1/16").replace('"lanyard"', "7"))
    assert "10.20.0.1/16" in said
    assert "sso.client_id" in said


def test_the_environment_lies_over_the_file(tmp_path: Path) -> None:
    """LANYARD_SHIFT__LONGEST replaces shift.longest."""
    assert read(tmp_path, GOOD, {"LANYARD_SHIFT__LONGEST": "10h"}).shift.longest == 36000


def test_an_unknown_variable_is_refused(tmp_path: Path) -> None:
    """A misspelt LANYARD_ variable stops the start and names the one that was meant."""
    said = refusal(tmp_path, GOOD, {"LANYARD_SHIFT__LONGST": "10h"})
    assert "LANYARD_SHIFT__LONGST" in said
    assert "LANYARD_SHIFT__LONGEST" in said


def test_a_secret_in_the_file_is_refused_and_not_repeated(tmp_path: Path) -> None:
    """A literal secret is refused without being printed."""
    said = refusal(
        tmp_path, GOOD.replace('client_secret = {{ file = "{dir}/client" }}', 'client_secret = "hunter2hunter2"')
    )
    assert "client_secret" in said
    assert "hunter2" not in said


@pytest.mark.parametrize(
    ("case", "upstream"),
    [
        ("CONFIG-001", "http://169.254.169.254/"),
        ("CONFIG-003", "http://2130706433/"),
        ("CONFIG-004", "http://0x7f.1/"),
        ("CONFIG-005", "http://127.1/"),
        ("CONFIG-006", "http://localhost:6379/"),
        ("CONFIG-007", "http://[::1]:5432/"),
        ("CONFIG-012", "http://legacy.test#@169.254.169.254/"),
        ("CONFIG-013", "http://legacy.test\\\\@169.254.169.254/"),
        ("CONFIG-015", "http://legacy.test:22/"),
        ("own", "http://127.0.0.1:8080/"),
        ("scheme", "file:///etc/passwd"),
        ("userinfo", "http://a:b@legacy.test/"),
    ],
)
def test_an_upstream_that_is_no_system_is_refused(tmp_path: Path, case: str, upstream: str) -> None:
    """Metadata services, odd spellings of loopback, databases and tricks are refused by name at the start."""
    said = refusal(tmp_path, GOOD.replace("https://pas.internal:8443", upstream))
    assert "upstream" in said, case


@pytest.mark.parametrize(
    ("case", "old", "new", "named"),
    [
        ("CONFIG-019", "data_dir =", 'trusted_proxies = ["0.0.0.0/0"]\ndata_dir =', "trusted_proxies"),
        ("CONFIG-020", "data_dir =", "proxy_headers = true\ndata_dir =", "proxy_headers"),
        ("CONFIG-023", "https://login.example.nhs.uk:443", "http://login.example.nhs.uk", "issuer"),
        ("CONFIG-024", "client_id =", 'algorithms = ["RS256", "HS256"]\nclient_id =', "algorithms"),
        ("CONFIG-026", "data_dir =", 'public = ["healthz"]\ndata_dir =', "public"),
        ("CONFIG-033", "[[zones]]", '[audit]\nack = "async"\n[[zones]]', "audit.ack"),
        ("CONFIG-040", "[keys]", '[keys]\ncipher = "AES-256-CBC"', "cipher"),
        ("http", "https://records", "http://records", "public_url"),
        ("shift", "[[zones]]", '[shift]\nlongest = "15h"\n[[zones]]', "shift.longest"),
    ],
)
def test_an_unsafe_setting_is_refused(tmp_path: Path, case: str, old: str, new: str, named: str) -> None:
    """What would open the gateway is refused at the start, with the key's name."""
    assert named in refusal(tmp_path, GOOD.replace(old, new, 1)), case


def test_two_systems_on_one_host_are_refused(tmp_path: Path) -> None:
    """CONFIG-022: two systems with pages never share an origin."""
    second = GOOD[GOOD.index("[[systems]]") :].replace('"pas"', '"old"') + 'host = "pas.records.example.nhs.uk"\n'
    assert "share the host" in refusal(tmp_path, GOOD + second)


def test_a_secret_reads_without_its_line_end_and_says_what_is_missing(tmp_path: Path) -> None:
    """A secret file loses its newline; a missing one is named, an empty one refused (CONFIG-039)."""
    config = read(tmp_path, GOOD)
    (tmp_path / "client").write_bytes(b"s3cret\n")
    assert config.sso.client_secret is not None
    assert config.sso.client_secret.read() == b"s3cret"
    (tmp_path / "client").write_bytes(b"")
    with pytest.raises(ConfigError, match="is empty"):
        config.sso.client_secret.read()
    with pytest.raises(ConfigError, match="JOURNAL_KEY"):
        config.keys.journal.read()


def test_every_setting_has_a_name() -> None:
    """The list that the documentation is held to is complete and has no doubles."""
    names = list(settings())
    assert "sso.claims.roles" in names
    assert "systems.hold" in names
    assert len(names) == len(set(names))


@pytest.mark.parametrize("value", ["off", "off:", "off: ", "no", "", "OFF: because"])
def test_pages_go_without_their_guard_for_a_written_reason_only(tmp_path: Path, value: str) -> None:
    """Whoever reviews the configuration reads why."""
    assert "`systems.0.guard`: write `on`, or `off: `" in refusal(tmp_path, GOOD + f'guard = "{value}"\n')
    assert read(tmp_path, GOOD + 'guard = "off: because"\n').systems[0].guard == "off: because"
    assert read(tmp_path, GOOD).systems[0].guard == "on"
