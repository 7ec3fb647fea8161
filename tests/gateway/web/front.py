"""A whole gateway in this process, with a toy provider and two systems that nobody reaches, and a tab to look at it with."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit

import httpx2
import tomli_w

from gateway.app import Running, open_gateway
from gateway.audit.search import Found, Question, catch_up, open_copy, search
from gateway.config import Config, load
from gateway.devices import INVITATION
from gateway.installation import STORE
from gateway.stores.sqlite import SqliteStore
from policies.model import Ownership
from sso.device import INVITATION_LIFE, Invitation
from sso.seal import Seal, new_key
from sso.session import new_token
from sso.testing import CLIENT_SECRET, BrowserKey, ToyProvider

MAIN = "http://records.localhost:8080"
PAS = "http://pas.records.localhost:8080"
API = "http://api.records.localhost:8080"
NOWHERE = "http://127.0.0.1:1"  # nobody listens there
NAVIGATION = {"sec-fetch-dest": "document", "sec-fetch-mode": "navigate", "accept": "text/html"}
OWN_FORM = {**NAVIGATION, "sec-fetch-site": "same-origin"}
SCRIPT = {"sec-fetch-site": "same-origin", "sec-fetch-mode": "cors", "sec-fetch-dest": "empty", "accept": "*/*"}
PC = Invitation("Ward 7 PC 3", "Ward 7", Ownership.SHARED, managed=True, by="ana")


class Clock:
    """The real time, and a step that a test may take."""

    step = 0.0

    def __call__(self) -> float:
        return time.time() + self.step


class Front:
    """One gateway, or several over one store, to which requests go in turn."""

    def __init__(self, running: Running, provider: ToyProvider, clock: Clock, folder: Path, *others: Running) -> None:
        self.running = running
        self.others = others
        self.asked = 0
        self.provider = provider
        self.clock = clock
        self.folder = folder

    def tab(self) -> Tab:
        return Tab(self)

    def next(self) -> Running:
        """The gateway that the next request goes to."""
        self.asked += 1
        return (self.running, *self.others)[self.asked % (1 + len(self.others))]

    async def a_second_passes(self) -> None:
        """Where there are several: who was seen is written by then."""
        for one in (self.running, *self.others) if self.others else ():
            await one.gateway._app._sessions.flush()  # type: ignore[attr-defined]  # inside, for the test

    @contextlib.asynccontextmanager
    async def store(self, *, shared: bool = True) -> AsyncIterator[SqliteStore]:
        """As another process, such as the command line, has it; not `shared`: one that believes nothing once anybody has written."""
        opened = SqliteStore(
            self.folder / "data" / STORE, Seal.of((self.folder / "seal.key").read_bytes()), shared=shared
        )
        yield opened
        await opened.close()

    async def link(self, invitation: Invitation) -> str:
        token = new_token()
        async with self.store() as store:
            await store.put_code(INVITATION, token, invitation.to_json(), self.clock() + INVITATION_LIFE)
        return token

    async def events(self, *types: str) -> list[dict[str, Any]]:
        """What the journals hold, oldest first."""
        found: list[Found] = []
        for data in [self.folder / "data", *(self.folder / f"data-{n + 2}" for n in range(len(self.others)))]:
            with contextlib.closing(open_copy(data)) as copy:
                catch_up(data, copy)
                found += reversed(search(copy, Question(limit=10000)))
        found.sort(key=lambda one: one.at)
        return [{"type": e.type, **e.fields} for e in found if not types or e.type in types]

    async def awaited(self, *types: str) -> list[dict[str, Any]]:
        """The same, once there is one: what ends behind a page is written down just after it."""
        for _ in range(500):
            if found := await self.events(*types):
                return found
            await asyncio.sleep(0.01)
        return []


class Tab:
    """One browser: cookies host by host, redirects followed one at a time."""

    def __init__(self, front: Front) -> None:
        self.front = front
        self.cookies: dict[str, dict[str, str]] = {}
        self.set_cookies: list[str] = []
        self.device = ""  # the id of an enrolled one, and its key
        self.key: BrowserKey | None = None

    async def ask(
        self, method: str, url: str, headers: dict[str, str] | None = None, content: bytes = b""
    ) -> httpx2.Response:
        parts = urlsplit(url)
        own = self.cookies.setdefault(parts.netloc, {})
        sent = dict(headers or NAVIGATION)
        if own and "cookie" not in sent:
            sent["cookie"] = "; ".join(f"{name}={value}" for name, value in own.items())
        transport = httpx2.ASGITransport(app=self._app)
        async with httpx2.AsyncClient(transport=transport) as client:
            answer = await client.request(method, url, headers=sent, content=content)
        for line in answer.headers.get_list("set-cookie"):
            self.set_cookies.append(line)
            name, _, rest = line.partition("=")
            value = rest.partition(";")[0]
            if "Max-Age=0" in line:
                own.pop(name, None)
            else:
                own[name] = value
        return answer

    async def _app(self, scope: Any, receive: Any, send: Any) -> None:
        """The server's part: the raw target, as LanyardProtocol notes it."""
        query = scope["query_string"]
        scope["lanyard.target"] = scope["raw_path"].partition(b"?")[0] + (b"?" + query if query else b"")
        await self.front.next().gateway(scope, receive, send)
        await self.front.a_second_passes()

    async def get(self, url: str, **headers: str) -> httpx2.Response:
        return await self.ask("GET", url, {**NAVIGATION, **headers} if headers else None)

    async def post(self, url: str, form: dict[str, str] | None = None, **headers: str) -> httpx2.Response:
        sent = {**(headers or OWN_FORM), "content-type": "application/x-www-form-urlencoded"}
        return await self.ask("POST", url, sent, urlencode(form or {}).encode())

    async def follow(self, url: str, *, most: int = 12) -> tuple[httpx2.Response, list[str]]:
        """The page that a navigation ends on, by way of the provider, and every address on the way."""
        way = [url]
        for _ in range(most):
            if url.startswith(self.front.provider.issuer):
                query = (await self.front.provider.authorise(url)).decode()
                url = f"{MAIN}/sign-on/callback?{query}"
            answer = await self.get(url)
            if self.key is not None and (ticket := re.search(r'data-ticket="([^"]+)"', answer.text)):
                proved = await self.sent("/enter", {"ticket": ticket[1], **await self.proof("renew")})
                url = urljoin(MAIN, proved.json()["to"])
                way.append(url)
                continue
            if answer.status_code != 303:
                return answer, way
            url = urljoin(url, answer.headers["location"])
            way.append(url)
        raise AssertionError(f"the redirects go round: {way}")

    async def sign_on(self, path: str = "/sign-on/start") -> httpx2.Response:
        return (await self.sign_on_by_way(path))[0]

    async def sign_on_by_way(self, path: str = "/sign-on/start") -> tuple[httpx2.Response, list[str]]:
        """An enrolled one proves its key, as the page's script does."""
        if self.key is None:
            return await self.follow(MAIN + path)
        form = dict(parse_qsl(urlsplit(path).query)) | await self.proof("sign-on")
        leaving = await self.post(f"{MAIN}/sign-on/start", form)
        return await self.follow(urljoin(MAIN, leaving.headers["location"]))

    async def sent(self, path: str, value: object, **headers: str) -> httpx2.Response:
        """What a script of ours posts."""
        return await self.ask("POST", f"{MAIN}{path}", {**SCRIPT, **headers}, json.dumps(value).encode())

    async def enrol(self, invitation: Invitation = PC) -> str:
        """Make this browser a device that is known here, by a link; its id."""
        self.key = BrowserKey()
        made = await self.sent(
            "/device/enrol", {"invitation": await self.front.link(invitation), "key": self.key.jwk()}
        )
        assert made.status_code == 201, made.text
        self.device = made.json()["device"]
        return self.device

    async def proof(self, purpose: str) -> dict[str, str]:
        """The fields that the page's script adds to a form; none where this browser has no key."""
        if self.key is None:
            return {}
        asked = {"device": self.device, "purpose": purpose}
        challenge = (await self.sent("/device/challenge", asked)).json()["challenge"]
        made = self.key.proof(MAIN, purpose, self.device, challenge)
        return {"device": made.device, "challenge": made.challenge, "signature": made.signature}


def config_in(folder: Path, issuer: str, **tables: Any) -> Path:
    for name in ("seal", "journal"):
        (folder / f"{name}.key").write_text(new_key())
    (folder / "client.secret").write_bytes(CLIENT_SECRET)
    webform = {
        "login_page": "/login", "username_field": "user", "password_field": "pass",
        "success": {"text": "Welcome"}, "failure": {"text": "Wrong"}, "logged_off": {"text": "Log in"},
        "routes": [{"id": "note", "methods": ["POST"], "path": "/notes", "action": "write", "kind": "note",
                    "patient": {"in": "query", "name": "nhs"}}],
    }  # fmt: skip
    config: dict[str, Any] = {
        "gateway": {"public_url": MAIN, "insecure_http": True, "data_dir": str(folder / "data")},
        "keys": {name: {"file": str(folder / f"{name}.key")} for name in ("seal", "journal")},
        "sso": {
            "issuer": issuer, "client_id": "gateway", "client_secret": {"file": str(folder / "client.secret")},
            "claims": {"roles": "roles"}, "roles": {"nurse": "nurse", "doctor": "doctor"}, "insecure_issuer": True,
        },
        "audit": {"reserve": "16MiB", "segment": "2MiB"},
        "zones": [{"name": "ward", "cidrs": ["127.0.0.0/8"], "posture": "on-site"}],
        "systems": [
            {"name": "pas", "title": "Patient administration", "connector": "webform", "helpdesk": "ext. 4357",
             "upstream": NOWHERE, "options": webform},
            {"name": "epr", "title": "Records", "connector": "fhir", "mount": "path", "upstream": NOWHERE},
        ],
    }  # fmt: skip
    for table, changes in tables.items():
        config[table] = {**config.get(table, {}), **changes} if isinstance(changes, dict) else changes
    path = folder / "lanyard.toml"
    path.write_text(tomli_w.dumps(config))
    return path


@contextlib.asynccontextmanager
async def front(folder: Path, *, gateways: int = 1, **tables: Any) -> AsyncIterator[Front]:
    """With several gateways, each has a folder and a journal of its own, and all have the store of the first."""
    async with ToyProvider() as provider, contextlib.AsyncExitStack() as stack:
        clock = provider.now = Clock()
        if gateways > 1:
            tables["gateway"] = {**tables.get("gateway", {}), "workers": gateways}
        config = load(config_in(folder, provider.issuer, **tables), {})
        running = []
        for n in range(gateways):
            running.append(await open_gateway(_another(config, folder, n) if n else config, now=clock))
            await stack.enter_async_context(running[-1].closing)
        yield Front(running[0], provider, clock, folder, *running[1:])


def _another(config: Config, folder: Path, n: int) -> Config:
    data = folder / f"data-{n + 1}"
    data.mkdir(mode=0o700)
    (data / STORE).symlink_to(folder / "data" / STORE)
    return config.model_copy(update={"gateway": config.gateway.model_copy(update={"data_dir": str(data)})})
