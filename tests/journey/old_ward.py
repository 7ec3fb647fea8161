"""A ward PC in front of two old systems with the guard script in them: the demo's PAS, with its current patient, and Django's admin."""

from __future__ import annotations

import contextlib
import re
import signal
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, BrowserContext, Page, expect

from demo.hospital import configuration, servers
from demo.pas import Pas
from demo.people import USERS as PAS_USERS
from demo.people import patients
from demo.ports import free_port
from tests.counterparts.django_admin import USERS as ADMINS
from tests.counterparts.django_admin import DjangoAdmin, django_admin

from .desk import chooses_pin, passes
from .hospital import Hospital, hospital, system
from .screen import until

PIN = "284917"
UNLOCKED = "!!self.lanyardGuard && lanyardGuard.covered === false"
_ADMIN = {
    "login_page": "/admin/login/", "username_field": "username", "password_field": "password",
    "success": {"status": 302}, "failure": {"text": "errornote"},
    "logged_off": {"status": 302, "location": "/admin/login/"}, "browser_cookies": ["csrftoken"],
}  # fmt: skip


@dataclass
class OldWard:
    hospital: Hospital
    pas: Pas
    admin: DjangoAdmin

    def at(self, name: str, path: str) -> str:
        return self.hospital.system_url(name) + path

    def later(self, seconds: int) -> None:
        """The gateway's clock, put forward."""
        clock = self.hospital.folder / "clock"
        clock.write_text(str(int(clock.read_text()) + seconds))

    def now(self) -> None:
        """The true time again: a clock that is set back is believed after a restart only."""
        (self.hospital.folder / "clock").write_text("0")
        self.hospital.stop(signal.SIGKILL)
        self.hospital.start()


@contextlib.contextmanager
def old_ward(folder: Path) -> Iterator[OldWard]:
    pas, pas_port = Pas(patients(), PAS_USERS, idle=3600), free_port()
    demo: dict[str, Any] = tomllib.loads(configuration(folder, "", pas=pas_port))
    options = next(table["options"] for table in demo["systems"] if table["name"] == "pas")
    (folder / "django").mkdir()
    (folder / "clock").write_text("0")
    with servers({pas_port: pas.app()}), django_admin(folder / "django") as admin:
        origin = f"http://127.0.0.1:{pas_port}"
        systems = [
            system("pas", "webform", origin, options=options),
            system("bare", "webform", origin, options=options, guard="off: a test of what then holds"),
            system("admin", "webform", admin.origin, options=_ADMIN),
        ]
        nurse, doctor = ((one.pas_user, one.pas_password) for one in PAS_USERS[:2])
        credentials = {name: {"n.okoye": nurse, "dr.lee": doctor} for name in ("pas", "bare")}
        credentials["admin"] = {"n.okoye": ("okoye", ADMINS["okoye"]), "dr.lee": ("lee", ADMINS["lee"])}
        rarely = {"recheck": "12h"}  # the provider's clock is not put forward
        with hospital(folder, systems, credentials=credentials, started=False, sso=rarely) as place:
            place.program = ("tests.journey.ward_pc", str(folder / "clock"))
            place.start()
            yield OldWard(place, pas, admin)


def desk(ward: OldWard, chromium: Browser) -> BrowserContext:
    """A ward PC's browser, enrolled."""
    window = chromium.new_context(viewport={"width": 1280, "height": 800})
    page = window.new_page()
    said = ward.hospital.lanyard("device", "enrol", "--name", "Ward 7 PC 3", "--ward", "7", "--ownership", "shared")
    page.goto(said.stdout.splitlines()[0])
    page.get_by_role("button", name="Enrol this device").click()
    expect(page.get_by_role("status")).to_contain_text("Enrolled as Ward 7 PC 3")
    page.close()
    return window


def choose_pin(ward: OldWard, page: Page) -> None:
    """Once for a clinician, who has just signed on here."""
    chooses_pin(page, ward.hospital.url, PIN)


def sign_on(ward: OldWard, page: Page, login: str = "n.okoye") -> None:
    page.goto(ward.hospital.url)
    page.get_by_role("button", name=re.compile("^Sign on")).click()
    passes(page, login)
    page.wait_for_url(f"{ward.hospital.url}/**")


def opened(window: BrowserContext, url: str, ready: str = UNLOCKED) -> Page:
    page = window.new_page()
    page.goto(url)
    until(page, ready)
    return page


def looked_at(page: Page) -> None:
    """Somebody turns to this tab again, so that it asks."""
    page.bring_to_front()
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")


def lock(ward: OldWard, page: Page) -> None:
    page.goto(ward.hospital.url)
    page.get_by_role("button", name="Lock").click()
    page.wait_for_url("**/unlock**")


def unlock(page: Page) -> None:
    page.get_by_label("Your PIN").fill(PIN)
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("^(?!.*/unlock)"))
