"""Our pages as they are seen: at five widths, by keyboard, by contrast, and by what the browser complains of."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Response

from demo.ports import free_port
from tests.counterparts import provider

from .desk import passes
from .hospital import system
from .one_log_on import Place, one_log_on
from .screen import ARTEFACTS

pytestmark = pytest.mark.browser

WIDTHS = {320: 640, 390: 844, 768: 1024, 1280: 800, 1920: 1080}
# A phone, a tablet and a desk, where nothing is to be learnt of the widths between.
THREE = (320, 768, 1280)
ENOUGH = 4.5  # WCAG 2.2, 1.4.3, for text of any size
_JS = Path(__file__).with_name("seen.js").read_text()


class Ward:
    """One browser for each person and device, signed on once."""

    def __init__(self, place: Place, chromium: Browser) -> None:
        self.place = place
        self.url = place.hospital.url
        self.records = f"{place.hospital.system_url('pas')}/records/7"
        self.lab = f"{place.hospital.system_url('lab')}/Patient/7"
        self._chromium = chromium
        self._windows: dict[str, BrowserContext] = {}

    def window(self, name: str = "") -> BrowserContext:
        """A device's browser; without a name a fresh one."""
        return self._windows.setdefault(name or f"fresh-{len(self._windows)}", self._chromium.new_context())

    def signed_on(self, login: str, device: str = "desktop") -> Page:
        window = self.window(f"{login} at the {device}")
        page = window.new_page()
        page.goto(f"{self.url}/")
        if "/sign-on" in page.url:
            self.sign_on(page, login)
        return page

    def sign_on(self, page: Page, login: str) -> None:
        page.get_by_role("button", name="Sign on").click()
        passes(page, login, otp=provider.OTP if login == "s.reid" else "")
        page.wait_for_url(f"{self.url}/**")


def signing_on(ward: Ward) -> Page:
    page = ward.window().new_page()
    page.goto(f"{ward.url}/sign-on")
    return page


def enrolling(ward: Ward) -> Page:
    said = ward.place.hospital.lanyard(
        "device", "enrol", "--name", "Ward 7 PC 3", "--ward", "7", "--ownership", "shared"
    )
    page = ward.window().new_page()
    page.goto(said.stdout.splitlines()[0])
    return page


def not_recognised(ward: Ward) -> Page:
    page = ward.window().new_page()
    page.goto(f"{ward.url}/sign-on?device=device-signature")
    return page


def not_signed_on(ward: Ward) -> Page:
    page = signing_on(ward)
    ward.sign_on(page, "x.guest")
    return page


def launchpad(ward: Ward) -> Page:
    return ward.signed_on("n.okoye")


def nothing_to_open(ward: Ward) -> Page:
    return ward.signed_on("p.watt")


def my_shift(ward: Ward) -> Page:
    ward.signed_on("n.okoye", "bedside")
    page = ward.signed_on("n.okoye")
    page.goto(f"{ward.url}/shift")
    return page


def refusal(ward: Ward) -> Page:
    page = ward.signed_on("r.singh")
    page.goto(ward.records)
    return page


def no_such_page(ward: Ward) -> Page:
    page = ward.signed_on("n.okoye")
    page.goto(f"{ward.url}/nothing")
    return page


def system_down(ward: Ward) -> Page:
    page = ward.signed_on("n.okoye")
    page.goto(ward.lab)
    return page


def open_elsewhere(ward: Ward) -> Page:
    ward.signed_on("n.okoye").goto(ward.place.list)
    page = ward.signed_on("n.okoye", "bedside")
    page.goto(ward.place.list)
    return page


def locked(ward: Ward) -> Page:
    page = ward.signed_on("n.okoye", "theatre")
    page.get_by_role("button", name="Lock").click()
    page.wait_for_url(f"{ward.url}/unlock")
    return page


def making_a_passkey(ward: Ward) -> Page:
    page = ward.signed_on("n.okoye")
    page.goto(f"{ward.url}/shift/passkey")
    return page


def signed_off(ward: Ward) -> Page:
    page = ward.signed_on("dr.lee")
    page.get_by_role("button", name="Sign off").click()
    page.wait_for_load_state()
    page.goto(f"{ward.url}/signed-off")
    return page


def kept_log_ons(ward: Ward) -> Page:
    page = ward.signed_on("n.okoye")
    page.goto(f"{ward.url}/vault")
    return page


def log_on_asked(ward: Ward) -> Page:
    page = ward.signed_on("n.okoye")
    page.goto(f"{ward.url}/vault/pas")
    return page


def log_on_not_taken(ward: Ward) -> Page:
    page = log_on_asked(ward)
    page.locator("[name=username]").fill("   ")
    page.locator("[name=password]").fill("anything")
    page.get_by_role("button", name="Log on and keep").click()
    page.locator(".problem").wait_for()
    return page


def devices(ward: Ward) -> Page:
    page = ward.signed_on("s.reid", "security office")
    ward.place.hospital.lanyard("device", "enrol", "--name", "Ward 7 kiosk", "--ward", "7", "--ownership", "shared",
                                "--certificate-issuer", "CN=CA", "--certificate-subject", "CN=kiosk")  # fmt: skip
    page.goto(f"{ward.url}/security/devices")
    return page


def one_device(ward: Ward) -> Page:
    page = devices(ward)
    page.get_by_role("link", name="Ward 7 kiosk").click()
    return page


def opened_on_a_device(ward: Ward) -> Page:
    page = one_device(ward)
    page.get_by_role("link", name="What was opened on it").click()
    page.get_by_role("link", name="Last 30 days").click()
    return page


def enrolling_a_device(ward: Ward) -> Page:
    page = devices(ward)
    page.get_by_role("link", name="Enrol a device").click()
    return page


def revoking_a_device(ward: Ward) -> Page:
    page = one_device(ward)
    page.get_by_role("link", name="Take out of use").click()
    return page


# Each page, its heading and its status.
PAGES: dict[str, tuple[Callable[[Ward], Page], str, int]] = {
    "sign-on": (signing_on, "Sign on", 200),
    "enrol-device": (enrolling, "Enrol this device", 200),
    "device-not-recognised": (not_recognised, "Sign on", 200),
    "not-signed-on": (not_signed_on, "You could not be signed on", 403),
    "launchpad": (launchpad, "Your systems", 200),
    "nothing-to-open": (nothing_to_open, "Your systems", 200),
    "my-shift": (my_shift, "My shift", 200),
    "refusal": (refusal, "You may not open this", 403),
    "no-such-page": (no_such_page, "There is no such page", 404),
    "system-down": (system_down, "The system does not answer", 502),
    "open-elsewhere": (open_elsewhere, "This system is open on another of your devices", 409),
    "kept-log-ons": (kept_log_ons, "Kept log-ons", 200),
    "log-on-asked": (log_on_asked, "Log on to Patient administration", 200),
    "log-on-not-taken": (log_on_not_taken, "Log on to Patient administration", 200),
    "making-a-passkey": (making_a_passkey, "Make a passkey", 200),
    "locked": (locked, "Locked", 200),
    "devices": (devices, "Devices", 200),
    "one-device": (one_device, "Ward 7 kiosk", 200),
    "opened-on-a-device": (opened_on_a_device, "Opened on Ward 7 kiosk", 200),
    "enrolling-a-device": (enrolling_a_device, "Enrol a device", 200),
    "revoking-a-device": (revoking_a_device, "Take Ward 7 kiosk out of use?", 200),
    "signed-off": (signed_off, "You are signed off", 200),
}


@dataclass
class Shown:
    """A page on a screen, the answer that it came in, and what the browser complained of when it was loaded anew."""

    page: Page
    answer: Response
    complaints: list[str] = field(default_factory=list)

    def measure(self, what: str, *given: Any) -> Any:
        return self.page.evaluate(f"(given) => ({_JS}).{what}(...given)", list(given))


@pytest.fixture(scope="module")
def ward(tmp_path_factory: pytest.TempPathFactory, chromium: Browser) -> Iterator[Ward]:
    lab = system("lab", "fhir", f"http://127.0.0.1:{free_port()}", helpdesk="pathology office, extension 4444")
    lab["title"] = "Laboratory results (pathology, microbiology and blood transfusion)"
    with one_log_on(tmp_path_factory.mktemp("seen"), "one_per_clinician", lab) as place:
        yield Ward(place, chromium)


@pytest.fixture(scope="module", params=PAGES)
def shown(request: pytest.FixtureRequest, ward: Ward) -> Iterator[Shown]:
    """Each page in turn, loaded once more under observation."""
    page = PAGES[request.param][0](ward)
    found: list[str] = []

    def heard(message: ConsoleMessage) -> None:
        # Chromium says of every refusal that it is one.
        if not (message.text.startswith("Failed to load resource") and message.location.get("url") == page.url):
            found.append(message.text)

    page.on("console", heard)
    page.on("pageerror", lambda error: found.append(str(error)))
    answer = page.reload()
    assert answer is not None
    yield Shown(page, answer, found)
    page.close()


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    return str(request.node.callspec.params["shown"])


def test_it_is_the_page_that_is_meant(shown: Shown, name: str) -> None:
    """One heading, which says what the page is; a language; a title that names it; no level of heading left out."""
    _, heading, status = PAGES[name]
    assert shown.answer.status == status
    assert shown.page.locator("h1").all_inner_texts() == [heading]
    assert shown.page.get_attribute("html", "lang") == "en-GB"
    assert shown.page.title().endswith(" – Lanyard")
    assert len(shown.page.title()) > len(" – Lanyard")
    assert shown.page.locator("main").count() == 1
    assert shown.measure("skipped") == []


@pytest.mark.parametrize("width", WIDTHS)
def test_it_fits_the_screen(shown: Shown, name: str, width: int) -> None:
    """Nothing has to be scrolled sideways, at no width, and not with the spacing that a reader may choose either."""
    shown.page.set_viewport_size({"width": width, "height": WIDTHS[width]})
    assert shown.measure("wide") <= 0
    assert shown.measure("small") == []
    if width in THREE:
        shown.page.screenshot(path=ARTEFACTS / f"seen-{name}-{width}.png", full_page=True)
    shown.measure("space", True)
    assert shown.measure("wide") <= 0
    shown.measure("space", False)


@pytest.mark.parametrize("width", THREE)
def test_every_text_can_be_read(shown: Shown, width: int) -> None:
    """Each text stands out from what is behind it, and each control has a name."""
    shown.page.set_viewport_size({"width": width, "height": WIDTHS[width]})
    assert shown.measure("texts") > 40
    assert shown.measure("faint") == []
    assert shown.measure("nameless") == []


@pytest.mark.parametrize("width", THREE)
def test_the_keyboard_goes_everywhere_and_is_seen_to(shown: Shown, width: int) -> None:
    """Tab reaches each control in the order of reading; where the focus is can be seen, and read."""
    shown.page.set_viewport_size({"width": width, "height": WIDTHS[width]})
    shown.page.evaluate("document.activeElement.blur()")
    plain = shown.measure("styles")
    order: list[int] = []
    for _ in range(len(plain) + 2):
        shown.page.keyboard.press("Tab")
        focused = shown.measure("focused")
        if (index := focused["index"]) < 0:
            continue  # the page itself, on the way round
        order.append(index)
        assert focused["look"] != plain[index], focused
        assert focused["inside"], focused
        assert focused["contrast"] >= ENOUGH, focused
    assert set(order) == set(range(len(plain)))
    assert all(after == (before + 1) % len(plain) for before, after in pairwise(order))


def test_it_brings_nothing_of_its_own_into_the_browser(shown: Shown) -> None:
    """No script or style in the page, a policy that would stop them, nothing kept, and no complaint."""
    assert shown.measure("inline") == []
    headers = shown.answer.headers
    policy = dict(part.strip().partition(" ")[::2] for part in headers["content-security-policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert {policy[f"{kind}-src"] for kind in ("script", "style", "img", "connect")} == {"'self'"}
    assert (policy["frame-ancestors"], policy["base-uri"]) == ("'none'", "'none'")
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["cache-control"] == "no-store"
    assert headers["x-content-type-options"] == "nosniff"
    assert shown.complaints == []


def test_what_is_down_is_named_before_how(ward: Ward) -> None:
    """Which system, what to do, a way on; what its connection said stands below, for the helpdesk."""
    page = system_down(ward)
    told = page.locator("main").inner_text()
    parts = [
        "The system does not answer",
        "Laboratory results",
        "Try again in a minute",
        "Back to all systems",
        "4444",
        "Detail",
    ]
    places = [told.index(part) for part in parts]
    assert places == sorted(places)
    assert told.index("refused the connection") > places[-1]
    page.close()


def test_each_end_of_a_session_has_a_name_of_its_own(ward: Ward) -> None:
    """Whoever hears the page is told which browser a button ends."""
    page = my_shift(ward)
    names = page.get_by_role("button", name="End this one: desktop, ward, since")
    assert names.count() >= 1
    assert names.count() == page.get_by_text("End this one").count()
    page.close()


def test_what_measures_can_find_something(ward: Ward) -> None:
    """The canary: on a page with every fault, each measure finds its own."""
    page = ward.window().new_page()
    page.set_content(
        "<h1>Bad</h1><h3>Worse</h3><p style='color: #999; background: #fff'>faint</p><input name=q><a href='#' onclick='x()'>.</a>"
        "<div style='width: 3000px'>wide</div><style>a, a:focus { outline: none; font-size: 4px }</style>"
    )
    bad = Shown(page, None)  # type: ignore[arg-type]  # it came from nowhere
    assert bad.measure("wide") > 0
    assert bad.measure("skipped") == [3]
    assert [text.partition(": ")[2] for text in bad.measure("faint")] == ["faint"]
    assert [one[:6] for one in bad.measure("nameless")] == ["<input"]
    assert len(bad.measure("inline")) == 4
    assert len(bad.measure("small")) == 2
    plain = bad.measure("styles")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    focused = bad.measure("focused")
    assert focused["index"] == 1
    assert focused["look"] == plain[1]
    page.close()
