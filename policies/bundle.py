"""A folder of `*.cedar` and a schema into a checked set of rules, or into every problem with file and line.

A bundle without a `schema.cedarschema` of its own is checked against the one that comes with Lanyard. The version is a
hash of the bytes of all files, so that a verdict in the journal names exactly the text that gave it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cedarpy

from .errors import BundleError
from .model import Action
from .question import Question, Uid, entities, request
from .rule import Rule, one_line, read
from .statements import split

BUNDLED = Path(__file__).parent / "bundled"
SCHEMA = "schema.cedarschema"

_PROBE = Question(
    roles=frozenset(),
    assurance=1,
    organisation="",
    action="enter",
    system="any",
    kind="page",
    route="",
    patients="none",
    disclosure="none",
    changing=False,
    device_class="desktop",
    ownership="unknown",
    managed=False,
    zone="",
    posture="off-site",
    purpose="TREAT",
    unlocked=True,
    proof_method="federated",
    proof_fresh=True,
    provider_away=False,
    offline=False,
    keepable=frozenset(),
    relationship="unknown",
    break_glass="no",
    restricted="unknown",
)


@dataclass(frozen=True, slots=True)
class Bundle:
    """Rules that may be used. `rules` are in the order of their files' names and of their lines."""

    path: Path
    version: str  # SHA-256 of names and bytes of all files, hex
    rules: dict[str, Rule]  # by `@id`
    schema: cedarpy.Schema = field(repr=False)

    @classmethod
    def load(cls, path: str | Path | None = None) -> Bundle:
        """Read and check the folder at `path`, or the bundled one. Raises BundleError with every problem."""
        folder = BUNDLED if path is None else Path(path)
        return cls.of(folder, *contents(folder))

    @classmethod
    def of(cls, folder: Path, contents: dict[Path, bytes], hindered: Sequence[str] = ()) -> Bundle:
        """Check what `contents` found in `folder`. Raises BundleError with every problem."""
        problems = list(hindered)
        texts = dict(_texts(contents, problems))
        schema = _schema(texts.pop(SCHEMA), problems) if SCHEMA in texts else None
        rules = _rules(texts, schema, problems)
        if problems or schema is None:
            raise BundleError(problems)
        return cls(folder, _version(contents), rules, schema)

    @property
    def named(self) -> frozenset[Uid]:
        """Roles and systems that rules name: the engine supplies them with every question."""
        uids = {uid for rule in self.rules.values() for uid in rule.named}
        return frozenset(uid for uid in uids if uid[0] in ("Role", "System"))

    def policies(self, kept: Callable[[Rule], bool] = lambda rule: True) -> cedarpy.PolicySet:
        """The rules that are `kept`, keyed by `@id`, so that diagnostics name rules."""
        static = {rule.id: rule.policy for rule in self.rules.values() if kept(rule)}
        return cedarpy.PolicySet.from_json_str(
            json.dumps({"staticPolicies": static, "templates": {}, "templateLinks": []})
        )

    def keeping(self, kept: Callable[[Rule], bool]) -> Bundle:
        """The same bundle with some of its rules: what would be different if the others were not there?"""
        rules = {name: rule for name, rule in self.rules.items() if kept(rule)}
        kept_names = hashlib.sha256(" ".join(rules).encode()).hexdigest()[:8]
        return Bundle(self.path, f"{self.version}+{kept_names}", rules, self.schema)


def contents(folder: Path) -> tuple[dict[Path, bytes], list[str]]:
    """The bytes of the schema and of all `*.cedar`, in order, each read once; and what hinders reading them."""
    if not folder.is_dir():
        return {}, [f"{folder}: is no folder: `policies.path` names a folder of `*.cedar` files"]
    problems = [
        f"{stray}: is in a folder below the bundle: move it up" for stray in sorted(folder.glob("*/**/*.cedar"))
    ]
    own = folder / SCHEMA
    paths = [own if own.exists() else BUNDLED / SCHEMA, *sorted(folder.glob("*.cedar"))]
    if len(paths) == 1:
        problems.append(f"{folder}: holds no `*.cedar` file: everything would be refused")
    found: dict[Path, bytes] = {}
    for path in paths:
        try:
            found[path] = path.read_bytes()
        except OSError as error:
            problems.append(f"{path}: cannot be read: {error.strerror}")
    return found, problems


def _texts(contents: dict[Path, bytes], problems: list[str]) -> Iterator[tuple[str, str]]:
    for path, data in contents.items():
        try:
            yield path.name, data.decode("utf-8")
        except UnicodeDecodeError as error:
            line = data.count(b"\n", 0, error.start) + 1
            problems.append(f"{path.name}:{line}: is not UTF-8: save it as UTF-8")


def _schema(text: str, problems: list[str]) -> cedarpy.Schema | None:
    """Parse the schema, and ask one question of each action to see that it takes what the gateway supplies."""
    try:
        schema = cedarpy.Schema.from_str(text)
    except ValueError as error:
        problems.append(f"{SCHEMA}: cannot be read as a Cedar schema ({one_line(error)}): correct it")
        return None
    for action in Action:
        probe = _PROBE._replace(action=action.value)
        answer = cedarpy.is_authorized(request(probe), "", entities(probe), schema)
        if answer.diagnostics.errors:
            problems.append(
                f"{SCHEMA}: does not take the question `{action.value}` as the gateway asks it "
                f"({one_line(answer.diagnostics.errors[0])}): begin again from the bundled schema"
            )
            return None
    return schema


def _rules(texts: dict[str, str], schema: cedarpy.Schema | None, problems: list[str]) -> dict[str, Rule]:
    rules: dict[str, Rule] = {}
    for statement in (statement for file, text in texts.items() for statement in split(file, text)):
        rule, found = read(statement, schema)
        problems += [f"{statement.place}: {problem}" for problem in found]
        if rule is not None and rule.id in rules:
            problems.append(f"{rule.place}: the name `{rule.id}` is taken by {rules[rule.id].place}: rename one")
        elif rule is not None:
            rules[rule.id] = rule
    return rules


def _version(contents: dict[Path, bytes]) -> str:
    """Each name and content goes in with its length before it, so that no two folders hash alike."""
    digest = hashlib.sha256()
    for path, data in contents.items():
        for part in (path.name.encode(), data):
            digest.update(len(part).to_bytes(8, "big") + part)
    return digest.hexdigest()
