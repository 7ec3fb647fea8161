"""What a walked shift took, as it is printed and kept, and what its steps share."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..browser import Page
from ..devices import NURSE, Devices
from ..hospital import Hospital

PIN, BADGE = "728194", "40417"


@dataclass
class Figures:
    """The nurse's shift; `docs/journey.md` says what each is."""

    log_ons: int = 0
    log_ons_avoided: int = 0
    prompts_after_first: int = 0
    seconds_to_first_record: float = 0.0
    requests: int = 0
    events: int = 0
    verified: bool = False
    systems: dict[str, str] = field(default_factory=dict)
    unlocks: int = 0
    hand_offs: int = 0
    switches: int = 0
    colleague_prompts_after_first: int = 0
    kept_writes_sent: int = 0
    stale_writes_refused: int = 0
    refused_on_unknown: int = 0
    revoked_refused_ms: int | None = None


@dataclass
class Shift:
    """Where the walk stands: the hospital, its devices, and what the nurse has open."""

    place: Hospital
    devices: Devices
    figures: Figures = field(default_factory=Figures)
    tiles: dict[str, tuple[str, str]] = field(default_factory=dict)  # title into address and state
    patient: str = ""  # the EPR's id of the patient whose record is opened
    number: str = ""  # the PAS's, of the patient whose pages are
    left: Page | None = None  # the PAS page that the nurse is at
    stale: Page | None = None  # one with a form, which she leaves open

    def __post_init__(self) -> None:
        # Passwords that enrolling took are from before the shift.
        self._before = dict(self.devices.asked.passwords)

    def prompts(self, login: str = NURSE.login) -> int:
        """Forms for a password that this clinician has been shown in the shift."""
        return self.devices.asked.passwords[login] - self._before.get(login, 0)

    @property
    def unlocks(self) -> int:
        return self.devices.asked.pins[NURSE.login]
