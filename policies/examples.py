"""Examples that an auditor reads and that are tests: a TOML file beside the rules into the ones that fail.

Each `[[example]]` says who does what in which circumstances and what must come of it: `permit`, or the refusal's reason
code. A rule that no example would miss is not proven, and said to be so: rules have stopped working silently before
(CVE-2021-21411).
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from .bundle import Bundle
from .decision import Decision, Deny
from .engine import CedarEngine
from .errors import BundleError
from .model import AccessRequest, Facts
from .scene import scene

FILE = "examples.toml"


@dataclass(frozen=True, slots=True)
class Example:
    """One example, ready to be asked."""

    name: str
    access: AccessRequest
    facts: Facts
    expect: str  # `permit`, or a reason code
    remedies: tuple[str, ...] | None = None  # None: not looked at
    observed: str = ""  # the reason that enforcing would have refused with
    mode: Literal["observe", "enforce"] = "enforce"


_KEYS = frozenset({"name", "who", "does", "what", "in", "given", "expect", "remedies", "observed", "mode"})
_NEEDED = ("name", "who", "does", "what", "expect")


def load(path: Path) -> list[Example]:
    """The examples in the file at `path`. Raises BundleError with every problem."""
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BundleError([f"{path}: cannot be read: {error.strerror}"]) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BundleError([f"{path}: is not valid TOML: {error}"]) from None
    tables = found.pop("example", [])
    problems = [f"{path.name}: `{key}` is unknown: write `[[example]]`" for key in found]
    examples: list[Example] = []
    for number, table in enumerate(tables, 1):
        where = f"{path.name}: example {number} (`{table.get('name', '')}`)"
        try:
            examples.append(_example(table))
        except ValueError as error:
            problems.append(f"{where}: {error}")
    if problems:
        raise BundleError(problems)
    return examples


def check(path: str | Path | None = None) -> list[str]:
    """Everything that is wrong with the bundle at `path` (None: the bundled one), one line each; empty when all is well.

    A bundle needs no examples; where it has some, they must hold, and each rule must be missed by one if it were not there.
    """
    try:
        bundle = Bundle.load(path)
        file = bundle.path / FILE
        examples = load(file) if file.exists() else []
    except BundleError as error:
        return error.problems
    if wrong := failures(bundle, examples):
        return [f"{FILE}: {failure}" for failure in wrong]
    return [
        f"{bundle.rules[name].place}: no example would miss `{name}`: add one to `{FILE}` that holds because of it"
        for name in (unproven(bundle, examples) if examples else ())
    ]


def failures(bundle: Bundle, examples: list[Example]) -> list[str]:
    """What the examples expected and did not get, one sentence each; empty when all hold."""
    engines = {mode: CedarEngine(bundle, mode) for mode in ("observe", "enforce")}
    return [
        f"`{example.name}`: {difference}"
        for example in examples
        for difference in _differences(example, engines[example.mode].decide(example.access, example.facts))
    ]


def unproven(bundle: Bundle, examples: list[Example]) -> list[str]:
    """Rules without which every example would still hold. Only examples that hold now can tell."""
    return [name for name in bundle.rules if not failures(bundle.keeping(lambda rule: rule.id != name), examples)]  # noqa: B023 - called at once


def _example(table: dict[str, Any]) -> Example:
    for key in sorted(table.keys() - _KEYS):
        raise ValueError(f"`{key}` is unknown: use {', '.join(sorted(_KEYS))}")
    for key in _NEEDED:
        if key not in table:
            raise ValueError(f"`{key}` is missing")
    if table.get("mode", "enforce") not in ("observe", "enforce"):
        raise ValueError(f"`{table['mode']}` is no mode: use `observe` or `enforce`")
    access, facts = scene(table["who"], table["does"], table["what"], table.get("in", "epr"), table.get("given", {}))
    return Example(
        name=table["name"],
        access=access,
        facts=facts,
        expect=table["expect"],
        remedies=tuple(table["remedies"]) if "remedies" in table else None,
        observed=table.get("observed", ""),
        mode=table.get("mode", "enforce"),
    )


def _differences(example: Example, decision: Decision) -> Iterator[str]:
    refused = isinstance(decision, Deny)
    got = decision.reason.code if isinstance(decision, Deny) else "permit"
    if got != example.expect:
        rules = ", ".join(
            f"`{rule}`" for rule in (decision.reason.rules if isinstance(decision, Deny) else decision.rules)
        )
        yield f"expected `{example.expect}`, got `{got}`" + (f" by {rules}" if rules else "")
    if isinstance(decision, Deny) and example.remedies is not None and decision.remedies != example.remedies:
        yield f"expected the remedies {list(example.remedies)}, got {[str(r) for r in decision.remedies]}"
    observed = decision.observed.code if not isinstance(decision, Deny) and decision.observed else ""
    if not refused and observed != example.observed and example.mode == "observe":
        yield f"expected enforcing to refuse with `{example.observed}`, got `{observed or 'permit'}`"
