"""A security officer at a gateway, and devices that are known to it."""

from __future__ import annotations

import contextlib
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
from lxml import html

from gateway.stores.testing import enrolled
from policies.model import Ownership
from sso.device import Enrolment
from sso.testing import BrowserKey

from .front import MAIN, Front, Tab, front
from .test_devices import proof, signed_on

DEVICES = f"{MAIN}/security/devices"
OFFICER = {
    "sub": "s.reid",
    "name": "Sam Reid",
    "roles": ["security-officer"],
    "amr": ["pwd", "mfa"],
    "acr": "aal2",
    "sid": "s-9",
}
NURSE = {"sub": "n.okoye", "name": "N Okoye", "roles": ["nurse"], "amr": ["pwd", "mfa"], "acr": "aal2", "sid": "s-1"}
PC = enrolled("5f" * 16)
PHONE = enrolled(
    "a1" * 16, name="Phone of N Okoye", ward="", ownership=Ownership.PERSONAL, pending=True, owner=("https://id.example", "n.okoye")
)  # fmt: skip


@contextlib.asynccontextmanager
async def guarded(folder: Path, **tables: Any) -> AsyncIterator[Front]:
    """A gateway that knows security officers."""
    roles = {"nurse": "nurse", "security-officer": "security-officer"}
    async with front(folder, sso={"roles": roles}, **tables) as house:
        yield house


async def known(house: Front, *devices: Enrolment) -> None:
    async with house.store() as store:
        for device in devices:
            await store.put_device(device)


async def kept(house: Front) -> list[Enrolment]:
    async with house.store() as store:
        return await store.devices()


async def officer(house: Front, **claims: Any) -> Tab:
    """Signed on just now, with two factors."""
    house.provider.claims = {**OFFICER, **claims}
    tab = house.tab()
    await tab.sign_on()
    return tab


async def nurse_at(house: Front, tab: Tab, device: str, key: BrowserKey) -> None:
    """A nurse signs on at a device that proves itself."""
    house.provider.claims = dict(NURSE)
    await signed_on(tab, await proof(tab, device, key))


def ticket(page: httpx2.Response) -> str:
    found = html.fromstring(page.text).xpath("//input[@name='ticket']/@value")
    return str(found[0])


async def made(tab: Tab, path: str = "enrol", **fields: str) -> httpx2.Response:
    """The form for a link, filled and sent."""
    form = await tab.get(f"{DEVICES}/{path}")
    return await tab.post(f"{DEVICES}/{path}", {**fields, "ticket": ticket(form)})


async def used(house: Front, page: httpx2.Response, tab: Tab | None = None) -> tuple[str, BrowserKey]:
    """The link on this page, used by a browser: the device's id and its key."""
    token = re.search(r"invitation=([\w-]{43})", page.text)
    assert token, page.text
    key = BrowserKey()
    answer = await (tab or house.tab()).sent("/device/enrol", {"invitation": token[1], "key": key.jwk()})
    assert answer.status_code == 201, answer.text
    return answer.json()["device"], key


def texts(page: httpx2.Response, path: str) -> list[str]:
    """What stands there, blanks made one."""
    return [" ".join(str(e.text_content()).split()) for e in html.fromstring(page.text).xpath(path)]
