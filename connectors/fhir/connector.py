"""The fhir connector: FHIR R4 REST (HL7 FHIR R4, http.html and search.html)."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from policies.decision import Permit
from policies.model import Action, Disclosure, PatientRef, Resource

from ..base import ConnectorTools, SystemConfig, UpstreamSession
from ..errors import AnswerTooLarge, BadRequest, BodyTooLarge, SystemMisbehaves
from ..messages import Body, InboundRequest, UpstreamRequest, UpstreamResponse
from .access import Access, access_for
from .answer import Found, read_answer
from .question import Question, QuestionReader, from_json, to_json

if TYPE_CHECKING:
    import httpx2

PAGE = b"_lanyard_page="
_ASSETS = (b".css", b".js", b".mjs", b".svg", b".png", b".ico", b".woff2")
_BROWSERS_OWN = (b"authorization", b"proxy-authorization", b"cookie")
_IN_THREAD = 256 * 1024  # bytes from which an answer is read beside the event loop
_JSON = (b"application/fhir+json", b"application/json")


class FhirConnector:
    def __init__(self, config: SystemConfig) -> None:
        options = config.options
        self.config = config
        parts = urlsplit(config.upstream)
        self._base: bytes = options.get("base", "").strip("/").encode()  # below the mount, e.g. `fhir`
        suffix = f"/{self._base.decode()}" if self._base else ""
        self._upstream = f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}{suffix}"
        self._public = f"{config.public_origin}{config.prefix}{suffix}"
        self._pages: bytes = options.get("pages", "").encode()
        self._reader = QuestionReader(config.name, (self._upstream, self._public))
        self._tools: ConnectorTools | None = None
        self._access: Access | None = None
        self._found: dict[str, Found] = {}

    async def open(self, tools: ConnectorTools) -> None:
        """Reads the secrets that the options name. Raises ValueError."""
        self._tools = tools
        self._access = access_for(self.config.options, tools)

    async def close(self) -> None:
        self._found.clear()

    async def describe(self, inbound: InboundRequest) -> tuple[Action, Resource]:
        """Raises BadRequest, NotBrokered."""
        question = await self._question(inbound)
        return question.action, question.resource

    async def _question(self, inbound: InboundRequest) -> Question:
        if self._is_page(inbound):
            asset = inbound.path.endswith(_ASSETS)
            kind = "asset" if asset else "page"
            return Question(Action.ENTER, Resource(self.config.name, kind, "viewer", disclosure=Disclosure.NONE))
        if inbound.query.startswith(PAGE):
            return self._turned(inbound)[0]
        return await self._reader.read(inbound, self._relative(inbound))

    def _relative(self, inbound: InboundRequest) -> bytes:
        """The path below the FHIR base. Raises BadRequest outside of it."""
        path = inbound.path[1:]
        if self._base:
            if path != self._base and not path.startswith(self._base + b"/"):
                raise BadRequest(f"there is nothing here: FHIR is below `/{self._base.decode()}`")
            path = path[len(self._base) + 1 :]
        return path.rstrip(b"/")

    def _is_page(self, inbound: InboundRequest) -> bool:
        """The system's own viewer, where the declaration names it: pages and assets, no data."""
        return bool(self._pages) and inbound.method in ("GET", "HEAD") and inbound.path.startswith(self._pages)

    # Paging: a link to another page is a sealed token, judged as the question that it belongs to

    def _turned(self, inbound: InboundRequest) -> tuple[Question, bytes]:
        assert self._tools is not None
        token = inbound.query.removeprefix(PAGE).decode("latin-1")
        try:
            kept = json.loads(self._tools.sealer.unseal(token, purpose=f"page:{self.config.name}"))
        except ValueError:
            raise BadRequest("this page link is not ours or has been changed: search again") from None
        if kept["session"] != inbound.session or inbound.method not in ("GET", "HEAD"):
            raise BadRequest("this page link belongs to another session: search again")
        return from_json(kept["question"], self.config.name), kept["target"].encode("latin-1")

    def _page_link(self, url: str, question: Question, session: str) -> str:
        """Raises SystemMisbehaves for a link that leads away from the system."""
        assert self._tools is not None
        base = f"/{self._base.decode()}" if self._base else ""
        if url.startswith(self._upstream) and url[len(self._upstream) :][:1] in ("", "?", "/"):
            target = base + url[len(self._upstream) :]
        elif url.startswith("?"):
            target = base + url
        elif url.startswith("/") and not url.startswith("//"):
            target = url.removeprefix(urlsplit(self.config.upstream).path.rstrip("/"))
        else:
            raise SystemMisbehaves("the system's next page is at another address")
        target = target if target.startswith("/") else f"/{target}"
        value = json.dumps({"session": session, "question": to_json(question), "target": target})
        token = self._tools.sealer.seal(value.encode(), purpose=f"page:{self.config.name}")
        return f"{self._public}?{PAGE.decode()}{token}"

    async def prepare(
        self, inbound: InboundRequest, permit: Permit, session: UpstreamSession | None
    ) -> UpstreamRequest:
        """The request as it came (a page's link in place of its token), with the gateway's own authorisation."""
        assert self._access is not None
        page = self._is_page(inbound)
        target = self._turned(inbound)[1] if inbound.query.startswith(PAGE) and not page else inbound.target
        own = _BROWSERS_OWN if page else (*_BROWSERS_OWN, b"accept")
        headers = tuple(pair for pair in inbound.headers if pair[0] not in own)
        if not page:
            headers = (*headers, (b"accept", b"application/fhir+json"))
        if (authorization := await self._access.authorization()) is not None:
            headers = (*headers, (b"authorization", authorization))
        return UpstreamRequest(
            method=inbound.method,
            target=target,
            headers=headers,
            body=None if inbound.body.whole == b"" else inbound.body,
            length=inbound.length,
            expects_identity=not page,
        )

    async def disclosed(self, inbound: InboundRequest, response: UpstreamResponse) -> frozenset[PatientRef]:
        """Every patient in the answer. Raises AnswerTooLarge, SystemMisbehaves."""
        if self._is_page(inbound):
            return frozenset()
        if response.status == 401 and self._access is not None:
            await self._access.rejected()
        body = await self._held(response)
        if not body or inbound.method == "HEAD":
            return frozenset()
        response.require_plain()
        if response.media_type() not in _JSON:
            if response.status >= 400:
                # An error page of something before the server: its text may name anybody, so it is not shown.
                raise SystemMisbehaves(f"the system answered with status {response.status} and no FHIR")
            raise SystemMisbehaves("the system answered with something else than FHIR in JSON")
        found = await self._read(body)
        await self._same_patient(inbound, found.patients)
        if found.pages or self._upstream.encode() in body:
            self._found[inbound.id] = found
        return found.patients

    async def _same_patient(self, inbound: InboundRequest, seen: frozenset[PatientRef]) -> None:
        """Whoever asks for one patient and is answered with others alone has met a mix-up. Raises SystemMisbehaves."""
        local = {ref for ref in seen if ref.namespace == f"system:{self.config.name}"}
        if not local or inbound.method != "GET":
            return
        asked = (await self._question(inbound)).resource.patients
        if any(ref.namespace == f"system:{self.config.name}" for ref in asked) and not asked & local:
            raise SystemMisbehaves("the system answered with another patient's record than the one asked for")

    async def _held(self, response: UpstreamResponse) -> bytes:
        try:
            return await response.body.hold(self.config.hold)
        except BodyTooLarge:
            raise AnswerTooLarge(
                f"the answer is larger than {self.config.hold // 1024**2} MiB: ask for less at once with `_count`"
            ) from None

    async def _read(self, body: bytes) -> Found:
        if len(body) > _IN_THREAD:
            return await asyncio.to_thread(read_answer, body, self._reader.names)
        return read_answer(body, self._reader.names)

    async def translate(self, inbound: InboundRequest, response: UpstreamResponse) -> UpstreamResponse:
        """Links to other pages become tokens, the server's own address the public one; not a byte else changes."""
        found = self._found.pop(inbound.id, None)
        if found is None:
            return response
        body = await response.body.hold(self.config.hold)
        if found.pages:
            question = await self._question(inbound)
            for url in dict.fromkeys(found.pages):
                body = _replaced(body, url, self._page_link(url, question, inbound.session))
        body = body.replace(f'"{self._upstream}'.encode(), f'"{self._public}'.encode())
        headers = tuple(pair for pair in response.headers if pair[0] not in (b"content-length", b"etag"))
        headers = (*headers, (b"content-length", str(len(body)).encode()))
        return UpstreamResponse(response.status, headers, Body.of(body), response.reason, response.close)

    async def health(self, client: httpx2.AsyncClient) -> None:
        """The server says what it is. Raises ConnectorError."""
        assert self._access is not None
        authorization = await self._access.authorization()
        headers = {"accept": "application/fhir+json"} | (
            {"authorization": authorization.decode()} if authorization else {}
        )
        answer = await client.get(f"{self._upstream}/metadata", headers=headers)
        if answer.status_code != 200:
            raise SystemMisbehaves(f"its `metadata` answered with status {answer.status_code}")


def _replaced(body: bytes, old: str, new: str) -> bytes:
    """One string for another, in whichever way the server spells it. Raises SystemMisbehaves when it cannot be found."""
    replacement = json.dumps(new).encode()
    for spelling in (json.dumps(old, ensure_ascii=False), json.dumps(old), json.dumps(old).replace("/", "\\/")):
        quoted = spelling.encode()
        if quoted in body:
            return body.replace(quoted, replacement)
    raise SystemMisbehaves("the system's next page is spelt in a way that cannot be translated")
