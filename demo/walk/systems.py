"""The systems as somebody uses them: the EPR's viewer, the old PAS with its frames, and those that are simply there."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin

import httpx2

from ..browser import Browser, Page, Wanting

PARTS = ("AllergyIntolerance", "MedicationRequest", "Condition", "Observation")


def tiles(home: Page) -> dict[str, tuple[str, str]]:
    """What the launchpad brokers: title into address and state."""
    found = {}
    for tile in home.document().xpath("//li[contains(@class,'tile')]"):
        for link in tile.xpath(".//h2/a"):
            found[link.text_content().strip()] = (str(link.get("href")), _state(tile))
    return found


def programs(home: Page) -> dict[str, tuple[str, str]]:
    """What it opens and does not see into: title into the form's action and state."""
    found = {}
    for tile in home.document().xpath("//li[contains(@class,'tile')]"):
        for form in tile.xpath(".//form[.//h2]"):
            found[form.text_content().strip()] = (str(form.get("action")), _state(tile))
    return found


def _state(tile: Any) -> str:
    return str(tile.xpath(".//*[contains(@class,'tag')]")[0].text_content()).strip()


def opened(browser: Browser, title: str, address: str) -> Page:
    """A system from its tile, logged on. Raises Wanting where it asks for a log-on."""
    page = browser.get(address, f"{browser.public}/")
    if page.path.startswith("/vault/"):
        raise Wanting(f"{title} asks for a log-on: none is kept, or the system refused it")
    return well(page)


def well(page: Page) -> Page:
    if page.status != 200:
        raise Wanting(f"{page.path} answered with status {page.status}")
    return page


def closed(browser: Browser, found: dict[str, tuple[str, str]], why: str) -> None:
    """Raises Wanting where a system answers this browser with anything but 401."""
    for address, _ in found.values():
        if (status := browser.ask(address, address).status_code) != 401:
            raise Wanting(f"{why}: a system answered with status {status}")


def is_epr(page: Page) -> bool:
    return page.path.startswith("/viewer/")


def is_pas(page: Page) -> bool:
    return page.path.startswith("/pas/")


def record_of(browser: Browser, page: Page, name: str) -> Page:
    """A patient's page in a system that is simply there, in this clinician's name. Raises Wanting."""
    links = page.document().xpath("//table//a/@href")
    if name not in page.text or not links:
        raise Wanting(f"{page.url} is not open in the name of {name}")
    shown = well(browser.get(urljoin(page.url, str(links[0])), page.url))
    if name not in shown.text:
        raise Wanting(f"{page.url} shows a record in another name than {name}")
    return shown


@dataclass(frozen=True)
class Epr:
    browser: Browser
    page: Page  # the viewer

    def address(self, what: str) -> str:
        return f"{urljoin(self.page.url, '../fhir')}/{what}"

    def ask(self, what: str) -> httpx2.Response:
        return self.browser.ask(self.address(what), self.page.url)

    def read(self, what: str) -> Any:
        answer = self.ask(what)
        if answer.status_code != 200:
            raise Wanting(f"the EPR answered with status {answer.status_code}")
        return answer.json()

    def patients(self) -> list[str]:
        """The first two pages of a search, as the viewer turns them."""
        bundle = self.read("Patient?_count=5")
        found = bundle["entry"]
        onward = next((link["url"] for link in bundle["link"] if link["relation"] == "next"), None)
        if onward is not None:
            found += self.browser.ask(onward, self.page.url).json()["entry"]
        return [entry["resource"]["id"] for entry in found]

    def record(self, patient: str) -> None:
        """One record and its parts."""
        if self.read(f"Patient/{patient}")["id"] != patient:
            raise Wanting("the EPR shows another patient than the one asked for")
        for kind in PARTS:
            self.read(f"{kind}?patient=Patient/{patient}&_count=50")
        self.read(f"Patient/{patient}/$everything")


@dataclass(frozen=True)
class Pas:
    browser: Browser
    menu: Page
    worklist: Page

    @classmethod
    def of(cls, browser: Browser, frameset: Page) -> Pas:
        frames = re.findall(rb'<frame src="([^"]+)"', frameset.answer.content)
        if len(frames) != 2:
            raise Wanting("the PAS shows no frames")
        menu, worklist = (
            well(browser.get(urljoin(frameset.url, frame.decode()), frameset.url, dest="frame")) for frame in frames
        )
        return cls(browser, menu, worklist)

    def numbers(self) -> list[str]:
        return [str(value) for value in self.worklist.document().xpath("//input[@name='hosp']/@value")]

    def choose(self, number: str) -> Page:
        """The summary of a patient from the work list."""
        page = well(self.browser.submit(self.worklist, "/pas/select", dest="frame", hosp=number))
        if not shows(page, number):
            raise Wanting("the PAS shows another patient than the one chosen")
        return page

    def summary(self) -> Page:
        """Of whoever is current there: the address says no name."""
        return well(self.browser.submit(self.menu, "/pas/summary", dest="frame"))

    def notes(self) -> Page:
        return self.browser.submit(self.menu, "/pas/notes", dest="frame")


def shows(page: Page, number: str) -> bool:
    return f"Hosp No: {number}".encode() in page.answer.content
