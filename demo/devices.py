"""The hospital's devices, enrolled as its people would: a ward PC by a one-time link, a nurse's own phone, and a tablet nobody knows.

Their keys are held by browsers without a screen, which `--walk` drives. Only the command line and the gateway's own pages are used.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from .browser import Asked, Browser, Page, Wanting
from .hospital import Hospital, lanyard
from .people import USERS, User

PC = "Ward 7 PC 3"
NURSE, DOCTOR = USERS[0], USERS[1]
BANK_NURSE = next(user for user in USERS if user.first_day)
_PC_AGENT = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 lanyard-walk"
_PHONE_AGENT = (
    "Mozilla/5.0 (Linux; Android 16; Pixel 9) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Mobile lanyard-walk"
)
_TABLET_AGENT = (
    "Mozilla/5.0 (Linux; Android 16; SM-X210) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 lanyard-walk"
)
_OUTSIDE = "127.0.9.1"  # an address of this machine that the demo's configuration calls outside


@dataclass(frozen=True)
class Devices:
    asked: Asked
    desk: Browser  # shared, on the ward, enrolled
    phone: Browser  # the nurse's own, enrolled and approved
    tablet: Browser  # unknown, outside


@contextlib.contextmanager
def devices(place: Hospital, say: Callable[[str], None]) -> Iterator[Devices]:
    """The three, ready for a shift. Raises RuntimeError or Wanting for what could not be enrolled."""
    asked = Asked()
    with contextlib.ExitStack() as stack:

        def browser(agent: str, address: str = "127.0.0.1") -> Browser:
            return stack.enter_context(
                contextlib.closing(Browser(place.url, place.issuer, agent, asked, address=address))
            )

        found = Devices(asked, browser(_PC_AGENT), browser(_PHONE_AGENT), browser(_TABLET_AGENT, _OUTSIDE))
        say(f"devices: {PC}, the phone of {NURSE.name}, and a tablet that nobody knows")
        _enrol_pc(place, found.desk)
        _enrol_own(place, found.phone, NURSE)
        yield found


def link_for(place: Hospital, name: str) -> str:
    """A one-time link that makes a browser a PC of Ward 7."""
    asked = ("--name", name, "--ward", "Ward 7", "--ownership", "shared", "--managed", "--config", str(place.config))
    return lanyard("device", "enrol", *asked).stdout.split()[0]


def sign_on(browser: Browser, user: User) -> Page:
    """From the gateway's first page to the provider and back. Raises Wanting where it does not end on the launchpad."""
    browser.who = user.login
    page = browser.submit(browser.get("/"), "/sign-on/start")
    if not page.url.startswith(browser.issuer):
        raise Wanting(f"nobody asked who is at the browser: sign-on went to {page.path}")
    home = browser.submit(page, "/pick", login=user.login)
    if user.name not in home.text or not home.document().xpath("//li[contains(@class,'tile')]"):
        raise Wanting(f"sign-on ended at {home.path} with status {home.status}")
    return home


def _enrol_pc(place: Hospital, desk: Browser) -> None:
    page = desk.get(link_for(place, PC))
    invitation = page.form("/device/enrol").fields["invitation"]
    desk.device = desk.post("/device/enrol", {"invitation": invitation, "key": desk.key.jwk()})["device"]


def _enrol_own(place: Hospital, phone: Browser, owner: User) -> None:
    """Before the shift that is walked: the owner signs on, asks, signs off, and an operator approves."""
    sign_on(phone, owner)
    phone.device = phone.post("/device/own", {"key": phone.key.jwk()})["device"]
    lanyard("device", "approve", phone.device, "--config", str(place.config))
    phone.submit(phone.get("/shift"), "/sign-off")
