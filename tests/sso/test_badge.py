"""What a reader types, and the number that is left of it."""

from __future__ import annotations

import pytest

from sso.badge import number

READ = {
    "0004512987": "4512987",
    "4512987\r\n": "4512987",
    "\t4512987\t": "4512987",
    "04:A2:24:5b": "4A2245B",
    "04a2 245B": "4A2245B",
    ";4512987?": "4512987",
    ";000-4512-987?\n": "4512987",
    "E280116060": "E280116060",
    "0" * 60 + "4512": "4512",
}


@pytest.mark.parametrize("typed", READ)
def test_one_badge_has_one_number_however_it_is_read(typed: str) -> None:
    """Prefix and suffix, zeros before it, separators, small letters, and the key that ends it."""
    assert number(typed, ";", "?") == READ[typed]


@pytest.mark.parametrize(
    "typed",
    [
        "",
        " ",
        "123",
        "0000",
        "12345678901234567890123456789012345",
        "٤٥١٢٩٨٧",
        "4512_987",
        "4512\x00987",
        "é4512",
        "1" * 65,
    ],
)
def test_what_can_be_no_badge_is_none(typed: str) -> None:
    """Too short, too long, or with what no reader types."""
    assert number(typed, ";", "?") == ""


def test_a_prefix_that_is_not_there_is_not_missed() -> None:
    """Readers of one ward are set differently."""
    assert number("4512987", "%B", "?") == number("%B4512987?", "%B", "?") == "4512987"
