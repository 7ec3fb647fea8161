"""A configured system as the gateway holds it: its connector, where it is, what may pass, how it is doing."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from connectors.base import (
    Connector,
    KeepsPatient,
    KeepsSession,
    LogsOn,
    NamesParameters,
    Polls,
    Share,
    State,
    TakesOurWord,
    Translates,
)

from .config import SystemTable

if TYPE_CHECKING:
    from connectors.manifest import Manifest

    from .proxy.breaker import Breaker
    from .proxy.limits import Bulkhead
    from .proxy.origin import Origin
    from .proxy.passage import Passage


@dataclass(slots=True)
class Heard:
    """When it last answered, and when it last did not; seconds since the epoch. Nothing is asked for it."""

    answered: float | None = None
    silent: float | None = None


@dataclass(slots=True)
class System:
    """One `[[systems]]` entry, opened."""

    table: SystemTable
    manifest: Manifest
    connector: Connector
    origin: Origin
    passage: Passage
    bulkhead: Bulkhead
    breaker: Breaker
    host: str  # the public host (and port) that it is reached at
    share: Share
    state: State
    keepable: frozenset[str] = field(default_factory=frozenset)
    heard: Heard = field(default_factory=Heard)
    # The connector's optional powers, looked up once: asking a protocol costs microseconds on every request.
    keeps_session: KeepsSession | None = field(init=False)
    logs_on: LogsOn | None = field(init=False)
    takes_our_word: TakesOurWord | None = field(init=False)
    translates: Translates | None = field(init=False)
    names: NamesParameters | None = field(init=False)
    polls: Polls | None = field(init=False)
    keeps_patient: bool = field(init=False)  # its forms need not say whom they are about

    def __post_init__(self) -> None:
        connector = self.connector
        self.keeps_session = connector if isinstance(connector, KeepsSession) else None
        self.logs_on = connector if isinstance(connector, LogsOn) else None
        self.takes_our_word = connector if isinstance(connector, TakesOurWord) else None
        self.translates = connector if isinstance(connector, Translates) else None
        self.names = connector if isinstance(connector, NamesParameters) else None
        self.polls = connector if isinstance(connector, Polls) else None
        self.keeps_patient = isinstance(connector, KeepsPatient) and connector.keeps_patient()

    @property
    def name(self) -> str:
        return self.table.name

    @property
    def title(self) -> str:
        return self.table.title
