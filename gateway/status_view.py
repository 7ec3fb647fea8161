"""`lanyard status` on a terminal: the verdict first, then what to do, then all the rest. Colour only where there is a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from .alarms.controls import Severity, control_of
from .alarms.standing import Report
from .alarms.wording import page
from .status import Found

_BAD, _WARN, _GOOD, _DIM = "bold red", "bold yellow", "green", "dim"
_LABEL = 14  # columns


def shown(found: Sequence[Found], now: float, console: Console) -> None:
    wrong = [what for one in sorted(found, key=lambda one: not one.silence) for what in one.wrong()]
    if wrong:
        console.print(Text(f"NOT WELL: {len(wrong)} {'thing' if len(wrong) == 1 else 'things'} to look at", _BAD))
        for what in wrong:
            console.print(Padding(Text(f"- {what}"), (0, 0, 0, 2)))
    else:
        console.print(Text("All is well.", _GOOD))
    for one in found:
        console.print()
        _gateway(one, now, console)


def _gateway(found: Found, now: float, console: Console) -> None:
    if found.silence:
        console.print(Text.assemble((found.place, "bold"), "  ", ("NO ANSWER", _BAD)))
        console.print(Padding(Text(found.silence), (0, 0, 0, 2)))
        return
    state = found.state
    word = Text("READY", _GOOD) if state["ready"] else Text(f"NOT READY: {_why(state)}", _BAD)
    console.print(Text.assemble((state["name"], "bold"), "  ", word, f"  {state['public_url']}"))
    for alarm in found.alarms:
        _alarm(alarm, now, console)
    if found.alarms:
        console.print()
    for label, value in _rows(found, now):
        console.print(Text.assemble((f"  {label:<{_LABEL}}", _DIM), value), soft_wrap=True)


def _alarm(alarm: Report, now: float, console: Console) -> None:
    control = control_of(alarm.control)
    critical = control.severity is Severity.CRITICAL
    head = Text(f"{control.severity.upper()} {alarm.control}: {alarm.failing}", _BAD if critical else _WARN)
    head.append(f", since {_clock(alarm.since)} ({_long(now - alarm.since)})", "default")
    console.print(Padding(head, (1, 0, 0, 2)))
    for label, text in (("means", control.means), ("do", control.do), ("more", page(alarm.control))):
        console.print(Padding(Text(f"{label}: {text}"), (0, 0, 0, 4)))


def _rows(found: Found, now: float) -> Iterator[tuple[str, Text]]:
    state = found.state
    yield "version", Text(f"{state['version']}, up {_long(now - state['began'])}")
    away = found.workers_away
    yield (
        "workers",
        Text(f"{len(state['workers']) - len(away)} of {len(state['workers'])} ready", _WARN if away else ""),
    )
    yield "stores", _marked(f"{state['stores']}: {state['store']}", well=state["store"] == "ok")
    for number, (name, journal) in enumerate(state["journal_writers"].items()):
        yield "journal" if number == 0 else "", _journal(name, journal)
    if (central := state.get("central")) is not None:
        yield "central copy", _central(central)
    for number, one in enumerate(state["systems"]):
        yield "systems" if number == 0 else "", _system(one, now)
    for number, one in enumerate(state["certificates"]):
        words = f"{one['setting']}: {one['days']} days left" if one["days"] >= 0 else f"{one['setting']}: ENDED"
        yield "certificates" if number == 0 else "", _marked(words, well=one not in found.ending)
    ways = " and ".join(state["alarms_go_to"])
    yield "alarms go to", Text(ways) if ways else Text("log and metrics only: nobody is rung", _WARN)


def _why(state: dict[str, Any]) -> str:
    reasons = ["it is stopping"] if state["draining"] == "yes" else []
    reasons += [f"{part}: {state[part]}" for part in ("store", "journal") if state[part] not in ("ok", "alarm")]
    return ", ".join(reasons)


def _journal(name: str, journal: dict[str, Any]) -> Text:
    used = round(journal["reserve_used"] * 100)
    words = f"{name}: {journal['state']}, {journal['waiting']} waiting, {used} % of the reserve used"
    return _marked(words, well=journal["state"] == "ok")


def _central(central: dict[str, Any]) -> Text:
    behind = f"{_long(central['behind'])} behind" if central["behind"] else "up to date"
    if central["failing"]:
        return Text(f"NO ANSWER, {behind}; it catches up by itself", _BAD)
    return Text(behind, _WARN if central["behind"] > 5 else "")


def _system(one: dict[str, Any], now: float) -> Text:
    answered, silent = one["answered"], one["silent"]
    if (silent or 0) > (answered or 0):
        last = f"it last answered {_long(now - answered)} ago" if answered else "it has not answered since the start"
        return Text(f"{one['name']}: DOES NOT ANSWER, asked {_long(now - silent)} ago; {last}", _BAD)
    return Text(f"{one['name']}: answered {_long(now - answered)} ago" if answered else f"{one['name']}: not asked yet")


def _marked(words: str, *, well: bool) -> Text:
    return Text(words, "" if well else _BAD)


def _clock(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%H:%M} UTC"


def _long(seconds: float) -> str:
    """The two largest units: `3 d 4 h`, `12 min`."""
    left = max(int(seconds), 0)
    parts: list[str] = []
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min"), (1, "s")):
        count, left = divmod(left, size)
        if count or (parts and unit != "s"):
            parts.append(f"{count} {unit}")
    return " ".join(parts[:2]) or "0 s"
