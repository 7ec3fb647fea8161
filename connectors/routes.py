"""A route table: method and path template into action, kind, and where the patient is.

One matcher, used once for a request: what it says is what is judged, journalled and sent. Each path segment is decoded exactly
once, in the system's charset; nothing is ever encoded again.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple
from urllib.parse import unquote_to_bytes

from policies.model import Action, Disclosure, PatientRef, Resource

from .errors import BadRequest, SystemMisbehaves
from .messages import InboundRequest

Place = Literal["path", "query", "form", "json", "answer"]
NHS_NUMBER = "nhs-number"
_WEIGHTS = (10, 9, 8, 7, 6, 5, 4, 3, 2)
_ROUTE_KEYS = frozenset(
    "id methods path action kind disclosure changing asset background patient body limit parameters".split()
)
_PATIENT_KEYS = frozenset({"in", "name", "pattern", "namespace"})
_DISCLOSURES = {
    Action.READ: Disclosure.OPENED,
    Action.LIST: Disclosure.LISTED,
    Action.SEARCH: Disclosure.LISTED,
    Action.WRITE: Disclosure.CHANGED,
    Action.PRINT: Disclosure.PRINTED,
    Action.EXPORT: Disclosure.EXPORTED,
}
_SURROGATE = re.compile("[\ud800-\udfff]")  # half a character: JSON can spell it, and no system means it
BODY_LIMIT = 64 * 1024


class RouteError(ValueError):
    """A route table that may not be used. The message names the route and the remedy."""


@dataclass(frozen=True, slots=True)
class PatientPlace:
    """Where a patient's id stands, and in which namespace it is one."""

    place: Place
    name: str = ""  # a path or query or form name, or a JSON pointer (RFC 6901)
    pattern: re.Pattern[bytes] | None = None  # for `answer`: its first group is the id
    namespace: str = NHS_NUMBER


@dataclass(frozen=True, slots=True)
class Route:
    id: str
    methods: frozenset[str]
    segments: tuple[str, ...]  # `{name}` takes one segment, `{name...}` as a last one the rest
    action: Action
    kind: str
    disclosure: Disclosure
    changing: bool
    asset: bool
    patients: tuple[PatientPlace, ...]
    body: Literal["form", "json"] | None
    limit: int
    parameters: tuple[str, ...]  # query parameters that the journal names
    background: bool = False  # a page's own polling: nobody did anything
    reads_answer: bool = field(init=False)  # a patient stands in the answer
    names: tuple[str, ...] = field(init=False)
    pattern: re.Pattern[str] = field(init=False, repr=False)  # of the decoded path, a group for each name

    def __post_init__(self) -> None:
        object.__setattr__(self, "reads_answer", any(place.place == "answer" for place in self.patients))
        object.__setattr__(self, "names", tuple(s.strip("{.}") for s in self.segments if s.startswith("{")))
        object.__setattr__(self, "pattern", re.compile("/" + "/".join(map(_pattern, self.segments)), re.DOTALL))


class Match(NamedTuple):
    route: Route
    values: Mapping[str, str]


def _pattern(segment: str) -> str:
    if not segment.startswith("{"):
        return re.escape(segment)
    return "(.*)" if segment.endswith("...}") else "([^/]+)"


class RouteTable:
    def __init__(self, routes: Sequence[Route], *, charset: str, system: str) -> None:
        """Raises RouteError where two routes would both name a request."""
        self._charset = charset
        self._system = system
        self._routes = tuple(routes)
        _refuse_doubles(self._routes)
        # By method and first segment; "" for the routes whose first segment is a name.
        self._starting: dict[tuple[str, str], list[Route]] = {}
        for route in self._routes:
            first = "" if route.segments[0].startswith("{") else route.segments[0]
            for method in route.methods:
                self._starting.setdefault((method, first), []).append(route)

    @classmethod
    def declared(cls, tables: Sequence[Mapping[str, Any]], *, charset: str, system: str) -> RouteTable:
        """From configuration. Raises RouteError."""
        return cls([_route(table, system) for table in tables], charset=charset, system=system)

    @property
    def changing(self) -> bool:
        """Whether any route changes something."""
        return any(route.changing for route in self._routes)

    @property
    def keep_patient(self) -> bool:
        """Whether only the answer of some page says whom it is about: then the system knows by itself."""
        return any(
            route.patients
            and route.action not in (Action.LIST, Action.SEARCH)
            and {p.place for p in route.patients} == {"answer"}
            for route in self._routes
        )

    async def describe(self, inbound: InboundRequest) -> tuple[Action, Resource] | None:
        """What a request asks for; None where no route names it. Raises BadRequest."""
        match = self.match(inbound)
        if match is None:
            return None
        route = match.route
        patients: set[PatientRef] = set()
        by_name: dict[tuple[str, str], list[PatientRef]] = {}
        for place in route.patients:
            found = await self._patients(place, match, inbound)
            patients.update(found)
            before = by_name.setdefault((place.namespace, place.name), found)
            if before and found and before != found:
                raise BadRequest(f"`{place.name}` is given twice, for different patients: nothing was sent")
        return route.action, Resource(
            system=self._system,
            kind="asset" if route.asset else route.kind,
            route=route.id,
            patients=frozenset(patients),
            disclosure=route.disclosure,
            changing=route.changing,
        )

    def is_asset(self, inbound: InboundRequest) -> bool:
        match = self.match(inbound)
        return match is not None and match.route.asset

    def is_background(self, inbound: InboundRequest) -> bool:
        """Whether a page asks for this by itself, so that it says nothing about anybody being there."""
        match = self.match(inbound)
        return match is not None and match.route.background

    def reads_answer(self, inbound: InboundRequest) -> bool:
        match = self.match(inbound)
        return match is not None and match.route.reads_answer

    def patients_in(self, inbound: InboundRequest, page: bytes) -> frozenset[PatientRef]:
        """Patients whom the (beginning of the) answer names where the route says so. Raises SystemMisbehaves for others alone."""
        match = self.match(inbound)
        found: set[PatientRef] = set()
        for place in match.route.patients if match else ():
            if place.place == "answer" and place.pattern is not None:
                for hit in place.pattern.finditer(page):
                    value = hit[1].decode(self._charset, "replace").strip()
                    found |= {ref for ref in (reference(place.namespace, value),) if ref}
        asked = {
            ref
            for place in (match.route.patients if match else ())
            if match and place.place == "path" and (ref := reference(place.namespace, match.values[place.name]))
        }
        same = {ref for ref in found if ref.namespace in {a.namespace for a in asked}}
        if same and not asked & same:
            raise SystemMisbehaves("the system answered with another patient's page than the one asked for")
        return frozenset(found)

    def named_parameters(self, inbound: InboundRequest) -> tuple[tuple[str, str], ...]:
        """The query parameters that the journal names on this route."""
        match = self.match(inbound)
        if match is None or not match.route.parameters:
            return ()
        return tuple((n, v) for n, v in pairs(inbound.query, self._charset) if n in match.route.parameters)

    def match(self, inbound: InboundRequest) -> Match | None:
        """The one route that names a request, looked for once; None where none does."""
        if inbound.matched is None:
            inbound.matched = (self._match(inbound.method, inbound.path),)
        found: Match | None = inbound.matched[0]
        return found

    def _match(self, method: str, path: bytes) -> Match | None:
        if b"%" in path:
            if b"%2f" in path.lower():
                return None  # the guard refuses it: it could be read as two paths
            path = unquote_to_bytes(path)
        decoded = path.decode(self._charset, "replace")
        for first in (decoded[1:].partition("/")[0], ""):
            for route in self._starting.get((method, first), ()):
                if found := route.pattern.fullmatch(decoded):
                    return Match(route, dict(zip(route.names, found.groups(), strict=True)))
        return None

    async def _patients(self, place: PatientPlace, match: Match, inbound: InboundRequest) -> list[PatientRef]:
        match place.place:
            case "path":
                values = [match.values[place.name]]
            case "query":
                values = _named(pairs(inbound.query, self._charset), place.name)
            case "form":
                _require_type(inbound, b"application/x-www-form-urlencoded")
                body = await inbound.body.hold(match.route.limit)
                values = _named(pairs(body, self._charset), place.name)
            case "json":
                _require_type(inbound, b"application/json")
                values = _pointed(await inbound.body.hold(match.route.limit), place.name)
            case "answer":
                return []
        if len(set(values)) > 1:
            raise BadRequest(f"`{place.name}` is given twice, for different patients: nothing was sent")
        return [ref for value in values if (ref := reference(place.namespace, value))]


def reference(namespace: str, value: str) -> PatientRef | None:
    """A patient's reference from what stands in a request or a page; None for what is no id."""
    value = value.strip()
    if namespace == NHS_NUMBER:
        digits = value.replace(" ", "").replace("-", "")
        return PatientRef(NHS_NUMBER, digits) if is_nhs_number(digits) else None
    return PatientRef(namespace, value) if 0 < len(value) <= 64 and _SURROGATE.search(value) is None else None


def is_nhs_number(digits: str) -> bool:
    """Ten digits with a right check digit (Modulus 11; NHS Data Dictionary), and not ten equal ones."""
    if not re.fullmatch(r"[0-9]{10}", digits) or len(set(digits)) == 1:
        return False
    check = 11 - sum(int(d) * w for d, w in zip(digits, _WEIGHTS, strict=False)) % 11
    return check != 10 and check % 11 == int(digits[9])


def pairs(encoded: bytes, charset: str) -> list[tuple[str, str]]:
    """Names and values of a query or a form, decoded once (URL Standard, section 5.1)."""
    found: list[tuple[str, str]] = []
    for part in encoded.split(b"&"):
        if part:
            name, _, value = part.partition(b"=")
            found.append((_plain(name, charset), _plain(value, charset)))
    return found


def _plain(data: bytes, charset: str) -> str:
    if b"+" in data or b"%" in data:
        data = unquote_to_bytes(data.replace(b"+", b" "))
    return data.decode(charset, "replace")


def _named(given: list[tuple[str, str]], name: str) -> list[str]:
    """Its values. Raises BadRequest for a name that some systems would take for it: another case, `name[]`, `name` and NUL."""
    folded, size = name.lower(), len(name)
    for other, _ in given:
        if (
            other != name
            and (bare := other.strip())[:size].lower() == folded
            and bare[size : size + 1] in ("", "[", "\0")
        ):
            raise BadRequest(f"`{name}` is spelt in another way than the system's pages do: nothing was sent")
    return [v for n, v in given if n == name]


def _require_type(inbound: InboundRequest, kind: bytes) -> None:
    """A body is read as what it is said to be, or not sent: the system would read it in its own way."""
    if inbound.media_type(kind) != kind and inbound.body.whole != b"":
        raise BadRequest(f"this page takes `{kind.decode()}`: nothing was sent")


def _once(items: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object whose names are told apart by any reader. Raises ValueError."""
    if len({name.lower() for name, _ in items}) != len(items):
        raise ValueError("the same name twice")
    return dict(items)


def _pointed(body: bytes, pointer: str) -> list[str]:
    """The value at a JSON pointer. Raises BadRequest when the body is no JSON."""
    try:
        value = json.loads(body, object_pairs_hook=_once)
    except (ValueError, RecursionError):
        raise BadRequest("the body is not valid JSON, or has one name twice in an object") from None
    for step in pointer.split("/")[1:]:
        key = step.replace("~1", "/").replace("~0", "~")
        if isinstance(value, dict):
            if key not in value:
                if key.lower() in (name.lower() for name in value):
                    raise BadRequest(f"`{pointer}` is spelt in another way than the system's pages do")
                return []
            value = value[key]
        elif isinstance(value, list) and key.isdigit() and int(key) < len(value):
            value = value[int(key)]
        else:
            return []
    return [str(value)] if isinstance(value, str | int) else []


def _route(table: Mapping[str, Any], system: str) -> Route:
    name = str(table.get("id", "?"))
    if unknown := sorted(table.keys() - _ROUTE_KEYS):
        raise RouteError(f"route `{name}`: `{unknown[0]}` is no setting: use one of {', '.join(sorted(_ROUTE_KEYS))}")
    try:
        action = Action(table.get("action", "enter"))
        disclosure = (
            Disclosure(table["disclosure"]) if "disclosure" in table else _DISCLOSURES.get(action, Disclosure.NONE)
        )
    except ValueError as error:
        raise RouteError(f"route `{name}`: {error}") from None
    path = str(table.get("path", ""))
    if name == "?" or not path.startswith("/"):
        raise RouteError(f"route `{name}`: needs an `id` and a `path` that begins with `/`")
    methods = frozenset(table.get("methods", ["GET", "HEAD"]))
    declared = table.get("patient", [])
    places = tuple(_place(name, p, path, system) for p in ([declared] if isinstance(declared, Mapping) else declared))
    body: Literal["form", "json"] | None = table.get("body")
    for place in places:
        if place.place == "form":
            body = "form"
        elif place.place == "json":
            body = "json"
    asset = bool(table.get("asset", False))
    if asset and not methods <= {"GET", "HEAD"}:
        raise RouteError(f"route `{name}`: an asset is only ever read: leave `methods` out")
    changing = bool(table.get("changing", action is Action.WRITE))
    background = bool(table.get("background", False))
    if background and changing:
        raise RouteError(f"route `{name}`: what changes something is somebody's doing: leave `background` out")
    return Route(
        id=name,
        methods=methods,
        segments=tuple(path.split("/")[1:]),
        action=action,
        kind=str(table.get("kind", "page")),
        disclosure=disclosure,
        changing=changing,
        asset=asset,
        patients=places,
        body=body,
        limit=int(table.get("limit", BODY_LIMIT)),
        parameters=tuple(table.get("parameters", ())),
        background=background,
    )


def _place(route: str, table: Mapping[str, Any], path: str, system: str) -> PatientPlace:
    if unknown := sorted(table.keys() - _PATIENT_KEYS):
        raise RouteError(
            f"route `{route}`: `patient.{unknown[0]}` is no setting: use one of {', '.join(sorted(_PATIENT_KEYS))}"
        )
    where, name = table.get("in"), str(table.get("name", ""))
    if where not in ("path", "query", "form", "json", "answer"):
        raise RouteError(f"route `{route}`: `patient.in` is one of path, query, form, json, answer")
    if where == "path" and f"{{{name}}}" not in path:
        raise RouteError(f"route `{route}`: the path has no `{{{name}}}`")
    pattern = None
    if where == "answer":
        try:
            pattern = re.compile(str(table.get("pattern", "")).encode("latin-1"))
        except (re.error, UnicodeEncodeError) as error:
            raise RouteError(f"route `{route}`: `patient.pattern` is no expression: {error}") from None
        if pattern.groups < 1:
            raise RouteError(f"route `{route}`: `patient.pattern` needs a group around the id")
    elif not name:
        raise RouteError(f"route `{route}`: `patient.name` says what holds the id")
    return PatientPlace(where, name, pattern, str(table.get("namespace", f"system:{system}")))


def _hides(earlier: Route, later: Route) -> bool:
    """Whether every request of the later one is taken by the earlier one's `{rest...}`."""
    catches = earlier.segments[-1].endswith("...}") and later.methods <= earlier.methods
    # Routes that begin with a name are looked at after those that begin with a word.
    by_turn = earlier.segments[0].startswith("{") <= later.segments[0].startswith("{")
    return catches and by_turn and bool(earlier.pattern.fullmatch("/" + "/".join(later.segments)))


def _shape(route: Route) -> tuple[str, ...]:
    """The path without its names: what takes one segment, and what takes the rest."""
    return tuple(("{...}" if s.endswith("...}") else "{}") if s.startswith("{") else s for s in route.segments)


def _refuse_doubles(routes: Sequence[Route]) -> None:
    seen: dict[str, Route] = {}
    for route in routes:
        if route.id in seen:
            raise RouteError(f"two routes are called `{route.id}`: rename one")
        seen[route.id] = route
        shape = _shape(route)
        for other in routes[: routes.index(route)]:
            same = shape == _shape(other)
            if _hides(other, route):
                raise RouteError(f"route `{route.id}` is never reached: put it before `{other.id}`, or keep one")
            if same and route.methods & other.methods:
                raise RouteError(f"routes `{other.id}` and `{route.id}` name the same requests: keep one")
