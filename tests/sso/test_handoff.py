"""Codes and numbers of a hand-off."""

from __future__ import annotations

import pytest

from sso.handoff import Asking, Giving, new_code, plain, shown


def test_a_code_reads_back_however_people_type_it() -> None:
    """In two groups, in small letters, with blanks or a dash."""
    code = new_code()
    for typed in (shown(code), code.lower(), f" {code[:4]}-{code[4:]} ", code):
        assert plain(typed) == code


@pytest.mark.parametrize(
    "typed", ["", "BCDF234", "BCDF23455", "BCDF234O", "BCDF2341", "ÀBCDF234", "BCDF\x00345", "٢BCDF345"]
)
def test_what_can_be_no_code_is_none(typed: str) -> None:
    """Too short, too long, or with a letter that no code has."""
    assert plain(typed) == ""


def test_codes_and_numbers_do_not_repeat() -> None:
    """Each is drawn anew."""
    assert len({new_code() for _ in range(2000)}) == 2000
    assert len({Giving.of("s", "n", "").number for _ in range(2000)}) > 800


@pytest.mark.parametrize(
    ("typed", "right"), [("042", True), (" 0 42 ", True), ("42", False), ("043", False), ("", False), ("０４２", False)]
)
def test_only_the_number_itself_matches(typed: str, right: bool) -> None:
    """Blanks are forgiven, nothing else."""
    assert Giving("s", "n", "042").matches(typed) is right


def test_a_refusal_matches_nothing() -> None:
    """Not even the empty number that it holds."""
    assert not Giving.refusal().matches("")


def test_both_sides_survive_the_store() -> None:
    """What is kept comes back equal."""
    asking = Asking("hash", "Phone", False, "", "192.0.2.1", 1.0)
    assert Asking.from_json(asking.to_json()) == asking
    giving = Giving.of("session", "Nurse", "")
    assert Giving.from_json(giving.to_json()) == giving
