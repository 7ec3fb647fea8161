"""The launch connector: a program that the gateway opens, and does not see into."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from policies.model import Principal

from ..base import Launch, SystemConfig
from ..errors import NotBrokered

_PLACE = re.compile(r"\{(\w*)\}")
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*", re.IGNORECASE)
# A browser would run these in a page of ours, or read this machine's files.
_NEVER = frozenset({"javascript", "data", "vbscript", "file", "blob", "about", "filesystem", "view-source"})
_BIGGEST = 64 * 1024
_NHS_NUMBER = "nhs_number"


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
        if self._at_patient and _NHS_NUMBER not in _PLACE.findall(self._at_patient):
            raise ValueError("`at_patient` has no `{nhs_number}` in it: how would it know the patient?")

    def finds_patients(self) -> bool:
        return bool(self._at_patient) or _NHS_NUMBER in _PLACE.findall(self._file)

    def leads_to(self) -> frozenset[str]:
        links = [urlsplit(link) for link in (self._address, self._at_patient) if link]
        return frozenset(f"{p.scheme}://{p.netloc}" if p.scheme in ("http", "https") else f"{p.scheme}:" for p in links)

    def launch(self, who: Principal, nhs_number: str = "") -> Launch:
        """Raises NotBrokered where it cannot be told who asks."""
        values = {
            "subject": who.subject,
            "account": who.subject.partition("@")[0],
            "name": who.name,
            _NHS_NUMBER: nhs_number,
        }
        if self._file:
            text = self._filled(self._file, values, _plain)
            at_patient = bool(nhs_number) and _NHS_NUMBER in _PLACE.findall(self._file)
            return Launch("", text.encode(), self._file_name, self._media_type, at_patient)
        at_patient = bool(nhs_number and self._at_patient)
        return Launch(
            self._filled(self._at_patient if at_patient else self._address, values, _quoted), at_patient=at_patient
        )

    def _filled(self, template: str, values: Mapping[str, str], written: Any) -> str:
        for place in set(_PLACE.findall(template)) & {"subject", "account"}:
            if not values[place]:
                raise NotBrokered(f"`{self.config.title}` cannot be told who you are: your account has no name")
        return _PLACE.sub(lambda found: written(values[found[1]]), template)


def _link(option: str, text: str, more: tuple[str, ...] = ()) -> str:
    """Raises ValueError."""
    if not text:
        return ""
    _places(option, text, ("subject", "account", "name", *more))
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
    _places("file", text, ("subject", "account", "name", _NHS_NUMBER))
    return text


def _places(option: str, text: str, known: tuple[str, ...]) -> None:
    """Raises ValueError."""
    unknown = sorted(set(_PLACE.findall(text)) - set(known))
    if unknown:
        raise ValueError(f"`{option}`: `{{{unknown[0]}}}` is none of {', '.join(f'`{{{p}}}`' for p in known)}")


def _quoted(value: str) -> str:
    return quote(value, safe="")


def _plain(value: str) -> str:
    """A value in a file: it stays on its line."""
    return re.sub(r"[\x00-\x1f\x7f]", "", value)
