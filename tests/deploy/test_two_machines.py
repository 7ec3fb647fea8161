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
NEEDED = {"ip": "iproute2", "unshare": "util-linux", "nginx": "nginx-light", "keepalived": "keepalived", "curl": "curl"}

pytestmark = [pytest.mark.counterpart, pytest.mark.slow]


def namespaces() -> None:
    """Skips, or in CI fails, where the machine lacks a program; skips where it lets nobody make namespaces."""
    for command, package in NEEDED.items():
        if shutil.which(command) is None:
            missing(package, command=command)
    bridge = "mount -t tmpfs none /mnt && ip link add br0 type bridge && ip netns list"
    tried = subprocess.run([*OWN_NAMESPACES, "sh", "-c", bridge], capture_output=True, text=True, check=False)
    if os.getuid() != 0 or tried.returncode:
        pytest.skip(f"NOT TRIED: no network namespaces can be had here: {tried.stderr.strip() or 'not root'}")


@pytest.fixture(scope="module")
def told() -> dict[str, Any]:
    """The whole rehearsal, once; its figures."""
    namespaces()
    command = [*OWN_NAMESPACES, sys.executable, "-m", "tests.deploy.rehearsal"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr[-12_000:]
    said: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return said


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


def test_both_machines_are_upgraded_without_a_failed_request(told: dict[str, Any]) -> None:
    """One is stopped in good order and begun again while the other serves, then the other."""
    assert {told["gw1_stopped_with"], told["gw2_stopped_with"]} == {0}
    assert told["asked_while_upgrading"] > 50
    assert told["failed_while_upgrading"] == {}


def test_no_write_is_sent_twice_and_none_that_was_acknowledged_is_missing(told: dict[str, Any]) -> None:
    """Whatever breaks under a write: it is never repeated behind the clinician's back."""
    assert told["writes"] > 0
    assert told["written_twice"] == 0
    assert told["acknowledged_not_written"] == 0


def test_an_address_that_a_browser_writes_itself_is_not_believed(told: dict[str, Any]) -> None:
    """The journal has the address that nginx saw."""
    assert told["journalled_own_address"] is True
    assert told["believed_forged_address"] is False
