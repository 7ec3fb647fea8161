"""Texts with places for who is asking, e.g. `{account}`: in a header's value, in a link, in a file."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping

from policies.model import Principal

from .errors import NotBrokered

_PLACE = re.compile(r"\{(\w*)\}")
# Empty, each of these would make somebody else of whoever asks, at many systems an administrator.
_WHO = frozenset({"subject", "account"})


def values_of(who: Principal) -> dict[str, str]:
    """What each place says of somebody."""
    return {
        "subject": who.subject,
        "account": who.subject.partition("@")[0],
        "name": who.name,
        "role": who.role,
        "roles": ",".join(sorted(who.roles)),
        "organisation": who.organisation,
    }


def places(text: str) -> set[str]:
    return set(_PLACE.findall(text))


def require_known(what: str, text: str, known: Iterable[str]) -> None:
    """Raises ValueError for a place that nobody fills."""
    names = list(known)
    if unknown := sorted(places(text) - set(names)):
        raise ValueError(f"`{what}`: `{{{unknown[0]}}}` is none of {', '.join(f'`{{{name}}}`' for name in names)}")


def filled(text: str, values: Mapping[str, str], title: str, written: Callable[[str], str] = str) -> str:
    """The text with its places filled, each as it is `written` there. Raises NotBrokered where who asks has no name; `title`: where."""
    if any(not values[place] for place in places(text) & _WHO):
        raise NotBrokered(f"`{title}` cannot be told who you are: your account has no name")
    return _PLACE.sub(lambda found: written(values[found[1]]), text)
