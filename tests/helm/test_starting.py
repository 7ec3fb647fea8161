"""The configuration that the chart renders starts the real program, which becomes ready."""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import tomllib
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.counterparts.postgres import PostgresServer
from tests.counterparts.redis_servers import sentinels

from .chart import SETS, Chart, Rendered, Values
from .container import can_wall, walled
from .pod import Pod


@pytest.fixture(params=SETS)
def pod(chart: Chart, request: pytest.FixtureRequest, postgres: PostgresServer, tmp_path: Path) -> Iterator[Pod]:
    """Each set, with real stores where it names them; on this machine they need no TLS."""
    values = chart.values(request.param)
    with ExitStack() as stack:
        stores = {}
        if "database_url" in values["config"]["gateway"]:
            stores["GATEWAY__DATABASE_URL"] = postgres.new_database(f"chart-{request.param}")
        if request.param == "sentinel":
            stores["GATEWAY__REDIS_URL"] = stack.enter_context(sentinels(tmp_path)).url
            del values["config"]["gateway"]["sentinel_password"]  # the test's sentinels ask for none
            del values["config"]["gateway"]["redis_ca_file"]  # nor do they speak TLS
        elif "redis_url" in values["config"]["gateway"]:
            stores["GATEWAY__REDIS_URL"] = request.getfixturevalue("redis_running").url
        made = Pod(chart.render(values), tmp_path, stores)
        made.lay_out()
        yield made


@pytest.mark.counterpart
def test_the_rendered_configuration_starts_the_program(pod: Pod) -> None:
    """`lanyard check` finds nothing, and `lanyard serve` becomes ready, by whatever name it is asked."""
    checked = pod.run("check")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    with pod.serving():
        assert json.loads(pod.readiness()[1])["ready"] is True


@pytest.mark.counterpart
def test_a_pod_that_leaves_has_sent_its_journal(chart: Chart, postgres: PostgresServer, tmp_path: Path) -> None:
    """To its last event, that it has stopped: what scaling down leaves on the volume is there as well, within the time that a pod has."""
    database = f"chart-{secrets.token_hex(4)}"
    pod = Pod(
        chart.render(chart.values("postgresql")), tmp_path, {"GATEWAY__DATABASE_URL": postgres.new_database(database)}
    )
    pod.lay_out()
    with pod.serving() as process:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(pod.rendered.pod["spec"]["terminationGracePeriodSeconds"])
        with postgres.connect(database) as c:
            last = c.execute("SELECT type FROM journal.event ORDER BY at DESC, seq DESC LIMIT 1").fetchone()
    assert last == ("gateway.stopped",)
    verified = pod.run("audit", "verify")
    assert verified.returncode == 0, verified.stdout + verified.stderr


def test_the_walls_hold(tmp_path: Path) -> None:
    """What `serve` was started between lets nothing be written but to the volumes, and gives root no power."""
    for volume in ("data", "tmp"):
        (tmp_path / volume).mkdir()
    if not can_wall(tmp_path):
        pytest.skip("no mount table of one's own: the read-only root is not tried (root and util-linux are needed)")

    def allowed(*command: str) -> bool:
        return subprocess.run(walled(tmp_path, command), capture_output=True).returncode == 0

    assert allowed("touch", str(tmp_path / "data" / "one"))
    assert not allowed("touch", str(tmp_path / "one"))
    assert not allowed("chown", "nobody", str(tmp_path / "data"))


def test_a_services_variable_would_be_taken_for_a_setting(chart: Chart, tmp_path: Path) -> None:
    """Why the chart switches them off: a release called `lanyard` would not start."""
    pod = Pod(chart.render(chart.values("smallest")), tmp_path, {"PORT_8080_TCP": "tcp://10.0.0.1:8080"})
    pod.lay_out()
    assert pod.run("check").returncode == 2


def plain(toml: str) -> Values:
    return tomllib.loads(toml)


def test_the_configuration_is_the_values(chart: Chart, rendered: Rendered) -> None:
    """Numbers stay whole, quotes stay quotes: what was given is what is read."""
    values = chart.values("everything")
    read = plain(chart.render(values).toml)
    for name, table in values["config"].items():
        assert read[name] == table if isinstance(table, list) else table.items() <= read[name].items()
    assert plain(rendered.toml)["gateway"]["data_dir"] == "/var/lib/lanyard"


ODD = [
    'say "hi" \\ now',
    "O'Brien, ärztin",
    "# no comment",
    "{{ no template }}",
    "2",
    "true",
    "a\nb",
    "https://x/?a=b&c=<d>",
]


@pytest.mark.parametrize("text", ODD)
def test_odd_words_arrive_as_they_are(chart: Chart, text: str) -> None:
    """A helpdesk's name with quotes in it is neither a syntax error nor a number."""
    values = chart.values("everything")
    values["config"]["systems"][0]["helpdesk"] = text
    values["config"]["systems"][0]["options"][text] = {"a b": [1, 2.5, True, text]}
    system = plain(chart.render(values).toml)["systems"][0]
    assert system["helpdesk"] == text
    assert system["options"][text] == {"a b": [1, 2.5, True, text]}
