"""The forms of a log-on as they are declared: one with the user name and the password, or several, one after the other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..signs import KEYS, Sign, is_declared
from .form import FormPlace
from .log_on import Step

_WORDS = {"form": str, "username_field": str, "password_field": str, "fields": dict, "press": str, "when": dict}
_ONE = ("form", "username_field", "password_field", "fields", "press")


def steps_of(options: Mapping[str, Any]) -> list[Step]:
    """Raises ValueError: neither or both ways are declared, or the credential would be sent twice, never, or in part."""
    declared = options.get("steps")
    single = {name: options[name] for name in _ONE if name in options}
    if (declared is None) == (not {"username_field", "password_field"} & single.keys()):
        raise ValueError("give either `username_field` and `password_field`, or `steps`: how does one log on?")
    if declared is not None and single:
        raise ValueError(f"`{next(iter(single))}` belongs into one of the `steps`")
    steps = [_step(number, table) for number, table in enumerate(declared if declared is not None else [single], 1)]
    for field in ("username_field", "password_field"):
        times = sum(bool(getattr(step.place, field)) for step in steps)
        if times != 1:
            raise ValueError(f"`{field}` stands in {times} of the forms: it is typed once")
    if steps[0].when is not None:
        raise ValueError("`steps`: the first form is always there: leave its `when` out")
    return steps


def _step(number: int, table: Any) -> Step:
    if not isinstance(table, dict):
        raise ValueError(f"`steps`, number {number}: it is a table")
    for name, value in table.items():
        if name not in _WORDS:
            raise ValueError(f"`steps`, number {number}: `{name}` is none of {', '.join(f'`{w}`' for w in _WORDS)}")
        if not isinstance(value, _WORDS[name]):
            raise ValueError(f"`steps`, number {number}: `{name}` is a {'text' if _WORDS[name] is str else 'table'}")
    fields = table.get("fields", {})
    if not all(isinstance(value, str) for value in fields.values()):
        raise ValueError(f"`steps`, number {number}: `fields` holds texts")
    when = table.get("when")
    if when is not None and not is_declared(when):
        raise ValueError(f"`steps`, number {number}: `when` holds at least one of {', '.join(sorted(KEYS))}")
    place = FormPlace(
        form=table.get("form", ""),
        username_field=table.get("username_field", ""),
        password_field=table.get("password_field", ""),
        fields=tuple(fields.items()),
        press=table.get("press", ""),
    )
    if not (place.form or place.asks_for or place.fields or place.press):
        raise ValueError(f"`steps`, number {number}: say which form it is, or what is filled in or pressed")
    return Step(place, Sign.declared(when) if when is not None else None)
