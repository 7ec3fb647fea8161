"""A browser's recording of a visit (HAR 1.2), read: what was asked of one origin, in its order. Nothing that was typed is kept here."""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from ..messages import ASSET_TYPES

_BIGGEST = 256 * 1024**2


class NoRecording(ValueError):
    """The file is no recording, or nothing can be learned from it. The message names no value of it."""


@dataclass(frozen=True, slots=True)
class Visit:
    """One request of the recording, and its answer."""

    origin: str
    method: str
    path: str
    query: tuple[tuple[str, str], ...]
    form: tuple[tuple[str, str], ...]
    status: int
    location: str  # where a redirect leads; empty where it is none
    kind: str  # of the answer: its media type
    text: str  # of the answer, where it is one that was recorded
    cookies: tuple[str, ...]  # the names that the answer sets

    @property
    def is_page(self) -> bool:
        return self.kind in ("text/html", "application/xhtml+xml")

    @property
    def is_asset(self) -> bool:
        return self.method == "GET" and self.kind.encode().startswith(ASSET_TYPES)


def visits(data: bytes) -> list[Visit]:
    """Every request over HTTP that was answered. Raises NoRecording."""
    if len(data) > _BIGGEST:
        raise NoRecording("the recording is larger than 256 MiB: record the log-on and one patient's page only")
    try:
        entries = json.loads(data)["log"]["entries"]
        found = [_visit(entry) for entry in entries if entry["request"]["url"].startswith(("http://", "https://"))]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise NoRecording(
            "the file is no HAR recording: save it in the browser's network panel, “with content”"
        ) from None
    return [one for one in found if one.status]


def _visit(entry: dict[str, Any]) -> Visit:
    asked, answered = entry["request"], entry["response"]
    parts = urlsplit(asked["url"])
    content = answered.get("content") or {}
    return Visit(
        origin=f"{parts.scheme}://{parts.netloc}",
        method=str(asked["method"]).upper(),
        path=parts.path or "/",
        query=tuple(parse_qsl(parts.query, keep_blank_values=True)),
        form=_form(asked.get("postData") or {}),
        status=int(answered["status"]),
        location=_location(answered),
        kind=str(content.get("mimeType", "")).partition(";")[0].strip().lower(),
        text=_text(content),
        cookies=tuple(_cookies(answered)),
    )


def _form(sent: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    if "urlencoded" not in str(sent.get("mimeType", "")):
        return ()
    if sent.get("params"):
        return tuple((str(p["name"]), str(p.get("value", ""))) for p in sent["params"])
    return tuple(parse_qsl(str(sent.get("text", "")), keep_blank_values=True))


def _location(answered: dict[str, Any]) -> str:
    said = [h["value"] for h in answered.get("headers", []) if h["name"].lower() == "location"]
    return str(said[0] if said else answered.get("redirectURL", ""))


def _cookies(answered: dict[str, Any]) -> list[str]:
    lines = [str(h["value"]) for h in answered.get("headers", []) if h["name"].lower() == "set-cookie"]
    pairs = [pair for line in lines for pair in line.split("\n")]  # Chromium writes several in one
    return [pair.partition("=")[0].strip() for pair in pairs if "=" in pair]


def _text(content: dict[str, Any]) -> str:
    text = str(content.get("text") or "")
    if content.get("encoding") != "base64":
        return text
    try:
        return base64.b64decode(text).decode("utf-8", "replace")
    except binascii.Error:
        return ""
