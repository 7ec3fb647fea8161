"""What a connector says of itself, before any of its code runs: `manifest.toml`."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any

from .base import Share, State
from .signs import KEYS as SIGN_KEYS
from .signs import is_declared

_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "boolean": (bool,),
    "table": (dict,),
    "list": (list,),
    "sign": (dict,),
    "secret": (dict,),
}


@dataclass(frozen=True, slots=True)
class Option:
    name: str
    type: str
    required: bool
    doc: str
    one_of: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Manifest:
    name: str
    title: str
    description: str
    state: State
    share: Share
    mounts: frozenset[str]  # `host`, `path`
    keepable: frozenset[str]  # obligations that the connector can keep
    browser_cookies: frozenset[str]
    base_path: bool  # whether `upstream` may have a path
    options: tuple[Option, ...]

    @classmethod
    def of(cls, package: str) -> Manifest:
        """The `manifest.toml` beside a connector's code."""
        table = tomllib.loads(resources.files(package).joinpath("manifest.toml").read_text("utf-8"))
        return cls(
            name=table["name"],
            title=table["title"],
            description=table["description"],
            state=State(table.get("state", "brokered")),
            share=Share(table.get("share", "session")),
            mounts=frozenset(table.get("mounts", ["host"])),
            keepable=frozenset(table.get("keepable", [])),
            browser_cookies=frozenset(table.get("browser_cookies", [])),
            base_path=table.get("base_path", False),
            options=tuple(_option(name, option) for name, option in table.get("options", {}).items()),
        )

    def problems(self, options: Mapping[str, Any]) -> list[str]:
        """What is wrong with a system's `options`, in sentences."""
        known = {option.name: option for option in self.options}
        found: list[str] = []
        for name in sorted(options.keys() - known.keys()):
            near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
            found.append(
                f"`options.{name}` is no option of `{self.name}`" + (f": did you mean `{near[0]}`?" if near else "")
            )
        for option in self.options:
            if option.name not in options:
                if option.required:
                    found.append(f"`options.{option.name}` is missing: {option.doc}")
                continue
            found += _misfit(option, options[option.name])
        return found


def _option(name: str, table: Mapping[str, Any]) -> Option:
    return Option(name, table["type"], table.get("required", False), table["doc"], tuple(table.get("one_of", ())))


def _misfit(option: Option, value: Any) -> list[str]:
    kinds = _TYPES[option.type]
    if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
        return [f"`options.{option.name}` is a {option.type}: {option.doc}"]
    if option.one_of and value not in option.one_of:
        return [f"`options.{option.name}` is one of {', '.join(option.one_of)}, not `{value}`"]
    if not isinstance(value, dict):
        return []
    if option.type == "sign" and not is_declared(value):
        return [f"`options.{option.name}` holds at least one of {', '.join(sorted(SIGN_KEYS))}"]
    if option.type == "secret" and not (len(value) == 1 and value.keys() <= {"file", "env"}):
        return [f"`options.{option.name}` is a secret: write `{{ file = … }}` or `{{ env = … }}`"]
    return []
