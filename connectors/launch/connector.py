"""The launch connector: a program that the gateway opens, and does not see into."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from policies.model import Principal

from ..base import Launch, SystemConfig
from ..naming import filled, places, require_known, values_of

_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*", re.IGNORECASE)
# A browser would run these in a page of ours, or read this machine's files.
_NEVER = frozenset({"javascript", "data", "vbscript", "file", "blob", "about", "filesystem", "view-source"})
_BIGGEST = 64 * 1024
_NHS_NUMBER = "nhs_number"
_PLACES = ("subject", "account", "name")


class LaunchConnector:
    def __init__(self, config: SystemConfig) -> None:
        """Raises ValueError where an option is wrong."""
        options: dict[str, Any] = config.options
        self.config = config
        self._address = _link("address", options.get("address", ""))
        self._at_patient = _link("at_patient", options.get("at_patient", ""), (_NHS_NUMBER,))
        self._file = _read(options.get("file", ""))
        name = options.get("file_name", Path(options.get("file", "")).name)
        if not re.fullmatch(r"[\w .()-]*", name, re.ASCII):
            raise ValueError(f"`file_name`: `{name}` has letters that not every device takes: use plain ones")
        usual = "application/x-ica" if name.lower().endswith(".ica") else "application/octet-stream"
        self._file_name, self._media_type = name, options.get("media_type", usual)
        if bool(self._address) == bool(self._file):
            raise ValueError("give either `address` or `file`: how is it opened?")
        if self._at_patient and _NHS_NUMBER not in places(self._at_patient):
            raise ValueError("`at_patient` has no `{nhs_number}` in it: how would it know the patient?")

    def finds_patients(self) -> bool:
        return bool(self._at_patient) or _NHS_NUMBER in places(self._file)

    def leads_to(self) -> frozenset[str]:
        links = [urlsplit(link) for link in (self._address, self._at_patient) if link]
        return frozenset(f"{p.scheme}://{p.netloc}" if p.scheme in ("http", "https") else f"{p.scheme}:" for p in links)

    def launch(self, who: Principal, nhs_number: str = "") -> Launch:
        """Raises NotBrokered where it cannot be told who asks."""
        values = values_of(who) | {_NHS_NUMBER: nhs_number}
        if self._file:
            text = filled(self._file, values, self.config.title, _plain)
            at_patient = bool(nhs_number) and _NHS_NUMBER in places(self._file)
            return Launch("", text.encode(), self._file_name, self._media_type, at_patient)
        at_patient = bool(nhs_number and self._at_patient)
        link = self._at_patient if at_patient else self._address
        return Launch(filled(link, values, self.config.title, _quoted), at_patient=at_patient)


def _link(option: str, text: str, more: tuple[str, ...] = ()) -> str:
    """Raises ValueError."""
    if not text:
        return ""
    require_known(option, text, (*_PLACES, *more))
    scheme, colon, rest = text.partition(":")
    if not colon or not rest or not _SCHEME.fullmatch(scheme) or scheme.lower() in _NEVER or not text.isascii():
        raise ValueError(f"`{option}`: that is no link that may be opened: begin it with its scheme, e.g. `https:`")
    if "{" in scheme or (
        scheme.lower() in ("http", "https") and ("{" in urlsplit(text).netloc or not urlsplit(text).netloc)
    ):
        raise ValueError(f"`{option}`: where it leads is fixed: no place in its scheme or host")
    if re.search(r"[\s\x00-\x1f\"<>\\]", text):
        raise ValueError(f"`{option}`: it has a character that no link has: write it with %")
    return text


def _read(path: str) -> str:
    """Raises ValueError."""
    if not path:
        return ""
    try:
        raw = Path(path).read_bytes()
        text = raw.decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"`file`: `{path}` cannot be read: {error}") from None
    if not text or len(raw) > _BIGGEST:
        raise ValueError(f"`file`: `{path}` is empty or longer than 64 KiB")
    require_known("file", text, (*_PLACES, _NHS_NUMBER))
    return text


def _quoted(value: str) -> str:
    return quote(value, safe="")


def _plain(value: str) -> str:
    """A value in a file: it stays on its line."""
    return re.sub(r"[\x00-\x1f\x7f]", "", value)
