"""Invented patients and staff, the same for the same seed. NHS numbers are from the 999 test range, with a valid check digit."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import date, timedelta

_WEIGHTS = (10, 9, 8, 7, 6, 5, 4, 3, 2)
_SURNAMES = (
    "Abara Ashworth Bell Brzęczyk Castellane Chowdhury Dunmore Eze Fairweather Fitzgerald Ghosh Hartley Ibrahim Jenkins Kowalska Lindqvist"
    " MacAllister Müller Nwosu O’Brien Okafor Pemberton Quigley Rahman Sørensen Trevithick Udoh Vance Whitlock Żak"
).split()
_GIVEN = {
    "female": "Ada Beatrice Chidinma Doreen Elin Farah Gwendolyn Hana Ingrid Joan Katarzyna Leila Maud Niamh Oluchi Priya".split(),
    "male": "Alfred Bashir Cedric Dmitri Emeka Frank Gerald Hamish Idris Jakub Kofi Leonard Mungo Noel Owen Piotr".split(),
}
_STREETS = "Almond Avenue,Beech Close,Canal Street,Dock Road,Elm Grove,Foundry Lane,Garden Terrace,Hill Rise".split(",")
WARDS = ("Ward 3", "Ward 7", "Acute medical unit")
ALLERGIES = (
    ("Penicillin", "rash"),
    ("Latex", "urticaria"),
    ("Ibuprofen", "wheeze"),
    ("Peanut", "anaphylaxis"),
    ("Codeine", "nausea"),
)
CONDITIONS = (
    "Type 2 diabetes mellitus",
    "Asthma",
    "Essential hypertension",
    "Atrial fibrillation",
    "Fracture of neck of femur",
    "COPD",
)
MEDICATIONS = (
    "Metformin 500 mg tablets",
    "Amlodipine 5 mg tablets",
    "Salbutamol 100 microgram inhaler",
    "Apixaban 5 mg tablets",
    "Paracetamol 500 mg tablets",
)
OBSERVATIONS = (
    ("8867-4", "Heart rate", "/min", 55, 110),
    ("9279-1", "Respiratory rate", "/min", 10, 24),
    ("59408-5", "Oxygen saturation", "%", 91, 99),
    ("8310-5", "Body temperature", "Cel", 36, 39),
    ("8480-6", "Systolic blood pressure", "mm[Hg]", 95, 175),
)
CLINICS = ("Fracture clinic", "Diabetes clinic", "Chest clinic", "Cardiology", "Eye clinic")
NOTES = (
    "Seen on the ward round. Comfortable at rest, eating and drinking.",
    "Mobilised to the chair with one nurse. Pressure areas intact.",
    "Family telephoned; plan explained. Discharge on Friday if bloods allow.",
    "Reviewed overnight for a single raised temperature. Cultures sent.",
)
TODAY = date(2026, 11, 26)  # the hospital's own, so that the same seed gives the same people for ever


@dataclass(frozen=True, slots=True)
class Patient:
    id: str  # the EPR's own
    hospital_number: str  # the PAS's own
    nhs_number: str  # ten digits, or empty where nobody knows it
    family: str
    given: str
    gender: str
    born: date | None  # None where it is not known to the day
    address: str
    ward: str
    bed: int
    allergies: tuple[tuple[str, str], ...] = ()
    conditions: tuple[str, ...] = ()
    medications: tuple[str, ...] = ()
    observations: tuple[tuple[str, str, str, float, str], ...] = ()  # code, name, unit, value, when
    appointments: tuple[tuple[str, str], ...] = ()  # when, clinic
    notes: tuple[tuple[str, str], ...] = ()  # when, text

    @property
    def born_said(self) -> str:
        """The way of the NHS Common User Interface (ISB 1503)."""
        return f"{self.born:%d-%b-%Y}" if self.born else "Not Known"

    @property
    def nhs_spaced(self) -> str:
        n = self.nhs_number
        return f"{n[:3]} {n[3:6]} {n[6:]}" if n else "Not Known"


@dataclass(frozen=True, slots=True)
class User:
    """A member of staff: at the identity provider, and at the old PAS."""

    login: str
    name: str
    group: str
    says: str
    pas_user: str
    pas_password: str = field(repr=False)
    first_day: bool = False  # the vault keeps no log-on at the PAS yet


USERS = (
    User("nurse", "Ngozi Okoye", "nurse", "Staff nurse, Ward 7", "NOKOYE", "Winter-42"),
    User("doctor", "Lee Adler", "doctor", "Registrar, acute medicine", "LADLER", "Spring-17"),
    User("receptionist", "Rupa Singh", "receptionist", "Outpatient reception", "RSINGH", "Autumn-88"),
    User("bank", "Ines Marsh", "nurse", "Bank nurse, her first day here", "IMARSH", "Harvest-29", first_day=True),
    User("privacy", "Pat Watt", "privacy-officer", "Privacy office", "PWATT", "Summer-03"),
    User("security", "Sam Reid", "security-officer", "IT security", "SREID", "Harvest-61"),
)


def nhs_number(serial: int) -> str | None:
    """The 999 test number for a serial of six digits; None where its check digit would be 10."""
    digits = f"999{serial:06d}"
    check = 11 - sum(int(d) * w for d, w in zip(digits, _WEIGHTS, strict=True)) % 11
    return None if check == 10 else digits + str(check % 11)


def patients(count: int = 24, seed: int = 7) -> list[Patient]:
    """`count` invented people."""
    dice = random.Random(seed)
    numbers = (n for serial in range(1001, 10**6) if (n := nhs_number(serial)) is not None)
    return [_patient(dice, index, next(numbers)) for index in range(count)]


def _patient(dice: random.Random, index: int, number: str) -> Patient:
    gender = dice.choice(("female", "male"))
    born = date(1932, 1, 1) + timedelta(days=dice.randrange(85 * 365))
    observations = tuple(
        (code, name, unit, float(dice.randrange(low, high)), f"{TODAY - timedelta(days=day)}T{8 + day:02d}:15:00Z")
        for day in range(6)
        for code, name, unit, low, high in OBSERVATIONS
    )
    return Patient(
        id=f"p{index + 1:03d}",
        hospital_number=f"H{204000 + 37 * index}",
        nhs_number=number,
        family=dice.choice(_SURNAMES),
        given=dice.choice(_GIVEN[gender]),
        gender=gender,
        born=born,
        address=f"{dice.randrange(1, 90)} {dice.choice(_STREETS)}, Northwick",
        ward=WARDS[index % len(WARDS)],
        bed=index // len(WARDS) + 1,
        allergies=tuple(dice.sample(ALLERGIES, dice.choice((0, 0, 1, 2)))),
        conditions=tuple(dice.sample(CONDITIONS, dice.randrange(1, 4))),
        medications=tuple(dice.sample(MEDICATIONS, dice.randrange(1, 4))),
        observations=observations,
        appointments=tuple(sorted(_appointment(dice) for _ in range(dice.randrange(1, 4)))),
        notes=tuple((_at(dice, -day), text) for day, text in enumerate(dice.sample(NOTES, dice.randrange(1, 4)))),
    )


def _appointment(dice: random.Random) -> tuple[str, str]:
    return _at(dice, dice.randrange(2, 90)), dice.choice(CLINICS)


def _at(dice: random.Random, days: int) -> str:
    """An instant (FHIR `instant`, UTC) so many days from today, in clinic hours."""
    return f"{TODAY + timedelta(days=days)}T{dice.randrange(9, 17):02d}:{dice.choice((0, 20, 40)):02d}:00Z"
