"""Which patient an old system is at, where it keeps that to itself: by what its answers named, and by whom its pages were about.

A form that names nobody is filed under whoever the system is at when it arrives. That need not be whom the form's page shows: another
tab may have opened somebody else since. Whom a page was about is told by the mark that the guard script sends with its forms, else
by the page's address, which two tabs may share.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from connectors.messages import InboundRequest
from policies.model import PatientRef

from .edge import cookies
from .proxy.guarding import navigates

MARK = b"__Host-lanyard-at"  # set by a page's guard script as a form leaves it
_REMEMBERED, KEPT = 1024, 256  # pages, and patients: here, and for other gateways
ADDRESS = 16  # bytes of a page's
_MOST_MARKED = 8  # patients of one page

_NONE: frozenset[bytes] = frozenset()
Patients = frozenset[PatientRef]
Pages = dict[bytes, tuple[PatientRef, ...]]  # by address, the latest last, with whom each was about


@dataclass(slots=True)
class CurrentPatient:
    """Of one log-on. `salt` makes its marks its own; `pages` are the log-on's.

    Thousands of log-ons remember hundreds of pages each: one tuple for a page, one object for a patient.
    """

    salt: str
    pages: Pages = field(default_factory=dict)
    _at: tuple[PatientRef, ...] = ()
    _several: frozenset[bytes] = _NONE  # pages that were about one patient, and then about another
    _refs: dict[PatientRef, PatientRef] = field(default_factory=dict)  # those whose marks went out, the latest last

    @property
    def at(self) -> Patients:
        return frozenset(self._at)

    @at.setter
    def at(self, patients: Patients) -> None:
        self._at = self._one(patients)

    def moved(self, patients: Patients) -> bool:
        """Whether this is news: the system was asked about these, or has named them."""
        news = bool(patients) and patients != self.at
        if news:
            self.at = patients
        return news

    def showed(self, address: bytes, patients: Patients) -> bool:
        """A page about these patients is on a screen. Whether this is news."""
        if patients:
            before = self.pages.pop(address, ())
            if before and frozenset(before) != patients:
                self._several |= {address}
            self.remember(address, self._one(patients))
        return self.moved(patients)

    def remember(self, address: bytes, about: tuple[PatientRef, ...]) -> None:
        """As the latest page."""
        self.pages[address] = about
        if len(self.pages) > _REMEMBERED:
            oldest = next(iter(self.pages))
            del self.pages[oldest]
            if oldest in self._several:
                self._several -= {oldest}

    def known(self) -> dict[str, Any]:
        """What forms are judged by, but for `at`, in plain values: of the latest pages, in few bytes, for each page is written with it."""
        numbers: dict[PatientRef, int] = {}
        spaces: dict[str, int] = {}
        pages = list(self.pages.items())[-KEPT:]
        about = [[numbers.setdefault(ref, len(numbers)) for ref in refs] for _, refs in pages]
        marked = [numbers.setdefault(ref, len(numbers)) for ref in list(self._refs)[-KEPT:]]
        return {
            "pages": base64.b64encode(b"".join([page for page, _ in pages])).decode(),
            "about": about,
            "several": [n for n, (page, _) in enumerate(pages) if page in self._several] if self._several else [],
            "marked": marked,
            "refs": [(spaces.setdefault(ref.namespace, len(spaces)), ref.value) for ref in numbers],
            "spaces": list(spaces),
        }

    def learn(self, known: dict[str, Any]) -> None:
        """What another gateway's `known` says, in the place of what was known here."""
        refs = [PatientRef(known["spaces"][n], value) for n, value in known["refs"]]
        joined = base64.b64decode(known["pages"])
        pages = [joined[at : at + ADDRESS] for at in range(0, len(joined), ADDRESS)]
        self.pages.update({page: tuple(refs[n] for n in of) for page, of in zip(pages, known["about"], strict=True)})
        several = [pages[n] for n in known["several"]]
        self._several = frozenset(several) if several else _NONE  # an empty one of its own takes as much as eight
        self._refs = {refs[n]: refs[n] for n in known["marked"]}

    def marks(self, patients: Patients) -> str:
        """For a page about these: enough to tell them from others, and nothing else."""
        marked = sorted(((self._mark(ref), ref) for ref in patients), key=lambda pair: pair[0])[:_MOST_MARKED]
        for _, ref in marked:
            one = self._refs.pop(ref, ref)
            self._refs[one] = one
        while len(self._refs) > _REMEMBERED:
            del self._refs[next(iter(self._refs))]
        return ".".join(mark for mark, _ in marked)

    def about(self, inbound: InboundRequest, address: bytes) -> Patients:
        """Whom the page that a form came from was about; nobody where that cannot be told."""
        if (said := _said(inbound)) is not None:
            return frozenset(ref for ref in self._refs if self._mark(ref) in said)
        return frozenset() if address in self._several else frozenset(self.pages.get(address, ()))

    def elsewhere(self, inbound: InboundRequest, address: bytes) -> bool:
        """Whether the system is at somebody else than the form's page was about, as far as can be told."""
        if (said := _said(inbound)) is not None:
            return _apart(said, self._marks(self.at))
        return _apart(self._marks(self.pages.get(address, ())), self._marks(self.at))

    def unsure(self, inbound: InboundRequest, address: bytes) -> bool:
        """Whether it is, or may be, at somebody else."""
        return self.elsewhere(inbound, address) or (_said(inbound) is None and address in self._several)

    def _one(self, patients: Patients) -> tuple[PatientRef, ...]:
        return tuple(self._refs.get(ref, ref) for ref in patients)

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
