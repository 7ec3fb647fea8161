"""Which patient an old system is at, where it keeps that to itself: by what its answers named, and by whom its pages were about.

A form that names nobody is filed under whoever the system is at when it arrives. That need not be whom the form's page shows: another
tab may have opened somebody else since. Whom a page was about is told by the mark that the guard script sends with its forms, else
by the page's address, which two tabs may share.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from connectors.messages import InboundRequest
from policies.model import PatientRef

from .edge import cookies
from .proxy.guarding import navigates

MARK = b"__Host-lanyard-at"  # set by a page's guard script as a form leaves it
_REMEMBERED, _PAGES_KEPT = 1024, 256  # pages, and patients
_MOST_MARKED = 8  # patients of one page

Patients = frozenset[PatientRef]


@dataclass(slots=True)
class CurrentPatient:
    """Of one log-on. `salt` makes its marks its own."""

    salt: str
    at: Patients = frozenset()
    _pages: OrderedDict[bytes, Patients] = field(default_factory=OrderedDict)
    _several: set[bytes] = field(default_factory=set)  # pages that were about one patient, and then about another
    _marked: OrderedDict[str, PatientRef] = field(default_factory=OrderedDict)

    def moved(self, patients: Patients) -> bool:
        """Whether this is news: the system was asked about these, or has named them."""
        news = bool(patients) and patients != self.at
        self.at = patients or self.at
        return news

    def showed(self, address: bytes, patients: Patients) -> bool:
        """A page about these patients is on a screen. Whether this is news."""
        if patients:
            if self._pages.pop(address, patients) != patients:
                self._several.add(address)
            self._pages[address] = patients
        if len(self._pages) > _REMEMBERED:
            self._several.discard(self._pages.popitem(last=False)[0])
        return self.moved(patients)

    def known(self) -> dict[str, Any]:
        """What forms are judged by, but for `at`, in plain values: of the latest pages."""
        numbers: dict[PatientRef, int] = {}
        pages = list(self._pages.items())[-_PAGES_KEPT:]
        of = [[page.hex(), [numbers.setdefault(ref, len(numbers)) for ref in refs]] for page, refs in pages]
        marked = [numbers.setdefault(ref, len(numbers)) for ref in list(self._marked.values())[-_PAGES_KEPT:]]
        several = [page.hex() for page, _ in pages if page in self._several]
        refs = [(ref.namespace, ref.value) for ref in numbers]
        return {"refs": refs, "pages": of, "several": several, "marked": marked}

    def learn(self, known: dict[str, Any]) -> None:
        """What another gateway's `known` says, in the place of what was known here."""
        refs = [PatientRef(*ref) for ref in known["refs"]]
        self._pages = OrderedDict((bytes.fromhex(page), frozenset(refs[n] for n in of)) for page, of in known["pages"])
        self._several = {bytes.fromhex(page) for page in known["several"]}
        self._marked = OrderedDict((self._mark(refs[n]), refs[n]) for n in known["marked"])

    def marks(self, patients: Patients) -> str:
        """For a page about these: enough to tell them from others, and nothing else."""
        marked = sorted(((self._mark(ref), ref) for ref in patients), key=lambda pair: pair[0])[:_MOST_MARKED]
        for mark, ref in marked:
            self._marked[mark] = ref
            self._marked.move_to_end(mark)
        while len(self._marked) > _REMEMBERED:
            self._marked.popitem(last=False)
        return ".".join(mark for mark, _ in marked)

    def about(self, inbound: InboundRequest, address: bytes) -> Patients:
        """Whom the page that a form came from was about; nobody where that cannot be told."""
        if (said := _said(inbound)) is not None:
            return frozenset(self._marked[mark] for mark in said & self._marked.keys())
        return frozenset() if address in self._several else self._pages.get(address, frozenset())

    def elsewhere(self, inbound: InboundRequest, address: bytes) -> bool:
        """Whether the system is at somebody else than the form's page was about, as far as can be told."""
        if (said := _said(inbound)) is not None:
            return _apart(said, self._marks(self.at))
        return _apart(self._marks(self._pages.get(address, frozenset())), self._marks(self.at))

    def unsure(self, inbound: InboundRequest, address: bytes) -> bool:
        """Whether it is, or may be, at somebody else."""
        return self.elsewhere(inbound, address) or (_said(inbound) is None and address in self._several)

    def _marks(self, patients: Iterable[PatientRef]) -> set[str]:
        return {self._mark(ref) for ref in patients}

    def _mark(self, ref: PatientRef) -> str:
        """First the namespace, then who: two pages may name one patient by different numbers."""
        return _digest(self.salt, ref.namespace)[:4] + _digest(self.salt, ref.namespace, ref.value)[:12]


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()


def _said(inbound: InboundRequest) -> set[str] | None:
    """The marks of the page that a form has just left; a script's own call has no page to say."""
    said = cookies.cookie(inbound.headers, MARK)
    return set(said.decode("latin-1").split(".")) if said and navigates(inbound) else None


def _apart(one: set[str], other: set[str]) -> bool:
    """In a namespace that both use, they have nobody in common."""
    return bool({mark[:4] for mark in one} & {mark[:4] for mark in other}) and not one & other
