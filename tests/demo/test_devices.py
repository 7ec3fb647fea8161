"""What is enrolled when the demo has started, as the command line lists it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from demo.browser import Key
from demo.devices import BANK_NURSE, Devices, devices, link_for, sign_on
from demo.hospital import Hospital, hospital, lanyard
from demo.ports import free_port
from demo.walk.systems import tiles


@pytest.fixture(scope="module")
def place() -> Iterator[Hospital]:
    with hospital(free_port()) as running:
        yield running


@pytest.fixture(scope="module")
def there(place: Hospital) -> Iterator[Devices]:
    with devices(place, lambda text: None) as found:
        yield found


def listed(place: Hospital) -> dict[str, dict[str, Any]]:
    said = lanyard("device", "list", "--json", "--config", str(place.config)).stdout
    return {device["name"]: device for device in map(json.loads, said.splitlines())}


def test_a_ward_pc_and_a_nurse_s_phone_are_enrolled_and_a_tablet_is_not(place: Hospital, there: Devices) -> None:
    """The PC is shared and managed, the phone is hers and approved, each known by its own key."""
    known = listed(place)
    pc, phone = known["Ward 7 PC 3"], known["Phone of Ngozi Okoye"]
    assert (pc["id"], pc["ownership"], pc["managed"], pc["state"]) == (there.desk.device, "shared", True, "in use")
    assert (phone["id"], phone["ownership"], phone["state"]) == (there.phone.device, "personal", "in use")
    assert phone["owner"] == [place.issuer, "nurse"]
    assert there.tablet.device == ""


def test_the_printed_link_makes_another_browser_a_ward_pc(place: Hospital, there: Devices) -> None:
    """Once: whoever opens it a second time is told to ask for a new one."""
    link = link_for(place, "Ward 7 PC 4")
    page = there.desk.get(link)
    sent = {"invitation": page.form("/device/enrol").fields["invitation"], "key": Key().jwk()}
    assert there.desk.post("/device/enrol", sent)["name"] == "Ward 7 PC 4"
    assert "Ward 7 PC 4" in listed(place)
    assert there.desk.get(link).status == 403


def test_the_bank_nurse_is_asked_for_her_log_on_once(place: Hospital, there: Devices) -> None:
    """What she is told to type is what the PAS takes; from then on it opens by itself."""
    tablet = there.tablet
    (address,) = (address for address, _ in tiles(sign_on(tablet, BANK_NURSE)).values() if "/pas/" in address)
    asked = tablet.get(address)
    assert asked.path == "/vault/pas"
    typed = {"username": BANK_NURSE.pas_user, "password": BANK_NURSE.pas_password}
    assert tablet.submit(asked, "/vault/pas", **typed).path == "/pas/main"
    assert tablet.get(address).path == "/pas/main"
