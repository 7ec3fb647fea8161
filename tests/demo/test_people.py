"""Invented patients: the same for the same seed, and nobody's real number."""

from __future__ import annotations

import pytest

from demo.people import TODAY, USERS, Patient, nhs_number, patients


def valid(number: str) -> bool:
    """Modulus 11, as the NHS Data Dictionary has it, written down anew."""
    total = sum(int(digit) * weight for digit, weight in zip(number[:9], range(10, 1, -1), strict=True))
    return (11 - total % 11) % 11 == int(number[9])


def test_the_same_seed_gives_the_same_people() -> None:
    """A demo that is shown twice shows the same ward."""
    assert patients() == patients()
    assert patients(5, seed=1) == patients(9, seed=1)[:5]


def test_another_seed_gives_other_people() -> None:
    """The seed is used: other dice, other names."""
    assert [p.family for p in patients(seed=1)] != [p.family for p in patients(seed=2)]


def test_every_nhs_number_is_a_valid_test_number() -> None:
    """Ten digits in the 999 range, which is given to nobody, with the right check digit; no two alike."""
    numbers = [p.nhs_number for p in patients(200)]
    assert all(len(n) == 10 and n.isdigit() and n.startswith("999") and valid(n) for n in numbers)
    assert len(set(numbers)) == 200


@pytest.mark.parametrize(
    ("number", "holds"),
    [("9434765919", True), ("9434765870", True), ("9434765918", False), ("9990000018", True), ("9990000019", False)],
)
def test_the_check_that_judges_them_knows_good_from_bad(number: str, holds: bool) -> None:
    """Canary: published examples pass and a wrong digit does not."""
    assert valid(number) is holds


def test_a_serial_without_a_check_digit_has_no_number() -> None:
    """One in eleven serials would need the digit 10: it is left out, never given another."""
    found = [nhs_number(serial) for serial in range(1000)]
    assert found.count(None) > 50
    assert all(valid(n) for n in found if n)


def test_nobody_shares_an_id_or_a_hospital_number() -> None:
    """Each system's own number names one person."""
    people = patients(50)
    assert len({p.id for p in people}) == len({p.hospital_number for p in people}) == 50


def test_everybody_is_born_before_today_and_old_enough_to_be_admitted() -> None:
    """Dates of the demo make sense on the demo's own day."""
    assert all(p.born is not None and p.born < TODAY for p in patients(200))


def test_identifiers_are_said_as_the_nhs_says_them() -> None:
    """Birth date and NHS number are written as clinicians know them; what is not known is said so."""
    first = patients()[0]
    assert first.born is not None
    assert first.born_said == first.born.strftime("%d-%b-%Y")
    assert first.nhs_spaced.replace(" ", "") == first.nhs_number
    assert [len(part) for part in first.nhs_spaced.split()] == [3, 3, 4]
    nobody = Patient("x", "H1", "", "Not Known", "Not Known", "unknown", None, "Not Known", "Ward 3", 1)
    assert (nobody.born_said, nobody.nhs_spaced) == ("Not Known", "Not Known")


def test_a_password_is_not_shown_with_its_user() -> None:
    """A member of staff that lands in a log shows no password."""
    assert all(user.pas_password not in repr(user) for user in USERS)
