"""What every page of ours keeps: strict headers, a sound structure, and words that escape what they are given."""

from __future__ import annotations

import itertools
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import httpx2
import pytest
from lxml import html

from gateway.errors import FAULTS, UNEXPECTED
from gateway.web.app import STATIC, static
from gateway.web.refusals import REMEDIES, Refusals
from gateway.web.render import Renderer
from policies.decision import Remedy
from sso.testing import Reply

from .front import API, MAIN, NAVIGATION, PAS, Tab, front

PAGES = (
    "sign-on",
    "launchpad",
    "shift",
    "signed-off",
    "not-found",
    "failure",
    "framed",
    "refused sign-on",
    "cross-site",
    "vault",
    "log-on",
    "log-on-refused",
    "not this device",
    "no such link",
    "unlock",
    "locked",
    "go on",
    "set a pin",
    "make a passkey",
)


@pytest.fixture
async def tab(tmp_path: Path) -> AsyncIterator[Tab]:
    async with front(tmp_path) as house:
        yield house.tab()


async def with_a_device(tab: Tab) -> None:
    """Its session is on an enrolled one."""
    token = tab.cookies["records.localhost:8080"]["__Host-lanyard"].encode()
    seat = await tab.front.running.gateway._app._sessions.seated(token, "records.localhost:8080")
    assert seat is not None
    seat.session.device = replace(seat.session.device, id="pc-3")


async def page(tab: Tab, name: str) -> httpx2.Response:
    """One of each kind of page."""
    match name:
        case "sign-on":
            return await tab.get(f"{MAIN}/sign-on")
        case "signed-off":
            return await tab.get(f"{MAIN}/signed-off")
        case "framed":
            return await tab.ask("GET", f"{PAS}/", {"sec-fetch-dest": "frame", "accept": "text/html"})
        case "refused sign-on":
            return await tab.get(f"{MAIN}/sign-on/callback?state=x&error=access_denied")
        case "not this device":
            return await tab.get(f"{MAIN}/sign-on?device=device-signature")
        case "no such link":
            return await tab.get(f"{MAIN}/device/enrol?invitation=x")
        case "cross-site":
            return await tab.ask("POST", f"{MAIN}/sign-off", {"accept": "text/html"})
    await tab.sign_on()
    if name in ("unlock", "locked"):
        await tab.post(f"{MAIN}/lock")
        return await (tab.get(f"{MAIN}/unlock") if name == "unlock" else tab.post(f"{MAIN}/shift/end"))
    if name == "set a pin":
        await with_a_device(tab)
        return await tab.get(f"{MAIN}/shift/pin")
    if name == "make a passkey":
        return await tab.get(f"{MAIN}/shift/passkey")
    if name == "failure":
        return (await tab.follow(f"{API}/epr/metadata"))[0]
    paths = {
        "launchpad": "/",
        "shift": "/shift",
        "not-found": "/nowhere",
        "vault": "/vault",
        "go on": "/go-on",
        "log-on": "/vault/pas",
    }
    if name == "log-on-refused":
        told = await tab.post(f"{MAIN}/vault/pas", {"username": "", "password": ""})
        return await tab.get(told.headers["location"])
    return await tab.get(MAIN + paths[name])


@pytest.mark.parametrize("name", PAGES)
async def test_a_page_has_strict_headers(tab: Tab, name: str) -> None:
    """Nothing is stored, sniffed, framed or loaded from elsewhere, and no script stands in the page."""
    answer = await page(tab, name)
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cross-origin-opener-policy"] == "same-origin-allow-popups"
    assert "access-control-allow-origin" not in answer.headers
    policy = dict(part.strip().partition(" ")[::2] for part in answer.headers["content-security-policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["base-uri"] == "'none'"
    assert policy["frame-ancestors"] == ("'self'" if name == "framed" else "'none'")
    assert {policy[kind] for kind in ("style-src", "img-src", "script-src", "connect-src")} == {"'self'"}
    assert policy["form-action"].startswith("'self' ")
    assert "unsafe" not in answer.headers["content-security-policy"]


@pytest.mark.parametrize("name", PAGES)
async def test_a_page_is_sound(tab: Tab, name: str) -> None:
    """Language, one first heading, a title, landmarks, a way past the bar, names for what can be pressed (WCAG 2.2)."""
    tree = html.fromstring((await page(tab, name)).text)
    assert tree.get("lang") == "en-GB"
    assert len(tree.xpath("//h1")) == 1
    assert tree.xpath("string(//h1)").strip()
    assert " – Lanyard" in tree.xpath("string(//title)")
    assert len(tree.xpath("//main[@id='main']")) == 1
    assert tree.xpath("//body/a[1]/@href") == ["#main"]
    assert "width=device-width" in tree.xpath("string(//meta[@name='viewport']/@content)")
    levels = [int(h.tag[1]) for h in tree.xpath("//h1|//h2|//h3")]
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
    assert all(link.text_content().strip() for link in tree.xpath("//a|//button"))
    names = [button.text_content().split() for button in tree.xpath("//button[not(@aria-label)]")]
    assert len(names) == len({tuple(name) for name in names}), "two buttons that do different things have one name"
    labelled = {label.get("for") for label in tree.xpath("//label")}
    assert [i for i in tree.xpath("//input[not(@type='hidden')]") if i.get("id") not in labelled] == []
    assert tree.xpath("//nav[not(@aria-label)]") == []


@pytest.mark.parametrize("name", PAGES)
async def test_a_page_holds_no_script_and_no_style(tab: Tab, name: str) -> None:
    """Neither element nor attribute: the policy would stop them, and a page that needs them would break."""
    tree = html.fromstring((await page(tab, name)).text)
    known = {f"/.lanyard/static/{name}.js" for name in ("back", "close", "device", "enter", "passkey", "prove")}
    sources = [script.get("src") for script in tree.xpath("//script")]
    assert sources[0] == "/.lanyard/static/back.js"
    assert set(sources) <= known
    assert {script.text for script in tree.xpath("//script")} == {None}
    assert tree.xpath("//style|//@style|//@*[starts-with(name(), 'on')]") == []
    assert [a for a in tree.xpath("//@href|//@src|//@action") if a.startswith("javascript:")] == []


async def test_what_changes_something_is_a_form_and_never_a_link(tab: Tab) -> None:
    """A browser that reads ahead signs nobody off."""
    await tab.sign_on()
    for address in (f"{MAIN}/", f"{MAIN}/shift"):
        tree = html.fromstring((await tab.get(address)).text)
        assert "/sign-off" not in tree.xpath("//a/@href")
        assert {form.get("method") for form in tree.xpath("//form")} == {"post"}


async def test_the_launchpad_says_who_what_and_until_when(tab: Tab) -> None:
    """Name, role, the shift's end, each system's honest state and its helpdesk."""
    said = html.fromstring((await page(tab, "launchpad")).text).text_content()
    for words in ("N Okoye", "nurse", "My shift, ends", "Patient administration", "brokered", "ext. 4357", "Records"):
        assert words in said


async def test_a_name_from_the_provider_is_text(tmp_path: Path) -> None:
    """Whatever a claim holds, it is shown and not run."""
    async with front(tmp_path) as house:
        house.provider.claims = {"name": "<script>alert(1)</script>\"' Okoye"}
        tab = house.tab()
        text = (await tab.sign_on()).text
        assert "<script>" not in text
        assert "&lt;script&gt;" in text


async def test_a_provider_s_error_is_told_in_our_words(tmp_path: Path) -> None:
    """Its description is never shown, nor is the code."""
    async with front(tmp_path) as house:
        house.provider.replies["/token"] = Reply.json({"error": "invalid_grant", "error_description": "<b>x</b>"}, 400)
        tab = house.tab()
        answer = await tab.sign_on()
        assert answer.status_code == 403
        assert "<b>x</b>" not in answer.text
        assert "Try again" in answer.text


@pytest.mark.parametrize(
    "path",
    ["/unlock", "/unlock/again", "/shift/end", "/handoff/look", "/handoff/confirm", "/sign-off", "/device/remove"],
)
async def test_no_form_of_ours_is_read_without_end(tab: Tab, path: str) -> None:
    """Before anything is done with it, whoever sends it."""
    await tab.sign_on()
    answer = await tab.post(MAIN + path, {"next": "x" * 20_000})
    assert answer.status_code == 413
    assert (await tab.get(f"{MAIN}/")).status_code == 200, "still signed on"


@pytest.mark.parametrize("path", ["/nowhere", "/.lanyard/nowhere", "/.lanyard/static/../app.py", "/shift/end"])
async def test_a_path_that_is_no_page_is_not_found(tab: Tab, path: str) -> None:
    """A page for people, a problem for scripts, and never a word of what was asked."""
    answer = await tab.ask("GET", MAIN + path, {"accept": "application/json"})
    assert answer.status_code in (400, 404)
    assert path not in answer.text
    if answer.status_code == 404:
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["type"] == "urn:lanyard:not-found"


async def test_a_system_that_is_not_there_under_the_api_host_is_not_found(tab: Tab) -> None:
    """The API host has no pages of ours."""
    answer = await tab.ask("GET", f"{API}/nowhere/x", NAVIGATION)
    assert answer.status_code == 404


@pytest.mark.parametrize("origin", [MAIN, PAS, API])
async def test_the_style_sheet_is_ours_on_every_origin(tab: Tab, origin: str) -> None:
    """Pages of ours look alike in front of every system, signed on or not."""
    answer = await tab.ask("GET", f"{origin}/.lanyard/static/lanyard.css", {"sec-fetch-dest": "style"})
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/css")
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("name", ["../app.py", "/etc/passwd", "", ".", "lanyard.py", "sub/lanyard.css"])
def test_only_files_of_ours_are_given(name: str) -> None:
    """No other folder, no other kind."""
    assert static(name) is None


def test_over_https_every_page_says_so_for_a_year() -> None:
    """Strict-Transport-Security, subdomains included (BR-246)."""
    answer = Renderer(https=True).page("signedoff.html")
    assert answer.headers["strict-transport-security"] == "max-age=31536000; includeSubDomains"
    assert "strict-transport-security" not in Renderer(https=False).page("signedoff.html").headers


@pytest.mark.parametrize("fault", [fault for _, fault in FAULTS] + [UNEXPECTED], ids=lambda fault: fault.code)
def test_every_fault_has_its_page_and_its_problem(fault: object) -> None:
    """What happened, what to do, the number to tell; the same for scripts."""
    refusals = Refusals(Renderer(https=True), "https://records.example.nhs.uk")
    shown = refusals.failed(fault, "GET", ((b"sec-fetch-dest", b"document"),), "0123456789abcdef", None)  # type: ignore[arg-type]  # parametrised
    text = html.fromstring(bytes(shown.body).decode()).text_content()
    assert fault.title in text  # type: ignore[attr-defined]  # parametrised
    assert fault.remedy in text  # type: ignore[attr-defined]  # parametrised
    assert "0123456789ab" in text
    told = refusals.failed(fault, "GET", ((b"accept", b"application/json"),), "0123456789abcdef", None)  # type: ignore[arg-type]  # parametrised
    assert told.media_type == "application/problem+json"
    assert told.status_code == shown.status_code == fault.status  # type: ignore[attr-defined]  # parametrised


def test_every_remedy_has_its_sentence() -> None:
    """A refusal never says only no."""
    assert set(REMEDIES) == set(Remedy)


def test_the_style_sheet_loads_nothing_from_elsewhere() -> None:
    """No font, picture or sheet of another origin, and every width from a phone's on."""
    sheet = (STATIC / "lanyard.css").read_text()
    assert "@import" not in sheet
    assert re.findall(r"url\(", sheet) == []
    assert re.findall(r"[^-]width:\s*\d{3,}px", sheet) == []
    assert all("outline: none" not in rule and "outline:0" not in rule for rule in sheet.split("}"))
