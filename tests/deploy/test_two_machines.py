"""Two virtual machines as an equal: the files of deploy/two-machines, with nothing between them and what runs."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.counterparts.processes import missing

ROOT = Path(__file__).parents[2]
OWN_NAMESPACES = ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
NEEDED = {"ip": "iproute2", "unshare": "util-linux", "keepalived": "keepalived", "curl": "curl"}
PACKAGES = {"nginx": "nginx-light", "haproxy": "haproxy"}
REFUSED = {"GET 503", "POST 503"}

pytestmark = [pytest.mark.counterpart, pytest.mark.slow]


def namespaces(balancer: str) -> None:
    """Skips, or in CI fails, where the machine lacks a program; skips where it lets nobody make namespaces."""
    for command, package in {**NEEDED, balancer: PACKAGES[balancer]}.items():
        if shutil.which(command) is None:
            missing(package, command=command)
    bridge = "mount -t tmpfs none /mnt && ip link add br0 type bridge && ip netns list"
    tried = subprocess.run([*OWN_NAMESPACES, "sh", "-c", bridge], capture_output=True, text=True, check=False)
    if os.getuid() != 0 or tried.returncode:
        pytest.skip(f"NOT TRIED: no network namespaces can be had here: {tried.stderr.strip() or 'not root'}")


def rehearsed(balancer: str) -> dict[str, Any]:
    """The whole rehearsal; its figures."""
    namespaces(balancer)
    command = [*OWN_NAMESPACES, sys.executable, "-m", "tests.deploy.rehearsal", balancer]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=900)
    assert done.returncode == 0, done.stderr[-12_000:]
    said: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return said


@pytest.fixture(scope="module", params=sorted(PACKAGES))
def told(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Behind each balancer, once."""
    return rehearsed(request.param)


def test_one_machine_has_the_address(told: dict[str, Any]) -> None:
    """At first one of the two answers for both."""
    assert len(told["at_first"]) == 1
    assert told["before"] > 0


def test_a_machine_that_loses_its_power_is_followed_within_seconds(told: dict[str, Any]) -> None:
    """The address moves, and clinicians who are signed on go on with the same shift."""
    assert told["moved_after"] < 10
    assert told["serving_after"] < 20
    assert told["failed_after_it_moved"] == {}


def test_keepalived_takes_its_files_as_they_are(told: dict[str, Any]) -> None:
    """It knows each word, and trusts the scripts."""
    assert told["keepalived_complains"] == []


def test_a_machine_that_comes_back_moves_nothing(told: dict[str, Any]) -> None:
    """One move for one fault: the address stays where it is, and no request fails."""
    assert told["moved_back"] is False


def test_a_gateway_that_dies_under_writes_repeats_none(told: dict[str, Any]) -> None:
    """Each of them arrived once, and who sent it was told that nobody can say; a read is answered by the other machine."""
    assert told["those_writes_arrived"] == [1] * 5
    assert set(told["writes_when_it_died"]) <= {"502", "503"}
    assert told["read_when_it_died"] == "200"


def test_both_machines_are_upgraded_without_a_failed_request(told: dict[str, Any]) -> None:
    """One is stopped in good order and begun again while the other serves, then the other, within ten minutes."""
    assert {told["gw1_stopped_with"], told["gw2_stopped_with"]} == {0}
    assert told["asked_while_upgrading"] > 50
    assert told["failed_while_upgrading"] == {}
    assert told["upgraded_within"] < 600


def test_an_older_gateway_is_started_again_on_the_newer_database(told: dict[str, Any]) -> None:
    """In the middle of the upgrade, and the database says beforehand that it will be."""
    assert "9001, was 0002" in told["migrated"]
    assert "database: 9001; this release: 0002" in told["older_on_newer"]
    assert "may go on with it" in told["older_on_newer"]
    assert "database: 9001; this release: 9001" in told["newer_on_newer"]


def test_both_machines_are_rolled_back_without_a_failed_request(told: dict[str, Any]) -> None:
    """The older release works on the newer database; then that is taken back too, while it serves."""
    assert "0002, was 9001" in told["migrated_back"]
    assert "database: 0002; this release: 0002" in told["older_on_older"]
    assert told["asked_while_rolling_back"] > 50
    assert told["failed_while_rolling_back"] == {}
    assert told["rolled_back_within"] < 600


def promoted(told: dict[str, Any]) -> dict[str, Any]:
    """The same behind either balancer, so done behind one."""
    if "verified" not in told:
        pytest.skip("the databases are lost behind nginx")
    return told


def test_gateways_find_the_standby_that_was_promoted(told: dict[str, Any]) -> None:
    """Until then everybody is told 503 and nobody to sign on; then they are served as before, without a word to the gateways."""
    told = promoted(told)
    assert set(told["failed_without_primary"]) <= REFUSED
    assert told["promoted_serving_after"] < 60
    assert told["failed_after_promotion"] == {}
    assert told["late_one_after_promotion"] == "200"


def test_the_central_journal_is_whole_after_a_promotion(told: dict[str, Any]) -> None:
    """What the primary had acknowledged and the standby had not is sent again: `verify` misses nothing at either gateway."""
    assert promoted(told)["verified"] == [0, 0]


def test_nobody_goes_back_to_the_old_primary(told: dict[str, Any]) -> None:
    """It is switched on with what it had, and takes what is written; not even a gateway that starts then believes it."""
    told = promoted(told)
    assert told["asked_at_old_primary"] == 0
    assert told["asked_at_new_primary"] > 0
    assert told["failed_beside_old_primary"] == {}


def test_no_write_is_sent_twice_and_none_that_was_acknowledged_is_missing(told: dict[str, Any]) -> None:
    """Whatever breaks under a write: it is never repeated behind the clinician's back."""
    assert told["writes"] > 0
    assert told["written_twice"] == 0
    assert told["acknowledged_not_written"] == 0


def test_an_address_that_a_browser_writes_itself_is_not_believed(told: dict[str, Any]) -> None:
    """The journal has the address that the balancer saw."""
    assert told["journalled_own_address"] is True
    assert told["believed_forged_address"] is False
