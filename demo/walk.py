"""`lanyard demo --walk`: a nurse's round through the real pages, and what it took. Nothing of the product's inside is used."""

from __future__ import annotations

import contextlib
import json
import re
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import httpx2
from lxml import html
from rich.console import Console
from rich.table import Table

from .hospital import Hospital, lanyard

_MOST_REDIRECTS = 12


@dataclass
class Figures:
    log_ons: int = 0
    log_ons_avoided: int = 0
    prompts_after_first: int = 0
    seconds_to_first_record: float = 0.0
    requests: int = 0
    events: int = 0
    verified: bool = False
    systems: dict[str, str] = field(default_factory=dict)


class Wanting(Exception):
    """Something on the round was not as it should be."""


class Walker:
    """A browser without a screen: host-only cookies, redirects, forms, Sec-Fetch; `*.localhost` is this machine."""

    def __init__(self, issuer: str) -> None:
        self._issuer = issuer
        self._http = httpx2.Client(timeout=30, trust_env=False)
        self._jars: dict[str, dict[str, str]] = {}
        self.prompts = 0

    def close(self) -> None:
        self._http.close()

    def get(self, url: str, came_from: str = "", *, dest: str = "document") -> tuple[str, httpx2.Response]:
        return self.go("GET", url, came_from, dest=dest)

    def go(
        self,
        method: str,
        url: str,
        came_from: str = "",
        fields: dict[str, str] | None = None,
        *,
        dest: str = "document",
    ) -> tuple[str, httpx2.Response]:
        """Follow wherever it leads; the last address and its answer."""
        for _ in range(_MOST_REDIRECTS):
            answer = self._once(method, url, came_from, fields, dest)
            if answer.status_code not in (301, 302, 303, 307, 308):
                self.prompts += answer.content.count(b'type="password"') > 0 or url.startswith(self._issuer)
                return url, answer
            url = urljoin(url, answer.headers["location"])
            if answer.status_code != 307:
                method, fields = "GET", None
        raise Wanting(f"{url} redirects without end")

    def _once(self, method: str, url: str, came_from: str, fields: dict[str, str] | None, dest: str) -> httpx2.Response:
        parts = urlsplit(url)
        jar = self._jars.setdefault(parts.netloc, {})
        same = not came_from or urlsplit(came_from).netloc == parts.netloc
        headers = {
            "host": parts.netloc,
            "accept": "text/html,application/fhir+json;q=0.9,*/*;q=0.8",
            "sec-fetch-site": "none" if not came_from else "same-origin" if same else "same-site",
            "sec-fetch-mode": "navigate" if dest in ("document", "frame") else "cors",
            "sec-fetch-dest": dest,
            "user-agent": "lanyard-walk",
        }
        if came_from:
            headers["referer"] = came_from
        if fields is not None:
            headers["origin"] = "://".join(urlsplit(came_from or url)[:2])
        if jar:
            headers["cookie"] = "; ".join(f"{n}={v}" for n, v in jar.items())
        target = parts._replace(netloc=f"127.0.0.1:{parts.port or 80}").geturl()
        self._http.cookies.clear()
        answer = self._http.request(method, target, headers=headers, data=fields)
        for line in answer.headers.get_list("set-cookie"):
            name, _, value = line.partition(";")[0].partition("=")
            if "max-age=0" in line.lower() or not value:
                jar.pop(name.strip(), None)
            else:
                jar[name.strip()] = value
        return answer


def walk_through(place: Hospital, console: Console, json_path: Path | None) -> int:
    """The round, the table, and 0 or 1."""
    figures, failure = Figures(), ""
    try:
        with contextlib.closing(Walker(place.issuer)) as walker:
            _round(place, walker, figures, console)
    except (Wanting, httpx2.HTTPError, KeyError, IndexError, ValueError) as error:
        failure = str(error) if isinstance(error, Wanting) else f"{type(error).__name__}: {error}"
    _journal(place, figures)
    failure = failure or _missing(figures)
    _print(figures, console)
    if json_path is not None:
        json_path.write_text(json.dumps(asdict(figures), indent=2) + "\n")
    if failure:
        console.print(f"[bold red]found wanting:[/] {failure}")
        return 1
    console.print("[bold green]all well[/]")
    return 0


def _round(place: Hospital, walker: Walker, figures: Figures, console: Console) -> None:
    console.print("[dim]·[/] signing on as the nurse")
    began = time.monotonic()
    at, tiles = _sign_on(place, walker)
    figures.log_ons = 1
    prompts = walker.prompts
    for title, (address, state) in tiles.items():
        console.print(f"[dim]·[/] opening {title}")
        url, answer = walker.get(address, at)
        _well(url, answer)
        if urlsplit(url).path.startswith("/vault/"):
            raise Wanting(f"{title} asks for a log-on: none is kept, or the system refused it")
        figures.systems[title] = state
        if urlsplit(url).path.startswith("/viewer/"):
            _epr(walker, url)
        else:
            _pas(walker, url)
        figures.seconds_to_first_record = figures.seconds_to_first_record or round(time.monotonic() - began, 2)
    figures.prompts_after_first = walker.prompts - prompts
    figures.log_ons_avoided = len(tiles)
    if figures.prompts_after_first:
        raise Wanting("a second prompt was shown")


def _sign_on(place: Hospital, walker: Walker) -> tuple[str, dict[str, tuple[str, str]]]:
    url, _ = walker.get(f"{place.url}/")
    url, answer = walker.get(f"{place.url}/sign-on/start", url)
    form = _document(answer).forms[0]
    fields = {name: value or "" for name, value in form.form_values() if name} | {"login": "nurse"}
    at, answer = walker.go("POST", urljoin(url, form.get("action") or ""), url, fields)
    if at != f"{place.url}/":
        raise Wanting(f"sign-on ended at {urlsplit(at).path} with status {answer.status_code}")
    tiles = {}
    for tile in _document(answer).xpath("//li[contains(@class,'tile')]"):
        link = tile.xpath(".//h2/a")[0]
        tiles[link.text_content().strip()] = (
            str(link.get("href")),
            tile.xpath(".//*[contains(@class,'tag')]")[0].text_content().strip(),
        )
    if not tiles:
        raise Wanting("the launchpad shows no system")
    return at, tiles


def _epr(walker: Walker, url: str) -> None:
    """Find patients, page on, open one record and its parts, as the viewer's script does."""
    fhir = urljoin(url, "../fhir")
    _, answer = walker.get(f"{fhir}/Patient?_count=5", url, dest="empty")
    bundle = _json(answer)
    following = next((link["url"] for link in bundle["link"] if link["relation"] == "next"), None)
    if following is not None:
        _json(walker.get(following, url, dest="empty")[1])
    patient = bundle["entry"][0]["resource"]["id"]
    _json(walker.get(f"{fhir}/Patient/{patient}", url, dest="empty")[1])
    for kind in ("AllergyIntolerance", "MedicationRequest", "Condition", "Observation"):
        _json(walker.get(f"{fhir}/{kind}?patient=Patient/{patient}&_count=50", url, dest="empty")[1])
    _json(walker.get(f"{fhir}/Patient/{patient}/$everything", url, dest="empty")[1])


def _pas(walker: Walker, url: str) -> None:
    """The frameset, its frames, a patient chosen from the work list, their summary."""
    _, frameset = walker.get(url)
    frames = re.findall(rb'<frame src="([^"]+)"', frameset.content)
    if len(frames) < 2:
        raise Wanting("the PAS shows no frames")
    last = ""
    for frame in frames:
        last, answer = walker.get(urljoin(url, frame.decode()), url, dest="frame")
        _well(last, answer)
    form = next(f for f in _document(answer).forms if "hosp" in f.fields)
    chosen = dict(form.form_values())
    at, answer = walker.go("POST", urljoin(last, form.get("action") or ""), last, chosen, dest="frame")
    _well(at, answer)
    if f"Hosp No: {chosen['hosp']}".encode() not in answer.content:
        raise Wanting("the PAS shows another patient than the one chosen")


def _document(answer: httpx2.Response) -> Any:
    """lxml's element; its stubs know neither forms nor what an expression finds."""
    return html.document_fromstring(answer.content)


def _json(answer: httpx2.Response) -> Any:
    if answer.status_code != 200:
        raise Wanting(f"the EPR answered with status {answer.status_code}")
    return answer.json()


def _well(url: str, answer: httpx2.Response) -> None:
    if answer.status_code != 200:
        raise Wanting(f"{urlsplit(url).path} answered with status {answer.status_code}")


def _journal(place: Hospital, figures: Figures) -> None:
    """What the journal says about it, by the command line."""
    try:
        report = json.loads(lanyard("audit", "verify", "--json", "--config", str(place.config)).stdout)
    except (RuntimeError, ValueError):
        return
    types: dict[str, int] = {}
    for writer in report["writers"]:
        for kind, number in writer["types"].items():
            types[kind] = types.get(kind, 0) + number
    figures.events, figures.verified = report["events"], report["whole"]
    figures.requests = types.get("access.intent", 0)


def _missing(figures: Figures) -> str:
    if not figures.verified:
        return "the journal does not verify"
    return "" if figures.requests else "no request is in the journal"


def _print(figures: Figures, console: Console) -> None:
    table = Table(title="One round", show_header=False, title_justify="left")
    table.add_row("log-ons made by the nurse", str(figures.log_ons))
    table.add_row("log-ons avoided", str(figures.log_ons_avoided))
    table.add_row("prompts after the first", str(figures.prompts_after_first))
    table.add_row("seconds to the first record", f"{figures.seconds_to_first_record:.2f}")
    table.add_row("requests brokered", str(figures.requests))
    table.add_row("events journalled", f"{figures.events}, {'verified' if figures.verified else 'NOT VERIFIED'}")
    for title, state in figures.systems.items():
        table.add_row(title, state)
    console.print(table)
